"""For every test: Hypothesis without time limits, and a check that nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import inspect
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from paddock import tasks

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of a shell's background job
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared-machine")

PATIENCE_SECONDS = 2.0
"""What ends by itself may take this long: a thread that closes a file, a killed grandchild."""

OPENED_ONCE = ("/dev/null", "/dev/urandom")
"""What the interpreter and libraries open when they first need it, and keep."""


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails a test after which a file descriptor or a child process is still there."""
    descriptors, children = _descriptors(), _children()
    yield
    left = _wait_until_gone(lambda: _new_descriptors(descriptors) + _new_children(children))
    if left:
        pytest.fail("the test left behind: " + "; ".join(left), pytrace=False)


@pytest.fixture(autouse=True)
def no_task_left_behind(request: pytest.FixtureRequest, nothing_left_behind: None) -> None:
    """Fails an async test after which one of our tasks still runs."""
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("no_task_on_the_loop")


@pytest_asyncio.fixture
async def no_task_on_the_loop() -> AsyncIterator[None]:
    """Made before the test's other fixtures, so it looks when they are gone but the loop is not."""
    yield
    deadline = time.monotonic() + PATIENCE_SECONDS
    while tasks.running() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    if left := sorted(task.get_name() for task in tasks.running()):
        pytest.fail(f"the test left tasks behind: {', '.join(left)}", pytrace=False)


def _wait_until_gone(find: Callable[[], list[str]]) -> list[str]:
    left = find()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
        left = find()
    return left


def _descriptors() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue  # the one that listed the folder
    return found


def _new_descriptors(before: dict[int, str]) -> list[str]:
    return [
        f"descriptor {number} ({target})"
        for number, target in _descriptors().items()
        if before.get(number) != target and target not in OPENED_ONCE
    ]


def _children() -> set[Any]:
    return set(psutil.Process().children(recursive=True))


def _new_children(before: set[Any]) -> list[str]:
    left = []
    for child in _children() - before:
        try:
            if before.intersection(child.parents()):
                continue  # a daemon that serves many tests answers for its own children
            left.append(f"process {child.pid} ({child.status()}): {' '.join(child.cmdline())}")
        except psutil.Error:
            continue  # it ended while it was looked at
    return left


@cache
def _gguf_maker() -> ModuleType:
    path = Path(__file__).parent / "fakes" / "gguf_maker.py"
    spec = importlib.util.spec_from_file_location("gguf_maker", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gguf_maker"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def gguf_maker() -> Any:
    """The module `tests/fakes/gguf_maker.py`: writes GGUFs with any header and no weights."""
    return _gguf_maker()


@pytest.fixture(scope="session")
def make_gguf(gguf_maker: Any) -> Callable[..., Path]:
    """`make_gguf(path, **fields of gguf_maker.Gguf)` writes a small GGUF and gives its path."""

    def make(path: Path, **fields: Any) -> Path:
        written: Path = gguf_maker.Gguf(**fields).write(path)
        return written

    return make
