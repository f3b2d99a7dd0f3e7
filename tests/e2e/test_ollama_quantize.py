"""`quantize` of /api/create, with the llama-quantize beside the engine's llama-server."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import ollama
import pytest
from tests.fakes import llama_quantize
from tests.fakes.gguf_maker import F16_TENSOR, Gguf
from tests.fakes.house import House

WEIGHTS = [("token_embd.weight", F16_TENSOR, (256, 32))]


def with_tool(house: House, **env: str) -> House:
    """Give the house's engine a llama-quantize, and its folder a model to use it on."""
    tool = house.engine.parent / "llama-quantize"
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{llama_quantize.__file__}" "$@"\n')
    tool.chmod(0o755)
    house.add("large", metadata={"general.file_type": 1}, tensors=WEIGHTS)
    engine = {"llamaServer": str(house.engine), "env": env}
    return house.start(house.config(engines={"fake": engine}))


def made(house: House, **asked: Any) -> list[ollama.ProgressResponse]:
    with ollama.Client(house.ollama_url) as client:
        return list(client.create("small", from_="large", stream=True, **asked))


def test_weights_are_written_with_fewer_bits(house: House):
    with_tool(house)

    lines = made(house, quantize="q4_K_M", system="s")

    assert lines[0].status == "quantizing F16 model to Q4_K_M"
    assert lines[-1].status == "success"
    with ollama.Client(house.ollama_url) as client:
        shown = client.show("small")
    assert shown.details is not None
    assert shown.details.quantization_level == "Q4_K_M"
    blobs = os.listdir(house.state / "ollama" / "blobs")
    assert all(name.startswith("sha256-") for name in blobs)
    assert len(blobs) == 3  # weights, system prompt, config: the large ones were not taken in


def test_the_tool_s_own_words_are_told_when_it_fails(house: House):
    with_tool(house, FAKE_QUANTIZE="fail")

    with pytest.raises(ollama.ResponseError, match="it does not want to"):
        made(house, quantize="Q8_0")

    assert os.listdir(house.state / "ollama" / "blobs") == []


def test_without_the_tool_it_is_said_what_to_do(house: House, tmp_path: Path):
    Gguf(metadata={"general.file_type": 1}, tensors=WEIGHTS).write(house.models / "large.gguf")
    house.start(PATH=str(tmp_path / "bin"))

    with pytest.raises(ollama.ResponseError, match="no llama-quantize") as raised:
        made(house, quantize="Q4_0")

    assert raised.value.status_code == 400
