"""All pulls of the daemon: each asked for once, done once, and gone on with after a restart.

A pull of the same request is shared, and of different ones that need the same bytes one fetches
them and the others wait for it. What is under way is on disk (`job_files.py`) until its end.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from paddock.acquire import here, placing
from paddock.acquire.hubs import Hubs
from paddock.acquire.job_files import Job, JobFiles, number_of
from paddock.acquire.plan import How, Item, Plan, make
from paddock.acquire.pull import FileState, Pull, State
from paddock.acquire.request import PullRequest
from paddock.acquire.room import check_disk, check_quota, device_of, used_below
from paddock.acquire.wanted import Wanted
from paddock.config.current import Current
from paddock.errors import (
    AcquireError,
    Gated,
    HubUnreachable,
    InvalidRequest,
    NotThere,
    PaddockError,
    PullCancelled,
    RateLimited,
    UnknownId,
)
from paddock.events import EventBus
from paddock.library.digest import Hashed
from paddock.library.library import Library
from paddock.library.naming import model_id
from paddock.tasks import cancel_and_wait, finished, spawn

log = logging.getLogger(__name__)

FOLDER: Final = "pulls"
"""Of the records, in the state folder."""
MOST: Final = 64
"""Pulls under way at once."""
REMEMBERED: Final = 32
"""Ended ones that are still listed."""
_TOLD_EVERY: Final = 0.5
"""Seconds between two events about bytes."""
_PATIENCE: Final = (5.0, 15.0, 60.0, 300.0)
"""Seconds before a pull that nobody waits for asks a hub again that does not answer; the last one
again and again."""


class Broken(AcquireError):
    """A bug of ours ended a pull; the log has it."""


class Pulls:
    """Brings models in. Loop thread only; `aclose` it."""

    def __init__(
        self, current: Current, library: Library, bus: EventBus, state_dir: Path, hubs: Hubs
    ) -> None:
        self._current = current
        self._library = library
        self._bus = bus
        self._hubs = hubs
        self._jobs = JobFiles(state_dir / FOLDER)
        self._writing = asyncio.Lock()
        """Of records, and of ids: one at a time."""
        self._pulls: dict[str, Pull] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._plans: dict[str, Plan] = {}
        """Of the pulls whose bytes come: what they still take is promised to them."""
        self.resuming: asyncio.Future[None] | None = None
        """Done when those of the daemon's last life are here; None: nobody waits for them."""
        self._planning = asyncio.Lock()
        self._flows: dict[Path | str, _Flow] = {}
        self._last = 0
        """The number of the last id."""
        self._closing = False

    # --- asking ----------------------------------------------------------------------------------

    async def ask(
        self, request: PullRequest, *, lasting: bool, patient: bool = False, asker: bool = False
    ) -> Pull:
        """Begin a pull, or join the one that is under way for the same.

        `lasting`: it goes on when nobody watches. `patient`: where a hub does not answer it asks
        again and again. `asker`: whoever calls has to `leave` it. Raises what a name that cannot be
        does; everything else is the pull's own failure.
        """
        self._hubs.check(request)
        pull = next((one for one in self.active() if one.job.request == request), None)
        if pull is None:
            pull = await self._begun(request, lasting=lasting, patient=patient)
        elif lasting and not pull.job.lasting:
            pull.job = pull.job._replace(lasting=True)
            await self._record(pull.job)
        pull.askers += asker
        return pull

    async def plan(self, request: PullRequest) -> tuple[Plan, int | None]:
        """What a pull would do, and bytes that may still come under the quota; None: no quota.

        Raises AcquireError.
        """
        plan = await make(await self._hubs.listing(request), self._library, self._folders)
        quota = self._current.config.pulls.quota
        if not quota:
            return plan, None
        return plan, max(0, quota - await asyncio.to_thread(used_below, self._kept))

    def leave(self, pull: Pull) -> None:
        """An asker goes. Without the last of them a pull that is not lasting ends."""
        pull.askers -= 1
        if pull.askers <= 0 and not pull.job.lasting and not self._closing:
            self._end(pull)

    async def cancel(self, pull: Pull) -> None:
        """End a pull; returns when it has ended. What came of it stays."""
        self._end(pull)
        if task := self._tasks.get(pull.id):
            await asyncio.wait([task])

    def find(self, pull_id: str) -> Pull:
        """The pull of this id. Raises UnknownId."""
        if pull := self._pulls.get(pull_id):
            return pull
        raise UnknownId(f"no pull {pull_id[:20]!r}", hint="`paddock pulls` lists them")

    async def known(self) -> None:
        """Return when those that an earlier daemon began can be found, too."""
        if self.resuming is not None:
            await asyncio.wait([self.resuming])

    def all(self) -> list[Pull]:
        """All that are under way, and the last that ended; the newest last."""
        return list(self._pulls.values())

    def active(self) -> list[Pull]:
        """Those that are under way."""
        return [pull for pull in self._pulls.values() if not pull.ended]

    def busy(self) -> dict[Path, str] | None:
        """Ids of the pulls under way, by the parts and the final names that they work on.

        None: one of them does not know yet.
        """
        if any(pull.id not in self._plans for pull in self.active()):
            return None
        items = ((item, pull_id) for pull_id, plan in self._plans.items() for item in plan.items)
        return {path: pull_id for item, pull_id in items for path in (item.part, item.target)}

    async def resume(self) -> None:
        """Go on with what was under way when the daemon ended."""
        for job in await asyncio.to_thread(self._jobs.load):
            self._last = max(self._last, number_of(job.id))
            if job.id not in self._pulls:
                log.info("going on with the pull of %s", job.request.name)
                self._start(Pull(job), patient=True)

    async def aclose(self) -> None:
        """Stop, and keep what is needed to go on at the next start. Idempotent."""
        self._closing = True
        await cancel_and_wait(list(self._tasks.values()))
        await self._hubs.aclose()

    # --- one pull --------------------------------------------------------------------------------

    async def _begun(self, request: PullRequest, *, lasting: bool, patient: bool) -> Pull:
        if len(self.active()) >= MOST:
            raise InvalidRequest(
                f"{MOST} pulls are under way", hint="wait for some of them: `paddock pulls`"
            )
        self._last += 1
        pull = Pull(Job(f"p{self._last}", request, lasting=lasting))
        self._start(pull, patient=patient)
        return pull

    def _start(self, pull: Pull, *, patient: bool) -> None:
        self._pulls[pull.id] = pull
        self._forget_old()
        task = spawn(self._run(pull, patient=patient), name=f"pull {pull.id}")
        self._tasks[pull.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(pull.id, None))

    def _forget_old(self) -> None:
        ended = [pull.id for pull in self._pulls.values() if pull.ended]
        for pull_id in ended[: max(0, len(ended) - REMEMBERED)]:
            del self._pulls[pull_id]

    def _end(self, pull: Pull) -> None:
        task = self._tasks.get(pull.id)
        if task is not None and not pull.ended:
            self._to(pull, State.CANCELLED, error=PullCancelled(f"{pull.name}: cancelled"))
            task.cancel()

    async def _run(self, pull: Pull, *, patient: bool) -> None:
        telling = spawn(self._tell(pull), name=f"tell of pull {pull.id}")
        try:
            await self._record(pull.job)
            await self._tried(pull, patient=patient)
        except asyncio.CancelledError:
            if not pull.ended:
                raise  # the daemon ends, and the record stays
        except PaddockError as error:
            log.warning("the pull of %s failed: %s", pull.name, error.message)
            self._to(pull, State.FAILED, error=self._explained(pull, error))
        except Exception:
            log.exception("the pull of %s failed", pull.name)
            broken = Broken("an error inside Paddock", hint="its log tells more")
            self._to(pull, State.FAILED, error=broken)
        finally:
            self._plans.pop(pull.id, None)
            await cancel_and_wait([telling])
        await self._forget(pull.job.id)

    def _explained(self, pull: Pull, error: PaddockError) -> PaddockError:
        """With a word about the model of that name, where one is here that nobody out there has."""
        here = self._library.catalog.find(pull.job.request.name)
        if here is None or not isinstance(error, NotThere):
            return error
        return NotThere(error.message, hint=f"{here.id} is here already, and stays; {error.hint}")

    async def _tried(self, pull: Pull, *, patient: bool) -> None:
        """Do it; `patient`: until it is done or can never be."""
        attempts = itertools.count() if patient else ()
        for attempt in attempts:
            try:
                await self._work(pull)
            except (HubUnreachable, RateLimited) as error:
                pause = _PATIENCE[min(attempt, len(_PATIENCE) - 1)] * random.uniform(1, 1.2)  # noqa: S311
                pause = max(pause, getattr(error, "retry_after", 0.0))
                log.info("the pull of %s waits %.0f s: %s", pull.name, pause, error.message)
                self._to(pull, State.WAITING, note=f"{error.message}; it is tried again")
                await asyncio.sleep(pause)
            else:
                return
        await self._work(pull)

    async def _work(self, pull: Pull) -> None:
        whole = False
        while not whole:
            self._to(pull, State.PLANNING)
            plan = await self._planned(pull)
            self._to(pull, State.PULLING)
            await self._bring(pull, plan)
            self._to(pull, State.PLACING)
            whole = await self._finish(pull, plan)
        await self._library.rescan()
        pull.models = self._names(plan)
        self._to(pull, State.DONE)

    async def _planned(self, pull: Pull) -> Plan:
        listing = await self._hubs.listing(pull.job.request, pull.job.revision)
        if listing.revision != pull.job.revision:
            pull.job = pull.job._replace(revision=listing.revision)
            await self._record(pull.job)
        pull.name, pull.note = listing.name, listing.note
        plan = await make(listing, self._library, self._folders)
        async with self._planning:  # of two that fit alone, but not together, the second is told
            await asyncio.to_thread(self._check_room, plan)
            self._plans[pull.id] = plan
        pull.take(plan.items)
        return plan

    def _check_room(self, plan: Plan) -> None:
        """Blocking. Raises NoRoom and OverQuota."""
        needed = plan.needed()
        if not needed:
            return
        device = device_of(plan.folder)
        others = list(self._plans.values())
        beside = sum(other.needed() for other in others if device_of(other.folder) == device)
        check_disk(plan.folder, needed, beside)
        if quota := self._current.config.pulls.quota:
            coming = sum(other.fetch for other in others)
            check_quota(quota, used_below(self._kept), plan.fetch, coming)

    async def _bring(self, pull: Pull, plan: Plan) -> None:
        """Every file to its place: small ones and projectors first, so that a model is listed once,
        with all that belongs to it. Raises the first error; the others' bytes stay as parts."""
        await asyncio.to_thread(placing.prepare, plan.folder)
        files = list(zip(plan.items, pull.files, strict=True))
        first = [one for one in files if _is_beside(one[0])]
        for group in (first, [one for one in files if one not in first]):
            await self._together(pull, plan, group)

    async def _together(
        self, pull: Pull, plan: Plan, files: Iterable[tuple[Item, FileState]]
    ) -> None:
        tasks = [
            spawn(self._file(pull, plan, item, state), name=f"pull {pull.id}: {item.target.name}")
            for item, state in files
            if item.how is not How.HERE
        ]
        try:
            for task in asyncio.as_completed(tasks):
                if error := await task:
                    raise error
        finally:
            await cancel_and_wait(tasks)

    async def _file(
        self, pull: Pull, plan: Plan, item: Item, state: FileState
    ) -> PaddockError | None:
        """Bring one file. What goes wrong is its result: it is no crash of the task."""
        try:
            async with self._flow(item, lambda done: pull.progress(state, done)) as flow:
                if flow.moved and await here.is_same(self._library, item.target, item.file):
                    pull.progress(state, item.file.size)
                    return None
                await self._linked_or_fetched(plan, item, flow)
            pull.progress(state, item.file.size)
        except PaddockError as error:
            return error
        return None

    async def _linked_or_fetched(self, plan: Plan, item: Item, flow: _Flow) -> None:
        source = item.source
        if source is None and flow.moved:
            source = await here.find(self._library, item.file, {})
        if source is not None and await finished(
            partial(placing.link, source, item.target, in_store=item.in_store)
        ):
            return
        await self._fetch(plan, item, flow)
        await finished(partial(placing.place, item.part, item.target, replacing=item.in_store))
        if item.file.digest is not None:
            look = await asyncio.to_thread(here.stamp, item.target)
            await self._library.hashes.remember(Hashed(item.target, item.file.digest, look))

    async def _fetch(self, plan: Plan, item: Item, flow: _Flow) -> None:
        try:
            await self._hubs.fetch(self._wanted(plan, item), flow.tell)
        except Gated as error:
            listing = plan.listing
            raise Gated(
                f"{listing.repository}: {error.message}",
                hint=f"{error.hint}; its page is {listing.page}",
            ) from error

    def _wanted(self, plan: Plan, item: Item) -> Wanted:
        return Wanted(
            key=str(item.part),
            size=item.file.size,
            digest=item.file.digest,
            git_sha1=item.file.git_sha1,
            url=item.file.url,
            part=item.part,
            headers=plan.listing.headers(item.file),
            subject=f"{plan.listing.repository or plan.listing.name}, {item.file.path},",
            page=plan.listing.page,
        )

    @asynccontextmanager
    async def _flow(self, item: Item, hear: Callable[[int], None]) -> AsyncIterator[_Flow]:
        """The only one to bring these bytes, or to this place; who waits hears how far it is."""
        key = str(item.file.digest) if item.file.digest else item.target
        flow = self._flows.setdefault(key, _Flow())
        flow.hearers.append(hear)
        try:
            async with flow.lock:
                yield flow
                flow.moved = True
        finally:
            flow.hearers.remove(hear)
            if not flow.hearers:
                del self._flows[key]

    async def _finish(self, pull: Pull, plan: Plan) -> bool:
        """The manifest of a registry's model, which is what makes it one.

        False: a blob that was here is not any more, for its last model was removed meanwhile.
        """
        stored = plan.listing.stored
        if stored is None:
            return True
        async with self._library.changing() as store:
            if not await asyncio.to_thread(_all_there, plan.items):
                return False
            gone = await finished(store.write_verbatim, stored.name, stored.data)
            pull.replaced = bool(gone)
        return True

    def _names(self, plan: Plan) -> tuple[str, ...]:
        """What the library calls what came; as soon as it is listed."""
        catalog = self._library.catalog
        if stored := plan.listing.stored:
            model = catalog.find(str(stored.name))
            return (model.id,) if model else ()
        ids = dict.fromkeys(model_id(item.target.name) for item in plan.items)
        return tuple(one for one in ids if one in catalog.models)

    # --- records and events ----------------------------------------------------------------------

    async def _record(self, job: Job) -> None:
        async with self._writing:
            try:
                await finished(self._jobs.write, job)
            except OSError as error:
                log.warning("a pull cannot be recorded, so a restart ends it: %s", error)

    async def _forget(self, job_id: str) -> None:
        async with self._writing:
            with suppress(OSError):
                await finished(self._jobs.remove, job_id)

    def _to(
        self,
        pull: Pull,
        state: State,
        *,
        note: str | None = None,
        error: PaddockError | None = None,
    ) -> None:
        if not pull.ended:
            pull.to(state, note=note, error=error)
            self._bus.publish(pull.event())

    async def _tell(self, pull: Pull) -> None:
        """Tell the bus of the bytes from time to time."""
        told = pull.completed
        while True:
            await asyncio.sleep(_TOLD_EVERY)
            if pull.completed != told:
                told = pull.completed
                self._bus.publish(pull.event())

    @property
    def _folders(self) -> list[Path]:
        return list(self._current.config.models_dir)

    @property
    def _kept(self) -> list[Path]:
        """Where models are."""
        return [*self._folders, self._library.store.blobs]


class _Flow:
    """The bringing of one file: one at a time, heard by all who want it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.moved = False
        """Somebody brought it while we waited."""
        self.hearers: list[Callable[[int], None]] = []

    def tell(self, completed: int) -> None:
        """So many bytes are here."""
        for hear in tuple(self.hearers):
            hear(completed)


def _all_there(items: Iterable[Item]) -> bool:
    """Blocking."""
    return all(item.target.is_file() for item in items)


def _is_beside(item: Item) -> bool:
    """Whether a file is none of the weights: a projector, or a small one."""
    return item.target.name.lower().startswith("mmproj") or item.file.size < (1 << 20)
