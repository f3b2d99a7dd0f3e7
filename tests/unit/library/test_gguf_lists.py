"""A header with its long arrays."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddock.errors import GgufError
from paddock.library.gguf_lists import ALL, read_lists


def test_short_arrays_are_told_and_long_ones_are_not(make_gguf, tmp_path: Path):
    tags = ["chat", "größe"]
    file = make_gguf(tmp_path / "m.gguf", metadata={"general.tags": tags}, vocabulary=300)

    header, texts = read_lists(file, 5)

    assert texts == {"general.tags": ("chat", "größe")}
    assert header.arrays["tokenizer.ggml.tokens"].length == 300


def test_everything_is_told_when_asked_for(make_gguf, tmp_path: Path):
    file = make_gguf(tmp_path / "m.gguf", vocabulary=2000, merges=300)

    header, texts = read_lists(file, ALL)

    assert len(texts["tokenizer.ggml.tokens"]) == 2000
    assert len(texts["tokenizer.ggml.merges"]) == 300
    assert len(header.metadata["tokenizer.ggml.token_type"]) == 2000  # type: ignore[arg-type]


def test_a_broken_file_is_a_clear_error(tmp_path: Path):
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF" + bytes(20))

    with pytest.raises(GgufError, match="version 0"):
        read_lists(file, ALL)
