"""How long the next prompt of a chat would be, before it is sent."""

from __future__ import annotations

from typing import Any

from paddock.chat import prompting
from paddock.chat.answers import Sent
from paddock.chat.asking import Asking
from paddock.gateway.house import House, HouseAsk
from paddock.storage.ids import new_id, now_ms
from paddock.storage.messages import Message
from paddock.storage.users import User


class Counting:
    """Counts tokens of prompts."""

    def __init__(self, *, house: House, asking: Asking) -> None:
        self._house = house
        self._asking = asking

    async def count(self, user: User, chat_id: str, sent: Sent) -> dict[str, Any]:
        """`{tokens, context, exact}`: exact where the model runs and can be asked.

        Raises what sending the message would raise before its model is asked.
        """
        scene = await self._asking.scene(user, chat_id, sent.parent, sent.files)
        branch = scene.branch
        if sent.content or sent.files:
            branch = (*branch, _imagined(user, chat_id, sent))
        wanted = self._asking.wishes(user, scene, sent.wishes)
        question = await self._asking.question(scene, wanted, branch)
        asked = HouseAsk(question.known.asked_as, question.body, f"user:{user.login}", new_id())
        measure = await self._house.measure(asked) if question.body["messages"] else None
        tokens = prompting.estimate(question.body, question.attached)
        context = question.known.context
        if measure is not None:
            tokens, context = measure.tokens, measure.context or context
        return {"tokens": tokens, "context": context or None, "exact": measure is not None}


def _imagined(user: User, chat_id: str, sent: Sent) -> Message:
    return Message(
        id=new_id(),
        user_id=user.id,
        chat_id=chat_id,
        parent_id=None,
        role="user",
        content=sent.content,
        created=now_ms(),
        files=sent.files,
    )
