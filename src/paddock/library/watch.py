"""Following the models folders: says when to look again, and never what is there.

A thread of its own listens to the kernel through `watchfiles`: asking for a watch can hang where a
network disk does. It listens to each folder by itself: a recursive watch would follow links out of
the folders. Four times a second it sees whether the folders are still the same ones, for a mount
tells nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from paddock.library.naming import is_gguf_name
from paddock.library.settling import Settling
from paddock.library.walk import identity_of

log = logging.getLogger(__name__)

_STEP: Final = 50
"""Milliseconds without an event that end a batch."""
_BATCH: Final = 200
"""Milliseconds after which a batch ends anyway."""
_GLANCE: Final = 0.25
"""Seconds between two looks at the folders themselves."""
_AGAIN: Final = 1.0
"""Seconds before another try when a folder went away under our hands."""
_MUCH_LATER: Final = 60.0
"""Seconds before another try when the kernel refuses (too many watches)."""
_STOP: Final = 5.0
"""Seconds that the thread gets to end; it hangs only in a file system that hangs."""

Folders = frozenset[tuple[str, int, int]]
"""Path, device and inode of each."""


class Watcher:
    """Listens to folders from `listen` until `aclose`. Loop thread only."""

    def __init__(self, roots: Sequence[Path], manifests: Path) -> None:
        self._roots, self._manifests = _paths(roots), str(manifests.absolute())
        self._settling = Settling()
        self._noted = asyncio.Event()
        self._folders: Folders | None = None
        self._listener: _Listener | None = None

    def follow(self, roots: Sequence[Path], manifests: Path) -> None:
        """From the next `listen` on these are the roots. There is something to look at now."""
        followed = _paths(roots), str(manifests.absolute())
        if followed != (self._roots, self._manifests):
            (self._roots, self._manifests), self._folders = followed, None
        self._take([], [""])  # not a path: the owner said something

    async def listen(self, folders: Folders) -> None:
        """Listen to these folders (path, device, inode) instead of the ones before."""
        if folders == self._folders:
            return
        await self.aclose()
        self._folders = folders
        self._listener = _Listener(self._roots, self._manifests, folders, self._take)
        self._listener.start()

    async def wait(self, within: float) -> None:
        """Return when there is something to look at, or after `within` seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while True:
            due = self._settling.due()
            until = end if due is None else min(due, end)
            if loop.time() >= until:
                break
            self._noted.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._noted.wait()
        self._settling.looked(loop.time())

    async def aclose(self) -> None:
        """Stop listening. Idempotent."""
        listener, self._listener, self._folders = self._listener, None, None
        if listener is not None:
            listener.stop.set()
            await asyncio.to_thread(listener.join, _STOP)

    def _take(self, written: list[str], others: list[str]) -> None:
        now = asyncio.get_running_loop().time()
        for path in written:
            self._settling.written(path, now)
        for path in others:
            self._settling.came_or_went(path, now)
        self._noted.set()


class _Listener(threading.Thread):
    """Listens to one set of folders until `stop` is set; `take` is called on the loop's thread."""

    def __init__(
        self,
        roots: Sequence[str],
        manifests: str,
        folders: Folders,
        take: Callable[[list[str], list[str]], None],
    ) -> None:
        super().__init__(name="library watch", daemon=True)
        self.stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._roots = (*roots, manifests)
        self._manifests = f"{manifests}/"
        self._seen = [identity_of(root) for root in self._roots]
        self._paths = frozenset(path for path, _, _ in folders)
        self._take = take

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self._follow()
            except FileNotFoundError:
                self._tell([], list(self._roots))
                self.stop.wait(_AGAIN)
            except (OSError, RuntimeError) as error:
                log.warning("new models are only seen every `rescanInterval`: %s", error)
                self.stop.wait(_MUCH_LATER)

    def _follow(self) -> None:
        first = True
        for changes in self._batches():
            if first or self._roots_changed():
                self._tell([], list(self._roots))  # what happened before now was not heard
            else:
                self._tell(*self._sorted(changes))
            first = False

    def _batches(self) -> Iterator[set[tuple[Any, str]]]:
        """What the kernel tells, and nothing every now and then."""
        if not self._paths:
            while not self.stop.wait(_GLANCE):
                yield set()
            return
        from watchfiles import watch  # noqa: PLC0415  # 0.2 s that the start need not wait for

        yield from watch(
            *self._paths,
            watch_filter=None,
            debounce=_BATCH,
            step=_STEP,
            stop_event=self.stop,
            rust_timeout=int(_GLANCE * 1000),
            yield_on_timeout=True,
            recursive=False,
            ignore_permission_denied=True,
        )

    def _roots_changed(self) -> bool:
        before, self._seen = self._seen, [identity_of(root) for root in self._roots]
        return before != self._seen

    def _sorted(self, changes: set[tuple[Any, str]]) -> tuple[list[str], list[str]]:
        """What is being written that tells of models; and what of it, and which folders, came or
        went."""
        written = [path for change, path in changes if change.name == "modified"]
        others = [path for change, path in changes if change.name != "modified"]
        return (
            [path for path in written if self._tells(path)],
            [path for path in others if self._tells(path) or self._is_folder(path)],
        )

    def _tells(self, path: str) -> bool:
        """Whether it is named as a GGUF is, or is a manifest: those can have any name."""
        manifest = path.startswith(self._manifests) and "/." not in path[len(self._manifests) - 1 :]
        return manifest or is_gguf_name(path)

    def _is_folder(self, path: str) -> bool:
        return path in self._paths or os.path.isdir(path)  # noqa: PTH112

    def _tell(self, written: list[str], others: list[str]) -> None:
        if written or others:
            self._loop.call_soon_threadsafe(self._take, written, others)


def _paths(roots: Sequence[Path]) -> tuple[str, ...]:
    return tuple(str(root.absolute()) for root in roots)
