"""`${env.NAME}` in a config file: the value of an environment variable, wherever a value may be.

A reference is replaced before YAML is read, by a mark that means nothing to YAML; the value takes
the mark's place in what was read. So quotes, comments and lines need no second reader: a value can
hold any character in every kind of quotes, cannot add keys, and is missed only where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from paddock.config.masking import sounds_secret
from paddock.config.nearest import nearest

REFERENCE = re.compile(r"\$\{env\.([^{}\r\n]*)\}")
"""A reference; its group is the variable's name."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_START, _END = "\U000f0000", "\U000f0001"
_MARK = re.compile(f"{_START}([0-9]+){_END}")
_FORBIDDEN: Final = {"\n": "a line break", "\r": "a line break", "\0": "a NUL character"}


class VariableError(ValueError):
    """A reference cannot be filled. `line` is where it stands, `suggestion` what to do."""

    def __init__(self, message: str, line: int, suggestion: str) -> None:
        super().__init__(message)
        self.line = line
        self.suggestion = suggestion


class Variables:
    """The references to environment variables in one text."""

    def __init__(self, text: str, env: Mapping[str, str]) -> None:
        self._env = env
        self._references: list[tuple[str, int]] = []
        self._text = text
        self.text = REFERENCE.sub(self._mark, text) if "${env." in text else text
        """The text with marks in place of the references."""

    @property
    def secrets(self) -> frozenset[str]:
        """The values of those whose names sound secret."""
        named = {name for name, _ in self._references if sounds_secret(name)}
        return frozenset(self._env[name] for name in named if name in self._env)

    def in_(self, value: str) -> bool:
        """Whether `value`, read from `text`, has marks in it."""
        return bool(self._references) and _START in value

    def fill(self, value: str) -> str:
        """`value` with the variables' values. Raises VariableError for the first that has none."""
        return _MARK.sub(lambda mark: self._value(int(mark[1])), value)

    def restore(self, text: str) -> str:
        """`text`, made of `self.text`, with the references as they were written."""
        return _MARK.sub(lambda mark: f"${{env.{self._references[int(mark[1])][0]}}}", text)

    def _mark(self, found: re.Match[str]) -> str:
        self._references.append((found[1], self._text.count("\n", 0, found.start()) + 1))
        return f"{_START}{len(self._references) - 1}{_END}"

    def _value(self, index: int) -> str:
        if index >= len(self._references):
            return ""
        name, line = self._references[index]
        if not _NAME.fullmatch(name):
            raise VariableError(f"`${{env.{name}}}` names no variable", line, "like `${env.HOME}`")
        value = self._env.get(name)
        if value is None:
            near = nearest(name, self._env)
            meant = f"did you mean `${{env.{near}}}`?" if near else "set it, or write the value"
            raise VariableError(f"the environment variable {name} is not set", line, meant)
        for character, told in _FORBIDDEN.items():
            if character in value:
                raise VariableError(
                    f"the environment variable {name} has {told} in it", line, "take it out"
                )
        return value
