"""What a profile does to names, and who is told when it is switched."""

from __future__ import annotations

import pytest

from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.errors import UnknownProfile
from paddock.events import ConfigChanged, Event, EventBus, ProfileChanged
from paddock.gateway.profiles import Profiles

CONFIG = Config.model_validate(
    {
        "profiles": {
            "night": {"pins": {"gpt-4": "big", "Small": "large", "off": None, "empty": ""}},
            "day": {"pins": {"gpt-4": "small"}},
            "bare": {},
        }
    }
)


@pytest.fixture
def bus() -> EventBus:
    return EventBus()


@pytest.fixture
def profiles(bus: EventBus) -> Profiles:
    return Profiles(Current(CONFIG), bus)


@pytest.fixture
def told(bus: EventBus) -> list[Event]:
    events: list[Event] = []
    bus.listen(events.append)
    return events


@pytest.mark.parametrize(
    ("active", "name", "leads_to"),
    [
        (None, "gpt-4", "gpt-4"),
        (None, "off", "off"),
        ("bare", "gpt-4", "gpt-4"),
        ("day", "gpt-4", "small"),
        ("day", "off", "off"),
        ("night", "gpt-4", "big"),
        ("night", "GPT-4", "big"),
        ("night", "gpt-4:latest", "big"),
        ("night", "small", "large"),
        ("night", "large", "large"),
        ("night", "off", ""),
        ("night", "empty", ""),
        ("night", "other", "other"),
    ],
)
def test_a_name_leads_where_the_active_profile_says(
    profiles: Profiles, active: str | None, name: str, leads_to: str
) -> None:
    profiles.activate(active)

    assert profiles.pinned(name) == leads_to


def test_switching_is_told_once(profiles: Profiles, told: list[Event]) -> None:
    profiles.activate("day")
    profiles.activate("day")
    profiles.activate(None)

    assert told == [ProfileChanged("day"), ProfileChanged(None)]


def test_an_unknown_profile_changes_nothing(profiles: Profiles, told: list[Event]) -> None:
    profiles.activate("day")
    with pytest.raises(UnknownProfile, match="'evening'") as raised:
        profiles.activate("evening")

    assert raised.value.hint == "there are bare, day, night"
    assert profiles.active == "day"
    assert told == [ProfileChanged("day")]


def test_a_reload_switches_it_off(profiles: Profiles, bus: EventBus, told: list[Event]) -> None:
    profiles.activate("day")
    bus.publish(ConfigChanged())

    assert profiles.active is None
    assert profiles.pinned("gpt-4") == "gpt-4"
    assert ProfileChanged(None) in told


def test_the_pins_of_the_active_profile_are_told_as_written(profiles: Profiles) -> None:
    assert profiles.pins == {}
    profiles.activate("night")
    assert profiles.pins == {"gpt-4": "big", "Small": "large", "off": None, "empty": ""}
