"""The cost of finding a model's way: 500 configured models beside 5."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import psutil
from tests.fakes.house import House

from bench.figure import Figure
from bench.relay_bench import PATH, load

FEW, MANY = 5, 500
ROUNDS = 5
SECONDS = 1.5


def measure() -> list[Figure]:
    """CPU of the daemon per request, in turns; the least of each is compared."""
    with TemporaryDirectory(prefix="paddock-bench-") as folder:
        houses = {count: _house(Path(folder) / str(count), count) for count in (FEW, MANY)}
        try:
            taken: dict[int, list[float]] = {FEW: [], MANY: []}
            for _ in range(ROUNDS):
                for count, house in houses.items():
                    taken[count].append(_cpu_per_request(house, count))
        finally:
            for house in houses.values():
                house.stop()
    few, many = min(taken[FEW]), min(taken[MANY])
    return [
        Figure(f"CPU per request with {MANY} models configured", many, "µs", few),
        Figure(f"… over that with {FEW}", many / few, "x", limit=1.1),
    ]


def _house(folder: Path, count: int) -> House:
    """A daemon with `count` commands, with aliases, filters, groups and a selector each ten."""
    folder.mkdir()
    house = House(folder)
    house.start(house.config(**_settings(house, count)))
    house.chat(_last(count))
    return house


def _settings(house: House, count: int) -> dict[str, Any]:
    names = [f"model-{number:03}" for number in range(count)]
    models = {
        name: {
            "cmd": house.command(),
            "aliases": [f"{name}-alias", f"{name}-other"],
            "filters": {"setParamsByID": {f"{name}-hot": {"temperature": 1}}},
        }
        for name in names
    }
    groups = {f"group-{at}": {"members": names[at : at + 10]} for at in range(0, count, 10)}
    selectors = {
        f"any-{at}": {"strategy": "warm", "targets": names[at : at + 10]}
        for at in range(0, count, 10)
    }
    priority = {"routing": {"scheduler": {"settings": {"fifo": {"priority": {names[0]: 1}}}}}}
    return {"models": models, "groups": groups, "selectors": selectors, **priority}


def _last(count: int) -> str:
    return f"model-{count - 1:03}"


def _cpu_per_request(house: House, count: int) -> float:
    """Microseconds of the daemon's CPU for one whole answer, 32 clients at a time."""
    body = json.dumps(
        {"model": _last(count), "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
    )
    process = psutil.Process(house.pid)
    before = process.cpu_times()
    port = str(urlsplit(house.url).port)
    told = load("closed", port, PATH, "32", str(SECONDS), body)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return float(used / (told["rate"] * SECONDS) * 1e6)
