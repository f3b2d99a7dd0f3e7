"""Where a configuration is read from: a file, a folder of files, or both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from paddock.config.document import Document, read_document
from paddock.config.merge import merge
from paddock.config.schema import Config
from paddock.errors import ConfigError, ConfigProblem

_PATHS: Final[tuple[tuple[str, ...], ...]] = (
    ("modelsDir", "*"),
    ("stateDir",),
    ("presets", "*"),
    ("store", "path"),
    ("ollama", "models"),
    ("pulls", "tokenFile"),
    ("listen", "*", "tls", "cert"),
    ("listen", "*", "tls", "key"),
)
"""Keys that hold paths; `*` is every key or item there, or the value itself if it is one text."""
_PROGRAM: Final = ("engines", "*", "llamaServer")
"""Holds a path, or a bare name that is looked up on PATH."""


def read_sources(
    file: Path | None, config_dir: Path | None, env: Mapping[str, str]
) -> tuple[Document, list[ConfigProblem]]:
    """What the file and the folder's files say together, and where they contradict each other.

    Raises ConfigError for what cannot be read, of all files. Blocks: it reads files.
    """
    found = _files(config_dir) if config_dir else ()
    if config_dir and file and file.resolve() in {one.resolve() for one in found}:
        message = f"is in the folder {config_dir} too, and would be read twice"
        raise ConfigError(
            (ConfigProblem(message, str(file), suggestion="leave one of the two options out"),)
        )
    folder = base_folder(file, config_dir)
    documents: list[Document] = []
    problems: list[ConfigProblem] = []
    for source in (*([file] if file else ()), *found):
        try:
            document = read_document(source, env)
        except ConfigError as error:
            problems += error.problems
        else:
            documents.append(_rooted(document, source.absolute().parent, folder))
    if problems:
        raise ConfigError(tuple(problems))
    return merge(documents)


def base_folder(file: Path | None, config_dir: Path | None) -> Path:
    """The folder where relative paths start: the file's, else the folder of files itself."""
    if file:
        return file.absolute().parent
    return config_dir.absolute() if config_dir else Path.cwd()


def sources(file: Path | None, config_dir: Path | None, config: Config) -> tuple[Path, ...]:
    """The files that `config` was read from, presets too: those to watch. Blocks."""
    try:
        found = _files(config_dir) if config_dir else ()
    except ConfigError:
        found = ()
    return (*([file] if file else ()), *found, *config.presets)


def _files(folder: Path) -> tuple[Path, ...]:
    """The YAML files of a folder, by name; not those of folders in it."""
    try:
        found = [one for one in folder.iterdir() if one.suffix in (".yaml", ".yml")]
    except OSError as error:
        message = f"this folder cannot be read: {(error.strerror or str(error)).lower()}"
        problem = ConfigProblem(message, str(folder), suggestion="name another with --config-dir")
        raise ConfigError((problem,)) from None
    return tuple(sorted(one for one in found if one.is_file()))


def _rooted(document: Document, home: Path, folder: Path) -> Document:
    """The document with its relative paths made absolute, when they start at another folder."""
    if home == folder:
        return document
    values: Any = document.values
    for pattern in _PATHS:
        values = _changed(values, pattern, lambda path: _absolute(path, home))
    values = _changed(values, _PROGRAM, lambda name: _absolute(name, home) if "/" in name else name)
    return replace(document, values=values)


def _changed(value: Any, pattern: tuple[str, ...], change: Callable[[str], str]) -> Any:
    """`value` with the texts at `pattern` changed."""
    if isinstance(value, str) and pattern in ((), ("*",)):
        return change(value)
    if not pattern:
        return value
    key, inner = pattern[0], pattern[1:]
    if isinstance(value, list) and key == "*":
        return [_changed(item, inner, change) for item in value]
    if isinstance(value, dict):
        chosen = value if key == "*" else value.keys() & {key}
        return {k: _changed(v, inner, change) if k in chosen else v for k, v in value.items()}
    return value


def _absolute(path: str, home: Path) -> str:
    return path if path.startswith(("/", "~")) or not path else str(home / path)
