"""One attempt at a file: connections bring its parts, the hash follows, the journal remembers.

    reserve room → connections take parts in file order → every byte is here → the hash is right
    → flushed

What is in the part stays there however the attempt ends, and the journal tells what.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from enum import Enum, auto
from typing import Any, Final, NamedTuple, TypeVar

from paddock.acquire import hub_errors
from paddock.acquire.addresses import origin_of
from paddock.acquire.answers import Kind, judge
from paddock.acquire.hashing import Follower
from paddock.acquire.pace import (
    LONGEST_WAIT,
    MOST_TRIES,
    Bucket,
    Hosts,
    pause_before,
    wanted_wait,
)
from paddock.acquire.part_file import PartFile, told
from paddock.acquire.part_journal import Identity, Journal
from paddock.acquire.parts import Part, Parts, Span
from paddock.acquire.source import Source
from paddock.acquire.wanted import Limits, Wanted
from paddock.acquire.web import Answer
from paddock.errors import AcquireError, HubUnreachable, RateLimited
from paddock.tasks import cancel_and_wait, spawn

SAVED_SECONDS: Final = 2.0
RESERVED_BYTES: Final = 64 << 20
"""Of the disk's room, in one step."""
SAVED_BYTES: Final = 64 << 20
"""After so many seconds, or bytes, what was written is flushed and the journal says so."""
RATE_LIMITED_SECONDS: Final = 300.0
"""The window of the public hub, where it does not say how long it wants to be left alone."""
_PART_OF_FILE: Final = frozenset({200, 206, 416})
_PASSING: Final = hub_errors.PASSING | {429}

T = TypeVar("T")


class Job(NamedTuple):
    """One file to bring, and with what."""

    wanted: Wanted
    limits: Limits
    source: Source
    hosts: Hosts
    bucket: Bucket


class Way(NamedTuple):
    """How an attempt asks."""

    connections: int
    whole: bool = False
    """For everything that is missing at once, since the host knows no ranges."""


class End(Enum):
    """How an attempt ended, if not by an error."""

    DONE = auto()
    """Every byte is here, right and flushed."""
    NO_RANGES = auto()
    """The host gives whole files only."""
    CHANGED = auto()
    """It is another file than when we began."""
    WRONG = auto()
    """Every byte is here, and the hash is wrong."""


class _Over(Exception):
    """The attempt has ended; raised through a connection's loop."""

    def __init__(self, end: End) -> None:
        super().__init__(end)
        self.end = end


