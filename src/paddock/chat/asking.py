"""Puts together what a model is asked: from the database, the files and what the user set."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection

from paddock.chat import prompting
from paddock.chat.prompting import Attached, Body, Wishes
from paddock.errors import InvalidRequest, UnknownId
from paddock.gateway.house import House, Known
from paddock.storage import chats, files, messages, presets
from paddock.storage.chat_store import Store
from paddock.storage.chats import Chat
from paddock.storage.files import File
from paddock.storage.messages import Message
from paddock.storage.presets import Preset
from paddock.storage.users import User

CURRENT: Final = "\0current"
"""Instead of a message's id: where the chat is now."""
MOST_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Scene:
    """A chat up to one of its messages."""

    chat: Chat
    branch: tuple[Message, ...]
    preset: Preset | None
    locked: Preset | None
    files: Mapping[str, File]
    """Those of the branch, and those that are to be sent with the next message."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked."""

    model: str
    known: Known
    body: Body
    attached: Attached


class Asking:
    """Makes questions of scenes."""

    def __init__(
        self,
        *,
        store: Store,
        house: House,
        pictures: Callable[[File], Awaitable[bytes]],
        default_model: Callable[[User], str],
    ) -> None:
        """`pictures`: the bytes of a file. `default_model`: for a user who chose none, if any."""
        self._store = store
        self._house = house
        self._pictures = pictures
        self._default_model = default_model

    async def scene(
        self, user: User, chat_id: str, at: str | None, file_ids: Iterable[str] = ()
    ) -> Scene:
        """A chat up to message `at`; None: before its first one.

        Raises UnknownId for what is not there, or is another's.
        """
        return await self._store.read(lambda c: _scene(c, user, chat_id, at, tuple(file_ids)))

    def wishes(self, user: User, scene: Scene, sent: Mapping[str, Any]) -> Wishes:
        """How the answer is wanted. Raises InvalidRequest, also when there is no model to ask."""
        wanted = prompting.wishes(user, scene.chat, scene.preset, scene.locked, sent)
        model = wanted.model or self._default_model(user)
        if not model:
            raise InvalidRequest(
                "no model is chosen", param="model", hint="choose one, or pull one first"
            )
        return replace(wanted, model=model)

    async def question(self, scene: Scene, wanted: Wishes, branch: Sequence[Message]) -> Question:
        """What the model is asked about a branch.

        Raises UnknownModel, and InvalidRequest when the last message shows pictures to a model that
        sees none.
        """
        known = self._house.known(wanted.model)
        attached = Attached(scene.files, await self._seen(scene, known, branch))
        body = await asyncio.to_thread(prompting.body, wanted, branch, attached)
        return Question(wanted.model, known, body, attached)

    async def _seen(
        self, scene: Scene, known: Known, branch: Sequence[Message]
    ) -> dict[str, bytes]:
        pictures = [
            [scene.files[one] for one in message.files if _is_picture(scene.files.get(one))]
            for message in branch
        ]
        if known.sees:
            return {file.id: await self._pictures(file) for few in pictures for file in few}
        asked = [
            few for few, message in zip(pictures, branch, strict=True) if message.role == "user"
        ]
        if asked and asked[-1]:
            raise self._blind(known)
        return {}

    def _blind(self, known: Known) -> InvalidRequest:
        seeing = self._house.seeing()[:MOST_SHOWN]
        return InvalidRequest(
            f"{known.name} takes no pictures",
            param="files",
            hint=f"ask {' or '.join(seeing)}" if seeing else "no model here does; pull one",
        )


def unknown(what: str) -> UnknownId:
    """The error for what is not there, or is another's: nobody can tell which."""
    return UnknownId(f"there is no such {what}")


def _is_picture(file: File | None) -> bool:
    return file is not None and file.kind == "image"


def _scene(
    connection: Connection, user: User, chat_id: str, at: str | None, file_ids: tuple[str, ...]
) -> Scene:
    chat = chats.get(connection, user.id, chat_id)
    if chat is None:
        raise unknown("chat")
    at = chat.current if at == CURRENT else at
    branch = messages.branch(connection, user.id, chat_id, at) if at else ()
    if at and not branch:
        raise unknown("message")
    named = dict.fromkeys([one for message in branch for one in message.files])
    found = {file.id: file for file in files.get_many(connection, user.id, [*named, *file_ids])}
    if not all(one in found for one in file_ids):
        raise unknown("file")
    return Scene(
        chat=chat,
        branch=branch,
        preset=_preset(connection, user, chat.settings.get("preset")),
        locked=_locked(connection, user),
        files=found,
    )


def _preset(connection: Connection, user: User, preset_id: Any) -> Preset | None:
    return presets.get(connection, user.id, preset_id) if isinstance(preset_id, str) else None


def _locked(connection: Connection, user: User) -> Preset | None:
    """The preset that a user is held to. One that is gone frees nobody."""
    preset_id = user.limits.get("preset")
    if not preset_id:
        return None
    preset = _preset(connection, user, preset_id)
    if preset is None:
        raise InvalidRequest(
            "the preset that your account is held to is gone", hint="ask an admin to set another"
        )
    return preset
