"""What a user's open pages are told: one numbered row of events per user, the same for every tab.

The last events are kept, so a page that lost its connection goes on where it was. A page that is
new, or was away for too long, hears a snapshot instead: what there is now, and then what comes.
Everything here happens on the loop's thread without a wait, so nothing is lost or told twice
between a snapshot and what follows it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

from paddock.gateway.body import dump_json
from paddock.storage.users import Role, User

KEPT_EVENTS: Final = 2000
KEPT_BYTES: Final = 1 << 20
FORGET_SECONDS: Final = 120.0
"""How long events are kept for a user none of whose pages is open."""

Told = tuple[str, Any]
"""An event's name, and what becomes its JSON."""
Snapshot = Callable[[User], Iterable[Told]]
"""What a page of this user must hear first. A plain call: it must not wait for anything."""


class Listener:
    """One open page, or another client that follows."""

    def __init__(self, user: User, session: str) -> None:
        self.user = user
        self.session = session
        self.is_over = False
        """Its session has ended, and with it the stream."""
        self._woken = asyncio.Event()

    async def news(self) -> None:
        """Return when there may be something new since the last `rest`."""
        await self._woken.wait()

    def rest(self) -> None:
        """All there was up to now has been taken."""
        self._woken.clear()

    def wake(self) -> None:
        """There is something new."""
        self._woken.set()


class Feed:
    """The events of one user."""

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._events: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._forgetting: asyncio.TimerHandle | None = None
        self.last = 0
        """The number of the last event."""
        self.listeners: dict[Listener, None] = {}
        """The oldest first."""
        self.user: User | None = None
        """As the last listener knew it."""

    def tell(self, event: str, data: Any) -> None:
        """Tell all pages of the user. `event`: one word of ours; `data`: goes into JSON."""
        if self.is_followed:
            self.add(_body(event, data))

    @property
    def is_followed(self) -> bool:
        """Somebody listens, or did until a moment ago."""
        return bool(self.listeners) or self._forgetting is not None

    def add(self, body: bytes) -> None:
        """Tell an event whose text is made already."""
        self.last += 1
        self._events.append((self.last, body))
        self._size += len(body)
        while self._size > KEPT_BYTES or len(self._events) > KEPT_EVENTS:
            self._size -= len(self._events.popleft()[1])
        for listener in self.listeners:
            listener.wake()

    def since(self, number: int) -> bytes | None:
        """The events after `number`; None where not all of them are known any more."""
        missing = self.last - number
        if not 0 <= missing <= len(self._events):
            return None
        newest = list(islice(reversed(self._events), missing))
        return b"".join(self._numbered(n, body) for n, body in reversed(newest))

    def whole(self, told: Iterable[Told]) -> bytes:
        """A snapshot as events. Only the last one has a number: who has heard less has heard
        nothing."""
        *first, last = (_body(event, data) for event, data in told)
        return b"".join((*first, self._numbered(self.last, last)))

    def forget(self) -> None:
        """Keep nothing: whoever follows, or comes back, hears a snapshot."""
        self.last += 1
        self._events.clear()
        self._size = 0
        self._stop_forgetting()
        for listener in self.listeners:
            listener.wake()

    def join(self, user: User, session: str) -> Listener:
        """One more follows."""
        self._stop_forgetting()
        self.user = user
        listener = Listener(user, session)
        self.listeners[listener] = None
        return listener

    def leave(self, listener: Listener) -> None:
        """It follows no more. Idempotent."""
        if self.listeners.pop(listener, self) is self or self.listeners:
            return
        loop = asyncio.get_running_loop()
        self._forgetting = loop.call_later(FORGET_SECONDS, self.forget)

    def _numbered(self, number: int, body: bytes) -> bytes:
        return b"id: %b.%d\n%b" % (self._epoch.encode(), number, body)

    def _stop_forgetting(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None


class Feeds:
    """The feeds of all users."""

    def __init__(self) -> None:
        self.epoch = secrets.token_hex(6)
        """Of this run: numbers of another one mean nothing here."""
        self._feeds: dict[str, Feed] = {}
        self._snapshots: list[Snapshot] = []

    def of(self, user_id: str) -> Feed:
        """The feed of a user."""
        feed = self._feeds.get(user_id)
        if feed is None:
            feed = self._feeds[user_id] = Feed(self.epoch)
        return feed

    def all(self, event: str, data: Any) -> None:
        """Tell everybody."""
        self._tell_those(event, data, lambda user: user.role is not Role.PENDING)

    def admins(self, event: str, data: Any) -> None:
        """Tell the admins."""
        self._tell_those(event, data, lambda user: user.role is Role.ADMIN)

    def followers(self) -> Iterator[User]:
        """The users whose pages are open, or were until a moment ago."""
        for feed in list(self._feeds.values()):
            if feed.user is not None and feed.is_followed:
                yield feed.user

    def add_snapshot(self, snapshot: Snapshot) -> None:
        """From now on a new page is told this too, in the order in which they were added."""
        self._snapshots.append(snapshot)

    def snapshot(self, listener: Listener) -> bytes:
        """All that a new page must hear first."""
        user = listener.user
        told: list[Told] = [("hello", {"user": user.id, "epoch": self.epoch})]
        if user.role is not Role.PENDING:
            told += [one for snapshot in self._snapshots for one in snapshot(user)]
        return self.of(user.id).whole(told)

    def changed(self, user: User) -> None:
        """An account is another now, as in its role or limits: its pages hear all anew."""
        feed = self._feeds.get(user.id)
        if feed is None:
            return
        feed.user = user
        for listener in feed.listeners:
            listener.user = user
        feed.forget()

    def end_session(self, session: str) -> None:
        """End the streams of a session: its pages are told that they are signed out."""
        self._end(lambda listener: listener.session == session)

    def end_user(self, user_id: str) -> None:
        """The same for all sessions of a user."""
        self._end(lambda listener: listener.user.id == user_id)

    def _end(self, which: Callable[[Listener], bool]) -> None:
        for feed in self._feeds.values():
            for listener in filter(which, feed.listeners):
                listener.is_over = True
                listener.wake()

    def _tell_those(self, event: str, data: Any, which: Callable[[User], bool]) -> None:
        body = b""
        for feed in self._feeds.values():
            if feed.user is not None and feed.is_followed and which(feed.user):
                body = body or _body(event, data)
                feed.add(body)


def _body(event: str, data: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.encode(), dump_json(data))