class Attempt:
    """Brings the bytes of one file that are missing. Used once."""

    def __init__(
        self, job: Job, file: PartFile, journal: Journal, here: tuple[Span, ...], way: Way
    ) -> None:
        """`here`: what the part holds already. Raises ValueError when that cannot be."""
        self.parts = Parts(job.wanted.size, job.limits.part_bytes, here)
        self.found = ""
        """The hash of what came, once it is known."""
        self._job = job
        self._file = file
        self._journal = journal
        self._way = way
        self._fresh = not here
        self._follower: Follower | None = None
        self._end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._freed = asyncio.Event()
        """A part was given back, or it is over."""
        self._bringing = way.connections
        """Connections that have not given up."""
        self._saving = asyncio.Event()
        self._stopping = False
        self._sure: tuple[Span, ...] | None = None
        """What the journal says for sure; None before it is open."""
        self._unsure = 0

    async def run(self) -> End:
        """Raises AcquireError. Cancelling keeps what is here."""
        await self._prepare()
        reserver = spawn(self._reserve(), name="room for a download")
        keeper = spawn(self._keep(), name="journal of a download")
        try:
            self._follow()
            end = await self._bring_all()
            return await self._check() if end is End.DONE else end
        finally:
            self._stopping = True
            self._saving.set()
            await asyncio.wait([keeper, reserver])
            if self._follower is not None:
                await self._follower.stop()
            self._return_room()

    async def _prepare(self) -> None:
        """The journal first: a part in full size without one is a part that is done."""
        with self._file.troubles(self._missing):
            if self._fresh:
                self._file.empty()
            await self._save()
            self._file.stretch(self.parts.size)

    async def _reserve(self) -> None:
        """Reserve the room while bytes come: some file systems take long. Never raises."""
        size = self.parts.size
        try:
            for start in range(0, size, RESERVED_BYTES):
                if self._end.done() or self._stopping:
                    return
                await in_thread(self._file.reserve, start, min(RESERVED_BYTES, size - start))
        except OSError as error:
            self._settle(told(error, self._file.path, self._missing))

    def _return_room(self) -> None:
        """Keep the disk's room for what is here, and no more."""
        spans = self.parts.spans()
        self._file.cut(spans[-1][1] if spans else 0)

    @property
    def _missing(self) -> int:
        return self.parts.size - self.parts.present

    # --- connections -----------------------------------------------------------------------------

    async def _bring_all(self) -> End:
        if self.parts.complete:
            return End.DONE
        bringers = [
            spawn(self._bring_parts(), name=f"download of {self._job.wanted.part.name}")
            for _ in range(self._way.connections)
        ]
        try:
            return await self._end
        finally:
            await cancel_and_wait(bringers)

    async def _bring_parts(self) -> None:
        """One connection: takes parts until there are none. Never raises."""
        try:
            while (part := await self._next()) is not None:
                try:
                    await self._bring(part)
                finally:
                    self._give_back(part)
        except _Over as over:
            self._settle(over.end)
        except HubUnreachable as error:
            self._bringing -= 1
            if not self._bringing:  # the others may still be served
                self._settle(_given_up(error))
        except AcquireError as error:
            self._settle(error)
        except OSError as error:
            self._settle(told(error, self._file.path, self._missing))
        except Exception as error:
            self._settle(AcquireError(f"the download failed: {type(error).__name__}"))
            raise

    async def _next(self) -> Part | None:
        """The next part; waits while others have all of them. None when it is over."""
        while not self._end.done():
            part = self.parts.take(self.parts.size if self._way.whole else 0)
            if part is not None:
                return part
            self._freed.clear()
            await self._freed.wait()
        return None

    def _give_back(self, part: Part) -> None:
        self.parts.give_back(part)
        self._journal.note(self.parts.spans())
        self._freed.set()

    def _settle(self, end: End | AcquireError) -> None:
        if self._end.done():
            return
        if isinstance(end, End):
            self._end.set_result(end)
        else:
            self._end.set_exception(end)
        self._freed.set()

    async def _bring(self, part: Part) -> None:
        """Ask for a part until it is here. Raises HubUnreachable after tries without a byte."""
        tries = 0
        while part.left:
            before = part.at
            try:
                await self._ask(part)
            except HubUnreachable:
                tries = 1 if part.at > before else tries + 1
                if tries >= MOST_TRIES:
                    raise
                await asyncio.sleep(pause_before(tries, self._job.limits.pause))

    async def _ask(self, part: Part) -> None:
        source = self._job.source
        async with source.open(part.at, part.end) as asked:
            answer = asked.answer
            if answer.status in _PART_OF_FILE:
                await self._take(answer, asked.etag, part)
            elif answer.status in _PASSING:
                raise self._passing(answer)
            else:
                source.refused(asked)

    def _passing(self, answer: Answer) -> AcquireError:
        """What a refusal for now means. The whole host is left alone as long as it wants."""
        wait = wanted_wait(answer.headers)
        if wait is not None and wait > LONGEST_WAIT:
            return hub_errors.too_many(answer.headers, answer.host, with_token=False)
        if wait is not None:
            self._job.hosts.pause(str(origin_of(answer.url)), wait)
        return HubUnreachable(
            f"{answer.host} cannot serve us now (status {answer.status})", status=answer.status
        )

    # --- bytes -----------------------------------------------------------------------------------

    async def _take(self, answer: Answer, etag: str, part: Part) -> None:
        kind, end = judge(
            answer.status, answer.headers, start=part.at, end=part.end, size=self.parts.size,
            etag=etag,
        )  # fmt: skip
        if kind is Kind.CHANGED:
            raise _Over(End.CHANGED)
        if kind is Kind.WHOLE and not self._way.whole:
            raise _Over(End.NO_RANGES)
        end = min(end, part.end)
        await self._write(answer, part, end, whole=kind is Kind.WHOLE)
        if part.at < end:
            raise HubUnreachable(f"{answer.host} ended its answer early")

    async def _write(self, answer: Answer, part: Part, end: int, *, whole: bool) -> None:
        """Put the body into the file up to `end`. `whole`: it begins at the file's first byte.

        A range that says how long it is is read to its end, which keeps the connection.
        """
        skip = part.at if whole else 0
        ends = "Content-Length" in answer.headers and not whole
        async with aclosing(answer.chunks()) as chunks:
            async for piece in chunks:
                await self._job.bucket.take(len(piece))
                skipped = min(skip, len(piece))
                skip -= skipped
                data = memoryview(piece)[skipped : skipped + end - part.at]
                if data:
                    self._file.write(data, part.at)
                    self._wrote(part, len(data))
                if part.at == end and not ends:
                    return

    def _wrote(self, part: Part, count: int) -> None:
        self.parts.wrote(part, count)
        self._job.source.progressed()
        self._unsure += count
        if self._unsure >= SAVED_BYTES:
            self._saving.set()
        if self._follower is not None:
            self._follower.advance(self.parts.frontier)
        if self.parts.complete:
            self._settle(End.DONE)

    # --- hash and journal ------------------------------------------------------------------------

    def _follow(self) -> None:
        wanted = self._job.wanted
        if wanted.hash:
            self._follower = Follower(self._file.fd, wanted.size, git=wanted.digest is None)
            self._follower.advance(self.parts.frontier)

    async def _check(self) -> End:
        if self._follower is not None:
            self.found = await self._follower.result()
            if self.found != self._job.wanted.hash:
                return End.WRONG
        await in_thread(self._file.finish)
        return End.DONE

    async def _keep(self) -> None:
        """Make the journal sure every now and then, and when it is over. Never raises."""
        try:
            while not self._stopping:
                await _set_or_later(self._saving, SAVED_SECONDS)
                self._saving.clear()
                await self._save()
            await self._save()
        except OSError as error:
            self._settle(told(error, self._journal.path, self._missing))

    async def _save(self) -> None:
        """Flush what was written, then let the journal say so. Raises OSError."""
        here = self.parts.spans()
        if here == self._sure:
            return
        self._unsure = 0
        fd = await in_thread(self._flush, self._job.wanted.identity(self._job.source.etag), here)
        self._journal.publish(fd, self.parts.spans())
        self._sure = here

    def _flush(self, identity: Identity, here: tuple[Span, ...]) -> int:
        if here:
            self._file.flush()
        return self._journal.write(identity, here)


def _given_up(error: HubUnreachable) -> AcquireError:
    if error.status != 429:
        return error
    return RateLimited(
        str(error), retry_after=RATE_LIMITED_SECONDS, hint="pull again later: it goes on then"
    )


async def in_thread(call: Callable[..., T], *arguments: Any) -> T:
    """As `asyncio.to_thread`; but cancelled, it returns when the thread is done with the file."""
    working = asyncio.get_running_loop().run_in_executor(None, call, *arguments)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise


async def _set_or_later(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
