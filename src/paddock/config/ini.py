"""INI files as llama.cpp reads them: `[section]`, `key = value`, comments after `;` or `#`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from paddock.errors import ConfigError, ConfigProblem

_HEADER = re.compile(r"\[([^\]]*)\]\s*(?:[;#].*)?")
_PAIR = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*([^;#]*)(?:[;#].*)?")


@dataclass(frozen=True, slots=True)
class Pair:
    """A key and its value, and the line they stand on."""

    key: str
    value: str
    line: int


@dataclass(slots=True)
class IniSection:
    """What stands below one header."""

    name: str
    line: int
    pairs: list[Pair] = field(default_factory=list)


def parse_ini(text: str, file: str) -> list[IniSection]:
    """The sections of `text`; the first one, without a name, is what stands before any header.

    `file` is the name to show. Raises ConfigError with every line that cannot be read and every
    name that is given twice.
    """
    sections = [IniSection("", 0)]
    problems = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in ";#":
            continue
        if header := _HEADER.fullmatch(line):
            sections.append(IniSection(header[1].strip(), number))
        elif pair := _PAIR.fullmatch(line):
            sections[-1].pairs.append(Pair(pair[1], pair[2].strip(), number))
        else:
            message = "expected `[section]` or `key = value`"
            problems.append(ConfigProblem(message, file, number))
    problems += _repeated(sections, file)
    if problems:
        raise ConfigError(tuple(sorted(problems, key=lambda problem: problem.line)))
    return sections


def _repeated(sections: list[IniSection], file: str) -> list[ConfigProblem]:
    named = [("", section.name, section.line) for section in sections]
    named += [(f"{s.name}.", pair.key, pair.line) for s in sections for pair in s.pairs]
    first: dict[tuple[str, str], int] = {}
    problems = []
    for above, name, line in named:
        if (before := first.setdefault((above, name), line)) != line:
            message = f"is given twice, first on line {before}"
            problems.append(ConfigProblem(message, file, line, f"{above}{name}"))
    return problems
