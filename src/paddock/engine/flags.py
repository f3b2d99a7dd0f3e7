"""The flags a program knows, read from its own `--help`, and the flags an owner wrote, checked
against them before anything is started."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paddock.config.masking import masked_setting
from paddock.config.words import words
from paddock.errors import ArgumentRefused

_NAMES = re.compile(
    r"(-{1,2}[A-Za-z][\w.-]*(?:,\s+-{1,2}[A-Za-z][\w.-]*)*)(?: (\S.*?))?(?:\s{2,}(.*))?"
)
"""A flag's first line in llama.cpp's help: its names, its value, the start of its description."""
_REMOVED = re.compile(r"argument has been removed\.\s*(?:use\s+)?(.*)", re.IGNORECASE)
_BRACKETED = re.compile(r"<[^>]*>")

SUCCESSORS = {
    "--mlock": "--load-mode mlock",
    "--mmap": "--load-mode mmap",
    "--no-mmap": "--load-mode none",
    "--direct-io": "--load-mode dio",
    "-dio": "--load-mode dio",
    "--no-direct-io": "--load-mode mmap",
    "-cd": "--ctx-size",
    "--ctx-size-draft": "--ctx-size",
    "-ld": "--log-file",
    "--log-format": "--log-jsonl",
    "--lookup-ncache": "--lookup-cache-dynamic",
}
"""Flags that old configurations have and newer programs no longer mention, and what to use."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag with all its spellings."""

    names: tuple[str, ...]
    arity: int
    """How many values follow it."""
    successor: str = ""
    """Set when the program only knows it to refuse it: what to use instead."""


@dataclass(frozen=True, slots=True)
class Given:
    """A flag as somebody wrote it."""

    flag: Flag
    words: tuple[str, ...]
    """The flag's name and its values."""


class FlagTable:
    """The flags of one program."""

    def __init__(self, program: str, flags: Iterable[Flag]) -> None:
        """`program` names it in errors."""
        self._program = program
        self._flags = {name: flag for flag in flags for name in flag.names}

    def find(self, name: str) -> Flag | None:
        """The flag with this spelling, or None."""
        return self._flags.get(normal(name))

    def parse(self, words: Sequence[str]) -> list[Given]:
        """The flags in a command line. Raises ArgumentRefused for the first that cannot be used."""
        given = []
        rest = list(words)
        while rest:
            flag = self._known(rest[0])
            if len(rest) <= flag.arity:
                raise ArgumentRefused(f"{self._program}: the flag {rest[0]} needs a value")
            given.append(Given(flag, tuple(rest[: flag.arity + 1])))
            del rest[: flag.arity + 1]
        return given

    def _known(self, word: str) -> Flag:
        flag = self.find(word)
        if flag is None:
            raise ArgumentRefused(
                f"{self._program} does not know the flag {masked_setting(word)}",
                hint=self._advice(word),
            )
        if flag.successor:
            raise ArgumentRefused(
                f"{self._program} has no flag {word} any more", hint=f"use {flag.successor}"
            )
        return flag

    def _advice(self, word: str) -> str:
        if not word.startswith("-"):
            return f"{masked_setting(word)!r} is not a flag, nor the value of the flag before it"
        if "=" in word:
            return "write the flag and its value as two words"
        successor = SUCCESSORS.get(normal(word), "")
        if successor.split(" ")[0] in self._flags:
            return f"use {successor}"
        nearest = difflib.get_close_matches(normal(word), self._flags, n=2, cutoff=0.7)
        return f"did you mean {' or '.join(nearest)}?" if nearest else "remove it"


def normal(name: str) -> str:
    """A flag's spelling with `-` for `_`, which llama.cpp takes alike in long names."""
    return name.replace("_", "-") if name.startswith("--") else name


def split(text: str, *, place: str) -> list[str]:
    """The words of a command line; `place` names it in errors. Raises ArgumentRefused."""
    try:
        return words(text)
    except ValueError as error:
        raise ArgumentRefused(
            f"{place} cannot be read: {str(error).lower()}", hint="check its quotes"
        ) from None


def parse_help(program: str, text: str) -> FlagTable:
    """The flags that a llama.cpp program lists in its `--help`."""
    flags: list[Flag] = []
    entry: list[str] = []
    for line in [*text.splitlines(), "-end"]:
        if line.startswith("-") and not line.startswith("-----"):
            flags += _flag(entry)
            entry = [line]
        elif entry:
            entry.append(line.strip())
    return FlagTable(program, flags)


def _flag(entry: Sequence[str]) -> list[Flag]:
    if not entry or not (found := _NAMES.fullmatch(entry[0])):
        return []
    names, value, first = found.groups()
    removed = _REMOVED.search(" ".join([first or "", *entry[1:]]))
    spellings = tuple(normal(name) for name in names.replace(",", " ").split())
    arity = len(_BRACKETED.sub("x", value or "").split())
    return [Flag(spellings, arity, removed.group(1).strip() if removed else "")]
