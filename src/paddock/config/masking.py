"""What must not be shown of a configuration: values of secret names, wherever they were put."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Final

MASK: Final = "**********"

SHORTEST = 4
"""Shorter texts are not looked for: they keep nobody out, and are part of many words."""

_GIVEN = re.compile(
    r"""(?<!\S)(?:--api[-_]key|--hf[-_]token|-hft)(?:=|\s+)(?P<value>"[^"]*"|'[^']*'|\S+)"""
)
_FLAG = re.compile(r"(?<![\w-])--?\w[\w-]*=\S+")
_SECRET_NAME = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)


def sounds_secret(name: str) -> bool:
    """Whether a variable or macro of this name holds what only its owner may know."""
    return _SECRET_NAME.search(name) is not None


def masked_setting(setting: str) -> str:
    """A `NAME=value` text, with a mask for the value when the name sounds secret."""
    name, equals, _ = setting.partition("=")
    return f"{name}={MASK}" if equals and sounds_secret(name) else setting


def masked_flags(text: str) -> str:
    """`text` with masks for the values of flags like `--some-key=value` whose names sound secret.

    For what others say of flags: they may be misspelt, so that nobody has known their values.
    """
    return _FLAG.sub(lambda found: masked_setting(found[0]), text)


def secrets_among(named: Mapping[str, Any]) -> frozenset[str]:
    """The texts whose names sound secret."""
    return frozenset(
        value for name, value in named.items() if isinstance(value, str) and sounds_secret(name)
    )


def secrets_in(command: str) -> frozenset[str]:
    """The keys and tokens that the words of a command give to a program."""
    return frozenset(
        part
        for found in _GIVEN.finditer(command)
        for part in found["value"].strip("'\"").split(",")
    )


class Masking:
    """Hides some texts in others."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """A secret is hidden as it was written, and as a shell would split it into words."""
        self.secrets = frozenset(secrets)
        texts = {text for secret in self.secrets for text in (secret, *_words(secret))}
        longest_first = sorted((text for text in texts if len(text) >= SHORTEST), key=len)[::-1]
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def text(self, text: str) -> str:
        """`text` with a mask in place of each secret."""
        return self._pattern.sub(MASK, text)

    def value(self, value: Any) -> Any:
        """A JSON value with a mask in place of each secret in its texts, not in its keys."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {key: self.value(below) for key, below in value.items()}
        return value


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an open quote: it cannot be split, so it starts no program either
        return []
