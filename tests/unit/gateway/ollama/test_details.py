"""What Ollama's listings tell of a model."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from paddock.config.model_entry import Capabilities, ModelEntry
from paddock.gateway.ollama.details import (
    capabilities,
    details,
    forever,
    local_time,
    parameter_size,
    told_digest,
    told_name,
)
from paddock.library.model import HeaderSummary, Model, Recipe, Trait

CHATS = frozenset({Trait.CHAT, Trait.COMPLETION})


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "0"),
        (512, "512"),
        (20_480, "20K"),
        (134_515_008, "134.52M"),
        (22_000_000, "22M"),
        (1_235_814_432, "1.2B"),
        (3_212_749_888, "3.2B"),
        (8_000_000_000, "8B"),
        (70_553_706_496, "70.6B"),
    ],
)
def test_a_number_of_parameters(count: int, told: str):
    assert parameter_size(count) == told


@pytest.mark.parametrize(
    ("model_id", "told"),
    [
        ("qwen3-8b-q4_k_m", "qwen3-8b-q4_k_m:latest"),
        ("llama3.2:3b", "llama3.2:3b"),
        ("peer/model", "peer/model:latest"),
        ("localhost:5000/user/m", "localhost:5000/user/m:latest"),
        ("hf.co/user/m:Q4_K_M", "hf.co/user/m:Q4_K_M"),
    ],
)
def test_a_name_always_has_its_tag(model_id: str, told: str):
    assert told_name(model_id) == told


def test_the_details_of_a_model_that_sees():
    header = HeaderSummary(
        architecture="gemma3",
        parameters=4_300_079_472,
        quantization="Q4_K_M",
        context_length=131072,
        embedding_length=2560,
    )

    told = details(Model("m", Path("m.gguf"), header=header, projector=Path("mmproj-m.gguf")))

    assert told == {
        "parent_model": "",
        "format": "gguf",
        "family": "gemma3",
        "families": ["gemma3", "clip"],
        "parameter_size": "4.3B",
        "quantization_level": "Q4_K_M",
        "context_length": 131072,
        "embedding_length": 2560,
    }


def test_nothing_is_made_up_about_a_command():
    told = details(Model("m", settings=ModelEntry(cmd="server")))

    assert told["families"] is None
    assert (told["format"], told["family"], told["parameter_size"]) == ("", "", "")


@pytest.mark.parametrize(
    ("traits", "told"),
    [
        (CHATS, ["completion"]),
        (CHATS | {Trait.TOOLS, Trait.THINKING}, ["completion", "tools", "thinking"]),
        (CHATS | {Trait.VISION, Trait.INFILL}, ["completion", "insert", "vision"]),
        ({Trait.EMBEDDING}, ["embedding"]),
        ({Trait.RERANK}, ["rerank"]),
    ],
)
def test_what_a_header_tells(traits: frozenset[Trait], told: list[str]):
    assert capabilities(Model("m", Path("m.gguf"), traits=frozenset(traits))) == told


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ .Prompt }}", ["completion"]),
        ("{{ if .Tools }}{{ json .Tools }}{{ end }}{{ .Prompt }}", ["completion", "tools"]),
        ("{{ if .Suffix }}<PRE>{{ .Prompt }}{{ end }}", ["completion", "insert"]),
        ("{{ range .Messages }}{{ .Thinking }}{{ end }}", ["completion", "thinking"]),
        ("{{ broken .Tools", ["completion"]),
    ],
)
def test_what_a_go_template_has_a_place_for(template: str, told: list[str]):
    model = Model("m:latest", Path("b"), traits=CHATS, recipe=Recipe(template=template))

    assert capabilities(model) == told


def test_a_template_makes_no_chat_of_an_embedding_model():
    recipe = Recipe(template="{{ .Tools }}")
    model = Model("m:latest", Path("b"), traits=frozenset({Trait.EMBEDDING}), recipe=recipe)

    assert capabilities(model) == ["embedding"]


def test_what_the_owner_says_of_a_command():
    can = Capabilities.model_validate({"in": ["text", "image"], "tools": True})

    said = Model("m", settings=ModelEntry(cmd="server", capabilities=can))
    silent = Model("m", settings=ModelEntry(cmd="server"))

    assert capabilities(said) == ["completion", "tools", "vision"]
    assert capabilities(silent) == ["completion"]


def test_times_are_local_and_python_reads_them():
    then = datetime.fromisoformat(local_time(1_700_000_000.25))

    assert then.timestamp() == 1_700_000_000.25
    assert then.utcoffset() is not None
    assert datetime.fromisoformat(forever()).year - datetime.now(UTC).year >= 290


def test_a_digest_is_there_for_everything_and_tells_changes_apart():
    first, second = (Model("m", fingerprint=fingerprint) for fingerprint in ("a", "b"))

    assert len(told_digest(first)) == 64
    assert told_digest(first) != told_digest(second)
    assert told_digest(Model("m", digest="ab" * 32)) == "ab" * 32
