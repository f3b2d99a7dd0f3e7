"""A loop whose time jumps, and instances that start, stop and die when a test says so."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from paddock.config.model_entry import ModelEntry
from paddock.engine.buffers import Parts
from paddock.engine.placed import Placed
from paddock.errors import EngineError, FailureKind, InstanceFailed
from paddock.library.model import Model
from paddock.scheduler.coexist import FREE, Rules
from paddock.scheduler.limits import Limits
from paddock.scheduler.scheduler import Scheduler
from paddock.tasks import running


class JumpingLoop(asyncio.SelectorEventLoop):
    """Where others sleep, it moves its clock. With nothing left to wait for it raises."""

    def __init__(self) -> None:
        super().__init__(_JumpingSelector(self))
        self.now = 1000.0
        self.jumps = True
        self.reported: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.reported.append(context))

    def time(self) -> float:
        return self.now


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("wedged: everybody waits and no timer is set")
        if not ready and timeout:
            self._loop.now += timeout
        return ready


class Child:
    """An instance without a process. By default it starts and stops at once."""

    def __init__(self, house: House, model: Model, number: int) -> None:
        self.house = house
        self.model = model
        self.id = f"{model.id}#{number}"
        self.slots = house.slots
        self.parts: dict[str, Parts] = {}
        self.exited: asyncio.Future[InstanceFailed | None] = (
            asyncio.get_running_loop().create_future()
        )
        self.starting: asyncio.Future[None] | None = None
        self.stopping: asyncio.Future[None] | None = None
        self.aborted = False
        self.alive = False

    async def start(self) -> None:
        self.house.started(self)
        try:
            await self._take_time()
        except asyncio.CancelledError:
            self.aborted = True
            raise
        except EngineError:
            self.house.ended(self)
            raise

    async def _take_time(self) -> None:
        if self.house.start_gate:
            self.starting = asyncio.get_running_loop().create_future()
            await self.starting
        elif seconds := self.house.start_seconds:
            await asyncio.sleep(seconds)
        if error := self.house.start_errors.get(self.model.id):
            raise error

    async def stop(self) -> None:
        if self.house.stop_gate:
            self.stopping = asyncio.get_running_loop().create_future()
            await self.stopping
        elif seconds := self.house.stop_seconds:
            await asyncio.sleep(seconds)
        self.house.ended(self)
        self.house.present.remove(self)

    def die(self, error: InstanceFailed | None = None) -> None:
        """Exit without being asked."""
        self.house.ended(self, error or new_failure(self.model.id, FailureKind.SIGNAL))


class House:
    """Makes the children, and counts them."""

    def __init__(self) -> None:
        self.slots = 2
        self.start_seconds = 0.0
        self.stop_seconds = 0.0
        self.start_gate = False
        self.stop_gate = False
        self.start_errors: dict[str, BaseException] = {}
        self.new_errors: dict[str, EngineError] = {}
        self.children: list[Child] = []
        self.present: list[Child] = []
        """Those that hold a room: from the decision to start them until they are gone."""
        self.neighbours: dict[str, tuple[str, ...]] = {}
        """Who was present when a child was made, by its id."""
        self.alive: list[Child] = []
        self.most_alive = 0

    def new(self, model: Model, placed: Placed | None = None) -> Child:
        if error := self.new_errors.get(model.id):
            raise error
        child = Child(self, model, len(self.children))
        self.children.append(child)
        self.neighbours[child.id] = tuple(other.model.id for other in self.present)
        self.present.append(child)
        return child

    @property
    def last(self) -> Child:
        return self.children[-1]

    @property
    def starts(self) -> list[str]:
        return [child.model.id for child in self.children]

    def started(self, child: Child) -> None:
        child.alive = True
        self.alive.append(child)
        self.most_alive = max(self.most_alive, len(self.alive))

    def ended(self, child: Child, error: InstanceFailed | None = None) -> None:
        if child.alive:
            child.alive = False
            self.alive.remove(child)
        if not child.exited.done():
            child.exited.set_result(error)


def new_failure(
    model: str, kind: FailureKind = FailureKind.EXITED, said: str = "boom"
) -> InstanceFailed:
    return InstanceFailed(model, kind, said, hint="look", output=("line 1", said))


def new_model(name: str = "a", version: str = "1", **settings: Any) -> Model:
    return Model(name, fingerprint=version, settings=ModelEntry(**settings))


def new_limits(**limits: Any) -> Limits:
    """Limits under which models swap at every request, unless a test wants another."""
    return Limits(**{"min_residency": 0, "max_loaded": 1, **limits})


class Bench:
    """What a test of the scheduler needs, in one place."""

    model = staticmethod(new_model)
    failure = staticmethod(new_failure)
    limits = staticmethod(new_limits)

    def __init__(self, loop: JumpingLoop, *, rules: Rules = FREE, **limits: Any) -> None:
        self.loop = loop
        self.house = House()
        self.scheduler: Scheduler[Child] = Scheduler(
            self.house, new_limits(**limits), rules, clock=loop.time, jitter=lambda: 0.0
        )
        self.tasks: list[asyncio.Task[Any]] = []

    def ask(self, name: str = "a", version: str = "1", client: str = "", **settings: Any) -> Any:
        """A request as a task; its result is the lease."""
        wanted = new_model(name, version, **settings)
        return self.task(self.scheduler.lease(wanted, client=client))

    def task(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        task = self.loop.create_task(coroutine)
        self.tasks.append(task)
        return task

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        for _ in range(12):
            await asyncio.sleep(0)

    async def after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.settle()

    async def ready(self, name: str = "a", **settings: Any) -> Any:
        """An idle instance of a model."""
        await self.scheduler.load(new_model(name, **settings))
        return self.house.last

    async def finish(self) -> None:
        """End everything."""
        self.house.stop_gate = False
        for child in self.house.children:
            if child.stopping is not None and not child.stopping.done():
                child.stopping.set_result(None)
        await self.scheduler.aclose(0)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.settle()

    def prove_empty(self) -> None:
        """Nothing may be left after `finish`."""
        view = self.scheduler.snapshot()
        assert (view.instances, view.waiting) == ((), ())
        assert self.house.alive == []
        assert running() == frozenset()
        assert self.loop.reported == []

    def states(self) -> dict[str, str]:
        return {i.instance: str(i.state) for i in self.scheduler.snapshot().instances}

    def waiting(self) -> list[str]:
        return [w.model for w in self.scheduler.snapshot().waiting]


@pytest.fixture
def model() -> Callable[..., Model]:
    """`model(name, version, **settings)`"""
    return new_model


@pytest.fixture
def failure() -> Callable[..., InstanceFailed]:
    """`failure(model_id, kind, last words)`"""
    return new_failure


@pytest.fixture
def loop() -> Iterator[JumpingLoop]:
    loop = JumpingLoop()
    yield loop
    loop.close()


@pytest.fixture
def new_bench() -> Callable[..., Bench]:
    """`new_bench(**limits)`: a bench on a loop of its own, for tests that turn the loop by hand."""

    def make(**limits: Any) -> Bench:
        loop = JumpingLoop()
        return loop.run_until_complete(_on(loop, limits))

    return make


async def _on(loop: JumpingLoop, limits: dict[str, Any]) -> Bench:
    return Bench(loop, **limits)


@pytest.fixture
def play(loop: JumpingLoop) -> Callable[..., Bench]:
    """`play(test, **limits)` runs the coroutine function on a bench, then closes and checks it."""

    def run(test: Callable[[Bench], Coroutine[Any, Any, None]], **limits: Any) -> Bench:
        async def whole() -> Bench:
            bench = Bench(loop, **limits)
            try:
                await test(bench)
            finally:
                await bench.finish()
            bench.prove_empty()
            return bench

        return loop.run_until_complete(asyncio.wait_for(whole(), 100_000))

    return run
