"""Modelfiles: a text that says what a model is made of, in Ollama's language. Reads and writes.

An instruction is a word at the beginning of a line and a value up to the line's end; a value that
begins with `"` or three of them goes on until the quotes are closed at the end of a line. Nothing
is escaped. What the server is told is made of this by the client, so this imports nothing heavy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from paddock.errors import ModelfileError

PARAMETERS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "num_keep": int,
        "seed": int,
        "num_predict": int,
        "top_k": int,
        "top_p": float,
        "min_p": float,
        "typical_p": float,
        "repeat_last_n": int,
        "temperature": float,
        "repeat_penalty": float,
        "presence_penalty": float,
        "frequency_penalty": float,
        "stop": list,
        "num_ctx": int,
        "num_batch": int,
        "num_gpu": int,
        "main_gpu": int,
        "use_mmap": bool,
        "num_thread": int,
        "draft_num_predict": int,
    }
)
"""Every option of a PARAMETER and of a request, with its type; a list is one of texts."""
DEPRECATED: Final = frozenset(
    {
        "mirostat",
        "mirostat_tau",
        "mirostat_eta",
        "penalize_newline",
        "low_vram",
        "f16_kv",
        "logits_all",
        "vocab_only",
        "use_mlock",
    }
)
"""Options without effect: taken with a warning."""
ROLES: Final = ("system", "user", "assistant")
_COMMANDS: Final = (
    "from", "license", "template", "system", "adapter", "draft",
    "renderer", "parser", "parameter", "message", "requires",
)  # fmt: skip
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_LINE_END: Final = re.compile(r"(\r\n|\r|\n)")
_LARGEST: Final = (1 << 63) - 1


class Modelfile(NamedTuple):
    """What a Modelfile says. Left-out texts are ""."""

    froms: tuple[str, ...] = ()
    """A model's name, or a path relative to the Modelfile; a second one is a projector."""
    parameters: Mapping[str, Any] = MappingProxyType({})
    """By name, with the type of `PARAMETERS`."""
    template: str = ""
    system: str = ""
    adapters: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    messages: tuple[tuple[str, str], ...] = ()
    """Role and content."""
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    draft: str = ""
    warnings: tuple[str, ...] = ()
    """What was passed by, in words."""


class Instruction(NamedTuple):
    """One instruction: `parameter stop </s>` has the name `parameter` and the key `stop`."""

    line: int
    """1-based: where it begins."""
    name: str
    key: str
    """Of a parameter its name, of a message its role; else ""."""
    value: str


def parse(text: str) -> Modelfile:
    """Read a Modelfile. Raises ModelfileError with the line."""
    said = _Said()
    for instruction in instructions(text):
        said.take(instruction)
    if not said.texts["from"]:
        raise ModelfileError("no FROM line")
    return said.modelfile()


def decode(data: bytes) -> str:
    """The text of a Modelfile's bytes: UTF-8, or UTF-16 with its mark. Raises ModelfileError."""
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError:
        raise ModelfileError("the Modelfile is neither UTF-8 nor UTF-16") from None


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions in their order, unquoted; comments and empty lines are passed by.

    Raises ModelfileError.
    """
    lines = _lines(text)
    for number, line, end in lines:
        plain = line.lstrip()
        if not plain or plain.startswith("#"):
            continue
        name, value = _word(plain)
        name = name.lower()
        if name not in _COMMANDS:
            offered = ", ".join(f'"{command}"' for command in _COMMANDS[:-1])
            raise ModelfileError(
                f'command must be one of {offered}, or "{_COMMANDS[-1]}"', line=number
            )
        key = ""
        if name in {"parameter", "message"}:
            key, value = _word(value)
        if name == "message" and key.lower() not in ROLES:
            raise ModelfileError(
                'message role must be one of "system", "user", or "assistant"', line=number
            )
        yield Instruction(number, name, key, _unquoted(value, end, number, lines))


def value_of(key: str, text: str) -> Any:
    """A parameter's value as its type; for a list this text alone.

    Raises ModelfileError, for an unknown name too.
    """
    kind = PARAMETERS.get(key)
    if kind is None:
        near = get_close_matches(key, PARAMETERS, 1)
        raise ModelfileError(
            f"unknown parameter '{key}'", hint=f"did you mean {near[0]}?" if near else ""
        )
    try:
        return _READERS[kind](text)
    except (ValueError, OverflowError):
        raise ModelfileError(f"invalid {_KINDS[kind]} value [{text}]") from None


def write(modelfile: Modelfile) -> str:
    """The Modelfile's text, which reads as the same.

    The language has no escapes: a text with three quotes at the end of a line inside it is the one
    thing that it cannot say.
    """
    lines = [f"FROM {quoted(name)}" for name in modelfile.froms]
    single = (
        ("DRAFT", modelfile.draft),
        ("TEMPLATE", modelfile.template),
        ("SYSTEM", modelfile.system),
        ("RENDERER", modelfile.renderer),
        ("PARSER", modelfile.parser),
        ("REQUIRES", modelfile.requires),
    )
    lines += [f"{command} {quoted(text)}" for command, text in single if text]
    lines += [f"ADAPTER {quoted(path)}" for path in modelfile.adapters]
    lines += [f"PARAMETER {key} {quoted(value)}" for key, value in spelled(modelfile.parameters)]
    lines += [f"MESSAGE {role} {quoted(content)}" for role, content in modelfile.messages]
    lines += [f"LICENSE {quoted(text)}" for text in modelfile.licenses]
    return "".join(f"{line}\n" for line in lines)


def spelled(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each parameter as a Modelfile spells it; a list gives one line per text."""
    for key in sorted(parameters):
        value = parameters[key]
        for one in value if isinstance(value, list | tuple) else [value]:
            yield key, str(one).lower() if isinstance(one, bool) else str(one)


