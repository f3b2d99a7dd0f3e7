"""Makes a conversation that is too long for its model fit: whole messages go, the oldest first.

System messages and the last message stay, and a result of a tool goes with its call. Nothing is
guessed: prompts are measured by whoever renders them, in few looks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from paddock.errors import InvalidRequest

Messages = list[dict[str, Any]]
Measure = Callable[[Messages], Awaitable[int]]
"""The tokens of the prompt that messages make."""

ROOM_SHARE: Final = 8
"""One part in so many of the context is kept free for the answer, where no length is asked for."""
OFFER_ROOM_SHARE: Final = 2
"""A length that is asked for gets room up to one part in so many."""


class Shortened(NamedTuple):
    """What is left of a conversation."""

    messages: Messages
    dropped: int
    """Messages that went."""


def room(context: int, asked: int) -> int:
    """Tokens to keep free for an answer of at most `asked` tokens (below 1: no limit)."""
    if asked > 0:
        return min(asked, context // OFFER_ROOM_SHARE)
    return max(1, context // ROOM_SHARE)


async def shortened(messages: Messages, measure: Measure, limit: int) -> Shortened | None:
    """The longest end of the conversation whose prompt has at most `limit` tokens.

    None when not even the messages that must stay have. `messages` is not changed. Raises what
    `measure` does.
    """
    choices = _Choices(messages)
    best: Shortened | None = None
    first, last = 0, len(choices.counts) - 1
    while first <= last:  # the more goes, the shorter it is
        middle = (first + last) // 2
        choice = choices.without(choices.counts[middle])
        if await measure(choice.messages) <= limit:
            best, last = choice, middle - 1
        else:
            first = middle + 1
    return best


def too_long(tokens: int, context: int) -> InvalidRequest:
    """The refusal of a prompt that does not fit and may not be made to."""
    return InvalidRequest(
        f"the prompt is longer than the context length: it has {tokens:,} tokens, and the model "
        f"runs with {context:,}",
        param="options.num_ctx",
        hint="send less, or ask for more with num_ctx",
    )


class _Choices:
    """What can be left of a conversation.

    It never begins with what the model said: many templates refuse that.
    """

    def __init__(self, messages: Messages) -> None:
        self._units = _units(messages)
        self._movable = [
            number
            for number, unit in enumerate(self._units[:-1])
            if unit[0].get("role") not in _STAYING
        ]
        self.counts = [count for count in range(1, len(self._movable) + 1) if self._may_go(count)]
        """How many of the oldest units may go, from few to all that can."""

    def _may_go(self, count: int) -> bool:
        if count == len(self._movable):
            return True
        return self._units[self._movable[count]][0].get("role") == "user"

    def without(self, count: int) -> Shortened:
        """What is left when so many went."""
        gone = set(self._movable[:count])
        left = [unit for number, unit in enumerate(self._units) if number not in gone]
        dropped = sum(len(self._units[number]) for number in gone)
        return Shortened([message for unit in left for message in unit], dropped)


_STAYING: Final = frozenset({"system", "developer"})


def _units(messages: Messages) -> list[Messages]:
    """The messages, those together that go together. The last unit is what is to be answered."""
    units: list[Messages] = []
    for message in messages:
        if units and message.get("role") == "tool" and units[-1][0].get("role") in _CALLING:
            units[-1].append(message)
        else:
            units.append([message])
    if len(units) > 1 and units[-1][0].get("role") == "assistant":
        # calls with their results, or words to go on with: what they answer stays before them
        units[-2:] = [units[-2] + units[-1]] if units[-2][0].get("role") == "user" else units[-2:]
    return units


_CALLING: Final = frozenset({"assistant", "tool"})
