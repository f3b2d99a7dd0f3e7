import math

import pytest

from paddock.errors import InvalidRequest
from paddock.gateway.ollama.keep_alive import parse


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (0, 0),
        (0.5, 0.5),
        (300, 300),
        (-1, math.inf),
        (-0.001, math.inf),
        (10**400, math.inf),
        (-(10**400), math.inf),
        (1e30, math.inf),
        ("0", 0),
        ("5m", 300),
        ("24h", 86400),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("+5m", 300),
        ("-1s", math.inf),
        ("-1m", math.inf),
        ("250ms", 0.25),
        ("2us", 2e-6),
        ("2µs", 2e-6),
        ("9999999999h", math.inf),
    ],
)
def test_all_forms_of_ollama_are_read(value, seconds):
    assert parse(value) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    "value",
    [
        *(
            "10",
            "-1",
            "1.5",
            "",
            "5",
            "five",
            "5 m",
            "5m ",
            "m",
            "1d",
            "\u0665m",
            "5M",
            "1h-30m",
            "inf",
        ),
        *("1..5s", "9" * 5000 + "s", "s" * 5000, "5\x1b[0m", "5\n"),
        *(True, False, [], {}, ["5m"], math.nan),
    ],
)
def test_what_is_no_duration_is_refused_by_the_name_of_its_field(value):
    with pytest.raises(InvalidRequest) as refused:
        parse(value, field="keep_alive")
    assert refused.value.param == "keep_alive"
    assert refused.value.message.startswith("keep_alive: ")
    assert refused.value.hint
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 200


def test_a_number_without_unit_is_told_so():
    with pytest.raises(InvalidRequest, match=r'missing unit in duration "10"'):
        parse("10")
