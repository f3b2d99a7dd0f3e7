"""The one way by which the configuration in force changes while the daemon runs.

It is read, checked and compared in a thread; then it is taken in between two steps of the loop, so
that no request sees half of it. What cannot be used changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from paddock.config.checks import check
from paddock.config.current import Current
from paddock.config.difference import Difference, Outcome, difference
from paddock.config.document import dotted
from paddock.config.schema import Config
from paddock.config.source import Source
from paddock.errors import ConfigError, ConfigProblem
from paddock.events import ConfigChanged, ConfigRefused, EventBus
from paddock.library.library import Draft, Library
from paddock.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 10.0
"""How long a reload waits for a look at folders that are new; the look itself goes on."""

READS: Final = 5
PAUSE: Final = 0.05
"""How often, and after how many seconds, files are read again that are empty, or were written while
they were read."""

FEW: Final = 8
"""How many keys one line of the log names."""


class Reloader:
    """Takes in changes of the configuration. Loop thread only."""

    def __init__(self, source: Source, current: Current, library: Library, bus: EventBus) -> None:
        self._source = source
        self._current = current
        self._library = library
        self._bus = bus
        self._running: asyncio.Task[Outcome | ConfigError] | None = None
        self._next: asyncio.Task[Outcome | ConfigError] | None = None

    async def reload(self) -> Outcome:
        """Read the configuration again and take in what is different.

        Calls during a reload share the one after it: each sees what was written before the call.
        Raises ConfigError with every problem; then the configuration in force stays. Cancelling
        ends only the wait.
        """
        outcome = await asyncio.shield(self.request())
        if isinstance(outcome, ConfigError):
            raise ConfigError(outcome.problems)
        return outcome

    def request(self) -> asyncio.Task[Outcome | ConfigError]:
        """Begin a reload, or share one that has not begun. Its problems are told in the log."""
        if self._next is None:
            self._next = spawn(self._after(self._running), name="reload")
        return self._next

    async def aclose(self) -> None:
        """End a reload that runs. Idempotent."""
        await cancel_and_wait([task for task in (self._running, self._next) if task])

    async def _after(
        self, before: asyncio.Task[Outcome | ConfigError] | None
    ) -> Outcome | ConfigError:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        try:
            return await self._reload()
        except ConfigError as error:
            self._refuse(error)
            return error

    async def _reload(self) -> Outcome:
        found, files = await asyncio.to_thread(_read, self._source, self._current.config)
        catalog = self._library.catalog
        if found.changes:
            draft = await self._library.prepare(found.config)
            new_folders = found.config.models_dir != self._current.config.models_dir
            self._take(found, files, draft)
            if new_folders:
                await self._look()
        else:
            self._confirm(found, files)
        changes = self._library.catalog.changes_since(catalog)
        return Outcome(found.changes, found.needs_restart, changes)

    def _take(self, found: Difference, files: tuple[Path, ...], draft: Draft) -> None:
        """Put it in force. One step: nobody else runs in between."""
        self._current.replace(found.config, files, found.needs_restart)
        self._library.reconfigure(draft)
        self._bus.publish(ConfigChanged(found.needs_restart))
        log.info("another configuration is in force: %s", _few(str(c) for c in found.changes))
        self._tell_restart()

    def _confirm(self, found: Difference, files: tuple[Path, ...]) -> None:
        """What is in force is what the files say, but for what needs a restart."""
        before = self._current
        news = before.refusal is not None or before.needs_restart != found.needs_restart
        self._current.replace(before.config, files, found.needs_restart)
        if news:
            self._bus.publish(ConfigChanged(found.needs_restart))
            log.info("the configuration is right, and nothing of it is new")
            self._tell_restart()

    def _refuse(self, error: ConfigError) -> None:
        self._current.refuse(error.problems)
        texts = tuple(str(problem) for problem in error.problems)
        self._bus.publish(ConfigRefused(texts))
        told = "".join(f"\n  {text}" for text in texts)
        log.warning("the configuration has errors, so the last good one stays in force:%s", told)

    def _tell_restart(self) -> None:
        if keys := self._current.needs_restart:
            log.warning("these take a restart: %s", _few(keys))

    async def _look(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._library.rescan(), LOOK_SECONDS)


def _read(source: Source, in_force: Config) -> tuple[Difference, tuple[Path, ...]]:
    """What the files say now. Raises ConfigError, also for what only a restart makes right."""
    found = difference(in_force, _whole(source))
    if found.needs_restart and (problems := _problems_until_restart(found.config)):
        raise ConfigError(problems)
    return found, source.files()


def _whole(source: Source) -> Config:
    """What the files say when nobody is writing them. Raises ConfigError."""
    loaded = _loaded(source)
    for _ in range(READS):
        if not source.is_blank() and not source.has_changed():
            break
        time.sleep(PAUSE)
        loaded = _loaded(source)
    if isinstance(loaded, ConfigError):
        raise loaded
    return loaded


def _loaded(source: Source) -> Config | ConfigError:
    try:
        return source.load()
    except ConfigError as error:
        return error


def _problems_until_restart(config: Config) -> tuple[ConfigProblem, ...]:
    return tuple(
        ConfigProblem(
            f"{fault.message}, as long as Paddock is not restarted",
            key=dotted(fault.place),
            suggestion="restart Paddock: the change of `listen` counts only then",
        )
        for fault in check(config)
    )


def _few(words: Iterable[str]) -> str:
    every = list(words)
    rest = f" and {len(every) - FEW} more" if len(every) > FEW else ""
    return ", ".join(every[:FEW]) + rest
