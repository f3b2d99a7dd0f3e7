"""The machine's own zone, by the system's rules."""

import time
from datetime import UTC, datetime

import pytest

from paddock.hardware import local_time


@pytest.fixture
def berlin(monkeypatch):
    """A machine in Berlin, by rules that need no files."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("instant", "clock", "fold"),
    [
        ("2026-07-01T12:00Z", "2026-07-01 14:00", 0),
        ("2026-12-01T12:00Z", "2026-12-01 13:00", 0),
        ("2026-10-25T00:30Z", "2026-10-25 02:30", 0),
        ("2026-10-25T01:30Z", "2026-10-25 02:30", 1),
        ("2026-03-29T01:00Z", "2026-03-29 03:00", 0),
    ],
)
def test_every_date_has_its_own_offset(berlin, instant, clock, fold):
    then = datetime.fromisoformat(instant)
    local = then.astimezone(local_time.LOCAL)
    assert (f"{local:%Y-%m-%d %H:%M}", local.fold) == (clock, fold)
    assert local.astimezone(UTC) == then


def test_now_has_a_zone():
    assert abs((local_time.now() - datetime.now(UTC)).total_seconds()) < 60
