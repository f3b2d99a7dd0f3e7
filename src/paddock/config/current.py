"""The configuration in force now, which a reload replaces as a whole, and how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from paddock.config.masking import Masking
from paddock.config.schema import Config
from paddock.errors import ConfigProblem


@dataclass(frozen=True, slots=True)
class Refusal:
    """A changed configuration that could not be taken in."""

    problems: tuple[ConfigProblem, ...]
    at: datetime


class Current:
    """Holds the configuration. Parts ask it whenever they need a value, and keep no copy.

    A part that has made something of the configuration makes it anew on `ConfigChanged`.
    """

    def __init__(self, config: Config, files: tuple[Path, ...] = ()) -> None:
        self.config = config
        self.masking = config.masking
        """Hides the secrets of all that was in force: what runs may be older than the config."""
        self.files = files
        """What it was read from."""
        self.loaded_at = datetime.now(UTC)
        self.refusal: Refusal | None = None
        """The last change, when it was refused."""
        self.needs_restart: tuple[str, ...] = ()
        """Keys whose new values count after a restart."""

    def replace(
        self, config: Config, files: tuple[Path, ...], needs_restart: tuple[str, ...]
    ) -> None:
        """From now on this is in force."""
        self.config, self.files, self.needs_restart = config, files, needs_restart
        self.masking = Masking(self.masking.secrets | config.masking.secrets)
        self.loaded_at, self.refusal = datetime.now(UTC), None

    def refuse(self, problems: tuple[ConfigProblem, ...]) -> None:
        """What is in force stays, for the change has these problems."""
        self.refusal = Refusal(problems, datetime.now(UTC))
