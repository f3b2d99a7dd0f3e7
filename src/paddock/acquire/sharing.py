"""Who waits for a transfer: guests, each on a loop of its own, and what is told to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from paddock.acquire.transfer import Transfer
from paddock.acquire.wanted import Wanted
from paddock.errors import AcquireError, HubUnreachable
from paddock.tasks import T

Progress = Callable[[int], None]
_HEADERS_SECONDS: Final = 90.0
"""So long may a guest take to say what to send to the hub."""


class Guest:
    """Somebody who wants a file. Made on their loop; `settle`, `tell` and `headers` from ours."""

    def __init__(self, wanted: Wanted, progress: Progress) -> None:
        self.wanted = wanted
        self.listening = True
        self._progress = progress
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        """Settled when nothing is done for this guest any more."""

    def tell(self, present: int) -> None:
        """So many bytes are here."""
        self._call(self._progressed, present)

    def settle(self, trouble: AcquireError | None) -> None:
        """It is over for this guest."""
        self._call(self._settled, trouble)

    async def headers(self) -> Mapping[str, str]:
        """What the guest wants sent to the hub. Raises what the guest does, or HubUnreachable."""

        async def ask() -> Mapping[str, str]:
            return await self.wanted.headers()

        asking = asyncio.run_coroutine_threadsafe(ask(), self._loop)
        try:
            async with asyncio.timeout(_HEADERS_SECONDS):
                return await asyncio.wrap_future(asking)
        except TimeoutError:
            raise HubUnreachable("a token for the hub could not be had in time") from None

    def _progressed(self, present: int) -> None:
        if self.listening:
            self._progress(present)

    def _settled(self, trouble: AcquireError | None) -> None:
        if self.done.done():
            return
        if trouble is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(trouble)
            self.done.exception()  # whoever left does not ask

    def _call(self, what: Callable[[T], None], argument: T) -> None:
        with suppress(RuntimeError):  # their loop has ended, and with it whoever asked
            self._loop.call_soon_threadsafe(what, argument)


class Shared:
    """A transfer, and its guests. On the downloader's loop."""

    def __init__(self, guests: list[Guest]) -> None:
        """At least one guest."""
        self.wanted = guests[0].wanted
        self.guests = guests
        self.next: list[Guest] = []
        """They came while it was ending: for them it begins anew."""
        self.ending = False
        self.transfer: Transfer
        self.task: asyncio.Task[None]
        self._told: dict[Guest, int] = {}

    async def headers(self) -> Mapping[str, str]:
        """What the guest who is here longest wants sent to the hub."""
        return await self.guests[0].headers() if self.guests else {}

    def tell(self) -> None:
        """Tell every guest what is here, if it is not what was told before."""
        present = self.transfer.present
        for guest in self.guests:
            if self._told.get(guest) != present:
                self._told[guest] = present
                guest.tell(present)

    def leave(self, guest: Guest) -> None:
        """A guest goes. The last one ends the transfer, and waits until it has ended."""
        if guest in self.next:
            self.next.remove(guest)
            guest.settle(None)
        elif guest in self.guests and len(self.guests) > 1:
            self.guests.remove(guest)
            self._told.pop(guest, None)
            guest.settle(None)
        elif guest in self.guests and not self.ending:
            self.ending = True
            self.task.cancel()

    def settle(self, trouble: AcquireError | None) -> None:
        """It has ended for the guests it had."""
        for guest in self.guests:
            guest.settle(trouble)
