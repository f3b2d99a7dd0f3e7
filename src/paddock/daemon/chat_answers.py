"""The part of the chat's room that asks models: answers, titles, and how long a prompt is."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import NamedTuple

from paddock.chat.answer_endpoints import AnswerEndpoints
from paddock.chat.answers import Answers, Limiter
from paddock.chat.asking import Asking
from paddock.chat.calls import ChatRoute
from paddock.chat.counting import Counting
from paddock.chat.feed import Feeds
from paddock.chat.settings import ChatSettings
from paddock.chat.titling import Titling
from paddock.chat.vault import Vault
from paddock.daemon.parts import Parts, Serving
from paddock.errors import UnknownId
from paddock.events import InstanceState
from paddock.gateway.house import House
from paddock.library.model import Model, Trait
from paddock.storage.chat_store import Store
from paddock.storage.files import File
from paddock.storage.users import User


class Answering(NamedTuple):
    """What is there then."""

    routes: tuple[ChatRoute, ...]
    answers: Answers


async def answering(
    stack: AsyncExitStack,
    parts: Parts,
    serving: Serving,
    *,
    store: Store,
    feeds: Feeds,
    settings: ChatSettings,
    vault: Vault,
    limits: Limiter,
) -> Answering:
    """All of it at work; `stack` ends it."""
    house = House(
        names=serving.names,
        leasing=serving.leasing,
        journal=parts.journal,
        current=parts.current,
        library=parts.library,
    )

    async def picture(file: File) -> bytes:
        try:
            return await asyncio.to_thread(vault.read, file.id)
        except OSError:
            raise UnknownId(f"the picture {file.name} is gone", hint="attach it again") from None

    asking = Asking(
        store=store,
        house=house,
        pictures=picture,
        default_model=lambda user: settings.now.default_model or _at_hand(parts, user),
    )
    titling = Titling(store=store, house=house, feeds=feeds, asking=asking)
    answers = Answers(
        store=store,
        house=house,
        feeds=feeds,
        asking=asking,
        limits=limits,
        is_stopping=lambda: parts.streams.closing,
        titler=titling,
    )
    await answers.start()
    stack.push_async_callback(answers.aclose)
    counting = Counting(house=house, asking=asking)
    endpoints = AnswerEndpoints(answers=answers, titling=titling, counting=counting)
    return Answering(endpoints.routes(), answers)


def _at_hand(parts: Parts, user: User) -> str:
    """A model that this user may use and that is in memory, else the first; empty: none."""
    allowed = user.limits.get("models")
    models = [
        model.id
        for model in parts.library.catalog.models.values()
        if _talks(model) and (allowed is None or model.id in allowed)
    ]
    instances = parts.scheduler.snapshot().instances
    ready = {one.model for one in instances if one.state is InstanceState.READY}
    return next((name for name in models if name in ready), models[0] if models else "")


def _talks(model: Model) -> bool:
    return not model.traits & {Trait.EMBEDDING, Trait.RERANK}
