"""What a household does with two GPUs, on real ones of software: who goes where.

That a model is where the daemon says is checked against what its engine said that it allocated.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.fakes.caller import Crowd, load_of
from tests.fakes.house import Answer, House
from tests.fakes.real_house import (
    EACH,
    GPUS,
    ask,
    engine_or_skip,
    load,
    logged,
    paddock,
    pids,
    two_gpus,
)
from tests.fakes.sized_models import MIB, sized

LEFT = 1024
"""MiB of each GPU that the owner lets models have: half of them, so that stories are short."""
MODELS = {
    "small": sized(layers=4, heads=8),  # about 120 MiB, and 160 that a driver takes for each child
    "one": sized(layers=16, heads=16),  # 310 MiB, as the next four
    "two": sized(layers=16, heads=16, weights=20),
    "three": sized(layers=16, heads=16, weights=24),
    "four": sized(layers=16, heads=16, weights=28),
    "gated": sized(layers=16, heads=16, weights=32),
    "pinned": sized(layers=16, heads=30),  # 530 MiB
    "both": sized(layers=32, heads=4, width=256, weights=1300, count=16),
    "hybrid": sized(layers=32, heads=64),  # 2.2 GiB
    "long": sized(context=1 << 24),  # whose whole context takes 512 GiB
    "giant": sized(layers=400, width=8192, weights=1 << 20),  # a TiB of weights
}


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The daemon of all stories."""
    program = engine_or_skip()
    house = two_gpus(
        tmp_path_factory.mktemp("stories"),
        program,
        MODELS,
        models={"pinned": {"pinned": True}},
        gpus={gpu: {"reserve": f"{EACH - LEFT}MiB"} for gpu in GPUS},
    )
    yield house
    house.stop()


@pytest.fixture
def home(household: House) -> Iterator[House]:
    """The daemon with nothing in memory."""
    yield household
    household.ask("GET", "/unload")
    (household.folder / "gate").unlink(missing_ok=True)


def check_told(house: House, model: str) -> dict[str, float]:
    """MiB by device as its engine allocated them; fails when the daemon says anything else."""
    taken = {place: sum(kinds.values()) for place, kinds in logged(house, model).items()}
    held = next(one for one in house.get("/api/hardware")["instances"] if one["model"] == model)
    told = {place: sum(parts.values()) / MIB for place, parts in held["memory"].items()}
    assert told == pytest.approx(taken, abs=0.1)
    return taken


def told_of(house: House, model: str) -> tuple[str, float]:
    """The line of `paddock ps` for a model, and what part of it Ollama's clients see on GPUs."""
    lines = paddock(house, "ps").splitlines()
    row = next(line for line in lines if line.startswith(f"{model}:latest "))
    entry = next(one for one in house.get("/api/ps")["models"] if one["name"] == f"{model}:latest")
    return row, entry["size_vram"] / entry["size"]


# --- where one goes ------------------------------------------------------------------------------


def test_what_fits_one_gpu_is_whole_on_one(home: House) -> None:
    load(home, "one")
    taken = check_told(home, "one")
    assert len(taken.keys() & set(GPUS)) == 1
    assert logged(home, "one")["CPU"]["weights"] < 1  # the table of tokens
    assert "kv" not in logged(home, "one")["CPU"]
    row, on_gpus = told_of(home, "one")
    assert "100% GPU" in row
    assert on_gpus == 1


def test_what_needs_both_is_split(home: House) -> None:
    load(home, "both")
    assert check_told(home, "both").keys() == {*GPUS, "CPU"}
    parts = logged(home, "both")
    assert parts["CPU"]["weights"] < 1
    assert sum(parts[gpu]["weights"] for gpu in GPUS) == pytest.approx(1300, rel=0.05)
    assert all(sum(parts[gpu].values()) < LEFT for gpu in GPUS)
    row, on_gpus = told_of(home, "both")
    assert "100% GPU" in row
    assert on_gpus == 1


