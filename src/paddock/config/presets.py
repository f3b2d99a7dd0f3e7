"""llama-server's presets (`models.ini`) as entries of `models`.

A section with `model` becomes a model with a `cmd`: the llama-server of the default engine with the
section's flags, those of `[*]` before them. A section without one changes the discovered model of
that name. What llama-server's router does itself is said in our own keys, or is left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from paddock.config.document import Document, Mark, Place, dotted, read_text
from paddock.config.ini import IniSection, Pair, parse_ini
from paddock.config.merge import merge
from paddock.config.preset_flags import (
    FETCHED,
    LEFT_OUT,
    PATHS,
    TRUE,
    env_setting,
    flag,
    long_name,
)
from paddock.config.section import resolved
from paddock.errors import ConfigError, ConfigProblem

EVERYWHERE: Final = "*"
"""The section whose keys hold for all models."""


@dataclass(frozen=True, slots=True)
class Runner:
    """The llama-server that presets run on."""

    program: str = "llama-server"
    args: str = ""
    env: tuple[str, ...] = ()
    """As NAME=value."""
    home: Path = Path("/")
    """The user's, for paths that begin with `~`."""


def with_presets(
    document: Document, places: Mapping[str, Path]
) -> tuple[Document, list[ConfigProblem]]:
    """`document` with the models of the files that its `presets` names, and what is wrong there.

    `places` are the folders that relative paths (`folder`) and `~` (`home`) start at. Blocks.
    """
    named = document.values.get("presets")
    documents = [document]
    problems: list[ConfigProblem] = []
    for number, name in enumerate(named if isinstance(named, list) else ()):
        if not isinstance(name, str) or not name:
            continue  # the schema refuses it
        try:
            file = resolved(name, places["folder"], places["home"])
            documents.append(read_presets(file, runner_of(document.values, places)))
        except ConfigError as error:
            problems += (_placed(one, document, number) for one in error.problems)
        except ValueError:
            continue  # the schema refuses it
    merged, clashes = merge(documents)
    return merged, [*problems, *clashes]


def _placed(problem: ConfigProblem, document: Document, number: int) -> ConfigProblem:
    """What is wrong with a file as a whole is wrong where the configuration names it."""
    if problem.line:
        return problem
    place = ("presets", number)
    file, line = document.mark_of(place)
    message = f"{problem.file}: {problem.message}"
    return ConfigProblem(message, file, line, dotted(place), about=problem.file)


def runner_of(values: Mapping[str, Any], places: Mapping[str, Path]) -> Runner:
    """The llama-server of the default engine in the values of a config file."""
    engines = values.get("engines")
    entries = engines if isinstance(engines, dict) else {}
    name = values.get("engine") or next(iter(entries), "")
    entry = entries.get(name) if isinstance(name, str) else None
    if not isinstance(entry, dict) or not isinstance(entry.get("llamaServer"), str):
        return Runner(home=places["home"])
    program = entry["llamaServer"]
    if "/" in program:
        program = str(resolved(program, places["folder"], places["home"]))
    args, env = entry.get("args"), entry.get("env")
    return Runner(
        program,
        args if isinstance(args, str) else "",
        tuple(f"{k}={v}" for k, v in env.items()) if isinstance(env, dict) else (),
        places["home"],
    )


def read_presets(file: Path, runner: Runner) -> Document:
    """What a config file would say that has the presets of `file`. Raises ConfigError. Blocks."""
    return parse_presets(read_text(file), file, runner)


def parse_presets(text: str, file: Path, runner: Runner) -> Document:
    """As `read_presets`; `file` names `text`, and its folder is where relative paths start."""
    before, *sections = parse_ini(text, str(file))
    shared = next((section for section in sections if section.name == EVERYWHERE), None)
    builder = _Builder(file, runner, shared.pairs if shared else [])
    builder.refuse_homeless(before)
    for section in sections:
        if section is not shared:
            builder.add(section)
    if builder.problems:
        raise ConfigError(tuple(builder.problems))
    return Document(builder.values(), builder.marks)


