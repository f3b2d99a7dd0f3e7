"""llama-swap's matrix: which models leave for the one that is asked for, by sets and by costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes.house import House

MATRIX: dict[str, Any] = {
    "vars": {
        "a": "m-a", "b": "m-b", "c": "m-c", "d": "m-d", "e": "m-e", "f": "m-f",
        "v": "voice", "w.1": "m-w", "q": "m-q", "r": "m-r",
    },
    "evict_costs": {"c": 5, "e": 3, "f": 3},
    "sets": {
        # a goes with b or with c; of these two c is dear
        "cheap": "a & b",
        "dear": "a & c",
        # d goes with any one of three, two of which cost the same
        "any": "d & (b | e | f)",
        # voice goes with whatever is in `any`
        "spoken": "+any & v",
        # comes before `any` in the file's order only by name; it is defined last
        "pairs": "(a | q) & (r | w.1)",
        "last": "b & e",
    },
}  # fmt: skip
NAMES = ("m-a", "m-b", "m-c", "m-d", "m-e", "m-f", "m-v", "m-w", "m-q", "m-r", "stranger")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with that matrix, and a model of none of its sets."""
    house = House(tmp_path_factory.mktemp("home"))
    models: dict[str, Any] = {name: {"cmd": house.command()} for name in NAMES}
    models["m-v"]["aliases"] = ["voice"]
    models["m-a"]["aliases"] = ["nice"]
    house.start(house.config(models=models, matrix=MATRIX))
    yield house
    house.stop()


def left_after(home: House, asked: str) -> str:
    """What is in memory after these models came one after the other."""
    home.ask("GET", "/unload")
    home.load(*asked.split())
    return " ".join(sorted(home.running()))


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        # what is in one set stays together, in any order
        ("m-a m-b", "m-a m-b"),
        ("m-b m-a", "m-a m-b"),
        ("m-a m-c", "m-a m-c"),
        ("m-d m-e", "m-d m-e"),
        # what is in no common set does not
        ("m-b m-c", "m-c"),
        # what runs already makes nobody leave
        ("m-a m-b m-a", "m-a m-b"),
        ("m-a m-b nice", "m-a m-b"),
        # one of two has to go
        ("m-a m-b m-c", "m-a m-c"),
        ("m-b m-e m-a", "m-a m-b"),
        # alternatives within a set
        ("m-d m-b m-e", "m-d m-e"),
        ("m-d m-e m-f", "m-d m-f"),
        ("m-q m-r m-w", "m-q m-w"),
        ("m-a m-r m-q", "m-q m-r"),
        # references
        ("m-d m-e m-v", "m-d m-e m-v"),
        ("voice m-f m-d", "m-d m-f m-v"),
        ("m-v m-a", "m-a"),
        ("m-d m-e m-v m-b", "m-b m-e"),  # e is dearer than both others
        ("m-b m-e m-v", "m-e m-v"),
        # a model of no set
        ("m-a m-b stranger", "stranger"),
        ("m-d m-e m-v stranger", "stranger"),
        ("stranger m-a", "m-a"),
    ],
)
def test_who_stays(home: House, asked: str, left: str) -> None:
    assert left_after(home, asked) == left


COSTS: dict[str, Any] = {
    "vars": {"x": "m-a", "y": "m-b", "z": "m-c", "t": "m-d", "u": "m-e"},
    "sets": {"all": "x & y & z", "one": "t & x", "two": "t & y & z", "three": "u & (y | x)"},
}


@pytest.mark.parametrize(
    ("costs", "asked", "left"),
    [
        # one is cheaper to keep than two, unless it is dear
        ({}, "m-a m-b m-c m-d", "m-b m-c m-d"),
        ({"x": 2}, "m-a m-b m-c m-d", "m-a m-d"),  # a tie: the first set
        ({"x": 3}, "m-a m-b m-c m-d", "m-a m-d"),
        ({"x": 3, "y": 3}, "m-a m-b m-c m-d", "m-b m-c m-d"),
        ({"z": 9}, "m-a m-c m-d", "m-c m-d"),
        ({}, "m-a m-c m-d", "m-a m-d"),
        # within alternatives the dearer one stays, and of equal ones the first
        ({}, "m-a m-b m-e", "m-b m-e"),
        ({"x": 2}, "m-a m-b m-e", "m-a m-e"),
        ({"y": 2}, "m-a m-b m-e", "m-b m-e"),
    ],
)
def test_what_it_costs(
    home: House, reloaded: None, costs: dict[str, int], asked: str, left: str
) -> None:
    change(home, {**COSTS, "evict_costs": costs})

    assert left_after(home, asked) == left


@pytest.fixture
def reloaded(home: House) -> Iterator[None]:
    """The matrix of the file is in force again after the test."""
    yield
    change(home, MATRIX)


def change(home: House, matrix: dict[str, Any]) -> None:
    """Put another matrix into force, by a reload."""
    file = home.folder / "paddock.yaml"
    said = json.loads(file.read_text())
    file.write_text(json.dumps(said | {"matrix": matrix}))
    answer = home.ask("POST", "/api/paddock/reload")
    assert answer.status == 200, answer.text
