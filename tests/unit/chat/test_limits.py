"""Limits of accounts: what is counted, when it is enough, and how that is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.chat_house import ChatHouse, chat_house

from paddock.chat.limits import DailyLimit, Limits, QuietHours, TooManyRequests, limits_of, login_in
from paddock.errors import InvalidRequest, ModelNotAllowed
from paddock.observe.activity import Activity
from paddock.observe.answer import Answer
from paddock.observe.captures import Captures
from paddock.observe.journal import Journal
from paddock.observe.record import Asked
from paddock.storage.database import Database
from paddock.storage.users import Role, User

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ANSWER = b'{"usage": {"prompt_tokens": 7, "completion_tokens": 5}}'


class Desk:
    """Limits of one house, its journal, and its clock."""

    def __init__(self, house: ChatHouse) -> None:
        self.now = NOON
        self.database = Database(None)
        self.journal = Journal(Activity(self.database, 100), Captures(lambda: 0), lambda _: 500)
        self.limits = Limits(store=house.store, journal=self.journal, now=lambda: self.now)

    async def ask(self, client: str) -> None:
        """One request of twelve tokens."""
        asked = Asked("m", "/v1/chat/completions", client=client)
        answer = Answer(status=200, content_type="application/json", head=ANSWER)
        with self.journal.record(asked, lambda: answer):
            pass
        await self.journal.settle()


@asynccontextmanager
async def desk(house: ChatHouse) -> AsyncIterator[Desk]:
    made = Desk(house)
    await made.limits.open()
    yield made
    await made.limits.aclose()
    await made.journal.aclose()
    await made.database.aclose()


def user(**limits: Any) -> User:
    return User("ann", "ann", "Ann", Role.USER, 0, 0, limits=limits)


async def test_tokens_of_the_chat_and_of_keys_count_together_until_midnight(tmp_path: Path) -> None:
    async with chat_house(tmp_path) as house, desk(house) as one:
        ann = user(tokens_per_day=24)
        await house.user("ann")
        one.limits.check(ann, "m")
        await one.ask("user:ann")
        await one.ask("user:anna")
        await one.ask("key:1f0c22ab")
        one.limits.check(ann, "m")
        await one.ask("user:ann/lap/top")
        assert one.limits.used_today(ann)["tokens_today"] == 24
        with pytest.raises(DailyLimit, match="24 tokens") as caught:
            one.limits.check(ann, "m")
        assert caught.value.retry_after == 12 * 3600
        one.now += timedelta(hours=12)
        one.limits.check(ann, "m")
        assert one.limits.used_today(ann)["requests_today"] == 0


async def test_what_was_used_is_known_after_a_restart(tmp_path: Path) -> None:
    async with chat_house(tmp_path) as house:
        await house.user("ann")
        for times in (1, 2):
            async with desk(house) as one:
                await one.ask("user:ann")
                await one.ask("user:nobody")
                assert one.limits.used_today(user())["tokens_today"] == 12 * times
        async with desk(house) as one:
            assert one.limits.used_today(user())["requests_today"] == 2


async def test_only_so_many_requests_run_at_once(tmp_path: Path) -> None:
    async with chat_house(tmp_path) as house, desk(house) as one:
        ann = user(parallel=2)
        asked = [
            Asked("m", "/v1/chat/completions", client=who) for who in ("user:ann", "user:ann/k")
        ]
        other = one.journal.record(Asked("m", "/", client="user:bob"), Answer)
        with other, one.journal.record(asked[0], Answer):
            one.limits.check(ann, "m")
            with one.journal.record(asked[1], Answer), pytest.raises(TooManyRequests):
                one.limits.check(ann, "m")
        one.limits.check(ann, "m")


@pytest.mark.parametrize(
    ("begins", "ends", "quiet"),
    [
        ("11:00", "13:00", True),
        ("12:00", "12:01", True),
        ("11:00", "12:00", False),
        ("21:00", "07:00", False),
        ("21:00", "12:01", True),
        ("11:59", "07:00", True),
    ],
)
async def test_quiet_hours(tmp_path: Path, begins: str, ends: str, quiet: bool) -> None:
    async with chat_house(tmp_path) as house, desk(house) as one:
        ann = user(quiet={"from": begins, "to": ends})
        if not quiet:
            one.limits.check(ann, "m")
            return
        with pytest.raises(QuietHours, match=f"until {ends}"):
            one.limits.check(ann, "m")


async def test_models_that_are_not_listed_are_refused(tmp_path: Path) -> None:
    async with chat_house(tmp_path) as house, desk(house) as one:
        one.limits.check(user(models=["m"]), "m")
        one.limits.check(user(), "m")
        for models in (["n"], list[str]()):
            with pytest.raises(ModelNotAllowed):
                one.limits.check(user(models=models), "m")


def test_null_is_no_limit_and_what_is_no_limit_is_refused() -> None:
    assert limits_of({"models": None, "parallel": 3}) == {"parallel": 3}
    with pytest.raises(InvalidRequest, match="no limit 'speed'"):
        limits_of({"speed": 1})


@pytest.mark.parametrize(
    ("client", "login"),
    [("user:ann", "ann"), ("user:ann/k/2", "ann"), ("key:ann", ""), ("192.0.2.1", ""), ("", "")],
)
def test_the_login_in_a_clients_name(client: str, login: str) -> None:
    assert login_in(client) == login


async def test_much_at_once_is_written_once(tmp_path: Path) -> None:
    async with chat_house(tmp_path) as house:
        await house.user("ann")
        async with desk(house) as one:
            await asyncio.gather(*(one.ask("user:ann") for _ in range(50)))
        async with desk(house) as one:
            assert one.limits.used_today(user())["tokens_today"] == 600
