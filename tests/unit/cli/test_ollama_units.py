from datetime import UTC, datetime, timedelta

import pytest

from paddock.cli.ollama_units import (
    ago,
    decimal_bytes,
    decimal_count,
    go_duration,
    processor,
    span,
    until,
)

NOW = datetime(2026, 8, 21, 10, 0, 0, tzinfo=UTC)
HOUR = 3600


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (9_999_999, "10.0 MB"),
        (986_000_000, "986 MB"),
        (2_019_393_189, "2.0 GB"),
        (39_968_820_000, "39 GB"),
        (1_200_000_000_000, "1.2 TB"),
    ],
)
def test_sizes_are_decimal(count, told):
    assert decimal_bytes(count) == told


@pytest.mark.parametrize(
    ("count", "told"),
    [(3_212_749_888, "3.2B"), (134_515_008, "134.52M"), (22_000, "22.0K"), (12, "12")],
)
def test_numbers_of_parameters(count, told):
    assert decimal_count(count) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.2, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (150, "2 minutes"),
        (HOUR, "About an hour"),
        (47 * HOUR, "47 hours"),
        (48 * HOUR, "2 days"),
        (13 * 24 * HOUR, "13 days"),
        (21 * 24 * HOUR, "3 weeks"),
        (60 * 24 * HOUR, "2 months"),
        (800 * 24 * HOUR, "2 years"),
    ],
)
def test_spans_of_time(seconds, told):
    assert span(seconds) == told


def test_moments_are_told_from_now_on():
    before = (NOW - timedelta(days=21)).isoformat()
    after = (NOW + timedelta(minutes=4, seconds=30)).isoformat()
    assert ago(before, NOW) == "3 weeks ago"
    assert ago("2026-08-21T11:59:58.123456789+02:00", NOW) == "1 second ago"
    assert until(after, NOW) == "4 minutes from now"
    assert until("2318-11-30T00:00:00Z", NOW) == "Forever"
    assert until(before, NOW) == "Stopping..."
    assert ago("0001-01-01T00:00:00Z", NOW) == until("nonsense", NOW) == "Never"


@pytest.mark.parametrize(
    ("size", "on_gpu", "told"),
    [
        (100, 100, "100% GPU"),
        (100, 0, "100% CPU"),
        (0, 0, "100% CPU"),
        (100, 75, "25%/75% CPU/GPU"),
        (100, 101, "Unknown"),
    ],
)
def test_where_a_model_is(size, on_gpu, told):
    assert processor(size, on_gpu) == told


@pytest.mark.parametrize(
    ("nanoseconds", "told"),
    [
        (0, "0ns"),
        (1500, "1.5µs"),
        (130_079_000, "130.079ms"),
        (4_935_677_000, "4.935677s"),
        (62_500_000_000, "1m2.5s"),
        (3_723_000_000_000, "1h2m3s"),
    ],
)
def test_durations_are_told_as_go_does(nanoseconds, told):
    assert go_duration(nanoseconds) == told
