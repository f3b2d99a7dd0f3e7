"""A model running in one child: started, watched, and ended."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from paddock.engine import failure
from paddock.engine.buffers import Buffers, Parts
from paddock.engine.engine import Engine, Launch
from paddock.engine.llama_cpp import LlamaCppEngine
from paddock.engine.output import Ear, Output
from paddock.engine.placed import Placed
from paddock.engine.pool import ConnectionPool
from paddock.engine.process import Process
from paddock.engine.progress import is_report, progress_in
from paddock.engine.readiness import StallLimit, why_not_ready
from paddock.engine.site import Site
from paddock.engine.stop_command import StopCommand
from paddock.errors import ArgumentRefused, EngineMissing, FailureKind, InstanceFailed
from paddock.events import InstanceChanged, InstanceState
from paddock.library.model import Model
from paddock.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)

PORT_TRIES = 4
"""The first port, and three new ones when another program was faster."""
PROGRESS_SECONDS = 0.2
"""Progress is told at most this often."""
FAILURE_LINES = 50
"""What of its output a failure carries."""
CLUE_LINES = 300
"""How far back the reason of a death is looked for."""


class Instance:
    """One life of one model: `start()` once, `stop()` any time. Loop thread only.

    `pool` is there while it is ready. `exited` resolves when its child is gone or could not start:
    with None if we asked for it, else with the classified failure.
    """

    def __init__(
        self, model: Model, site: Site, output: Output, placed: Placed | None = None
    ) -> None:
        self.id = f"{model.id}-{secrets.token_hex(4)}"
        self.model = model
        self.placed = placed
        """The plan that it is started by; None: without one."""
        self.asked_as = model.id
        """The id under which a client asked for it last: several models may run as one."""
        self.engine = ""
        """The engine's name, once it is chosen."""
        self.slots = 1
        """Requests it works on at once; known when it is ready."""
        self.state = InstanceState.STARTING
        self.progress: float | None = None
        self.memory: Mapping[str, int] = {}
        """Bytes by device, as the engine told while it loaded; `CPU` is the machine's own memory.
        Empty while it has told nothing."""
        self.parts: Mapping[str, Parts] = {}
        """The same, by what it is for."""
        self.context = 0
        """Tokens that one request may use, as the engine told; 0 while it has told nothing."""
        self.pid: int | None = None
        loop = asyncio.get_running_loop()
        self.started_at = loop.time()
        """On the loop's clock, like `ready_at`."""
        self.ready_at: float | None = None
        self.output = output
        self.pool: ConnectionPool | None = None
        self.exited: asyncio.Future[InstanceFailed | None] = loop.create_future()
        self._site = site
        self._engine: Engine | None = None
        self._loop = loop
        self._process: Process | None = None
        self._launch: Launch | None = None
        self._exit_code: int | None = None
        self._port = 0
        self._first_line = output.count
        self._limit = StallLimit(site.ready_seconds(model))
        self._progress_told = 0.0
        self._buffers = Buffers()
        self._starting: asyncio.Task[InstanceFailed | None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    @property
    def argv(self) -> tuple[str, ...]:
        """The child's command line; empty before it is known."""
        return self._launch.argv if self._launch else ()

    @property
    def address(self) -> str:
        """Where the child listens, as a URL; empty before it is known."""
        return str(self._launch.address) if self._launch else ""

    # --- starting

    async def start(self) -> None:
        """Start the child and return when it is ready. Cancelling ends the child.

        Raises InstanceFailed, also when `stop()` came first.
        """
        if self._starting or self._stopping:
            raise RuntimeError("an instance starts once")
        self._starting = spawn(self._start(), name=f"start {self.id}")
        try:
            await asyncio.wait({self._starting})
        except asyncio.CancelledError:
            await self.stop()
            raise
        if self._starting.cancelled():
            raise self._failed(FailureKind.EXITED, "stopped while it was loading")
        if self._starting.exception():
            await self.stop()
        if error := self._starting.result():
            raise error

    async def _start(self) -> InstanceFailed | None:
        self.started_at = self._loop.time()
        self._change(InstanceState.STARTING)
        try:
            error = await self._try_ports()
        except (EngineMissing, ArgumentRefused) as refusal:
            error = self._refused(refusal)
        except InstanceFailed as failed:
            error = failed
        if error:
            self._exit(error)
        return error

    async def _try_ports(self) -> InstanceFailed | None:
        """Start on free ports until one is ours. The failure, or None when it is ready."""
        error = None
        for _ in range(PORT_TRIES):
            self._site.ports.give_back(self._port)
            self._port = self._site.take_port(self.model)
            error = await self._try(self._port)
            fixed = self._launch is not None and self._launch.address.port != self._port
            if error is None or error.kind is not FailureKind.PORT_TAKEN or fixed:
                break
            log.info("%s: another program took port %d; trying another", self.id, self._port)
        return error

    async def _try(self, port: int) -> InstanceFailed | None:
        self._engine = engine = self._site.engines.choose(self.model)
        self.engine = engine.name
        self._launch = launch = await engine.launch(
            self.model, port=port, key=secrets.token_urlsafe(24), placed=self.placed
        )
        self._first_line = self.output.count
        try:
            self._process = process = await self._spawn(launch)
        except OSError as problem:  # of the system or the state folder: another time it may do
            hint = "see that the disk named has room, and that this user may start processes"
            return self._failed(FailureKind.EXITED, f"cannot start: {problem}", hint)
        self.pid = process.pid
        pool = ConnectionPool(launch.address, launch.key, launch.timeouts)
        try:
            error = await self._until_trusted(process, pool, launch)
        except BaseException:
            pool.close()
            raise
        if error:
            pool.close()
            await self._end_process()
        else:
            self._become_ready(process, pool, launch)
        return error

    async def _spawn(self, launch: Launch) -> Process:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.output.add([f"--- {now} {self.engine} starts {self.id} at {launch.address} ---"])
        self._limit.progressed()
        self._buffers = Buffers()
        self.memory, self.parts = self._buffers.memory, self._buffers.parts
        ear = Ear(self.output, self._heard, self._noted)
        process = await self._site.children.spawn(
            launch.argv,
            launch.env,
            stdout=ear.stdout,
            stderr=ear.stderr,
            holds_stdin=launch.holds_stdin,
        )
        process.ended.add_done_callback(lambda _: ear.end())
        return process

    async def _until_trusted(
        self, process: Process, pool: ConnectionPool, launch: Launch
    ) -> InstanceFailed | None:
        """Race the child's readiness against its death. The failure, or None."""
        ready = spawn(
            why_not_ready(pool, launch, process.pid, self._limit), name=f"check {self.id}"
        )
        try:
            race: set[asyncio.Future[Any]] = {ready, process.ended}
            await asyncio.wait(race, return_when=asyncio.FIRST_COMPLETED)
            if process.ended.done():
                return self._death(process)
            problem = ready.result()
            return self._failed(problem.kind, problem.message, problem.hint) if problem else None
        finally:
            await cancel_and_wait([ready])

    def _become_ready(self, process: Process, pool: ConnectionPool, launch: Launch) -> None:
        self.pool = pool
        self.slots = launch.slots
        self.ready_at = self._loop.time()
        self.progress = None
        self._learn(launch)
        self._change(InstanceState.READY)
        process.ended.add_done_callback(lambda _: self._died(process))

    def _learn(self, launch: Launch) -> None:
        """Keep what it told of its devices and of its memory."""
        if isinstance(self._engine, LlamaCppEngine):
            self._engine.note_addresses(self._buffers.addresses)
        seconds = self._loop.time() - self.started_at
        self._site.learned.note(self.model, launch, self._buffers, seconds)

    def _heard(self, line: str) -> bool:
        """Take a line that is a report of the engine, not a text for people."""
        if not is_report(line):
            return False
        progress = progress_in(line)
        if progress is not None and progress != self.progress:
            self._limit.progressed()
            self._tell_progress(progress)
        return True

    def _noted(self, line: str) -> None:
        """Take what a line tells of what is loaded; later ones may tell the same again."""
        if self.state is InstanceState.STARTING:
            self._buffers.hear(line)
            self.context = self._buffers.context

    def _tell_progress(self, progress: float) -> None:
        self.progress = progress
        now = self._loop.time()
        if self.state is InstanceState.STARTING and now - self._progress_told >= PROGRESS_SECONDS:
            self._progress_told = now
            self._change(InstanceState.STARTING)

    # --- ending

    async def stop(self) -> None:
        """End the child and return when it is gone. Its requests are cut. Idempotent.

        Cancelling the caller does not stop the ending.
        """
        if self._stopping is None:
            self._stopping = spawn(self._stop(), name=f"stop {self.id}")
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        if self.exited.done():
            return
        self._change(InstanceState.STOPPING)
        if self.pool:
            # llama-server waits for its clients before it ends: let go first.
            self.pool.close()
        if self._starting:
            await cancel_and_wait([self._starting])
        await self._end_process()
        self._exit(None)

    async def _end_process(self) -> None:
        """Ask the child to end, and kill it when that takes too long."""
        process, launch, grace = self._process, self._launch, self._site.grace(self.model)
        if process is None or launch is None:
            return
        if self.model.settings.cmd_stop and not process.ended.done():
            stop = StopCommand(self.model, launch.env, self._port)
            await stop.run(process, self._site.children, self.output, grace)
        if not process.ended.done():
            await process.end(grace=grace, again_after=launch.again_after)

    def _died(self, process: Process) -> None:
        """The child ended after it was ready."""
        if self._stopping is None:
            self._exit(self._death(process))

    def _exit(self, error: InstanceFailed | None) -> None:
        """The last thing that happens. Only once: whoever is first is right."""
        if self.exited.done():
            return
        if self.pool:
            self.pool.close()
            self.pool = None
        self._site.ports.give_back(self._port)
        if error and self._process and self._process.ended.done():
            self._exit_code = self._process.ended.result()
        self.exited.set_result(error)
        self._change(
            InstanceState.FAILED if error else InstanceState.STOPPED,
            reason=error.message if error else "",
        )

    # --- telling

    def _death(self, process: Process) -> InstanceFailed:
        code = process.ended.result()
        death = failure.classify(code, self.output.tail(CLUE_LINES, since=self._first_line))
        return self._failed(death.kind, death.message, death.hint)

    def _refused(self, refusal: EngineMissing | ArgumentRefused) -> InstanceFailed:
        missing = isinstance(refusal, EngineMissing)
        kind = FailureKind.NOT_EXECUTABLE if missing else FailureKind.BAD_FLAG
        return self._failed(kind, refusal.message, refusal.hint)

    def _failed(self, kind: FailureKind, message: str, hint: str = "") -> InstanceFailed:
        lines = self.output.tail(FAILURE_LINES, since=self._first_line)
        return InstanceFailed(self.model.id, kind, message, hint=hint, output=lines)

    def _change(self, state: InstanceState, *, reason: str = "") -> None:
        self.state = state
        self._site.bus.publish(
            InstanceChanged(
                model=self.model.id,
                instance=self.id,
                state=state,
                progress=self.progress,
                exit_code=self._exit_code,
                reason=reason,
            )
        )
