"""Random loads over two GPUs: none that was planned fails for memory, and no GPU is overfilled.

`PADDOCK_TEST_LOADS` says how many, `PADDOCK_TEST_SEED` which.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from tests.fakes.gguf_maker import Gguf
from tests.fakes.house import House
from tests.fakes.real_house import EACH, GPUS, ask, engine_or_skip, two_gpus
from tests.fakes.sized_models import MIB, sized

LOADS = int(os.environ.get("PADDOCK_TEST_LOADS", "15"))
SEED = int(os.environ.get("PADDOCK_TEST_SEED", "6"))
AT_ONCE = 2
CONTEXTS = (512, 2048, 4096, 8192, 16384)
MOST = 4608
"""MiB of a cache: more than both GPUs have, and not so much that it takes long."""


class Household:
    """What is there, what is asked for, and who asks."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.models: dict[str, Gguf] = {}
        self.slots: dict[str, int] = {}
        self._held: dict[str, int] = {}
        """MiB of a cache of 4096 tokens."""
        for number in range(12):
            self._make(f"m{number}")

    def _make(self, name: str) -> None:
        layers, heads = self._random.choice((8, 16, 32)), self._random.choice((4, 8, 16, 36))
        weights = self._random.randrange(8, 80)
        self.models[name] = sized(layers=layers, heads=heads, weights=weights, context=CONTEXTS[-1])
        self.slots[name] = self._random.choice((1, 1, 2, 4))
        self._held[name] = layers * heads * self.slots[name]

    def wish(self) -> tuple[tuple[str, str], dict[str, int]]:
        """A door and a model, and options. At one door nobody says how long the context is."""
        name = self._random.choice(list(self.models))
        if self._random.random() < 0.3:
            return ("openai", name), {}
        possible = [one for one in CONTEXTS if self._held[name] * one // 4096 <= MOST]
        return ("ollama", name), {"num_ctx": self._random.choice(possible)}


@pytest.fixture
def household() -> Household:
    return Household(Random(SEED))


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, household: Household) -> Iterator[House]:
    """A daemon with the models, each for so many requests at once."""
    entries = {name: {"parallel": slots} for name, slots in household.slots.items()}
    folder, program = tmp_path_factory.mktemp("loads"), engine_or_skip()
    house = two_gpus(folder, program, household.models, models=entries, maxOvertake=1)
    yield house
    house.stop()


def taken(house: House) -> dict[str, float]:
    """MiB of each GPU that all engines say they have allocated."""
    sizes: defaultdict[str, float] = defaultdict(float)
    for one in house.get("/api/hardware")["instances"]:
        for place, parts in one["memory"].items():
            sizes[place] += sum(parts.values()) / MIB
    return dict(sizes)


@pytest.mark.timeout(120 + 20 * LOADS)
def test_no_load_that_was_planned_fails(home: House, household: Household) -> None:
    while (done := home.said.count("INFO    paddock.scheduler.core: starting")) < LOADS:
        wishes = [household.wish() for _ in range(AT_ONCE)]
        with ThreadPoolExecutor() as callers:
            results = list(callers.map(lambda wish: ask(home, *wish[0], **wish[1]), wishes))
        assert [one.status for one in results] == [200] * AT_ONCE, (
            f"after {done} loads, {wishes}: {[one.text for one in results]}\n{home.said[-3000:]}"
        )
        sizes = taken(home)
        assert all(sizes.get(gpu, 0) <= EACH for gpu in GPUS), home.said[-3000:]
    assert "did not get the memory" not in home.said
    assert "failed" not in home.said
    places = Counter(
        next(words for words in PLACES if words in line)
        for line in home.said.splitlines()
        if "scheduler.core: starting" in line
    )
    assert places["fits whole on"] > 0
    print(f"{done} loads: {dict(places)}")


PLACES = ("fits whole on", "it fits on", "does not fit on GPUs alone", "the processor runs it")
"""What the daemon says of a place."""
