"""Other programs use the GPUs, too: what their driver tells counts, whenever a model loads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.house import House
from tests.fakes.nvidia_cards import Cards
from tests.fakes.sized_models import put, sized

EACH = 8192
"""MiB of each of two cards."""
SIZES = {"game": 5000, "chat": 5000, "draw": 5000, "large": 8800, "huge": 12288}
"""MiB of weights."""


@pytest.fixture
def cards(tmp_path: Path) -> Cards:
    """Two cards that nobody uses."""
    return Cards(tmp_path, total=EACH)


@pytest.fixture
def home(house: House, cards: Cards) -> Iterator[House]:
    """A daemon with a fake engine that uses these cards."""
    for number, (name, size) in enumerate(SIZES.items()):
        put(sized(layers=40, width=1024, weights=size + number), house.models, name)
    engine = {"llamaServer": str(house.engine), "env": {"FAKE_DEVICES": cards.listed}}
    settings = house.config(
        engines={"fake": engine},
        contextLength=4096,
        parallel=1,
        defaultTtl=0,
        models={"chat": {"args": "--fake die=cuda"}},
    )
    del settings["maxLoadedModels"]
    yield house.start(settings, **cards.env)
    house.ask("GET", "/unload")


def flags(house: House, model: str) -> dict[str, str]:
    """The flags that a model was loaded with."""
    words = house.engine_state(model)["argv"]
    return dict(pairwise(words))


def loaded(house: House, model: str) -> dict[str, Any]:
    """Load it; where its layers are."""
    house.load(model)
    told = flags(house, model)
    return {name: told.get(f"--{name}", "") for name in ("device", "gpu-layers", "tensor-split")}


def test_half_of_a_gpu_is_gone(home: House, cards: Cards) -> None:
    """So what needs more than the other half goes elsewhere, or is dealt out by what is free."""
    cards.fill(0, EACH // 2)
    assert loaded(home, "game")["device"] == "CUDA1"
    home.ask("GET", "/unload")

    large = loaded(home, "large")
    first, second = map(float, large["tensor-split"].split(","))
    assert large["gpu-layers"] == "41"
    assert first * 1.5 < second
    home.ask("GET", "/unload")

    assert 20 < int(loaded(home, "huge")["gpu-layers"]) < 40
    home.ask("GET", "/unload")

    cards.fill(0, 0)  # the other program has ended
    huge = loaded(home, "huge")
    assert (huge["device"], huge["gpu-layers"]) == ("CUDA0,CUDA1", "41")


def test_what_others_take_meanwhile_counts_beside_our_own(home: House, cards: Cards) -> None:
    assert loaded(home, "game")["device"] == "CUDA0"
    cards.fill(0, 6700)  # by its child
    cards.fill(1, EACH // 2)  # by another program
    with ThreadPoolExecutor() as background:
        # Neither has room for it: ours leaves, and its memory is waited for.
        loading = background.submit(loaded, home, "draw")
        home.until(lambda: "evicted for draw: needed " in home.said, "one leaves")
        cards.fill(0, 0)
        assert loading.result()["device"] == "CUDA0"
    assert home.running() == ["draw"]
    line = next(one for one in home.said.splitlines() if "evicted" in one)
    assert "GiB on CUDA0" in line


def test_memory_that_nobody_told_of_is_missing(home: House) -> None:
    """So the load is planned once more, with less, before anybody hears of it."""
    for door, text in (("openai", "/v1/chat/completions"), ("ollama", "/api/chat")):
        asked = {"model": "chat", "messages": [{"role": "user", "content": "a"}]}
        answer = home.ask("POST", text, asked, door=door)
        assert answer.status == 503
        assert "not enough memory" in answer.text
    starts = [line for line in home.said.splitlines() if "starting chat" in line]
    assert [one.rpartition(" of ")[2].partition(" free")[0] for one in starts] == [
        "8.0 GiB",
        "7.2 GiB",
    ]
    home.load("game")
