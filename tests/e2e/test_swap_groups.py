"""llama-swap's groups: who stays when another one comes, for every kind of group there is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from tests.fakes.caller import Crowd, load_of, seconds_until
from tests.fakes.house import House

KINDS = tuple(
    "".join(letters) for letters in product(("s", "-"), ("e", "-"), ("p", "-"))
)  # swap, exclusive, persistent
"""Each kind of group, by the letters of what it is; its models are `{kind}1` and `{kind}2`."""
PAIRS = sorted(
    {(kind, other) for kind in KINDS for other in ("sep", "---") if kind != other}
    | {(other, kind) for kind in KINDS for other in ("s--", "-ep") if kind != other}
)
"""Each kind as the first and as the second, with partners of every kind that matters to it."""
ALONE = ("free1", "free2")
"""Models of no group: llama-swap has them in one that swaps and is exclusive."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a group of each kind."""
    house = House(tmp_path_factory.mktemp("home"))
    names = [f"{kind}{number}" for kind in KINDS for number in (1, 2)]
    groups: dict[str, Any] = {
        f"g{kind}": {
            "swap": kind[0] == "s",
            "exclusive": kind[1] == "e",
            "persistent": kind[2] == "p",
            "members": [f"{kind}1", f"{kind}2"],
        }
        for kind in KINDS
    }
    models = {name: {"cmd": house.command()} for name in (*names, *ALONE)}
    house.start(house.config(models=models, groups=groups))
    yield house
    house.stop()


def left_after(home: House, *asked: str) -> set[str]:
    """What is in memory after these models came one after the other."""
    home.ask("GET", "/unload")
    home.load(*asked)
    return set(home.running())


def stays(first: str, second: str) -> bool:
    """llama-swap's rule: whether a model of the group `first` stays when one of `second` comes."""
    if first == second:
        return first[0] != "s"
    return second[1] != "e" or first[2] == "p"


@pytest.mark.parametrize("kind", KINDS)
def test_within_a_group(home: House, kind: str) -> None:
    first, second = f"{kind}1", f"{kind}2"

    assert left_after(home, first, second) == ({first} if stays(kind, kind) else set()) | {second}


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_between_groups(home: House, one: str, other: str) -> None:
    first, second = f"{one}1", f"{other}1"

    assert left_after(home, first, second) == ({first} if stays(one, other) else set()) | {second}


@pytest.mark.parametrize("kind", ["se-", "---", "sep", "--p"])
def test_one_of_no_group_comes_as_one_of_an_exclusive_group(home: House, kind: str) -> None:
    expected = {"free1", f"{kind}1"} if kind[2] == "p" else {"free1"}

    assert left_after(home, f"{kind}1", "free1") == expected


@pytest.mark.parametrize("kind", ["se-", "---", "sep", "--p"])
def test_one_of_no_group_leaves_for_what_is_exclusive(home: House, kind: str) -> None:
    expected = {f"{kind}1"} if kind[1] == "e" else {"free1", f"{kind}1"}

    assert left_after(home, "free1", f"{kind}1") == expected


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (("free1", "free2"), {"free2"}),
        (("free2", "free1", "free1"), {"free1"}),
        # one way only: it depends on who comes last
        (("s--1", "se-1"), {"se-1"}),
        (("se-1", "s--1"), {"se-1", "s--1"}),
        (("se-1", "s--1", "se-2"), {"se-2"}),
        (("se-1", "s--1", "se-1"), {"se-1", "s--1"}),  # what is there makes nobody leave
        # many at once
        (("-e-1", "-e-2", "---1", "---2"), {"-e-1", "-e-2", "---1", "---2"}),
        (("-e-1", "-e-2", "---1", "---2", "-ep1"), {"-ep1"}),
        (("-ep1", "-ep2", "---1", "-e-1"), {"-ep1", "-ep2", "-e-1"}),
        (("s-p1", "---1", "--p1", "free1"), {"s-p1", "--p1", "free1"}),
        (("s-p1", "s-p2", "free1"), {"s-p2", "free1"}),
        (("sep1", "s-p1", "--p1", "--p2"), {"sep1", "s-p1", "--p1", "--p2"}),
    ],
)
def test_one_after_the_other(home: House, asked: tuple[str, ...], left: set[str]) -> None:
    assert left_after(home, *asked) == left


@pytest.mark.parametrize(("first", "second"), [("s--1", "s--2"), ("---1", "se-1")])
def test_who_answers_is_not_made_to_leave_before_the_end(
    home: House, crowd: Crowd, tmp_path: Any, first: str, second: str
) -> None:
    gate = tmp_path / "gate"
    left_after(home)
    busy = crowd.ask(first, f"gate={gate} tokens=5").until("t0 ")
    waiting = crowd.ask(second)
    seconds_until(lambda: load_of(home).queued == 1)
    (told,) = home.get("/api/queue")["waiting"]
    before = home.running()
    gate.touch()

    assert f"{first} serves 1 request" in told["reason"]
    assert before == [first]
    assert b"[DONE]" in busy.finish().body
    assert b"[DONE]" in waiting.finish().body
    assert home.running() == [second]


@pytest.mark.parametrize(
    ("first", "second", "rule"),
    [
        ("s--1", "s--2", "group gs-- runs one model at a time"),
        ("---1", "se-1", "group gse-"),
        ("free1", "se-1", "group gse-"),
    ],
)
def test_the_queue_names_the_rule(
    home: House, crowd: Crowd, tmp_path: Any, first: str, second: str, rule: str
) -> None:
    gate = tmp_path / "gate"
    left_after(home)
    busy = crowd.ask(first, f"gate={gate} tokens=5").until("t0 ")
    crowd.ask(second)
    seconds_until(lambda: load_of(home).queued == 1)
    (told,) = home.get("/api/queue")["waiting"]
    gate.touch()
    busy.finish()

    assert rule in told["reason"]
