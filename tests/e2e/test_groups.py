"""Which models run together, as groups, the matrix, priorities and queue limits say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.caller import Crowd, load_of, seconds_until
from tests.fakes.house import House

GROUPS = {
    "pair": {"exclusive": False, "members": ["p1", "p2"]},
    "both": {"swap": False, "exclusive": False, "members": ["t1", "second"]},
    "boss": {"members": ["b1"]},
    "keeper": {"swap": False, "exclusive": False, "persistent": True, "members": ["k1"]},
}
MATRIX = {
    "vars": {"a": "m-a", "b": "m-b", "c": "m-c", "t": "voice"},
    "evict_costs": {"c": 5},
    "sets": {"talk": "a & t", "work": "(a | b) & c", "all": "+talk | +work"},
}


def started(folder: Path, models: str, aliases: dict[str, str], **config: Any) -> House:
    """A daemon with commands of these names."""
    house = House(folder)
    entries: dict[str, Any] = {name: {"cmd": house.command()} for name in models.split()}
    for name, alias in aliases.items():
        entries[name]["aliases"] = [alias]
    entries["small"] = {"cmd": house.command(), "concurrencyLimit": 1, "queueLimit": 0}
    return house.start(house.config(models=entries, maxOvertake=600, **config))


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with groups, and some models that are in none; `u3` goes before others."""
    house = started(
        tmp_path_factory.mktemp("grouped"),
        "p1 p2 t1 t2 b1 k1 u1 u2 u3",
        {"t2": "second"},
        groups=GROUPS,
        routing={"scheduler": {"settings": {"fifo": {"priority": {"u3": 5}}}}},
    )
    yield house
    house.stop()