def quoted(text: str) -> str:
    """The text as a value: bare where it reads as itself, else in the quotes that hold it."""
    bare = text and text == text.strip() and text[0] != '"' and not _LINE_END.search(text)
    if bare:
        return text
    return f'"""{text}"""' if _holds('"""', text) or not _holds('"', text) else f'"{text}"'


def _holds(quotes: str, text: str) -> bool:
    """Whether the text between these quotes reads as itself."""
    inner = [line for _, line, end in _lines(text) if end]
    closed = any(line.rstrip().endswith(quotes) for line in inner)
    return not closed and f"{quotes}{text}{quotes}".startswith('"""') == (quotes == '"""')


class _Said:
    """Collects instructions."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {command: [] for command in _COMMANDS}
        self._parameters: dict[str, Any] = {}
        self._messages: list[tuple[str, str]] = []
        self._warnings: list[str] = []

    def take(self, instruction: Instruction) -> None:
        """Raises ModelfileError."""
        line, name, key, value = instruction
        if name == "message":
            self._messages.append((key.lower(), value))
        elif name == "parameter":
            self._take_parameter(line, key, value)
        elif not value and name in {"from", "adapter", "draft"}:
            raise ModelfileError(f"{name.upper()} needs a value", line=line)
        else:
            self.texts[name].append(value)

    def _take_parameter(self, line: int, key: str, value: str) -> None:
        if key in DEPRECATED:
            self._warnings.append(f"(line {line}): parameter '{key}' is deprecated and ignored")
            return
        try:
            read = value_of(key, value)
        except ModelfileError as error:
            raise ModelfileError(error.message, line=line, hint=error.hint) from None
        if PARAMETERS[key] is list:
            self._parameters.setdefault(key, []).append(read)
        else:
            self._parameters[key] = read

    def modelfile(self) -> Modelfile:
        """What was said in all."""
        last = {name: texts[-1] if texts else "" for name, texts in self.texts.items()}
        return Modelfile(
            froms=tuple(self.texts["from"]),
            parameters=self._parameters,
            template=last["template"],
            system=last["system"],
            adapters=tuple(self.texts["adapter"]),
            licenses=tuple(self.texts["license"]),
            messages=tuple(self._messages),
            renderer=last["renderer"],
            parser=last["parser"],
            requires=last["requires"],
            draft=last["draft"],
            warnings=tuple(self._warnings),
        )


def _word(text: str) -> tuple[str, str]:
    """The first word, and what follows it."""
    parts = text.split(None, 1)
    return (parts[0] if parts else "", parts[1] if len(parts) > 1 else "")


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Each line's number, text and end."""
    parts = [*_LINE_END.split(text), ""]
    for number, index in enumerate(range(0, len(parts), 2), 1):
        yield number, parts[index], parts[index + 1]


def _unquoted(value: str, end: str, line: int, lines: Iterator[tuple[int, str, str]]) -> str:
    """The value that begins so, with as many further lines as its quotes ask for."""
    quotes = next((mark for mark in ('"""', '"') if value.startswith(mark)), "")
    if not quotes:
        return value.rstrip()
    parts = [value[len(quotes) :]]
    while not parts[-1].rstrip().endswith(quotes):
        following = next(lines, None)
        if following is None:
            raise ModelfileError(f"the {quotes} that begins here is never closed", line=line)
        parts += [end, following[1]]
        end = following[2]
    return "".join(parts).rstrip()[: -len(quotes)]


def _integer(text: str) -> int:
    number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,19}", text) else math.nan
    if not -_LARGEST <= number <= _LARGEST:
        raise ValueError(text)
    return int(number)


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _truth(text: str) -> bool:
    if text not in _TRUE | _FALSE:
        raise ValueError(text)
    return text in _TRUE


_READERS: Final[Mapping[type, Any]] = {int: _integer, float: _real, bool: _truth, list: str}
_KINDS: Final = {int: "int", float: "float", bool: "bool", list: "text"}