def test_what_fits_no_gpu_keeps_layers_on_the_processor(home: House) -> None:
    load(home, "hybrid")
    taken = check_told(home, "hybrid")
    assert taken["CPU"] > 300  # of 2200
    assert all(LEFT / 2 < taken[gpu] < LEFT for gpu in GPUS)
    row, on_gpus = told_of(home, "hybrid")
    assert "/32 layers GPU" in row
    assert 0.5 < on_gpus < 0.9


# --- several -------------------------------------------------------------------------------------


def test_two_doors_use_two_models_side_by_side(home: House) -> None:
    asked = [("openai", "one"), ("ollama", "two")]
    with ThreadPoolExecutor() as doors:
        first = list(doors.map(lambda pair: ask(home, *pair), asked))
    running = pids(home)
    again = [
        ask(home, door, model) for door, model in [*asked, ("ollama", "one"), ("openai", "two")]
    ]
    assert [one.status for one in (*first, *again)] == [200] * 6, [one.text for one in first]
    assert pids(home) == running
    assert running.keys() == {"one", "two"}
    check_told(home, "one")
    check_told(home, "two")


def test_a_third_sends_away_the_one_whose_room_it_needs(home: House) -> None:
    """Not the pinned one, not the one that works, and not the one that is too small to help."""
    load(home, "pinned", "two", "three", "small")
    before = pids(home)
    assert before.keys() == {"pinned", "two", "three", "small"}
    crowd = Crowd(home)
    try:
        talking = crowd.ask("three", max_tokens=4000, ignore_eos=True).until("data:")
        said = len(home.said)
        load(home, "four")
        assert load_of(home).active == 1
        talking.body.clear()
        talking.until("data:")
    finally:
        crowd.close()
    after = pids(home)
    assert after.keys() == {"pinned", "three", "small", "four"}
    assert all(after[name] == before[name] for name in ("pinned", "three", "small"))
    (line,) = [one for one in home.said[said:].splitlines() if "evicted" in one]
    assert "two" in line
    assert "four" in line
    assert "MiB on Vulkan1" in line


def test_a_loaded_model_answers_while_another_loads(home: House) -> None:
    load(home, "one")
    with ThreadPoolExecutor() as background:
        loading = background.submit(ask, home, "ollama", "gated")
        home.until(lambda: "gated" in home.running(), "it loads")
        assert [ask(home, door, "one").status for door in ("openai", "ollama")] == [200, 200]
        assert pids(home).keys() == {"one"}
        assert not loading.done()
        (home.folder / "gate").touch()
        assert loading.result().status == 200
    assert pids(home).keys() == {"one", "gated"}


# --- what has no place ---------------------------------------------------------------------------


def refused(answer: Answer) -> str:
    """The words of a refusal for want of memory."""
    assert answer.status == 507, answer.text
    told = answer.json()
    error = told if isinstance(told["error"], str) else told["error"]
    return f"{error.get('message', told['error'])} {error['hint']}"


def test_what_fits_nowhere_is_refused_with_what_would_help(home: House) -> None:
    load(home, "one", "two")
    before, said = pids(home), len(home.said)
    for door in ("openai", "ollama"):
        words = refused(ask(home, door, "giant"))
        assert "giant" in words
        assert "Vulkan0" in words
        assert "RAM" in words
        assert "1.0 TiB of weights" in words
        assert "smaller quantization" in words
    assert "starting giant" not in home.said[said:]
    assert pids(home) == before
    assert ask(home, "ollama", "one").status == 200


def test_a_context_that_fits_nowhere_is_refused_with_one_that_fits(home: House) -> None:
    words = refused(ask(home, "ollama", "long", num_ctx=1 << 24))
    assert "a context of" in words
    assert home.running() == []
    assert ask(home, "ollama", "long", num_ctx=2048).status == 200
