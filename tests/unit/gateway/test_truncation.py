"""What is left of a conversation that is too long."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from paddock.gateway.truncation import Messages, Shortened, room, shortened

Letters = str
ROLES = {"s": "system", "u": "user", "a": "assistant", "c": "assistant", "t": "tool"}


def said(letters: Letters) -> Messages:
    """`u` user, `a` assistant, `c` an assistant that calls, `t` a result, `s` system; numbered."""
    return [
        {"role": ROLES[letter], "content": f"{letter}{number}",
         **({"tool_calls": [{}]} if letter == "c" else {})}
        for number, letter in enumerate(letters)
    ]  # fmt: skip


async def measure(messages: Messages) -> int:
    return len(messages)


async def left(letters: Letters, limit: int) -> str | None:
    found = await shortened(said(letters), measure, limit)
    return found and "".join(one["content"][0] for one in found.messages)


async def test_the_oldest_go_and_system_and_the_last_stay() -> None:
    assert await left("suauau", 4) == "suau"
    assert await left("suauau", 2) == "su"
    assert await left("suauau", 1) is None
    assert await left("u", 0) is None
    assert await left("", 0) is None


async def test_nothing_begins_with_what_the_model_said() -> None:
    assert await left("uauau", 4) == "uau"


async def test_a_result_goes_with_its_call() -> None:
    assert await left("ucttuau", 6) == "uau"


async def test_the_results_that_are_to_be_answered_stay_with_their_question() -> None:
    assert await left("uauct", 4) == "uct"
    assert await left("uauct", 2) is None


async def test_a_system_message_in_the_middle_stays() -> None:
    assert await left("uasuau", 5) == "suau"


async def test_few_looks_are_enough() -> None:
    looks = 0

    async def counted(messages: Messages) -> int:
        nonlocal looks
        looks += 1
        return len(messages)

    await shortened(said("ua" * 500 + "u"), counted, 101)

    assert looks <= 10


@given(st.text("suact", max_size=30), st.integers(0, 31))
async def test_what_is_left_is_the_end_of_what_was(letters: Letters, limit: int) -> None:
    messages = said(letters)
    found = await shortened(messages, measure, limit)
    if found is None:
        return
    assert len(found.messages) <= limit
    assert found.dropped == len(messages) - len(found.messages) > 0
    assert found.messages[-1] is messages[-1]
    assert [m for m in messages if m["role"] == "system"] == [
        m for m in found.messages if m["role"] == "system"
    ]
    assert is_part(found, messages)


def is_part(found: Shortened, messages: list[Any]) -> bool:
    places = [messages.index(message) for message in found.messages]
    return places == sorted(places)


def test_room_for_an_answer() -> None:
    assert room(4096, -1) == 512
    assert room(4096, 100) == 100
    assert room(4096, 100_000) == 2048
    assert room(4, -1) == 1
