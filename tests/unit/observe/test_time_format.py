from datetime import UTC, datetime, timedelta, timezone

import pytest

from paddock.config.checks import TIME_FORMATS
from paddock.observe.time_format import FORMATS, formatted

WINTER = timezone(timedelta(hours=-7), "MST")
MOMENT = datetime(2006, 1, 2, 15, 4, 5, 120_300, WINTER)


def test_every_name_that_a_configuration_may_hold_has_a_format():
    assert tuple(FORMATS) == TIME_FORMATS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ansic", "Mon Jan  2 15:04:05 2006"),
        ("unixdate", "Mon Jan  2 15:04:05 MST 2006"),
        ("rubydate", "Mon Jan 02 15:04:05 -0700 2006"),
        ("rfc822", "02 Jan 06 15:04 MST"),
        ("rfc822z", "02 Jan 06 15:04 -0700"),
        ("rfc850", "Monday, 02-Jan-06 15:04:05 MST"),
        ("rfc1123", "Mon, 02 Jan 2006 15:04:05 MST"),
        ("rfc1123z", "Mon, 02 Jan 2006 15:04:05 -0700"),
        ("rfc3339", "2006-01-02T15:04:05-07:00"),
        ("rfc3339nano", "2006-01-02T15:04:05.1203-07:00"),
        ("kitchen", "3:04PM"),
        ("stamp", "Jan  2 15:04:05"),
        ("stampmilli", "Jan  2 15:04:05.120"),
        ("stampmicro", "Jan  2 15:04:05.120300"),
        ("stampnano", "Jan  2 15:04:05.120300000"),
    ],
)
def test_times_are_written_as_go_writes_them(name, text):
    assert formatted(MOMENT, name) == text


@pytest.mark.parametrize(
    ("moment", "name", "text"),
    [
        (datetime(2006, 1, 2, 0, 4, tzinfo=UTC), "kitchen", "12:04AM"),
        (datetime(2006, 1, 2, 12, 4, tzinfo=UTC), "kitchen", "12:04PM"),
        (datetime(2006, 1, 2, 12, 4, tzinfo=UTC), "rfc3339", "2006-01-02T12:04:00Z"),
        (datetime(2006, 1, 2, 12, 4, tzinfo=UTC), "rfc3339nano", "2006-01-02T12:04:00Z"),
    ],
)
def test_midnight_noon_and_greenwich(moment, name, text):
    assert formatted(moment, name) == text
