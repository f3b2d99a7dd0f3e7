"""Reads the owner's configuration: defaults < file < environment < flags, all errors at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from paddock.config.checks import check
from paddock.config.document import Document, Place, dotted, read_document
from paddock.config.faults import Fault, from_validation
from paddock.config.paths import default_models_dir, default_state_dir, home
from paddock.config.schema import Config
from paddock.errors import ConfigError, ConfigProblem

ENVIRONMENT: Mapping[str, str] = {
    "PADDOCK_MODELS_DIR": "modelsDir",
    "PADDOCK_LOG_LEVEL": "logLevel",
}
"""Variables that win over the file, and their keys. Documented in `docs/reference/config.md`."""


def load(file: Path | None, env: Mapping[str, str], overrides: Mapping[str, Any]) -> Config:
    """The configuration in force.

    `file` may be None: then there is none. `overrides` are the flags, by dotted key as in
    `{"listen.openai.port": 8091}`; their relative paths, and those in `env`, start at the current
    folder, the file's own at its folder. `modelsDir` and `stateDir` are never empty in the result.

    Raises ConfigError with every problem, those of the file in its order. Blocks: it reads a file.
    """
    document = read_document(file) if file else Document("", {}, {})
    layers = _Layers(document)
    layers.put_default(("modelsDir",), [str(default_models_dir(env))])
    layers.put_default(("stateDir",), str(default_state_dir(env)))
    for variable, value in _from_environment(env).items():
        layers.put(tuple(ENVIRONMENT[variable].split(".")), value, variable)
    for key, value in overrides.items():
        layers.put(tuple(key.split(".")), value, "command line")
    folder = file.absolute().parent if file else Path.cwd()
    config, faults = _validate(layers.values, {"folder": folder, "home": home(env)})
    if config is None or faults:
        raise ConfigError(layers.problems(faults))
    return config


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    given = {name: env[name] for name in ENVIRONMENT if env.get(name)}
    if folders := given.get("PADDOCK_MODELS_DIR"):
        absolute = [str(Path(part).absolute()) for part in folders.split(os.pathsep) if part]
        return {**given, "PADDOCK_MODELS_DIR": absolute}
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

    def problems(self, faults: Iterable[Fault]) -> tuple[ConfigProblem, ...]:
        """The faults with file and line, in the order of the file; other sources come last."""
        found = (self._problem(fault) for fault in faults)
        return tuple(sorted(found, key=lambda problem: (problem.line == 0, problem.line)))

    def _problem(self, fault: Fault) -> ConfigProblem:
        origin = next((o for place, o in self.origins.items() if _inside(fault.place, place)), "")
        return ConfigProblem(
            fault.message,
            file=origin or self.document.file,
            line=0 if origin else self.document.line_of(fault.place),
            key=dotted(fault.place),
            suggestion=fault.suggestion,
        )


def _validate(
    values: dict[str, Any], context: Mapping[str, Path]
) -> tuple[Config | None, list[Fault]]:
    """The config as far as it is right, and all faults.

    What the schema refuses is taken out and the rest looked at again, so that the checks across
    keys speak in the same run.
    """
    faults: list[Fault] = []
    try:
        config = _parse(values, context)
    except ValidationError as error:
        faults = from_validation(error)
        for fault in faults:
            _remove(values, fault.place)
        try:
            config = _parse(values, context)
        except ValidationError:
            return None, faults
    refused = [fault.place for fault in faults]
    return config, [*faults, *(fault for fault in check(config) if not _rests_on(fault, refused))]


def _parse(values: dict[str, Any], context: Mapping[str, Path]) -> Config:
    return Config.model_validate(values, context=dict(context), by_alias=True, by_name=False)


def _remove(values: dict[Any, Any], place: Place) -> None:
    """Take out the key at `place`; for a list item the whole list, so that no other item moves."""
    for step in place[:-1]:
        if not isinstance(values.get(step), dict):
            values.pop(step, None)
            return
        values = values[step]
    values.pop(place[-1], None)


def _rests_on(fault: Fault, refused: Iterable[Place]) -> bool:
    reads = (fault.place, *fault.reads)
    return any(_inside(read, bad) or _inside(bad, read) for bad in refused for read in reads)


def _inside(place: Place, outer: Place) -> bool:
    return place[: len(outer)] == outer
