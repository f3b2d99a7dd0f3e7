"""A house with a daemon in it, ended after the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty house; put models in, and `start()` it."""
    house = House(tmp_path)
    yield house
    house.stop()
