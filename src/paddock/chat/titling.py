"""Asks a model for a better title: only one that is loaded and has nothing else to do."""

from __future__ import annotations

from typing import Final

from paddock.chat import shapes, titles
from paddock.chat.asking import CURRENT, Asking, Scene
from paddock.chat.feed import Feeds
from paddock.errors import InvalidRequest, UpstreamLost
from paddock.gateway.generation import Piece
from paddock.gateway.house import House, HouseAsk
from paddock.gateway.loading import Wait
from paddock.storage import chats
from paddock.storage.chat_store import Store
from paddock.storage.ids import new_id
from paddock.storage.messages import Message
from paddock.storage.users import User

EXCHANGE: Final = 2
"""Messages that a title is made of: the first one, and its answer."""


class Titling:
    """Gives chats better titles."""

    def __init__(self, *, store: Store, house: House, feeds: Feeds, asking: Asking) -> None:
        self._store = store
        self._house = house
        self._feeds = feeds
        self._asking = asking

    async def name(self, user: User, chat_id: str) -> str:
        """A title by the chat's model, which is the chat's from now on.

        Raises UnknownId, InvalidRequest for an empty chat, NotReady when the model is not loaded or
        busy, and what asking it raises.
        """
        scene = await self._asking.scene(user, chat_id, CURRENT)
        return await self._name(user, scene)

    async def name_first(self, user: User, answer: Message) -> None:
        """Name a chat by its first answer, unless that was done. Raises as `name`."""
        scene = await self._asking.scene(user, answer.chat_id, answer.id)
        is_first = len(scene.branch) == EXCHANGE and answer.state == "done"
        if is_first and scene.chat.title_by == "words":
            await self._name(user, scene)

    async def _name(self, user: User, scene: Scene) -> str:
        if not scene.branch:
            raise InvalidRequest("nothing has been said yet", hint="write a message first")
        wanted = self._asking.wishes(user, scene, {})
        question = await self._asking.question(scene, wanted, scene.branch[:EXCHANGE])
        heard = _Heard()
        asked = HouseAsk(
            model=question.known.asked_as,
            body=titles.asked(question.body),
            client=f"user:{user.login}",
            id=f"title-{new_id()}",
            waits=False,
        )
        await self._house.ask(asked, heard)
        title = titles.sanitised(heard.text)
        if not title:
            raise UpstreamLost("the model gave no title", hint="write one yourself")
        chat = await self._store.write(
            lambda c: chats.change(c, user.id, scene.chat.id, title=title, title_by="model")
        )
        if chat is not None:
            self._feeds.of(user.id).tell("chat", {"chat": shapes.summary(chat)})
        return title


class _Heard:
    """A `Hearer` that keeps the words."""

    def __init__(self) -> None:
        self.text = ""

    def waits(self, wait: Wait) -> None:
        """It does not."""

    def begins(self, model: str, context: int, queued: float, loading: float) -> None:
        """Its words will tell."""

    def reads(self, done: int, total: int) -> None:
        """Its words will tell."""

    def says(self, piece: Piece) -> None:
        self.text += piece.text
