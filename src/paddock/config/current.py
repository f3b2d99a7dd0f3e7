"""The configuration in force now, which a reload replaces as a whole."""

from __future__ import annotations

from paddock.config.schema import Config


class Current:
    """Holds the configuration. Parts ask it whenever they need a value, and keep no copy.

    A part that has made something of the configuration makes it anew on `ConfigChanged`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
