"""Reads the owner's configuration: defaults < files < environment < flags, all errors at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddock.config.document import Document, Place, dotted
from paddock.config.faults import Fault
from paddock.config.legacy import modernize
from paddock.config.macros import expand
from paddock.config.origins import Origins
from paddock.config.paths import default_models_dir, default_state_dir, home
from paddock.config.schema import Config
from paddock.config.sources import base_folder, read_sources
from paddock.config.validate import is_inside, validate
from paddock.errors import ConfigError, ConfigProblem

ENVIRONMENT: Mapping[str, str] = {
    "PADDOCK_MODELS_DIR": "modelsDir",
    "PADDOCK_LOG_LEVEL": "logLevel",
    "HF_ENDPOINT": "pulls.endpoint",
    "PADDOCK_CHAT_DATABASE": "chat.database",
}
"""Variables that win over the file, and their keys. Documented in `docs/reference/config.md`, as
those of Ollama are (`ollama_env.py`)."""


def load(
    file: Path | None,
    env: Mapping[str, str],
    overrides: Mapping[str, Any],
    config_dir: Path | None = None,
) -> Config:
    """The configuration in force.

    `file` may be None, and so may `config_dir`, a folder of which every YAML file is added to it.
    `overrides` are the flags, by dotted key as in `{"listen.openai.port": 8091}`; their relative
    paths, and those in `env`, start at the current folder, a file's own at its folder. `modelsDir`
    and `stateDir` are never empty in the result.

    Raises ConfigError with every problem, those of a file in its order. Blocks: it reads files.
    """
    document, problems = read_sources(file, config_dir, env)
    layers = _Layers(document)
    layers.put_default(("modelsDir",), [str(default_models_dir(env))])
    layers.put_default(("stateDir",), str(default_state_dir(env)))
    for variable, value in _from_environment(env).items():
        layers.put(tuple(ENVIRONMENT[variable].split(".")), value, variable)
    _put_ollama(layers, env)
    for key, value in overrides.items():
        layers.put(tuple(key.split(".")), value, "command line")
    modernize(layers.values, document.anchored)
    values, wrong_macros = expand(layers.values)
    places = {"folder": base_folder(file, config_dir), "home": home(env)}
    layers.document, wrong_presets = _with_presets(Document(values, document.marks), places)
    config, faults = validate(layers.document.values, places, wrong_macros)
    if config is None or faults or problems or wrong_presets:
        raise ConfigError(layers.problems(faults, [*problems, *wrong_presets]))
    config.hide(document.secrets)
    config.written_in(layers.origins_below(("chat",)))
    return config


def _with_presets(
    document: Document, places: Mapping[str, Path]
) -> tuple[Document, list[ConfigProblem]]:
    """See `presets.with_presets`."""
    if not document.values.get("presets"):
        return document, []
    from paddock.config.presets import with_presets  # noqa: PLC0415 - few owners have one

    return with_presets(document, places)


def _put_ollama(layers: _Layers, env: Mapping[str, str]) -> None:
    """What Ollama's own variables say. They open no door that the file switches off."""
    if not any(name.startswith("OLLAMA_") for name in env):
        return
    from paddock.config.ollama_env import settings  # noqa: PLC0415 - most have none of them

    listen = layers.values.get("listen")
    is_off = isinstance(listen, dict) and "ollama" in listen and listen["ollama"] is None
    args = layers.values.get("defaultModelArgs", Config.model_fields["default_model_args"].default)
    for variable, said in settings(env, args if isinstance(args, str) else "").items():
        for key, value in said:
            if not (is_off and key.startswith("listen.ollama.")):
                layers.put(tuple(key.split(".")), value, variable)


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {name: env[name] for name in ENVIRONMENT if env.get(name)}
    if folders := given.get("PADDOCK_MODELS_DIR"):
        parts = folders.split(os.pathsep)
        given["PADDOCK_MODELS_DIR"] = [str(Path(part).absolute()) for part in parts if part]
    database = given.get("PADDOCK_CHAT_DATABASE", "://")
    if "://" not in database and not database.startswith("~"):
        given["PADDOCK_CHAT_DATABASE"] = str(Path(database).absolute())
    return given


@dataclass
class _Layers:
    """The merged values, and where each came from."""

    document: Document
    values: dict[str, Any] = field(init=False)
    origins: dict[Place, str] = field(default_factory=dict)
    """Places that did not come from the file, and what to call their source."""

    def __post_init__(self) -> None:
        self.values = self.document.values

    def put(self, place: Place, value: Any, origin: str) -> None:
        """Set `place` to `value`. A parent that is null becomes a mapping."""
        parent = self.values
        for step in place[:-1]:
            if parent.get(str(step)) is None:
                parent[str(step)] = {}
            parent = parent[str(step)]
            if not isinstance(parent, dict):
                return  # the parent's own error is what must be told
        parent[str(place[-1])] = value
        self.origins[place] = origin

    def put_default(self, place: Place, value: Any) -> None:
        """Like `put`, but what the file says stays. null in the file means the default too."""
        if self.values.get(str(place[0])) is None:
            self.put(place, value, "default")

    def origins_below(self, outer: Place) -> Origins:
        """What says each key below `outer`. One without a value says nothing."""
        written = {place: Path(file).name for place, (file, _) in self.document.marks.items()}
        named = {
            dotted(place): origin
            for place, origin in (written | self.origins).items()
            if place != outer and is_inside(place, outer) and self._value(place) is not None
        }
        return Origins(named)

    def _value(self, place: Place) -> Any:
        value: Any = self.document.values
        for step in place:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def problems(
        self, faults: Iterable[Fault], others: Iterable[ConfigProblem]
    ) -> tuple[ConfigProblem, ...]:
        """The faults with file and line, and the others, in the order of the files; those of other
        sources come last."""
        found = [*map(self._problem, faults), *others]
        files = {file: number for number, (file, _) in enumerate(self.document.marks.values())}

        def position(problem: ConfigProblem) -> tuple[bool, int, int]:
            return problem.line == 0, files.get(problem.file, 0), problem.line

        return tuple(sorted(found, key=position))

    def _problem(self, fault: Fault) -> ConfigProblem:
        origin = next((o for place, o in self.origins.items() if is_inside(fault.place, place)), "")
        file, line = self.document.mark_of(fault.place)
        return ConfigProblem(
            fault.message,
            file=origin or file,
            line=0 if origin else line,
            key=dotted(fault.place),
            suggestion=fault.suggestion,
        )
