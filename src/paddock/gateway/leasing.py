"""A request's wait for its model, and what a streaming client hears meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from paddock.config.current import Current
from paddock.engine.arguments import fixes_context
from paddock.engine.instance import Instance
from paddock.errors import PaddockError
from paddock.events import EventBus
from paddock.gateway.context_header import options_of
from paddock.gateway.loading import Comments, Dialect, Wait, dialect_of
from paddock.gateway.outlook import LOOK_SECONDS, Outlook
from paddock.gateway.relay import Relay
from paddock.gateway.routes import Call
from paddock.library.library import Library
from paddock.library.model import NOT_SAID, LoadOptions, Model
from paddock.library.twins import running_model
from paddock.library.variant import checked, joined
from paddock.scheduler.lease import Lease
from paddock.scheduler.scheduler import Scheduler
from paddock.tasks import cancel_and_wait, spawn

QUIET_SECONDS = 5.0
"""A client that asked for a stream hears from us at least this often while it waits."""


class Leasing:
    """Gets leases for requests."""

    def __init__(
        self,
        scheduler: Scheduler[Instance],
        bus: EventBus,
        current: Current,
        library: Library | None = None,
    ) -> None:
        self._scheduler = scheduler
        self._library = library
        self._outlook = Outlook(scheduler, bus)
        self._current = current

    async def lease(
        self, call: Call, model: Model, relay: Relay | None, asked: LoadOptions = NOT_SAID
    ) -> Lease[Instance]:
        """A lease of `model`, or of its twin, for the caller. `relay` is there for a request that
        streams. `asked`: how it is to be loaded; a header of the caller's may ask for more.

        Raises what the scheduler raises, and InvalidRequest for what no model can be loaded with;
        then `relay` may have begun its stream. Cancelling gives the place in the queue back.
        """
        asked = self._possible(model, checked(joined(asked, options_of(call))))
        model = self._running(model)
        lease = self._scheduler.lease_now(model, client=call.client, asked=asked)
        if lease is not None:
            return lease
        waiting = self._scheduler.lease(model, client=call.client, request=call.id, asked=asked)
        if relay is None:
            return await waiting
        return await self._wait_and_tell(call, model, relay, waiting)

    async def lease_for(
        self,
        client: str,
        request: str,
        model: Model,
        hear: Callable[[Wait], None],
        asked: LoadOptions = NOT_SAID,
    ) -> Lease[Instance]:
        """A lease for a request of the house's own, by `client`; `hear` is told what it waits for.

        Raises what the scheduler raises. Cancelling gives the place in the queue back.
        """
        asked = self._possible(model, checked(asked))
        model = self._running(model)
        lease = self._scheduler.lease_now(model, client=client, asked=asked)
        if lease is not None:
            return lease
        waiting = self._scheduler.lease(model, client=client, request=request, asked=asked)

        def look() -> float:
            if (wait := self._outlook.of(request)) is not None:
                hear(wait)
            return LOOK_SECONDS

        return await _watched(waiting, look, 0.0, model.id)

    def lease_now(
        self, client: str, model: Model, asked: LoadOptions = NOT_SAID
    ) -> Lease[Instance] | None:
        """A lease of what runs already and is free this instant; else None."""
        asked = self._possible(model, checked(asked))
        return self._scheduler.lease_now(self._running(model), client=client, asked=asked)

    def _running(self, model: Model) -> Model:
        """The model whose instance serves this one."""
        if self._library is None or not model.twin:
            return model
        return running_model(model, self._library.catalog.models)

    def _possible(self, model: Model, asked: LoadOptions) -> LoadOptions:
        """What was asked for, without a context where it would be loaded with the same again."""
        if asked.context is None or not fixes_context(model, self._current.config):
            return asked
        rest = asked._replace(context=None)
        return NOT_SAID if rest == NOT_SAID else rest

    async def _wait_and_tell(
        self,
        call: Call,
        model: Model,
        relay: Relay,
        waiting: Coroutine[Any, Any, Lease[Instance]],
    ) -> Lease[Instance]:
        """Wait for a lease and show the client how far it is, or at least that its stream lives."""
        shown = self._shows(model)
        dialect = dialect_of(call.request.path, call.id, model.id) if shown else Comments()
        telling = Telling(relay, dialect, model.id)
        pause = LOOK_SECONDS if shown else QUIET_SECONDS

        def look() -> float:
            telling.look(self._outlook.of(call.id))
            return pause

        # What is refused at once is answered with its status, before a stream is opened.
        lease = await _watched(waiting, look, 0.0 if shown else QUIET_SECONDS, model.id)
        telling.end()
        return lease

    def _shows(self, model: Model) -> bool:
        own = model.settings.send_loading_state
        return self._current.config.send_loading_state if own is None else own


async def _watched(
    waiting: Coroutine[Any, Any, Lease[Instance]],
    look: Callable[[], float],
    pause: float,
    model: str,
) -> Lease[Instance]:
    """Wait for a lease, and `look` after every pause; it says how long the next one is."""
    task = spawn(_lease_or_error(waiting), name=f"lease of {model}")
    try:
        while not (await asyncio.wait((task,), timeout=pause))[0]:
            pause = look()
    except BaseException:
        await cancel_and_wait((task,))
        if not task.cancelled() and isinstance(lease := task.result(), Lease):
            lease.release()
        raise
    if isinstance(outcome := task.result(), PaddockError):
        raise outcome
    return outcome


async def _lease_or_error(
    waiting: Coroutine[Any, Any, Lease[Instance]],
) -> Lease[Instance] | PaddockError:
    """An error that is expected of a scheduler is this task's answer and not its crash."""
    try:
        return await waiting
    except PaddockError as error:
        return error


class Telling:
    """Tells one client what its request waits for: what is new, and now and then that it lives."""

    def __init__(self, relay: Relay, dialect: Dialect, model: str) -> None:
        self._relay = relay
        self._dialect = dialect
        self._model = model
        self._clock = asyncio.get_running_loop().time
        self._began = self._spoke = self._clock()
        self._told: Wait | None = None

    def look(self, wait: Wait | None) -> None:
        """Say what there is to say. `wait` is None in the moment when the wait ends."""
        if wait is None:
            return
        if wait != self._told:
            self._say(self._dialect.news(wait))
            self._told = wait
        elif self._clock() - self._spoke > QUIET_SECONDS - LOOK_SECONDS:
            self._say(self._dialect.alive(wait))

    def end(self) -> None:
        """The model is there. Says nothing when nothing was said before."""
        if self._told is not None:
            self._say(self._dialect.ready(self._model, self._clock() - self._began))

    def _say(self, frame: bytes) -> None:
        if not self._relay.started:
            self._relay.open_events()
        self._relay.tell(frame)
        self._spoke = self._clock()
