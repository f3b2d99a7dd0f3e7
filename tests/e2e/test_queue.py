"""Who waits for what, and why: in `/api/queue`, `paddock ps`, and in the streams themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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
    yield house
    house.stop()


@pytest.fixture
def crowd(home: House) -> Iterator[Crowd]:
    crowd = Crowd(home)
    yield crowd
    crowd.close()
    home.until(lambda: not queue(home)["waiting"], "nobody waits")


def queue(home: House) -> Any:
    return home.ask("GET", "/api/queue", headers={"x-api-key": ALICE}).json()


def ask(crowd: Crowd, home: House, model: str, key: str, switches: str = "") -> Caller:
    caller = Caller(
        home.url,
        "/v1/chat/completions",
        {
            "model": model,
            "stream": True,
            "messages": [{"role": "user", "content": f"fake {switches}"}],
        },
        key=key,
    )
    return crowd.came(caller)


def busy(crowd: Crowd, home: House, gate: Path) -> Caller:
    """Somebody who holds the only slot of `llama-a` until the gate is there."""
    return ask(crowd, home, "llama-a", ALICE, f"gate={gate}").until("t0 ")


def test_an_empty_queue(home: House) -> None:
    assert queue(home)["waiting"] == []


def test_who_waits_is_told_in_order_of_arrival(home: House, crowd: Crowd, tmp_path: Path) -> None:
    busy(crowd, home, tmp_path / "go")
    ask(crowd, home, "llama-a", ALICE).until("waiting for llama-a")
    ask(crowd, home, "llama-b", BOB).until("waiting for llama-b")
    ask(crowd, home, "llama-a", BOB).until("position 2")
    told = queue(home)
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
    busy(crowd, home, tmp_path / "go")
    ask(crowd, home, "llama-b", BOB).until("waiting for llama-b")
    (waiting,) = queue(home)["waiting"]
    (tmp_path / "go").touch()

    since = datetime.fromisoformat(waiting["since"])
    assert timedelta() <= datetime.now(UTC) - since < timedelta(minutes=2)
    assert waiting["waited"] >= 0
    assert waiting["priority"] == 7
    assert waiting["request"]


def test_a_request_finds_itself_by_its_id(home: House, crowd: Crowd, tmp_path: Path) -> None:
    busy(crowd, home, tmp_path / "go")
    caller = ask(crowd, home, "llama-b", BOB).until("waiting for llama-b")
    (waiting,) = queue(home)["waiting"]
    (tmp_path / "go").touch()

    assert caller.answer.headers["X-Request-Id"] == waiting["request"]


def test_the_queue_is_not_for_strangers(home: House) -> None:
    assert home.ask("GET", "/api/queue").status == 401


def test_ps_shows_who_waits(home: House, crowd: Crowd, tmp_path: Path) -> None:
    busy(crowd, home, tmp_path / "go")
    ask(crowd, home, "llama-b", BOB).until("waiting for llama-b")
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
