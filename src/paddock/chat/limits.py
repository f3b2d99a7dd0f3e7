"""What each account may use: which models, how much a day, how much at once, and at what hours.

One check for the chat and for the account's keys. What was used is counted from the journal, where
every request of the house ends up, whichever way it came.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any, Final

from paddock.chat import forms
from paddock.errors import AccessError, Forbidden, InvalidRequest, ModelNotAllowed, PaddockError
from paddock.gateway import problems
from paddock.hardware import local_time
from paddock.observe.journal import Journal, News, Recorded
from paddock.storage import usage
from paddock.storage.chat_store import Store
from paddock.storage.usage import Used
from paddock.storage.users import User
from paddock.tasks import spawn

log = logging.getLogger(__name__)

WRITE_SECONDS: Final = 5.0
"""How long what was used may wait to be written with more of it."""
CLIENT: Final = "user:"
"""How the name of a client begins that is an account, or one of its keys: `user:anna/laptop`."""

MOST_TOKENS: Final = 10**12
MOST_PARALLEL: Final = 100


class QuietHours(Forbidden):
    """Not at this hour."""


class DailyLimit(AccessError):
    """What may be used in a day is used. `retry_after`: seconds until the next day."""

    def __init__(self, message: str, hint: str, retry_after: float) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class TooManyRequests(AccessError):
    """As many requests run as may at once."""

    retry_after = 1.0


problems.SHAPES[QuietHours] = problems.Shape(403, "permission_error", "quiet_hours")
problems.SHAPES[DailyLimit] = problems.Shape(429, "rate_limit_error", "daily_limit")
problems.SHAPES[TooManyRequests] = problems.Shape(429, "rate_limit_error", "too_many_requests")


class Limits:
    """Knows what everybody has used today. Loop thread only; `open` it, and `aclose` it."""

    def __init__(
        self,
        *,
        store: Store,
        journal: Journal,
        now: Callable[[], datetime] = local_time.now,
    ) -> None:
        """`now`: the time on the house's clock, with its zone."""
        self._store = store
        self._journal = journal
        self._now = now
        self._day = ""
        self._used: dict[str, Used] = {}
        """Today, by login."""
        self._unwritten: dict[str, dict[str, Used]] = {}
        """By day and login."""
        self._timer: asyncio.TimerHandle | None = None
        self._writing = asyncio.Lock()

    async def open(self) -> None:
        """Know what was used before, and count from now on. Raises StorageError."""
        self._day = day = self._today()
        self._used = await self._store.read(lambda c: usage.of_day(c, day))
        self._journal.watch(self._hear)

    async def aclose(self) -> None:
        """Write what is left. Idempotent."""
        self._journal.unwatch(self._hear)
        if self._timer is not None:
            self._timer.cancel()
        await self._write()

    def check(self, user: User, model: str) -> None:
        """Whether this user may ask this model now, by its id.

        Raises ModelNotAllowed, QuietHours, DailyLimit and TooManyRequests.
        """
        limits = user.limits
        models = limits.get("models")
        if models is not None and model not in models:
            raise ModelNotAllowed(model)
        if quiet := limits.get("quiet"):
            self._check_hours(quiet)
        if (tokens := limits.get("tokens_per_day")) is not None:
            self._check_tokens(user, tokens)
        if (most := limits.get("parallel")) and self._running(user) >= most:
            raise TooManyRequests(
                f"{most} of your requests run already, as many as may", hint="wait for one to end"
            )

    def used_today(self, user: User) -> dict[str, Any]:
        """What this user has used today, to tell."""
        used = self._today_of(user.login)
        return {"tokens_today": used.tokens, "requests_today": used.requests, "day": self._today()}

    # --- checking

    def _check_hours(self, quiet: Mapping[str, str]) -> None:
        begins, ends = (time.fromisoformat(quiet[name]) for name in ("from", "to"))
        now = self._now().time()
        is_over_night = begins > ends
        is_quiet = now >= begins or now < ends if is_over_night else begins <= now < ends
        if is_quiet:
            raise QuietHours(
                f"there are quiet hours until {quiet['to']}", hint="an admin can change them"
            )

    def _check_tokens(self, user: User, most: int) -> None:
        if self._today_of(user.login).tokens < most:
            return
        now = self._now()
        midnight = datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)
        raise DailyLimit(
            f"your {most:,} tokens of today are used",
            "there are new ones from midnight on",
            max(1.0, midnight.timestamp() - now.timestamp()),
        )

    def _running(self, user: User) -> int:
        running = self._journal.running()
        return sum(login_in(record.asked.client) == user.login for record in running)

    # --- counting

    def _today(self) -> str:
        return self._now().date().isoformat()

    def _today_of(self, login: str) -> Used:
        if (day := self._today()) != self._day:
            self._day, self._used = day, {}
        return self._used.setdefault(login, Used())

    def _hear(self, news: News) -> None:
        if not isinstance(news, Recorded) or not (login := login_in(news.row.client)):
            return
        tokens = max(0, news.row.input_tokens) + max(0, news.row.output_tokens)
        today = self._today_of(login)
        unwritten = self._unwritten.setdefault(self._day, {}).setdefault(login, Used())
        for used in (today, unwritten):
            used.requests += 1
            used.tokens += tokens
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(WRITE_SECONDS, self._write_soon)

    def _write_soon(self) -> None:
        self._timer = None
        spawn(self._write(), name="write what was used")

    async def _write(self) -> None:
        async with self._writing:
            days, self._unwritten = self._unwritten, {}
            for day, used in days.items():
                try:
                    await self._store.write(partial(usage.add, day=day, by_login=used))
                except PaddockError as error:
                    log.warning("what was used is not kept: %s", error.message)

    def forget(self, user: User) -> None:
        """An account went: another one of its login has used nothing."""
        self._used.pop(user.login, None)
        for used in self._unwritten.values():
            used.pop(user.login, None)


def login_in(client: str) -> str:
    """The login in a client's name; empty: it is no account."""
    return client.removeprefix(CLIENT).partition("/")[0] if client.startswith(CLIENT) else ""


# --- what an admin may say ------------------------------------------------------------------------


def limits_of(told: Any) -> dict[str, Any]:
    """Limits as they are kept. What is missing, or null, is not limited. Raises InvalidRequest."""
    if not isinstance(told, dict):
        raise InvalidRequest("limits must be an object", param="limits")
    unknown = told.keys() - _CHECKS.keys()
    if unknown:
        raise InvalidRequest(
            f"there is no limit {min(unknown)[:60]!r}",
            param="limits",
            hint=f"there are {', '.join(_CHECKS)}",
        )
    return {name: _CHECKS[name](value) for name, value in told.items() if value is not None}


def _quiet(value: Any) -> dict[str, str]:
    is_clock = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]").fullmatch
    if isinstance(value, dict):
        hours = {name: value.get(name) for name in ("from", "to")}
        told = [hour for hour in hours.values() if isinstance(hour, str) and is_clock(hour)]
        if len(set(told)) == 2:
            return {"from": told[0], "to": told[1]}
    raise InvalidRequest(
        'quiet must be like {"from": "21:00", "to": "07:00"}', param="limits.quiet"
    )


def _preset(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 32:
        raise InvalidRequest("preset must be the id of one", param="limits.preset")
    return value


_CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "models": lambda value: forms.words(value, "limits.models"),
    "tokens_per_day": lambda value: forms.number(value, "limits.tokens_per_day", 0, MOST_TOKENS),
    "parallel": lambda value: forms.number(value, "limits.parallel", 1, MOST_PARALLEL),
    "quiet": _quiet,
    "preset": _preset,
}
