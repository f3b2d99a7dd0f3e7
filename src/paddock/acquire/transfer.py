"""One file, brought whatever happens on the way: attempts, until one ends well or none can.

The part keeps what came, except where the hash says that it is wrong: then it is emptied, and the
file is asked for once more by a single connection, in case it was the many that confused the host.
"""

from __future__ import annotations

from paddock.acquire.attempt import Attempt, End, Job, Way
from paddock.acquire.part_file import PartFile
from paddock.acquire.part_journal import Journal
from paddock.acquire.parts import Parts, Span
from paddock.acquire.wanted import Wanted
from paddock.errors import WrongBytes


class Transfer:
    """Brings one file. On the downloader's loop."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._attempt: Attempt | None = None

    @property
    def present(self) -> int:
        """Bytes that are here."""
        return self._attempt.parts.present if self._attempt is not None else 0

    async def run(self) -> None:
        """Return when the part is whole, verified and flushed. Raises AcquireError.

        Cancelling keeps what is there.
        """
        wanted = self._job.wanted
        file = PartFile(wanted.part)
        journal = Journal(wanted.part)
        try:
            with file.troubles(wanted.size):
                await self._until_done(file, journal)
                journal.remove()
        except BaseException:
            if not self.present:
                file.remove()
                journal.remove()
            raise
        finally:
            journal.close()
            file.close()

    async def _until_done(self, file: PartFile, journal: Journal) -> None:
        way = Way(self._job.limits.connections)
        disappointed = False
        while True:
            here = self._resume(file, journal)
            self._attempt = attempt = Attempt(self._job, file, journal, here, way)
            end = await attempt.run()
            if end is End.DONE:
                return
            if end is End.NO_RANGES:
                way = Way(1, whole=True)
                continue
            self._discard(file, journal)
            if here:
                continue  # what was there before may have been the wrong one
            if disappointed:
                file.remove()
                raise _wrong(self._job.wanted, end, attempt.found)
            disappointed, way = True, way._replace(connections=1)

    def _resume(self, file: PartFile, journal: Journal) -> tuple[Span, ...]:
        """What is here of an earlier time. Where ranges are not known: what is at its begin."""
        here, etag = resumable(self._job.wanted, file, journal)
        if here and etag:
            self._job.source.etag = etag
        return here

    def _discard(self, file: PartFile, journal: Journal) -> None:
        """Begin at zero. In this order: a journal counts only for a part of full size."""
        self._job.source.moved()
        file.empty()
        journal.remove()


def resumable(wanted: Wanted, file: PartFile, journal: Journal) -> tuple[tuple[Span, ...], str]:
    """Which bytes of the wanted file the part holds, and by which ETag; nothing when in doubt.

    A part of full size without a journal was done already; its hash will tell.
    """
    known, size = journal.read(), file.size
    if known is None:
        return (((0, size),) if wanted.hash and size and size == wanted.size else ()), ""
    identity, here = known
    if identity != wanted.identity(identity.etag) or not (wanted.hash or identity.etag):
        return (), ""
    try:
        Parts(min(size, wanted.size), 1, here)
    except ValueError:
        return (), ""
    return here, identity.etag


def _wrong(wanted: Wanted, end: End, found: str) -> WrongBytes:
    if end is End.CHANGED:
        return WrongBytes("the file was replaced again and again while it was downloaded")
    kind = "sha256" if wanted.digest is not None else "git's sha1"
    return WrongBytes(
        f"what came is not the file that was asked for: its {kind} is {found}, "
        f"and it should be {wanted.hash}",
        hint="it was fetched twice; the hub, or something between it and here, is broken",
    )
