"""Which models are one in several quantizations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.gguf_maker import Gguf

from paddock.library.gguf import read_header
from paddock.library.header import Header
from paddock.library.kin import is_built_alike, is_same
from paddock.library.model import Model

QWEN = {"general.basename": "Qwen3", "general.size_label": "8B", "general.name": "Qwen3 8B"}
OLD = {"general.name": "Qwen3 8B"}


def made(folder: Path, file: str, told: dict[str, Any], **how: Any) -> tuple[Model, Header]:
    path = Gguf(metadata=told, **how).write(folder / file)
    header = read_header(path)
    return Model(file.removesuffix(".gguf").lower(), path, (path,), header=header.summary()), header


@pytest.mark.parametrize(
    ("one", "other", "file", "same"),
    [
        (QWEN, QWEN, "anything.gguf", True),
        (QWEN, QWEN | {"general.basename": "qwen-3"}, "x.gguf", True),
        (QWEN, QWEN | {"general.finetune": "Abliterated"}, "Qwen3-8B-Q8_0.gguf", False),
        (QWEN, QWEN | {"general.version": "2507"}, "Qwen3-8B-Q8_0.gguf", False),
        (QWEN, QWEN | {"general.size_label": "4B"}, "Qwen3-8B-Q8_0.gguf", False),
        (QWEN, QWEN | {"general.size_label": None}, "x.gguf", True),
        (QWEN, OLD, "x.gguf", True),
        (OLD, {"general.name": "Qwen3-8b Q8_0"}, "x.gguf", True),
        (OLD, {"general.name": "Dolphin 8B"}, "Qwen3-8B-Q8_0.gguf", False),
        (OLD, {"general.name": None}, "Qwen3-8B-Q8_0.gguf", True),
        (OLD, {"general.name": None}, "Dolphin-8B-Q8_0.gguf", False),
    ],
)
def test_the_same_model(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any], file: str, same: bool
) -> None:
    model, header = made(tmp_path / "one", "Qwen3-8B-Q4_K_M.gguf", one)
    another, others = made(tmp_path / "two", file, other)
    assert is_built_alike(model.header, another.header)
    assert is_same(model, header, another, others) is same
    assert is_same(another, others, model, header) is same


@pytest.mark.parametrize(
    "how", [{"architecture": "qwen3"}, {"vocabulary": 300}], ids=["architecture", "vocabulary"]
)
def test_what_is_built_otherwise_is_another(tmp_path: Path, how: dict[str, Any]) -> None:
    model, _ = made(tmp_path / "one", "Qwen3-8B-Q4_K_M.gguf", QWEN)
    another, _ = made(tmp_path / "two", "Qwen3-8B-Q8_0.gguf", QWEN, **how)
    assert not is_built_alike(model.header, another.header)
