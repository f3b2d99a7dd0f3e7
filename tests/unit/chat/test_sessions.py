"""Sessions: cookies that are found, kept, ended; and what is open for them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from tests.fakes.chat_house import ChatHouse, chat_house

from paddock.access.tokens import digest_of
from paddock.chat.calls import ChatCall, ChatRoute, Who, nothing
from paddock.chat.devices import device_of
from paddock.chat.origin import origin_of
from paddock.chat.sessions import DAY_MS
from paddock.storage import sessions as stored
from paddock.storage.ids import now_ms
from paddock.storage.users import Role


async def cookie_of(house: ChatHouse, login: str = "ann") -> str:
    user = await house.user(login)
    told = await house.sessions.begin(user, make_mocked_request("GET", "/"))
    return told.partition("=")[2].partition(";")[0]


async def test_a_cookie_leads_to_its_user_and_to_nobody_when_it_is_another(tmp_path: Path) -> None:
    async with chat_house(tmp_path) as house:
        cookie = await cookie_of(house)
        session = await house.sessions.find(cookie)
        assert session is not None
        assert session.user.login == "ann"
        assert session.expires > now_ms() + 29 * DAY_MS
        for wrong in ("", cookie[:-1], cookie + "a", cookie * 9, digest_of(cookie), "' OR 1=1--"):
            assert await house.sessions.find(wrong) is None


async def test_a_session_that_ended_is_not_found_however_it_ended(tmp_path: Path) -> None:
    async with chat_house(tmp_path) as house:
        one, two = await cookie_of(house, "ann"), await cookie_of(house, "bob")
        first, second = await house.sessions.find(one), await house.sessions.find(two)
        assert first is not None
        assert second is not None
        assert not await house.sessions.end(second.user.id, first.id), "another's"
        assert await house.sessions.end(first.user.id, first.id)
        await house.sessions.end_all_of(second.user.id)
        assert [await house.sessions.find(one), await house.sessions.find(two)] == [None, None]


async def test_all_but_the_session_in_use_end(tmp_path: Path) -> None:
    async with chat_house(tmp_path) as house:
        one = await cookie_of(house)
        session = await house.sessions.find(one)
        assert session
        told = await house.sessions.begin(session.user, make_mocked_request("GET", "/"))
        other = told.partition("=")[2].partition(";")[0]
        await house.sessions.end_all_of(session.user.id, but=session.id)
        assert await house.sessions.find(one) == session
        assert await house.sessions.find(other) is None
        assert [device.id for device in await house.sessions.of(session.user.id)] == [session.id]


async def test_an_expired_session_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat_house(tmp_path) as house:
        cookies = [await cookie_of(house, name) for name in ("ann", "bob")]
        assert await house.sessions.find(cookies[0])
        later = now_ms() + 31 * DAY_MS
        monkeypatch.setattr("paddock.chat.sessions.now_ms", lambda: later)
        assert [await house.sessions.find(cookie) for cookie in cookies] == [None, None]


async def test_a_session_that_is_used_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with chat_house(tmp_path) as house:
        cookie = await cookie_of(house)
        began = now_ms()
        for day in (20, 40, 60):
            now = began + day * DAY_MS
            monkeypatch.setattr("paddock.chat.sessions.now_ms", lambda now=now: now)
            session = await house.sessions.find(cookie)
            assert session is not None
            assert session.expires == now + 30 * DAY_MS
        found = await house.store.read(lambda c: stored.find(c, digest_of(cookie), now))
        assert found is not None
        assert [found[0].last_seen, found[1].last_seen] == [now, now]


async def test_a_session_that_ends_while_it_is_looked_up_is_not_kept(tmp_path: Path) -> None:
    async with chat_house(tmp_path) as house:
        user = await house.user("ann")
        for _ in range(20):
            told = await house.sessions.begin(user, make_mocked_request("GET", "/"))
            cookie = told.partition("=")[2].partition(";")[0]
            finds = [asyncio.ensure_future(house.sessions.find(cookie)) for _ in range(3)]
            await house.sessions.end_all_of(user.id)
            await asyncio.gather(*finds)
            assert await house.sessions.find(cookie) is None


async def test_what_is_open_for_a_session_ends_with_it(tmp_path: Path) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def endless(chat: ChatCall) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(chat.call.request)
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return response

    async def leave(chat: ChatCall) -> web.StreamResponse:
        await house.sessions.end_all_of(chat.user.id)
        return nothing()

    routes = (
        ChatRoute("GET", "/api/endless", Who.USER, endless),
        ChatRoute("POST", "/api/leave", Who.USER, leave),
    )
    async with chat_house(tmp_path, lambda _: routes) as house, await house.as_user("ann") as ann:
        async with ann.http.get("/api/endless") as answer:
            await began.wait()
            assert await ann.ask("POST", "/api/leave") == (204, None)
            await asyncio.wait_for(ended.wait(), 5)
            with pytest.raises(aiohttp.ClientPayloadError):
                await asyncio.wait_for(answer.content.read(), 5)
        assert (await ann.ask("GET", "/api/endless"))[0] == 401


async def test_a_changed_account_is_known_at_the_next_request(tmp_path: Path) -> None:
    async def role(chat: ChatCall) -> web.StreamResponse:
        return web.json_response(chat.user.role)

    routes = (ChatRoute("GET", "/api/role", Who.PENDING, role),)
    async with chat_house(tmp_path, lambda _: routes) as house, await house.as_user("ann") as ann:
        assert await ann.ask("GET", "/api/role") == (200, "user")
        assert ann.user
        house.sessions.renew(replace(ann.user, role=Role.ADMIN))
        assert await ann.ask("GET", "/api/role") == (200, "admin")


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("(Linux; Android 15) Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        ("(iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1", "Safari on iPhone"),
        ("(X11; Linux x86_64; rv:140.0) Firefox/140.0", "Firefox on Linux"),
        ("curl/8.1", "curl"),
        ("\x00<script>", "<script>"),
        ("", "unknown device"),
    ],
)
def test_a_device_has_a_name_for_people(agent: str, words: str) -> None:
    assert device_of(agent) == words


@pytest.mark.parametrize(
    ("origin", "secure"),
    [("", False), ("http://nas.lan:3001", False), ("https://nas.tail1.ts.net", True)],
)
async def test_a_cookie_got_over_https_goes_nowhere_else(
    tmp_path: Path, origin: str, secure: bool
) -> None:
    """A proxy in front may speak HTTPS for us: the page knows, and says so."""
    asks = make_mocked_request("POST", "/", {"Origin": origin, "Host": "nas.lan:3001"})
    async with chat_house(tmp_path) as house:
        told = await house.sessions.begin(await house.user("ann"), asks)
    assert ("Secure" in told.split("; ")) is secure
    assert origin_of(asks) == f"{'https' if secure else 'http'}://nas.lan:3001"
