"""Headers in memory, and files from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from paddock.library.cache import HeaderCache
from paddock.library.header import Header, TensorTable
from paddock.library.scan import Scan, scan


@pytest.fixture
def file_of(tmp_path: Path) -> Callable[[bytes], Path]:
    """Writes these bytes to a file."""

    def write(data: bytes, name: str = "x.gguf") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # some file systems flush a file that is cut and written anew
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def header_with() -> Callable[..., Header]:
    """A header with this metadata and nothing else."""

    def make(metadata: dict[str, Any], architecture: str = "llama") -> Header:
        return Header(
            version=3,
            byte_order="little",
            file_size=0,
            metadata={"general.architecture": architecture, **metadata},
            arrays={},
            tensors=TensorTable(),
            data_offset=0,
        )

    return make


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """An empty models folder."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def look(models: Path, tmp_path: Path) -> Callable[..., Scan]:
    """Scans the models folder, with a cache that lives as long as the test."""
    cache = HeaderCache(tmp_path / "cache")

    def scan_now(*roots: Path) -> Scan:
        return scan(roots or [models], cache, Event())

    return scan_now
