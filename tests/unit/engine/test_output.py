import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.engine.output import (
    BURST_LINES,
    FOLLOWER_LINES,
    LINE_BYTES,
    RING_CHARACTERS,
    RING_LINES,
    Ear,
    Lines,
    Output,
    clean,
)


@pytest.fixture
def written():
    return []


@pytest.fixture
def output(written):
    return Output(written.append, lambda line: line.replace("canary", "***"))


@given(st.lists(st.binary(max_size=30).map(lambda part: part.replace(b"\n", b""))), st.data())
def test_lines_do_not_depend_on_how_bytes_arrive(lines, data):
    stream = b"".join(line + b"\n" for line in lines)
    cutter, heard, at = Lines(), [], 0
    while at < len(stream):
        size = data.draw(st.integers(1, 20))
        heard += cutter.feed(stream[at : at + size])
        at += size
    assert heard == [clean(line) for line in lines]


def test_a_line_without_an_end_comes_at_the_end():
    cutter = Lines()
    assert cutter.feed(b"one\ntwo") == ["one"]
    assert cutter.end() == ["two"]
    assert cutter.end() == []


def test_a_flood_is_left_out_and_told():
    lines = Lines().feed(b"y\n" * 30_000)
    assert len(lines) == BURST_LINES + 1
    assert lines[-1] == f"[{30_000 - BURST_LINES} lines left out: too many at once]"


def test_a_long_line_is_cut_and_its_rest_not_kept():
    cutter = Lines(limit=10)
    for _ in range(1000):
        assert cutter.feed(b"x" * 10_000) == []
    assert cutter.feed(b"\nshort\n") == ["x" * 10 + " [cut]", "short"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"plain", "plain"),
        (b"windows\r", "windows"),
        (b"10%\r20%\r30%", "30%"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07text", "text"),
        (b"\x1b]8;;http://x\x1b\\link", "link"),
        (b"bell\x07 null\x00", "bell null"),
        (b"\xc2\x9b31mred", "31mred"),
        (b"bad \xff\xfe utf", "bad \ufffd\ufffd utf"),
        ("snow ☃\ttab".encode(), "snow ☃\ttab"),
    ],
)
def test_lines_are_safe_to_show(line, text):
    assert clean(line) == text


async def test_the_ring_is_bounded_in_lines(output):
    output.add(str(number) for number in range(RING_LINES + 10))
    assert len(output.tail()) == RING_LINES
    assert output.tail(2) == (str(RING_LINES + 8), str(RING_LINES + 9))
    assert output.count == RING_LINES + 10


async def test_the_ring_is_bounded_in_characters(output):
    for _ in range(100):
        output.add(["x" * LINE_BYTES])
    assert sum(map(len, output.tail())) <= RING_CHARACTERS


async def test_the_tail_of_one_life_leaves_out_the_lives_before(output):
    output.add(["old"])
    mark = output.count
    assert output.tail(since=mark) == ()
    output.add(["new", "newer"])
    assert output.tail(since=mark) == ("new", "newer")
    assert output.tail(1, since=mark) == ("newer",)


async def test_what_is_added_is_written_in_one_piece(output, written):
    output.add(["a", "b"])
    output.add([])
    assert written == ["a\nb\n"]


async def test_a_secret_in_a_line_is_hidden_from_all(output, written):
    with output.subscribe() as follower:
        output.add(["its key is canary"])
        assert await anext(aiter(follower)) == "its key is ***"
    assert output.tail() == ("its key is ***",)
    assert written == ["its key is ***\n"]


async def test_a_follower_gets_history_then_what_comes(output):
    output.add(["one", "two", "three"])
    with output.subscribe(history=2) as follower:
        lines = aiter(follower)
        assert [await anext(lines), await anext(lines)] == ["two", "three"]
        waiting = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        output.add(["four"])
        assert await waiting == "four"
        follower.close()
        with pytest.raises(StopAsyncIteration):
            await anext(lines)
    output.add(["nobody listens"])


async def test_a_slow_follower_loses_the_oldest_lines_and_is_told(output):
    with output.subscribe() as follower:
        output.add(str(number) for number in range(FOLLOWER_LINES + 5))
        lines = aiter(follower)
        assert "5 lines lost" in await anext(lines)
        assert await anext(lines) == "5"


async def test_an_ear_keeps_reports_from_people(output):
    reports = []

    def report(line):
        reports.append(line)
        return line.startswith("cmd")

    ear = Ear(output, report)
    ear.stdout(b"cmd:1\nhello\nhalf")
    ear.stderr(b"cmd:2\nother half")
    ear.end()
    assert output.tail() == ("hello", "cmd:2", "half", "other half")
    assert reports == ["cmd:1", "hello"]
