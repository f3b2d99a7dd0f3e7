"""A request's wait for its model, and what a streaming client hears meanwhile."""

from __future__ import annotations

import asyncio

from paddock.engine.instance import Instance
from paddock.errors import PaddockError
from paddock.gateway.relay import Relay
from paddock.library.model import Model
from paddock.scheduler.lease import Lease
from paddock.scheduler.scheduler import Scheduler
from paddock.tasks import cancel_and_wait, spawn

QUIET_SECONDS = 5.0
"""A client that asked for a stream hears from us at least this often while its model loads."""


class Leasing:
    """Gets leases for requests."""

    def __init__(self, scheduler: Scheduler[Instance]) -> None:
        self._scheduler = scheduler

    async def lease(self, client: str, model: Model, relay: Relay | None) -> Lease[Instance]:
        """A lease of `model` for `client`. `relay` is there for a request that streams.

        Raises what the scheduler raises; then `relay` may have begun its stream. Cancelling gives
        the place in the queue back.
        """
        lease = self._scheduler.lease_now(model, client=client)
        if lease is not None:
            return lease
        if relay is None:
            return await self._scheduler.lease(model, client=client)
        return await self._lease_with_comments(client, model, relay)

    async def _lease_with_comments(
        self, client: str, model: Model, relay: Relay
    ) -> Lease[Instance]:
        """Wait for a lease; after a while show the client that its stream lives."""
        waiting = spawn(self._lease_or_error(client, model), name=f"lease of {model.id}")
        try:
            while not (await asyncio.wait((waiting,), timeout=QUIET_SECONDS))[0]:
                if not relay.started:
                    relay.open_events()
                relay.comment(b"loading")
        except BaseException:
            await cancel_and_wait((waiting,))
            if not waiting.cancelled() and isinstance(lease := waiting.result(), Lease):
                lease.release()
            raise
        if isinstance(outcome := waiting.result(), PaddockError):
            raise outcome
        return outcome

    async def _lease_or_error(self, client: str, model: Model) -> Lease[Instance] | PaddockError:
        """An error that is expected of a scheduler is this task's answer and not its crash."""
        try:
            return await self._scheduler.lease(model, client=client)
        except PaddockError as error:
            return error
