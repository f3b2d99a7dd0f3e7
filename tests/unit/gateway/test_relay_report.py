"""What the relay tells of an answer, however the child cut it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.scripted import Rig, chunked, reply, says, split

from paddock.gateway.endings import ENDINGS
from paddock.storage.activity import Query, Row

CHAT = "/v1/chat/completions"
EVENT_STREAM = "Content-Type: text/event-stream"
JSON = "Content-Type: application/json"
USAGE = {"prompt_tokens": 10, "completion_tokens": 8}

few = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
places = st.lists(st.integers(0, 10_000), max_size=12)


def sse(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


TOKENS = b"".join(sse({"choices": [{"delta": {"content": f"t{n}"}}]}) for n in range(9))
STREAM = TOKENS + sse({"choices": [], "usage": USAGE}) + b"data: [DONE]\n\n"


async def row_of(rig: Rig) -> Row:
    async with rig.client() as client:
        client.send(
            f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}".encode()
        )
        await client.answer()
    return await newest(rig)


async def newest(rig: Rig) -> Row:
    await rig.journal.settle()
    (row,) = (await rig.activity.page(Query(limit=1))).rows
    return row


@few
@given(cuts=places)
async def test_a_streams_tokens_are_counted_however_it_arrives(rig: Rig, cuts: list[int]) -> None:
    rig.endings = ENDINGS[CHAT]
    events = [event + b"\n\n" for event in STREAM.split(b"\n\n")[:-1]]
    rig.answers(says(split(chunked(events, EVENT_STREAM), cuts)))

    row = await row_of(rig)

    assert (row.input_tokens, row.output_tokens) == (10, 8)
    assert (row.status, row.content_type, row.bytes) == (200, "text/event-stream", len(STREAM))
    assert row.first_token is not None


@pytest.mark.parametrize("size", [0, 1000, 100_000, 300_000])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("piece", [1000, 1 << 20])
async def test_a_long_answers_tokens_are_counted_at_either_end(
    rig: Rig, size: int, first: bool, piece: int
) -> None:
    told, text = {"usage": USAGE}, {"data": "x" * size}
    body = json.dumps(told | text if first else text | told).encode()
    pieces = [body[start : start + piece] for start in range(0, len(body), piece)]
    rig.answers(says([chunked(pieces, JSON)]))

    row = await row_of(rig)

    assert (row.input_tokens, row.output_tokens, row.bytes) == (10, 8, len(body))


async def test_a_sound_is_counted_but_not_read(rig: Rig) -> None:
    body = b'{"usage": {"prompt_tokens": 9}}' * 1000
    rig.answers(says([reply(body, "Content-Type: audio/wav")]))

    row = await row_of(rig)

    assert (row.bytes, row.input_tokens, row.content_type) == (len(body), 0, "audio/wav")


async def test_an_answer_of_nothing_is_told(rig: Rig) -> None:
    rig.answers(says([reply(b"", JSON)]))

    row = await row_of(rig)

    assert (row.status, row.bytes, row.first_token) == (200, 0, None)