@dataclass(slots=True)
class _Builder:
    """Collects what the sections become."""

    file: Path
    runner: Runner
    shared: Sequence[Pair]
    problems: list[ConfigProblem] = field(default_factory=list)
    marks: dict[Place, Mark] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)
    preload: list[str] = field(default_factory=list)

    def values(self) -> dict[str, Any]:
        """What the config file would say."""
        preload = {"hooks": {"on_startup": {"preload": self.preload}}} if self.preload else {}
        return {"models": self.models, **preload}

    def refuse_homeless(self, section: IniSection) -> None:
        """Nothing but the file's version may stand before the first header."""
        for pair in section.pairs:
            if pair.key != "version":
                self._refuse(pair, pair.key, "stands before the first section", "write it in [*]")

    def add(self, section: IniSection) -> None:
        """Make an entry of a section."""
        given = {long_name(pair.key): pair for pair in (*self.shared, *section.pairs)}
        for key in FETCHED & given.keys():
            message = "models cannot be fetched yet"
            self._refuse(given[key], f"{section.name}.{key}", message, "write `model = FILE.gguf`")
        place = ("models", section.name)
        self._mark(place, section.line)
        if "model" in given:
            self._mark((*place, "cmd"), given["model"].line)
        elif "/" in section.name and not FETCHED & given.keys():
            message = "names a model of Hugging Face's cache, which is not read"
            self._refuse(section, section.name, message, "add `model = FILE.gguf`")
        self.models[section.name] = self._entry(given)
        if _truth(given, "load-on-startup"):
            self._mark(("hooks", "on_startup", "preload", len(self.preload)), section.line)
            self.preload.append(section.name)

    def _entry(self, given: Mapping[str, Pair]) -> dict[str, Any]:
        settings = [setting for pair in given.values() if (setting := env_setting(pair))]
        words = [
            flag(pair, self._path(key, pair.value))
            for key, pair in given.items()
            if key not in LEFT_OUT and not env_setting(pair)
        ]
        flags = [shlex.join(flag) for flag in words if flag]
        entry: dict[str, Any] = {}
        if "model" in given:
            start = f"{shlex.quote(self.runner.program)} --host 127.0.0.1 --port ${{PORT}}"
            entry["cmd"] = "\n".join(filter(None, (start, self.runner.args, *flags))) + "\n"
            settings = [*self.runner.env, *settings]
        elif flags:
            entry["args"] = " ".join(flags)
        return entry | _ours(given) | ({"env": settings} if settings else {})

    def _path(self, key: str, value: str) -> str:
        """The value of a flag; a model's file starts at the folder of ours."""
        if key not in PATHS or not value:
            return value
        return str(resolved(value, self.file.absolute().parent, self.runner.home))

    def _mark(self, place: Place, line: int) -> None:
        self.marks[place] = (str(self.file), line)

    def _refuse(self, at: Pair | IniSection, key: str, message: str, suggestion: str) -> None:
        self.problems.append(ConfigProblem(message, str(self.file), at.line, key, suggestion))


def _ours(given: Mapping[str, Pair]) -> dict[str, Any]:
    """What the schema has keys for."""
    value = {key: pair.value for key, pair in given.items()}
    entry: dict[str, Any] = {}
    if aliases := _words(value.get("alias", "")):
        entry["aliases"] = aliases
    if tags := _words(value.get("tags", "")):
        entry["metadata"] = {"tags": tags}
    if "stop-timeout" in value:
        entry["unloadTimeout"] = _number(value["stop-timeout"])
    if (idle := _number(value.get("sleep-idle-seconds", "-1"))) != -1:
        entry["ttl"] = idle
    if (slots := _number(value.get("parallel", "-1"))) != -1 and "model" in given:
        entry["concurrencyLimit"] = slots
    return entry


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def _truth(given: Mapping[str, Pair], key: str) -> bool:
    return key in given and given[key].value.lower() in TRUE


def _number(text: str) -> int | float | str:
    """A number; a text that is none stays for the schema to refuse."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
