"""The downloader: files come by a thread and a loop of its own, so that streams feel nothing.

Everybody who wants the same file at the same time shares one transfer; it ends when the last of
them leaves, and what it brought stays for the next one.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Final

from paddock import __version__
from paddock.acquire import buffers
from paddock.acquire.attempt import Job
from paddock.acquire.pace import CONNECTIONS_PER_HOST, Bucket, Hosts
from paddock.acquire.sharing import Guest, Progress, Shared
from paddock.acquire.source import Source
from paddock.acquire.transfer import Transfer
from paddock.acquire.wanted import Limits, Wanted
from paddock.acquire.web import Policy, Web
from paddock.errors import AcquireError, PullCancelled
from paddock.tasks import cancel_and_wait, spawn

__all__ = ["Downloader", "Limits", "Wanted"]

TOLD_SECONDS: Final = 0.1
"""Between two words about the progress."""
DEFAULT: Final = Limits()


class Downloader:
    """Brings files. `fetch` may be awaited on any loop; `aclose` ends the thread."""

    def __init__(self, policy: Policy, limits: Limits = DEFAULT) -> None:
        """Start the thread. Nothing is connected to before the first `fetch`."""
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._desk = _Desk(policy, limits)
        self._thread = threading.Thread(target=self._work, name="downloads", daemon=True)
        self._thread.start()

    async def fetch(self, wanted: Wanted, progress: Progress) -> None:
        """Bring a file into its part; return when it is whole, verified and flushed.

        The caller renames it. An earlier part of the same file is gone on with. `progress` is told
        the bytes that are here, on the caller's loop, ten times a second at most. Raises
        AcquireError. Cancelling keeps what is there, and returns when nobody writes it any more,
        unless others want the same.
        """
        if self._closed:
            raise _over()
        guest = Guest(wanted, progress)
        self._loop.call_soon_threadsafe(self._desk.welcome, guest)
        try:
            await asyncio.shield(guest.done)
        except asyncio.CancelledError:
            self._loop.call_soon_threadsafe(self._desk.leave, guest)
            await asyncio.wait([guest.done])
            raise
        finally:
            guest.listening = False

    async def aclose(self) -> None:
        """End every transfer, keep what there is of them, end the thread. Idempotent."""
        if not self._closed:
            self._closed = True
            self._loop.call_soon_threadsafe(self._desk.close)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        buffers.keep()
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._desk.serve())


class _Desk:
    """What the thread does: takes guests, and begins transfers for them."""

    def __init__(self, policy: Policy, limits: Limits) -> None:
        self._limits = limits
        self._web = Web(policy, user_agent=f"paddock/{__version__}")
        self._hosts = Hosts(max(CONNECTIONS_PER_HOST, limits.connections))
        self._bucket = Bucket(limits.bytes_per_second)
        self._files = asyncio.Semaphore(limits.files)
        self._shared: dict[str, Shared] = {}
        self._closing = asyncio.Event()

    async def serve(self) -> None:
        """Until `close`."""
        teller = spawn(self._tell(), name="progress of downloads")
        try:
            await self._closing.wait()
        finally:
            await cancel_and_wait([teller, *(one.task for one in self._shared.values())])
            await self._web.aclose()

    def close(self) -> None:
        """End."""
        self._closing.set()

    def welcome(self, guest: Guest) -> None:
        """Somebody wants a file."""
        shared = self._shared.get(guest.wanted.key)
        if self._closing.is_set():
            guest.settle(_over())
        elif shared is None:
            self._begin([guest])
        elif shared.ending:
            shared.next.append(guest)
        else:
            shared.guests.append(guest)

    def leave(self, guest: Guest) -> None:
        """Somebody does not want it any more."""
        shared = self._shared.get(guest.wanted.key)
        if shared is not None:
            shared.leave(guest)

    def _begin(self, guests: list[Guest]) -> None:
        shared = Shared(guests)
        wanted = shared.wanted
        source = Source(self._web, self._hosts, wanted, shared.headers, stall=self._limits.stall)
        shared.transfer = Transfer(Job(wanted, self._limits, source, self._hosts, self._bucket))
        shared.task = spawn(self._bring(shared), name=f"transfer of {wanted.part.name}")
        shared.task.add_done_callback(lambda _: self._ended(shared))
        self._shared[wanted.key] = shared

    async def _bring(self, shared: Shared) -> None:
        try:
            async with self._files:
                await shared.transfer.run()
        except AcquireError as error:
            shared.settle(error)
        else:
            shared.tell()
            shared.settle(None)

    def _ended(self, shared: Shared) -> None:
        """However it ended, whoever still waits is told, or gets another transfer."""
        del self._shared[shared.wanted.key]
        if shared.task.cancelled():
            shared.settle(_over())
        elif (error := shared.task.exception()) is not None:
            shared.settle(AcquireError(f"the download failed: {type(error).__name__}"))
        if shared.next and not self._closing.is_set():
            self._begin(shared.next)
        for guest in shared.next if self._closing.is_set() else ():
            guest.settle(_over())

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TOLD_SECONDS)
            for shared in self._shared.values():
                shared.tell()


def _over() -> PullCancelled:
    return PullCancelled("the download was ended", hint="pull again: it goes on where it was")
