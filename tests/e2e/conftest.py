"""A house with a daemon in it, ended after the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.caller import Crowd, at_rest
from tests.fakes.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty house; put models in, and `start()` it."""
    house = House(tmp_path)
    yield house
    house.stop()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon for all tests of a file, with two GGUFs and two commands, all of them loaded."""
    house = House(tmp_path_factory.mktemp("home"))
    house.add("llama-a")
    house.add("llama-b")
    commands = {
        "a/b": {"cmd": house.command(), "aliases": ["slashed/alias"]},
        "other": {"cmd": house.command()},
    }
    house.start(
        house.config(
            maxLoadedModels=4,
            defaultTtl=0,
            drainTimeout=2,
            models={**commands, "llama-a": {"aliases": ["nice name"]}},
        )
    )
    house.load("llama-a", "llama-b", *commands)
    yield house
    house.stop()


@pytest.fixture
def crowd(request: pytest.FixtureRequest) -> Iterator[Crowd]:
    """Callers of the test's daemon, gone after it; who comes next to a `home` finds it at rest."""
    shared = "home" in request.fixturenames
    house = request.getfixturevalue("home" if shared else "house")
    crowd = Crowd(house)
    yield crowd
    crowd.close()
    if shared:
        house.until(lambda: at_rest(house), "everybody is gone")
