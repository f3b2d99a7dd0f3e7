"""A YAML 1.2 file as plain values, with the line of every key. The only place that knows ruamel.

All that is wrong with the text is found in one reading where YAML allows it: a syntax error ends
the reading; duplicate keys, odd keys and environment variables that are not set do not.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from paddock.config.variables import VariableError, Variables
from paddock.errors import ConfigError, ConfigProblem

Place = tuple[str | int, ...]
"""Keys and list positions from the top of the document down to a value."""

Mark = tuple[str, int]
"""A file as it is shown, and a 1-based line in it."""

MAX_BYTES = 4 << 20
MAX_VALUES = 100_000
MAX_DEPTH = 64

_TAG = "tag:yaml.org,2002:"
_TYPED = frozenset({"int", "float", "bool", "null"})
_TEXT = frozenset({"str", "timestamp", "merge", "value"})


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, or several merged ones. An empty file says nothing: `values` is empty."""

    values: dict[str, Any] = field(default_factory=dict)
    marks: dict[Place, Mark] = field(default_factory=dict)
    """Where each key and each list item stands."""
    anchored: frozenset[str] = frozenset()
    """Keys of the top level with an anchor (`&name`) in their values."""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """Texts from the environment that are not to be shown."""

    def mark_of(self, place: Place) -> Mark:
        """Where `place` stands, or the nearest key above it that is in a file; else ("", 0)."""
        while place and place not in self.marks:
            place = place[:-1]
        return self.marks.get(place, ("", 0))


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


def read_document(file: Path, env: Mapping[str, str]) -> Document:
    """Read and parse `file`; `${env.NAME}` in it stands for the variable of `env`.

    Raises ConfigError, with every problem that could be told apart.
    """
    return parse_document(read_text(file), str(file), env)


def parse_document(text: str, file: str, env: Mapping[str, str]) -> Document:
    """Parse YAML `text`; `file` is the name to show. Raises ConfigError."""
    variables = Variables(text, env)
    root = _compose(variables.text, file)
    if root is None or root.tag == f"{_TAG}null":
        return Document()
    if not isinstance(root, MappingNode):
        _refuse(file, _line(root), "the file is not a mapping", "write lines like `modelsDir: x`")
    builder = _Builder(file, variables)
    values = builder.build(root, (), 0)
    if builder.problems:
        raise ConfigError(tuple(builder.problems))
    return Document(values, builder.marks, frozenset(_anchored(root)), variables.secrets)


def _refuse(file: str, line: int, message: str, suggestion: str = "") -> NoReturn:
    raise ConfigError((ConfigProblem(message, file=file, line=line, suggestion=suggestion),))


def read_text(file: Path) -> str:
    """The text of a file of the owner's. Raises ConfigError; too large is an error too."""
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

    def __init__(self, file: str, variables: Variables) -> None:
        self.problems: list[ConfigProblem] = []
        self.marks: dict[Place, Mark] = {}
        self._file = file
        self._variables = variables
        self._values_left = MAX_VALUES
        reader = YAML(typ="safe", pure=True)
        self._scalars = reader.constructor
        self._resolver = reader.resolver

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
        if isinstance(node, ScalarNode):
            return self._scalar(node, place)
        return self._sequence(node, place, depth)

    def _sequence(self, node: Node, place: Place, depth: int) -> list[Any]:
        items = []
        for index, item in enumerate(node.value):
            self.marks[*place, index] = (self._file, _line(item))
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
                _, first = self.marks[*place, key]
                self._problem(key_node, (*place, key), f"is given twice, first on line {first}")
                continue
            own.add(key)
            self.marks[*place, key] = (self._file, _line(key_node))
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
            return str(self._filled(node, place).value)
        self._problem(node, place, "a key must be text")
        return None

    def _filled(self, node: ScalarNode, place: Place) -> ScalarNode:
        """The node with the values of environment variables; without quotes they have a type."""
        if not self._variables.in_(node.value):
            return node
        try:
            text = self._variables.fill(node.value)
        except VariableError as error:
            self.problems.append(
                ConfigProblem(
                    str(error),
                    file=self._file,
                    line=error.line,
                    key=dotted(place),
                    suggestion=error.suggestion,
                )
            )
            text = ""
        quoted: Any = getattr(node, "style", None)
        tag = node.tag if quoted else self._resolver.resolve(ScalarNode, text, (True, False))
        return ScalarNode(tag, text, node.start_mark, node.end_mark, quoted)

    def _scalar(self, node: ScalarNode, place: Place) -> Any:
        node = self._filled(node, place)
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


def _anchored(root: MappingNode) -> Iterator[str]:
    return (str(key.value) for key, value in root.value if _has_anchor(value))


def _has_anchor(node: Node) -> bool:
    """Whether an anchor is at `node`, at one of its values, or at one of theirs."""
    inner = [node]
    for _ in range(3):
        if any(one.anchor for one in inner):
            return True
        inner = [value for one in inner for value in _inside(one)]
    return False


def _inside(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [value for _, value in node.value]
    return list(node.value) if isinstance(node, SequenceNode) else []
