"""What is kept free of GPUs: which device a rule means, how much of it, and when."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.unit.hardware.trees import GIB

from paddock.config.gpus import Reservation
from paddock.hardware.devices import Device
from paddock.hardware.reservations import holds, kept_free, meant, next_change, unknown

BERLIN = ZoneInfo("Europe/Berlin")


def device(name, description, pci=""):
    return Device(name, description, 16 * GIB, 16 * GIB, pci=pci)


NAVI = device("Vulkan0", "AMD Radeon RX 7900 XTX (RADV NAVI31)", "0000:03:00.0")
SAME = device("ROCm0", "AMD Radeon RX 7900 XTX", "0000:03:00.0")
OLDER = device("Vulkan1", "AMD Radeon RX 6800 (RADV NAVI21)", "0000:0a:00.0")
BLIND = device("CUDA0", "NVIDIA GeForce RTX 3090")
ALL = (NAVI, OLDER, BLIND, SAME)


def rule(**said):
    return Reservation.model_validate({"reserve": "all"} | said)


def at(text, zone=BERLIN, fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("vulkan1", ["Vulkan1"]),
        ("Vulkan0", ["Vulkan0", "ROCm0"]),
        ("0000:0A:00.0", ["Vulkan1"]),
        ("03:00.0", ["Vulkan0", "ROCm0"]),
        ("rx 7900", ["Vulkan0", "ROCm0"]),
        ("3090", ["CUDA0"]),
        ("Radeon", []),
        ("Vulkan2", []),
        ("0a:00", []),
    ],
)
def test_which_devices_are_meant(key, names):
    assert [one.name for one in meant(key, ALL)] == names


def test_what_names_no_gpu_is_told_with_what_there_is():
    problems = unknown(["Vulkan1", "Radeon", "Vulkan2"], (NAVI, OLDER))
    assert set(problems) == {"Radeon", "Vulkan2"}
    assert "said of Vulkan0 and Vulkan1" in problems["Radeon"]
    assert "Vulkan1 (AMD Radeon RX 6800 (RADV NAVI21))" in problems["Vulkan2"]


@pytest.mark.parametrize(
    ("rules", "kept", "leaves"),
    [
        ([{"reserve": "4GiB"}], 4 * GIB, False),
        ([{"reserve": "25%"}], 4 * GIB, False),
        ([{"reserve": "all"}], 16 * GIB, True),
        ([{"reserve": "100 %"}], 16 * GIB, True),
        ([{"reserve": "20GiB"}], 16 * GIB, True),
        ([{"reserve": 0}], 0, False),
        ([{"reserve": "4GiB"}, {"reserve": "all", "from": "12:00"}], 16 * GIB, True),
        ([{"reserve": "4GiB"}, {"reserve": "all", "from": "13:00"}], 4 * GIB, False),
        ([{"reserve": "8GiB"}, {"reserve": "4GiB"}], 8 * GIB, False),
    ],
)
def test_how_much_is_kept_free(rules, kept, leaves):
    found = kept_free({"CUDA0": [rule(**one) for one in rules]}, ALL, at("2026-11-22 12:30"))
    assert {name: (one.bytes, one.leaves) for name, one in found.items()} == {
        "CUDA0": (kept, leaves)
    }


def test_why_and_until_when():
    evening = rule(**{"reserve": "1GiB", "from": "18:00", "until": "01:30"})
    found = kept_free({"3090": [evening]}, ALL, at("2026-11-22 23:59"))["CUDA0"]
    assert found.why == "1.0 GiB of CUDA0 are kept free until Mon 01:30 (gpus.3090)"
    assert found.until == at("2026-11-23 01:30")
    days = rule(days=["mon", "tue", "wed", "thu", "fri", "sat"])
    found = kept_free({"3090": [days]}, ALL, at("2026-11-23 00:00"))["CUDA0"]
    assert found.why == "CUDA0 is kept free until 2026-11-29 00:00 (gpus.3090)"
    found = kept_free({"3090": [rule()]}, ALL, at("2026-11-22 23:59"))["CUDA0"]
    assert (found.why, found.until) == ("CUDA0 is kept free (gpus.3090)", None)


# 2026-11-22 is a Sunday.
EVENING = {"from": "18:00", "until": "23:30"}
NIGHT = {"from": "22:00", "until": "06:00"}


@pytest.mark.parametrize(
    ("said", "now", "is_held", "change"),
    [
        ({}, "2026-11-22 12:00", True, None),
        (EVENING, "2026-11-22 17:59", False, "2026-11-22 18:00"),
        (EVENING, "2026-11-22 18:00", True, "2026-11-22 23:30"),
        (EVENING, "2026-11-22 23:30", False, "2026-11-23 18:00"),
        (NIGHT, "2026-11-22 21:59", False, "2026-11-22 22:00"),
        (NIGHT, "2026-11-22 23:59", True, "2026-11-23 06:00"),
        (NIGHT, "2026-11-23 05:59", True, "2026-11-23 06:00"),
        (NIGHT, "2026-11-23 06:00", False, "2026-11-23 22:00"),
        ({"from": "18:00"}, "2026-11-22 23:59", True, "2026-11-23 00:00"),
        ({"until": "08:00"}, "2026-11-22 00:00", True, "2026-11-22 08:00"),
        ({"from": "18:00", "until": "24:00"}, "2026-11-23 00:00", False, "2026-11-23 18:00"),
        # A day is that on which it begins.
        (NIGHT | {"days": ["sun"]}, "2026-11-22 05:00", False, "2026-11-22 22:00"),
        (NIGHT | {"days": ["sun"]}, "2026-11-23 05:00", True, "2026-11-23 06:00"),
        (NIGHT | {"days": ["sun"]}, "2026-11-23 06:00", False, "2026-11-29 22:00"),
        ({"days": ["sat", "sun"]}, "2026-11-22 12:00", True, "2026-11-23 00:00"),
        ({"days": ["Monday"]}, "2026-11-22 12:00", False, "2026-11-23 00:00"),
        # One that ends when it begins lasts a day.
        ({"from": "18:00", "until": "18:00", "days": ["sat"]}, "2026-11-22 17:00", True,
         "2026-11-22 18:00"),
        ({"from": "18:00", "until": "18:00"}, "2026-11-22 17:00", True, None),
    ],
)  # fmt: skip
def test_when_a_rule_holds(said, now, is_held, change):
    one = rule(**said)
    assert holds(one, at(now)) is is_held
    assert next_change({"CUDA0": [one]}, at(now)) == (change and at(change))


@pytest.mark.parametrize(
    ("said", "day", "begin", "hours"),
    [
        # The clock is put forward at 2:00, and there is no half past two.
        (("22:00", "06:00"), "2026-03-28", "2026-03-28T21:00Z", 7),
        (("02:30", "06:00"), "2026-03-29", "2026-03-29T01:30Z", 2.5),
        (("00:00", "24:00"), "2026-03-29", "2026-03-28T23:00Z", 23),
        # It is put back at 3:00, and half past two comes twice.
        (("22:00", "06:00"), "2026-10-24", "2026-10-24T20:00Z", 9),
        (("01:00", "02:30"), "2026-10-25", "2026-10-24T23:00Z", 2.5),
        (("02:30", "06:00"), "2026-10-25", "2026-10-25T00:30Z", 4.5),
        (("00:00", "24:00"), "2026-10-25", "2026-10-24T22:00Z", 25),
    ],
)
def test_the_nights_in_which_the_clock_is_changed(said, day, begin, hours):
    weekday = at(f"{day} 12:00").strftime("%a").lower()
    one = rule(**dict(zip(("from", "until"), said, strict=True)), days=[weekday])
    start = datetime.fromisoformat(begin)
    end = start + timedelta(hours=hours)
    second = timedelta(seconds=1)
    told = {start - second: False, start: True, end - second: True, end: False}
    assert {now: holds(one, now.astimezone(BERLIN)) for now in told} == told
    before = (start - second).astimezone(BERLIN)
    assert next_change({"x": [one]}, before) == start
    assert next_change({"x": [one]}, start.astimezone(BERLIN)) == end


def test_it_is_the_owners_clock_that_counts():
    one = rule(**EVENING)
    now = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
    assert [holds(one, now.astimezone(zone)) for zone in (UTC, BERLIN)] == [False, True]
