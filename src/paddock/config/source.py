"""Where the configuration comes from: what it was read from at the start is read by a reload."""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddock.config.load import load
from paddock.config.schema import Config
from paddock.config.sources import sources
from paddock.errors import ConfigError

Look = tuple[tuple[str, tuple[int, ...] | None], ...]
"""Path and state of each file; None: it cannot be seen. Whatever is written makes another one."""

_QUIET = (b"#", b";", b"---", b"...", b"%")
"""How lines of YAML and of presets begin that say nothing."""


@dataclass(slots=True)
class Source:
    """The files, the environment and the flags that the daemon was started with.

    All of its methods block: they look at files.
    """

    file: Path | None
    env: Mapping[str, str] = field(repr=False)
    overrides: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The flags, by dotted key."""
    config_dir: Path | None = None
    """A folder whose YAML files are added to the file."""
    _config: Config = field(default_factory=Config, init=False, repr=False)
    _wrong: tuple[Path, ...] = field(default=(), init=False, repr=False)
    """Files with errors: presets among them may be new, so that `_config` does not know them."""
    _read: Look = field(default=(), init=False, repr=False)

    def load(self) -> Config:
        """Read it, now. Raises ConfigError."""
        self._read = self.look()  # before the reading: what is written meanwhile is a change
        flags = deepcopy(dict(self.overrides))
        try:
            self._config = load(self.file, self.env, flags, config_dir=self.config_dir)
            self._wrong = ()
        except ConfigError as error:
            self._wrong = _absolute_files(error)
            raise
        finally:
            before = dict(self._read)
            self._read = tuple((file, before.get(file, state)) for file, state in self.look())
        return self._config

    def files(self) -> tuple[Path, ...]:
        """The files it is read from, whether or not they exist."""
        found = (*sources(self.file, self.config_dir, self._config), *self._wrong)
        return tuple(dict.fromkeys(file.absolute() for file in found))

    def look(self) -> Look:
        """How the files are now. Links are followed."""
        return tuple((str(file), _state(file)) for file in self.files())

    def has_changed(self) -> bool:
        """Whether the files are no longer as they were when `load` began."""
        return self.look() != self._read

    def is_blank(self) -> bool:
        """Whether a file is gone or says nothing, as it is for a moment while it is saved."""
        return any(map(_is_blank, self.files()))


def _absolute_files(error: ConfigError) -> tuple[Path, ...]:
    """What the problems are in, presets always; problems can be in flags, too."""
    named = (Path(name) for problem in error.problems for name in (problem.file, problem.about))
    return tuple(dict.fromkeys(file for file in named if file.is_absolute()))


def _state(file: Path) -> tuple[int, ...] | None:
    try:
        status = os.stat(file)  # noqa: PTH116
    except OSError:
        return None
    return (
        status.st_mtime_ns,
        status.st_ctime_ns,  # what is copied with its old time is new as well
        status.st_size,
        status.st_ino,
        status.st_dev,
    )


def _is_blank(file: Path) -> bool:
    try:
        with file.open("rb") as lines:
            return all(line.lstrip().startswith(_QUIET) for line in lines if line.strip())
    except OSError:
        return True
