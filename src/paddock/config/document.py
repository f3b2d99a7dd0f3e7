"""A YAML 1.2 file as plain values, with the line of every key. The only place that knows ruamel.

All that is wrong with the text is found in one reading where YAML allows it: a syntax error ends
the reading, duplicate keys and odd keys do not.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from paddock.errors import ConfigError, ConfigProblem

Place = tuple[str | int, ...]
"""Keys and list positions from the top of the document down to a value."""

MAX_BYTES = 4 << 20
MAX_VALUES = 100_000
MAX_DEPTH = 64

_TAG = "tag:yaml.org,2002:"
_TYPED = frozenset({"int", "float", "bool", "null"})
_TEXT = frozenset({"str", "timestamp", "merge", "value"})


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. An empty file says nothing: `values` is empty."""

    file: str
    values: dict[str, Any]
    lines: dict[Place, int]
    """1-based line of each key and each list item."""

    def line_of(self, place: Place) -> int:
        """The line of `place`, or of the nearest key above it that is in the file; else 0."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 0)


def dotted(place: Place) -> str:
    """`("models", "a.b", "aliases", 0)` as people write it: `models."a.b".aliases[0]`."""
    text = ""
    for step in place:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = f'"{step}"' if "." in step else step
            text += f".{name}" if text else name
    return text


def read_document(file: Path) -> Document:
    """Read and parse `file`. Raises ConfigError, with every problem that could be told apart."""
    return parse_document(_read_text(file), str(file))


def parse_document(text: str, file: str) -> Document:
    """Parse YAML `text`; `file` is the name to show. Raises ConfigError."""
    root = _compose(text, file)
    if root is None or root.tag == f"{_TAG}null":
        return Document(file, {}, {})
    if not isinstance(root, MappingNode):
        _refuse(file, _line(root), "the file is not a mapping", "write lines like `modelsDir: x`")
    builder = _Builder(file)
    values = builder.build(root, (), 0)
    if builder.problems:
        raise ConfigError(tuple(builder.problems))
    return Document(file, values, builder.lines)


def _refuse(file: str, line: int, message: str, suggestion: str = "") -> NoReturn:
    raise ConfigError((ConfigProblem(message, file=file, line=line, suggestion=suggestion),))


def _read_text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        _refuse(str(file), 0, "no such file", "name another one with --config")
    except OSError as error:
        _refuse(str(file), 0, f"cannot be read: {error.strerror or error}")
    if len(data) > MAX_BYTES:
        _refuse(str(file), 0, f"is larger than {MAX_BYTES >> 20} MiB, too large for a config file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        _refuse(str(file), line, "is not UTF-8 text", "save the file as UTF-8")


def _compose(text: str, file: str) -> Node | None:
    parser = YAML(typ="safe", pure=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a reused anchor is legal YAML
            return parser.compose(text)  # type: ignore[no-any-return]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse(file, mark.line + 1 if mark else 0, f"not valid YAML: {error.problem}")
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        _refuse(file, line, f"not valid YAML: character U+{error.character:04X} is not allowed")
    except YAMLError as error:
        _refuse(file, 0, f"not valid YAML: {error}")
    except RecursionError:
        _refuse(file, 0, "not valid YAML: nested too deeply")


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


class _Builder:
    """Turns nodes into plain values. Bounded, because aliases can make a small file huge."""

    def __init__(self, file: str) -> None:
        self.problems: list[ConfigProblem] = []
        self.lines: dict[Place, int] = {}
        self._file = file
        self._values_left = MAX_VALUES
        self._scalars = YAML(typ="safe", pure=True).constructor

    def build(self, node: Node, place: Place, depth: int) -> Any:
        self._values_left -= 1
        if self._values_left < 0 or depth > MAX_DEPTH:
            limit = f"{MAX_VALUES:,} values" if depth <= MAX_DEPTH else f"{MAX_DEPTH} levels"
            _refuse(
                self._file,
                _line(node),
                f"more than {limit} once aliases (`*name`) are followed",
                "write it without so many aliases",
            )
        if isinstance(node, MappingNode):
            return self._mapping(node, place, depth)
        if isinstance(node, SequenceNode):
            return self._sequence(node, place, depth)
        return self._scalar(node, place)

    def _sequence(self, node: SequenceNode, place: Place, depth: int) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            self.lines[*place, index] = _line(item)
            items.append(self.build(item, (*place, index), depth + 1))
        return items

    def _mapping(self, node: MappingNode, place: Place, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                values = self._merge(value_node, place, depth) | values
        own: set[str] = set()
        for key_node, value_node in node.value:
            key = None if _is_merge(key_node) else self._key(key_node, place)
            if key is None:
                continue
            if key in own:
                first = self.lines[*place, key]
                self._problem(key_node, (*place, key), f"is given twice, first on line {first}")
                continue
            own.add(key)
            self.lines[*place, key] = _line(key_node)
            values[key] = self.build(value_node, (*place, key), depth + 1)
        return values

    def _merge(self, node: Node, place: Place, depth: int) -> dict[str, Any]:
        """What `<<: *base` or `<<: [*a, *b]` brings; earlier ones win, as YAML says."""
        brought: dict[str, Any] = {}
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            if isinstance(source, MappingNode):
                brought = self.build(source, place, depth + 1) | brought
            else:
                self._problem(source, (*place, "<<"), "only a mapping can be merged")
        return brought

    def _key(self, node: Node, place: Place) -> str | None:
        if isinstance(node, ScalarNode):
            return str(node.value)
        self._problem(node, place, "a key must be text")
        return None

    def _scalar(self, node: Node, place: Place) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        if kind in _TEXT:
            return str(node.value)
        if kind not in _TYPED:
            self._problem(node, place, f"the tag {node.tag} is not known here", "remove the tag")
            return None
        try:
            return getattr(self._scalars, f"construct_yaml_{kind}")(node)
        except (ValueError, KeyError):
            self._problem(node, place, "cannot be read as a number", "put it in quotes for text")
            return None

    def _problem(self, node: Node, place: Place, message: str, suggestion: str = "") -> None:
        self.problems.append(
            ConfigProblem(
                message,
                file=self._file,
                line=_line(node),
                key=dotted(place),
                suggestion=suggestion,
            )
        )


def _is_merge(node: Node) -> bool:
    return str(node.tag) == f"{_TAG}merge"
