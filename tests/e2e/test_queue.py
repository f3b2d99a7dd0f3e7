"""Who waits for what, and why: in `/api/queue`, `paddock ps`, and in the streams themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.fakes.caller import Caller, Crowd
from tests.fakes.house import House

ALICE, BOB = "key-of-alice", "key-of-bob"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with room for one model that serves one request at a time."""
    house = House(tmp_path_factory.mktemp("home"))
    for name in ("llama-a", "llama-b"):
        house.add(name)
    house.start(
        house.config(
            apiKeys=[ALICE, BOB],
            parallel=1,
            maxLoadedModels=1,
            maxOvertake=0,
            defaultTtl=0,
            sendLoadingState=True,
            routing={"scheduler": {"settings": {"fifo": {"priority": {"llama-b": 7}}}}},
        )
    )
    house.key = ALICE
    yield house
    house.stop()


def busy(crowd: Crowd, gate: Path) -> Caller:
    """Somebody who holds the only slot of `llama-a` until the gate is there."""
    return crowd.ask("llama-a", f"gate={gate}", key=ALICE).until("t0 ")


def test_an_empty_queue(home: House) -> None:
    assert home.get("/api/queue")["waiting"] == []


def test_who_waits_is_told_in_order_of_arrival(home: House, crowd: Crowd, tmp_path: Path) -> None:
    busy(crowd, tmp_path / "go")
    crowd.ask("llama-a", key=ALICE).until("waiting for llama-a")
    crowd.ask("llama-b", key=BOB).until("waiting for llama-b")
    crowd.ask("llama-a", key=BOB).until("position 2")
    told = home.get("/api/queue")
    (tmp_path / "go").touch()

    assert [(one["model"], one["position"]) for one in told["waiting"]] == [
        ("llama-a", 1),
        ("llama-b", 1),
        ("llama-a", 2),
    ]
    clients = [one["client"] for one in told["waiting"]]
    assert clients[1] == clients[2] != clients[0]
    assert all(client.startswith("key:") for client in clients)
    assert ALICE not in str(told)
    assert "llama-a" in told["waiting"][1]["reason"]
    (running,) = told["running"]
    assert (running["model"], running["state"]) == ("llama-a", "ready")
    assert (running["active"], running["slots"]) == (1, 1)


def test_since_is_a_date_and_waited_are_seconds(home: House, crowd: Crowd, tmp_path: Path) -> None:
    busy(crowd, tmp_path / "go")
    crowd.ask("llama-b", key=BOB).until("waiting for llama-b")
    (waiting,) = home.get("/api/queue")["waiting"]
    (tmp_path / "go").touch()

    since = datetime.fromisoformat(waiting["since"])
    assert timedelta() <= datetime.now(UTC) - since < timedelta(minutes=2)
    assert waiting["waited"] >= 0
    assert waiting["priority"] == 7
    assert waiting["request"]


def test_a_request_finds_itself_by_its_id(home: House, crowd: Crowd, tmp_path: Path) -> None:
    busy(crowd, tmp_path / "go")
    caller = crowd.ask("llama-b", key=BOB).until("waiting for llama-b")
    (waiting,) = home.get("/api/queue")["waiting"]
    (tmp_path / "go").touch()

    assert caller.answer.headers["X-Request-Id"] == waiting["request"]


def test_the_queue_is_not_for_strangers(home: House) -> None:
    with home.wire() as wire:
        assert wire.ask("GET", "/api/queue").answer().status == 401


def test_ps_shows_who_waits(home: House, crowd: Crowd, tmp_path: Path) -> None:
    busy(crowd, tmp_path / "go")
    crowd.ask("llama-b", key=BOB).until("waiting for llama-b")
    shown = subprocess.run(
        [sys.executable, "-m", "paddock", "ps", "--host", home.url],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PADDOCK_API_KEY": ALICE},
    )
    (tmp_path / "go").touch()

    assert shown.returncode == 0, shown.stderr
    lines = [line.split() for line in shown.stdout.splitlines()]
    titles = next(line for line in lines if line[0] == "WAITING")
    assert titles[2:] == ["CLIENT", "POSITION", "PRIORITY", "SINCE", "WHY"]
    row = lines[lines.index(titles) + 1]
    assert row[0] == "llama-b"
    assert row[1].startswith("key:")
    assert row[2:4] == ["1", "7"]