@pytest.fixture(scope="module")
def matrixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a matrix, and a model that is in none of its sets."""
    house = started(
        tmp_path_factory.mktemp("matrixed"),
        "m-a m-b m-c m-t x",
        {"m-t": "voice"},
        matrix=MATRIX,
    )
    yield house
    house.stop()


@pytest.fixture
def crowd(grouped: House) -> Iterator[Crowd]:
    crowd = Crowd(grouped)
    yield crowd
    crowd.close()


def left_after(house: House, asked: str) -> str:
    """What is in memory after these models were asked one after the other."""
    house.ask("POST", "/api/models/unload")
    house.until(lambda: not house.running(), "all are unloaded")
    for name in asked.split():
        assert house.chat(name).status == 200
    return " ".join(sorted(house.running()))


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ("p1 p2", "p2"),
        ("p1 p1", "p1"),
        ("t1 t2", "t1 t2"),
        ("t2 t1 p1", "p1 t1 t2"),
        ("t1 p1 b1", "b1"),
        ("b1 t1", "b1 t1"),
        ("b1 t1 p1 p2", "b1 p2 t1"),
        ("k1 b1", "b1 k1"),
        ("k1 t1 b1", "b1 k1"),
        ("u1 u2", "u2"),
        ("u1 t1", "t1 u1"),
        ("t1 u1", "u1"),
        ("k1 t1 t2 u1", "k1 u1"),
    ],
)
def test_groups_decide_who_leaves(grouped: House, asked: str, left: str) -> None:
    assert left_after(grouped, asked) == left


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ("m-a m-t", "m-a m-t"),
        ("m-a m-c", "m-a m-c"),
        ("m-a m-b", "m-b"),
        ("m-a m-c m-b", "m-b m-c"),
        ("m-a m-t m-c", "m-a m-c"),
        ("m-a m-c m-t", "m-a m-t"),
        ("m-b m-c m-a", "m-a m-c"),
        ("m-b m-t", "m-t"),
        ("m-a m-t x", "x"),
        ("x m-a", "m-a"),
        ("m-c voice", "m-t"),
    ],
)
def test_the_matrix_decides_who_leaves(matrixed: House, asked: str, left: str) -> None:
    assert left_after(matrixed, asked) == left


def test_who_must_leave_is_waited_for_and_never_cut(
    grouped: House, crowd: Crowd, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    assert left_after(grouped, "") == ""
    busy = crowd.ask("p1", f"gate={gate} tokens=5").until("t0 ")
    other = crowd.ask("p2")
    seconds_until(lambda: load_of(grouped).queued == 1)
    (waiting,) = grouped.get("/api/queue")["waiting"]
    assert "p1 serves 1 request" in waiting["reason"]
    assert "group pair runs one model at a time" in waiting["reason"]
    assert grouped.running() == ["p1"]
    gate.touch()
    assert b"[DONE]" in busy.finish().body
    assert b"[DONE]" in other.finish().body
    assert grouped.running() == ["p2"]


def test_swaps_that_have_nothing_to_do_with_each_other_do_not_wait_for_each_other(
    grouped: House, crowd: Crowd, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    assert left_after(grouped, "t1") == "t1"
    busy = crowd.ask("p1", f"gate={gate} tokens=5").until("t0 ")
    waiting = crowd.ask("p2")
    seconds_until(lambda: load_of(grouped).queued == 1)
    assert grouped.chat("t2").status == 200
    assert grouped.chat("k1").status == 200
    gate.touch()
    assert b"[DONE]" in busy.finish().body
    assert b"[DONE]" in waiting.finish().body


def test_who_has_a_higher_priority_gets_room_first(
    grouped: House, crowd: Crowd, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    assert left_after(grouped, "") == ""
    busy = crowd.ask("u1", f"gate={gate} tokens=5").until("t0 ")
    before = len(grouped.said)
    later = crowd.ask("u2")
    seconds_until(lambda: load_of(grouped).queued == 1)
    first = crowd.ask("u3")
    seconds_until(lambda: load_of(grouped).queued == 2)
    gate.touch()
    for caller in (busy, first, later):
        assert b"[DONE]" in caller.finish().body
    grouped.until(lambda: "starting u2" in grouped.said[before:], "both have started")
    said = grouped.said[before:]
    assert said.index("starting u3") < said.index("starting u2")


@pytest.mark.parametrize("dialect", ["chat", "messages"])
@pytest.mark.parametrize("stream", [True, False])
def test_where_none_may_wait_the_next_is_told_at_once(
    grouped: House, crowd: Crowd, dialect: str, stream: bool
) -> None:
    assert left_after(grouped, "") == ""
    busy = crowd.ask("small", "tokens=1000000 tps=20").until("t0 ")
    refused = crowd.ask("small", dialect=dialect, stream=stream)
    error = refused.json()["error"]
    assert refused.answer.status == 429
    assert 1 <= int(refused.answer.headers["Retry-After"]) <= 60
    assert error["type"] == "rate_limit_error"
    assert dialect == "messages" or error["code"] == "concurrency_limit"
    busy.leave("fin")
    seconds_until(lambda: load_of(grouped).active == 0)
    assert grouped.chat("small").status == 200


def test_other_groups_hold_as_soon_as_they_are_written(tmp_path: Path) -> None:
    """Both go on where one had to wait, and the one that runs is not touched."""
    house = started(tmp_path, "a b", {}, groups={"g": {"members": ["a", "b"]}})
    crowd = Crowd(house)
    try:
        gate = tmp_path / "gate"
        busy = crowd.ask("a", f"gate={gate} tokens=5").until("t0 ")
        other = crowd.ask("b")
        seconds_until(lambda: load_of(house).queued == 1)
        file = tmp_path / "paddock.yaml"
        config = json.loads(file.read_text())
        config["groups"]["g"]["swap"] = False
        file.write_text(json.dumps(config))
        assert b"[DONE]" in other.finish().body
        assert sorted(house.running()) == ["a", "b"]
        gate.touch()
        assert b"[DONE]" in busy.finish().body
        assert house.said.count("starting a ") == 1
    finally:
        crowd.close()
        house.stop()
