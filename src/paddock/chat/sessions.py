"""Who is signed in: a random cookie, its digest in the database, and what is open for it.

A session that ends takes with it what is under way for it: its pages are told at once, and a
request that goes on regardless is cancelled a moment later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from paddock.access.tokens import digest_of, new_token
from paddock.chat.calls import Session
from paddock.chat.devices import device_of
from paddock.chat.feed import Feeds
from paddock.chat.origin import is_secure
from paddock.chat.room import COOKIE
from paddock.storage import sessions
from paddock.storage.chat_store import Store
from paddock.storage.ids import new_id, now_ms
from paddock.storage.sessions import Device
from paddock.storage.users import User

SEEN_MS: Final = 60_000
"""That a session was used is written at most this often."""
DAY_MS: Final = 24 * 3600 * 1000
GRACE_SECONDS: Final = 0.5
"""For streams of an ended session to say so, before they are cut."""

_LONGEST: Final = 128
_KEEP: Final = 400 * 24 * 3600
"""Seconds for which a browser keeps the cookie, as long as it may: when it is over we know."""


@dataclass(slots=True)
class _Kept:
    session: Session
    seen: int


class Sessions:
    """The sessions of all users. Loop thread only."""

    def __init__(self, *, store: Store, feeds: Feeds, days: Callable[[], int]) -> None:
        """`days`: how long a session lives that is not used."""
        self._store = store
        self._feeds = feeds
        self._days = days
        self._kept: dict[str, _Kept] = {}
        """By digest. Every session that something is open for is here."""
        self._changes = 0
        self._working: dict[str, set[asyncio.Task[object]]] = {}

    async def begin(self, user: User, request: web.BaseRequest) -> str:
        """Sign a user in on the device that asks: the `Set-Cookie` for the answer."""
        cookie, now = new_token(), now_ms()
        device = Device(
            id=new_id(),
            user_id=user.id,
            created=now,
            last_seen=now,
            expires=now + self._days() * DAY_MS,
            device=device_of(request.headers.get("User-Agent", "")),
            address=(request.remote or "")[:64],
        )
        await self._store.write(lambda c: sessions.add(c, device, digest_of(cookie)))
        return _set_cookie(request, cookie, _KEEP)

    @staticmethod
    def forgotten(request: web.BaseRequest) -> str:
        """The `Set-Cookie` that takes the cookie away."""
        return _set_cookie(request, "", 0)

    async def find(self, cookie: str) -> Session | None:
        """The living session of a cookie's value, if there is one."""
        if len(cookie) > _LONGEST:
            return None
        digest, now = digest_of(cookie), now_ms()
        kept = self._kept.get(digest) or await self._read(digest, now)
        if kept is None:
            return None
        if kept.session.expires <= now:
            await self.end(kept.session.user.id, kept.session.id)
            return None
        if now - kept.seen >= SEEN_MS:
            await self._see(kept, now)
        return kept.session

    @contextmanager
    def using(self, session: Session) -> Iterator[None]:
        """The block is work for a session: it is cancelled when the session ends."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - coroutines only
        self._working.setdefault(session.id, set()).add(task)
        try:
            yield
        finally:
            tasks = self._working[session.id]
            tasks.discard(task)
            if not tasks:
                del self._working[session.id]

    async def of(self, user_id: str) -> tuple[Device, ...]:
        """A user's living sessions."""
        return await self._store.read(lambda c: sessions.of(c, user_id, now_ms()))

    async def end(self, user_id: str, session_id: str) -> bool:
        """End one of a user's sessions; whether there was it."""
        found = await self._store.write(lambda c: sessions.remove(c, user_id, session_id))
        if found:
            self._forget(lambda session: session.id == session_id)
        return found

    async def end_all_of(self, user_id: str, but: str = "") -> None:
        """End all sessions of a user's, but for one."""
        await self._store.write(lambda c: sessions.remove_of(c, user_id, but))
        self._forget(lambda session: session.user.id == user_id and session.id != but)

    def renew(self, user: User) -> None:
        """An account is another now: its sessions know it from the next request on."""
        self._changes += 1
        for kept in self._kept.values():
            if kept.session.user.id == user.id:
                kept.session = replace(kept.session, user=user)

    async def _read(self, digest: str, now: int) -> _Kept | None:
        while True:
            changes = self._changes
            found = await self._store.read(lambda c: sessions.find(c, digest, now))
            if found is None:
                return None
            if changes == self._changes:  # else it may have ended while it was read
                device, user = found
                kept = _Kept(Session(device.id, user, device.expires), device.last_seen)
                return self._kept.setdefault(digest, kept)

    async def _see(self, kept: _Kept, now: int) -> None:
        kept.seen = now
        session = replace(kept.session, expires=now + self._days() * DAY_MS)
        kept.session = session
        await self._store.write(
            lambda c: sessions.seen(c, session.id, session.user.id, now, session.expires)
        )

    def _forget(self, is_over: Callable[[Session], bool]) -> None:
        self._changes += 1
        ended = {d: kept.session.id for d, kept in self._kept.items() if is_over(kept.session)}
        for digest, session_id in ended.items():
            del self._kept[digest]
            self._feeds.end_session(session_id)
            if tasks := self._working.get(session_id, set()) - {asyncio.current_task()}:
                loop = asyncio.get_running_loop()
                loop.call_later(GRACE_SECONDS, self._cut, session_id, tasks)

    def _cut(self, session_id: str, tasks: set[asyncio.Task[object]]) -> None:
        for task in tasks & self._working.get(session_id, set()):
            task.cancel()


def _set_cookie(request: web.BaseRequest, value: str, seconds: int) -> str:
    secure = "; Secure" if is_secure(request) else ""
    return f"{COOKIE}={value}; HttpOnly; SameSite=Lax; Path=/; Max-Age={seconds}{secure}"
