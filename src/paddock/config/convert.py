"""A llama-swap configuration, or llama-server's presets, as a file of Paddock's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarstring import LiteralScalarString

from paddock.config.document import Document, Place, dotted, parse_document, read_text
from paddock.config.faults import UNKNOWN_KEY, Fault
from paddock.config.ini import parse_ini
from paddock.config.legacy import modernize
from paddock.config.macros import expand
from paddock.config.paths import home
from paddock.config.preset_flags import LEFT_OUT, long_name
from paddock.config.presets import Runner, parse_presets
from paddock.config.validate import validate
from paddock.config.variables import REFERENCE, Variables
from paddock.errors import ConfigError, ConfigProblem

_ABOUT_SWAP: Final = """\
Paddock reads llama-swap's file as it is, too. What is different without a word in it:
- llama-swap listens on port 8080 of every address, Paddock on 127.0.0.1:8090: write `listen`,
  or start it with `--listen :8080`.
- A request to a full model waits for its turn; `queueLimit: 0` answers 429 at once.
- Every GGUF below `modelsDir` is a model as well; those written here come first.
"""
_ABOUT_PRESETS: Final = """\
Paddock reads presets as they are, too: write `presets: [models.ini]`.
- Each `cmd` runs the llama-server on PATH; write the program's path to run another.
- llama-server's own `--models-max` is `maxLoadedModels` here; without it a `cmd` runs alone.
"""
_KEPT: Final = frozenset(
    {"load-on-startup", "stop-timeout", "sleep-idle-seconds", "alias", "tags", "version"}
)
"""Keys of presets that are said in other words, so that nobody misses them."""

_Note = tuple[int, str]
"""A line of the file that was read, and what was changed there."""


def convert(file: Path, env: Mapping[str, str]) -> str:
    """The YAML that `file` becomes: presets when its name ends in `.ini`, else llama-swap's.

    What was changed is told in comments. Raises ConfigError for what the owner must change first.
    Blocks: it reads a file.
    """
    text = read_text(file)
    return _presets(text, file, env) if file.suffix == ".ini" else _swap(text, file, env)


def _presets(text: str, file: Path, env: Mapping[str, str]) -> str:
    document = parse_presets(text, file, Runner(home=home(env)))
    values = deepcopy(document.values)
    _refuse(_faults(document, file, env), document, file)
    for entry in values["models"].values():
        if "cmd" in entry:
            entry["cmd"] = LiteralScalarString(entry["cmd"])
    notes = [
        (pair.line, f"{pair.key} of [{section.name}] is left out, for Paddock sees to it")
        for section in parse_ini(text, str(file))
        for pair in section.pairs
        if long_name(pair.key) in LEFT_OUT - _KEPT
    ]
    return _header(file, _ABOUT_PRESETS, notes) + _dumped(values)


def _swap(text: str, file: Path, env: Mapping[str, str]) -> str:
    env = {**dict.fromkeys(REFERENCE.findall(text), "x"), **env}
    document = parse_document(text, str(file), env)
    # References stay references: quotes around a flow value's braces are not ours to add.
    variables = Variables(text, env)
    tree = _reader().load(variables.text)
    tree = CommentedMap() if tree is None else tree
    faults = _faults(document, file, env)
    unknown = [
        fault.place
        for fault in faults
        if fault.message == UNKNOWN_KEY and _stands_at(tree, fault.place)
    ]
    _refuse((fault for fault in faults if fault.place not in unknown), document, file)
    notes = [*_renamed(tree, document), *_without(tree, unknown, document)]
    return _header(file, _ABOUT_SWAP, notes) + variables.restore(_dumped(tree))


def _faults(document: Document, file: Path, env: Mapping[str, str]) -> list[Fault]:
    values = deepcopy(document.values)
    modernize(values, document.anchored)
    values, wrong = expand(values)
    _, faults = validate(values, {"folder": file.absolute().parent, "home": home(env)}, wrong)
    return faults


def _refuse(faults: Iterable[Fault], document: Document, file: Path) -> None:
    problems = [
        ConfigProblem(
            fault.message,
            str(file),
            document.mark_of(fault.place)[1],
            dotted(fault.place),
            fault.suggestion,
        )
        for fault in faults
    ]
    if problems:
        raise ConfigError(tuple(sorted(problems, key=lambda problem: problem.line)))


def _renamed(tree: Any, document: Document) -> Iterable[_Note]:
    """Write what older files say in today's words; gives what to tell about it."""
    if tree.get("unloadTimeout") == 0:
        del tree["unloadTimeout"]
        yield _note(("unloadTimeout",), document, "is left out: 0 means the default")
    if "logRequests" in tree:
        del tree["logRequests"]
        yield _note(("logRequests",), document, "is left out: every request is recorded")
    filters_at = {
        (kind, id_, "filters"): entry["filters"]
        for kind in ("models", "peers")
        for id_, entry in (tree.get(kind) or {}).items()
        if entry and entry.get("filters")
    }
    if any(len(_own(filters)) < len(filters) for filters in filters_at.values()):
        return  # ruamel cannot take a key out of what a `<<` reads; we read the old word, too
    for place, filters in filters_at.items():
        if "strip_params" in filters:
            position = list(filters).index("strip_params")
            words = filters.pop("strip_params")
            if "stripParams" not in filters:
                filters.insert(position, "stripParams", words)
            yield _note((*place, "strip_params"), document, "is written `stripParams` now")


def _stands_at(tree: Any, place: Place) -> bool:
    """Whether the key of `place` is written there as it is, so that it can be taken out there.

    One that `<<` brings is not, nor one below a key that is no text or is a variable's value.
    """
    for step in place[:-1]:
        if step not in tree:
            return False
        tree = tree[step]
    return place[-1] in _own(tree)


def _own(mapping: CommentedMap) -> dict[Any, Any]:
    """What `mapping` says itself, without what `<<` brings."""
    return dict(mapping.non_merged_items())


def _without(tree: Any, places: Iterable[Place], document: Document) -> Iterable[_Note]:
    """Take out keys that Paddock does not know; gives what to tell about it."""
    for place in places:
        parent = tree
        for step in place[:-1]:
            parent = parent[step]
        parent.pop(place[-1], None)
        yield _note(place, document, "is left out: llama-swap passed over it, too")


def _note(place: Place, document: Document, message: str) -> _Note:
    return document.mark_of(place)[1], f"{dotted(place)} {message}"


def _header(file: Path, about: str, notes: Iterable[_Note]) -> str:
    lines = [f"Made from {file.name} by `paddock config import`.", *about.splitlines()]
    told = [f"- line {line}: {note}" for line, note in sorted(notes)]
    lines += ["What was changed:", *told] if told else []
    return "".join(f"# {line}\n" for line in lines) + "\n"


def _reader() -> Any:
    yaml: Any = YAML(typ="rt")  # its attributes are typed as None
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.allow_unicode = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dumped(values: Any) -> str:
    text = StringIO()
    _reader().dump(values, text)
    return text.getvalue()
