import itertools
import random
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paddock.errors import UpstreamLost
from paddock.gateway.sse import SseEvent, SseParser, comment, event

LINE_ENDS = ("\n", "\r\n", "\r")


def events_of(pieces):
    parser = SseParser()
    found = [event for piece in pieces for event in parser.feed(piece)]
    return found + parser.finish()


def chunkings(data: bytes, seed: int, count: int = 50) -> Iterator[list[bytes]]:
    chance = random.Random(seed)
    for _ in range(count):
        places = sorted(chance.choices(range(len(data) + 1), k=chance.randint(0, 40)))
        yield [data[a:b] for a, b in itertools.pairwise([0, *places, len(data)])]


texts = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=30)
sent = st.lists(
    st.tuples(texts.map(str.strip), st.lists(texts, min_size=1, max_size=3)), min_size=1, max_size=6
)


@settings(max_examples=100)
@given(sent, st.sampled_from(LINE_ENDS), st.integers())
@example([("", ["é" * 20, ""])], "\r\n", 1)
def test_events_are_the_same_under_any_chunking(messages, line_end, seed):
    stream = "\ufeff" + "".join(
        (f"event: {name}{line_end}" if name else "")
        + f": ping{line_end}"
        + "".join(f"data: {line}{line_end}" for line in lines)
        + line_end
        for name, lines in messages
    )
    expected = [SseEvent(name, "\n".join(lines).encode()) for name, lines in messages]
    for pieces in chunkings(stream.encode(), seed):
        assert events_of(pieces) == expected


@given(st.binary(max_size=200), st.integers())
def test_hostile_bytes_give_the_same_events_under_any_chunking(stream, seed):
    for pieces in chunkings(stream, seed):
        assert events_of(pieces) == events_of([stream])


@given(texts.map(str.strip), st.lists(texts, min_size=1), st.sampled_from(LINE_ENDS))
def test_what_is_written_is_read_back(name, lines, line_end):
    written = event(line_end.join(lines).encode(), name)
    assert events_of([written]) == [SseEvent(name, "\n".join(lines).encode())]


@pytest.mark.parametrize("line_end", LINE_ENDS)
def test_byte_by_byte(line_end):
    stream = f'data: {{"a":1}}{line_end}{line_end}: x{line_end}event: e{line_end}data:b'.encode()
    pieces = [stream[i : i + 1] for i in range(len(stream))]
    assert events_of(pieces) == [SseEvent("", b'{"a":1}'), SseEvent("e", b"b")]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data:no space\n\n", [SseEvent("", b"no space")]),
        (b"data:  two\n\n", [SseEvent("", b" two")]),
        (b"data\n\n", [SseEvent("", b"")]),
        (b"data: \n\n", [SseEvent("", b"")]),
        (b"data: a\ndata: b\n\n", [SseEvent("", b"a\nb")]),
        (b"event: lonely\n\ndata: x\n\n", [SseEvent("", b"x")]),
        (b"id: 7\nretry: 9\nfoo: x\ndata: x\n\n", [SseEvent("", b"x")]),
        (b":\n\n: ping\n\n\n\n", []),
        (b"data: [DONE]", [SseEvent("", b"[DONE]")]),
        (b"data: [DONE]\n", [SseEvent("", b"[DONE]")]),
        (b'error: {"code":500}\n\n', [SseEvent("error", b'{"code":500}')]),
        (b"data: \xff\xfe\n\n", [SseEvent("", b"\xff\xfe")]),
        (b"", []),
    ],
)
def test_fields(stream, expected):
    assert events_of([stream]) == expected


def test_events_come_as_soon_as_they_are_complete():
    parser = SseParser()
    assert parser.feed(b"data: a\r\n\r\ndata: b\r") == [SseEvent("", b"a")]
    assert parser.feed(b"\n") == []
    assert parser.feed(b"\r") == [SseEvent("", b"b")]
    assert parser.feed(b"\ndata: c\r\n\r\n") == [SseEvent("", b"c")]


def test_an_event_of_a_megabyte_in_small_pieces():
    data = b"x" * (1 << 20)
    stream = event(data)
    pieces = [stream[i : i + 4096] for i in range(0, len(stream), 4096)]
    assert events_of(pieces) == [SseEvent("", data)]


@pytest.mark.parametrize(
    "piece", [b"data: aaaaaaaa", b"data: aaaaaaaa\n", b"a" * 14, b"d", b"data\n"]
)
def test_an_event_without_end_is_refused(piece):
    parser = SseParser(max_event=100)

    def feed_for_ever():
        while True:
            parser.feed(piece)

    with pytest.raises(UpstreamLost, match="100 bytes"):
        feed_for_ever()


def test_a_stream_of_many_small_events_has_no_limit():
    parser = SseParser(max_event=100)
    assert (
        sum(
            len(parser.feed(b"data: aaaaaaaa\n\nda") + parser.feed(b"ta: b\n\n"))
            for _ in range(100)
        )
        == 200
    )


def test_writers():
    assert comment("loading") == b": loading\n\n"
    assert event(b"{}") == b"data: {}\n\n"
    assert event(b"a\nb", "error") == b"event: error\ndata: a\ndata: b\n\n"
    assert event(b"") == b"data: \n\n"
