"""Parts: whatever connections do, every byte is asked for once, and none is forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.acquire.parts import Part, Parts


def spans_of(here: list[bool]) -> tuple[tuple[int, int], ...]:
    """The runs of True."""
    found, start = [], None
    for place, there in enumerate([*here, False]):
        if there and start is None:
            start = place
        elif not there and start is not None:
            found.append((start, place))
            start = None
    return tuple(found)


@given(here=st.lists(st.booleans(), max_size=30), part_bytes=st.integers(1, 20), data=st.data())
def test_any_order_of_writing_fills_the_gaps_exactly(here, part_bytes, data):
    size, has = len(here), list(here)
    parts = Parts(size, part_bytes, spans_of(here))
    taken: list[Part] = []
    while not parts.complete:
        assert parts.spans() == spans_of(has)
        assert parts.present == sum(has)
        assert parts.frontier == (has.index(False) if False in has else size)
        act = data.draw(st.sampled_from(["take", "write", "give back"]))
        if act == "take" and len(taken) < 4:
            part = parts.take()
            if part is not None:
                assert not any(has[part.start : part.end])
                assert part.left <= part_bytes
                taken.append(part)
        elif taken:
            part = data.draw(st.sampled_from(taken))
            if act == "write" and part.left:
                count = data.draw(st.integers(1, part.left))
                has[part.at : part.at + count] = [True] * count
                parts.wrote(part, count)
            else:
                taken.remove(part)
                parts.give_back(part)
    assert all(has)
    assert parts.take() is None
    assert parts.frontier == size


@given(size=st.integers(0, 500), part_bytes=st.integers(1, 200))
def test_parts_come_in_the_order_of_the_file(size, part_bytes):
    parts = Parts(size, part_bytes)
    starts = []
    while (part := parts.take()) is not None:
        starts.append(part.start)
        parts.wrote(part, part.left)
        parts.give_back(part)
    assert starts == sorted(starts)
    assert parts.spans() == (((0, size),) if size else ())


def test_the_last_parts_are_smaller():
    parts = Parts(100 * 16, 16)
    first = parts.take()
    assert first is not None
    assert first.left == 16
    few = Parts(10 * 16, 16).take()
    assert few is not None
    assert few.left == 8


def test_a_part_that_was_given_back_comes_first():
    parts = Parts(200, 10)
    one, two = parts.take(), parts.take()
    assert one is not None
    assert two is not None
    parts.wrote(one, 2)
    parts.give_back(one)
    again = parts.take()
    assert again is not None
    assert (again.start, again.end) == (2, one.end)


@pytest.mark.parametrize(
    "here", [((5, 3),), ((0, 4), (3, 6)), ((-2, 1),), ((0, 11),), ((4, 5), (1, 2))]
)
def test_spans_that_cannot_be_are_refused(here):
    with pytest.raises(ValueError, match="span"):
        Parts(10, 4, here)


def test_more_than_the_part_has_is_refused():
    parts = Parts(10, 4)
    part = parts.take()
    assert part is not None
    with pytest.raises(ValueError, match="more bytes"):
        parts.wrote(part, 5)
