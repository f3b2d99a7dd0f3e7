import os
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.errors import GgufError
from paddock.library.gguf import read_header
from paddock.library.gguf_arrays import ExactSteps, Steps
from paddock.library.gguf_cursor import Cursor


def array(texts):
    return b"".join(struct.pack("<Q", len(text)) + text for text in texts)


AFTER = struct.pack("<Q", 21) + b"tokenizer.ggml.scores" + bytes(70_000)


def stepped(data, count, steps):
    fd = os.memfd_create("array")
    try:
        os.write(fd, data)
        cursor = Cursor(fd, len(data))
        steps.over(cursor, count)
        return cursor.position
    finally:
        os.close(fd)


texts = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [b"", bytes(6), bytes(100), b"x" * 255, b"x" * 256, b"\0x", b"x\0", b"y" * 512]
    ),
    st.sampled_from([b"z" * 65_535, b"z" * 65_536, bytes(70_000)]),
)


@given(st.lists(texts, min_size=1, max_size=60), st.integers(1, 30), st.integers(0, 2**32))
def test_every_way_ends_at_the_same_place(some, times, seed):
    chosen = some * times
    random.Random(seed).shuffle(chosen)
    data = array(chosen)
    steps = Steps()
    try:
        places = {stepped(data + AFTER, len(chosen), way) for way in (ExactSteps(), steps, steps)}
    except GgufError:
        pytest.fail("an array that is there was refused")
    if all(text and 0 not in text and len(text) < 65_536 for text in chosen):
        assert places == {len(data)}
    else:
        assert len(data) in places  # a guess may be wrong here, and shows in what follows


@pytest.mark.parametrize("length", [1, 2, 7, 255, 256, 257, 511, 512, 65_535])
@pytest.mark.parametrize("count", [257, 1000, 5000])
def test_counting_finds_the_end_of_text(length, count):
    chosen = [b"t" * (1 + n * length % 300 if length < 300 else 1 + n % 7) for n in range(count)]
    chosen[count // 2] = b"t" * length
    assert stepped(array(chosen) + AFTER, count, Steps()) == len(array(chosen))


def test_an_array_at_the_very_end_of_the_file_is_walked():
    data = array([b"text"] * 1000)
    assert stepped(data, 1000, Steps()) == len(data)


def test_an_array_that_was_met_before_is_stepped_over_without_reading_it():
    data = array([b"word%d" % n for n in range(100_000)])
    steps = Steps()
    assert stepped(data + AFTER, 100_000, steps) == len(data)
    middle = bytearray(data)
    middle[len(data) // 2 : len(data) // 2 + 1000] = bytes(1000)
    assert stepped(bytes(middle) + AFTER, 100_000, steps) == len(data)


def test_a_longer_array_with_the_same_beginning_is_another_one():
    steps = Steps()
    for extra in (b"", b"longer", b"much longer"):
        data = array([b"word%d" % n for n in range(50_000)] + [b"end" + extra] * 1000)
        assert stepped(data + AFTER, 51_000, steps) == len(data)


def test_a_file_cannot_mislead_the_reading_of_another(gguf_maker, tmp_path):
    """The first file has the second's beginning and count, and an end inside the second's list."""
    count = 20_000
    honest = [b"token%05d" % n for n in range(count)]
    half = honest[: count // 2]
    lying = [*half, *[b""] * (count - len(half) - 500)]
    gap = len(array(honest[: 3 * count // 4])) - len(array([*lying, *honest[-500:]]))
    lying += [b"p" * gap, *honest[3 * count // 4 - 499 : 3 * count // 4]]
    steps = Steps()
    summaries = []
    for name, strings in (("lying", lying), ("honest", honest)):
        raw = gguf_maker.Raw(struct.pack("<IIQ", 9, 8, count) + array(strings))
        maker = gguf_maker.Gguf(metadata={"tokenizer.ggml.tokens": raw, "general.name": name})
        summaries.append(read_header(maker.write(tmp_path / f"{name}.gguf"), steps).summary())
    assert [summary.name for summary in summaries] == ["lying", "honest"]
    assert summaries[1].parameters == 8192 + 256
