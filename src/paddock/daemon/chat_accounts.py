"""Puts together what knows the people of the house: accounts, their keys and limits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import NamedTuple

from paddock.access.passwords import Passwords
from paddock.access.tries import Tries
from paddock.chat.account import Account
from paddock.chat.accounts import Accounts
from paddock.chat.api_keys import ApiKeys
from paddock.chat.calls import ChatRoute
from paddock.chat.feed import Feeds
from paddock.chat.inviting import Inviting
from paddock.chat.key_ring import Keyring
from paddock.chat.limits import Limits
from paddock.chat.members import Members
from paddock.chat.owning import FILE, Owning, new_owner_token
from paddock.chat.sessions import Sessions
from paddock.chat.settings import ChatSettings
from paddock.chat.setup import Setup
from paddock.chat.sign_in import SignIn
from paddock.daemon.parts import Parts
from paddock.storage.chat_store import Store
from paddock.storage.users import User


class People(NamedTuple):
    """What is there then."""

    routes: tuple[ChatRoute, ...]
    accounts: Accounts
    limits: Limits
    owning: Owning
    setup: Setup


async def people(
    stack: AsyncExitStack,
    parts: Parts,
    *,
    store: Store,
    feeds: Feeds,
    settings: ChatSettings,
    sessions: Sessions,
    chat_url: Callable[[], str],
) -> People:
    """All of it at work, the keys in force at the doors; `stack` ends it. Raises StorageError."""
    state_dir = parts.current.config.state_dir
    limits = Limits(store=store, journal=parts.journal)
    await limits.open()
    stack.push_async_callback(limits.aclose)
    keys = Keyring(store=store, grants=parts.grants, limits=limits)
    await keys.open()
    stack.push_async_callback(keys.aclose)
    accounts = Accounts(store=store, sessions=sessions, feeds=feeds, passwords=Passwords())

    async def changed(_: User) -> None:
        await keys.refresh()

    async def left(user: User) -> None:
        await keys.refresh()
        limits.forget(user)

    accounts.on_change(changed)
    accounts.on_leaving(left)
    tries, setup = Tries(), Setup(store=store, state_dir=state_dir)
    owning = Owning(
        store=store,
        accounts=accounts,
        keys=keys,
        token=await new_owner_token(state_dir),
        file=state_dir / FILE,
        chat_url=chat_url,
    )
    sign_in = SignIn(
        store=store,
        accounts=accounts,
        sessions=sessions,
        setup=setup,
        tries=tries,
        feeds=feeds,
        settings=lambda: settings.now,
    )
    account = Account(accounts=accounts, sessions=sessions, tries=tries, usage=limits.used_today)
    routes = (
        *sign_in.routes(),
        *account.routes(),
        *ApiKeys(keys=keys).routes(),
        *Members(accounts=accounts, usage=limits.used_today).routes(),
        *Inviting(store=store).routes(),
    )
    return People(routes, accounts, limits, owning, setup)
