import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.observe.histogram import histogram, percentile


def test_no_values_have_no_histogram():
    assert histogram([]) is None


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0, 5.0]])
def test_equal_values_are_one_bar(values):
    shown = histogram(values)
    assert shown is not None
    assert (shown.bars, shown.width, shown.p50, shown.p99) == ((len(values),), 0.0, 5.0, 5.0)


@pytest.mark.parametrize(("count", "bars"), [(2, 5), (16, 5), (17, 6), (1000, 11), (10**6, 20)])
def test_more_values_get_more_bars(count, bars):
    shown = histogram(range(count))
    assert shown is not None
    assert len(shown.bars) == bars


@pytest.mark.parametrize(
    ("part", "value"), [(0.0, 10), (0.5, 25), (1.0, 40), (0.25, 17.5), (0.95, 38.5)]
)
def test_a_percentile_lies_between_its_neighbours(part, value):
    assert percentile([10, 20, 30, 40], part) == pytest.approx(value)


@given(st.lists(st.floats(0, 1e9), min_size=1))
def test_every_value_is_in_a_bar(values):
    shown = histogram(values)
    assert shown is not None
    assert sum(shown.bars) == len(values)
    assert shown.low <= shown.p50 <= shown.p95 <= shown.p99 <= shown.high * (1 + 1e-9)
    assert math.isclose(shown.low + shown.width * len(shown.bars), shown.high) or not shown.width
