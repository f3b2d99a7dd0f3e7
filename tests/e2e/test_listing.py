"""What models there are, and what runs, as each of the lists tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes.house import House

VECTORS = {"bert.pooling_type": 1, "bert.context_length": 512}
TEMPLATE = {"tokenizer.chat_template": "{{ messages }}", "llama.context_length": 32768}


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with models of several kinds, and files that are none."""
    house = House(tmp_path_factory.mktemp("stocked"))
    house.add("llama-a", metadata=TEMPLATE)
    house.add("llama-b")
    house.add("minilm", architecture="bert", metadata=VECTORS)
    (house.models / "deep" / "er").mkdir(parents=True)
    house.add("inner").rename(house.models / "deep" / "er" / "Inner-Q8_0.gguf")
    house.add("cut", missing=100)
    (house.models / "text.gguf").write_text("no model")
    (house.models / "notes.txt").write_text("no model")
    house.start(
        house.config(
            maxLoadedModels=2,
            contextLength=2048,
            defaultTtl=60,
            models={
                "llama-a": {
                    "aliases": ["nice name"],
                    "name": "A Llama",
                    "description": "It hums.",
                    "ttl": 120,
                },
                "llama-b": {"unlisted": True, "contextLength": 0},
                "of/mine": {"cmd": house.command(), "aliases": ["mine"]},
            },
        )
    )
    house.load("llama-a")
    house.load("mine")
    yield house
    house.stop()


def listed(stocked: House) -> dict[str, Any]:
    answer = stocked.get("/v1/models")
    assert answer["object"] == "list"
    return {model["id"]: model for model in answer["data"]}


def test_every_model_is_listed_but_the_unlisted(stocked: House) -> None:
    assert set(listed(stocked)) == {"llama-a", "minilm", "inner-q8_0", "of/mine"}
    assert stocked.get("/models") == stocked.get("/v1/models")


def test_an_entry_is_openais_with_what_the_header_tells(stocked: House) -> None:
    entry = listed(stocked)["llama-a"]

    assert entry["object"] == "model"
    assert entry["owned_by"] == "paddock"
    assert entry["created"] > 1_600_000_000
    assert entry["name"] == "A Llama"
    assert entry["description"] == "It hums."
    assert entry["aliases"] == ["nice name"]
    assert entry["context_length"] == 2048
    assert entry["meta"]["n_ctx_train"] == 32768
    assert entry["meta"]["architecture"] == "llama"
    assert entry["meta"]["size"] == (stocked.models / "llama-a.gguf").stat().st_size
    assert entry["architecture"]["output_modalities"] == ["text"]


def test_an_embedding_model_says_so(stocked: House) -> None:
    entry = listed(stocked)["minilm"]

    assert "embedding" in entry["capabilities"]
    assert entry["architecture"]["output_modalities"] == ["embedding"]
    assert entry["context_length"] == 512


def test_a_command_has_no_header_to_tell_of(stocked: House) -> None:
    entry = listed(stocked)["of/mine"]

    assert entry["meta"] == {"llamaswap": {"type": "model", "aliases": ["mine"]}}
    assert "architecture" not in entry


def test_the_status_tells_what_is_in_memory(stocked: House) -> None:
    status = {name: model["status"]["value"] for name, model in listed(stocked).items()}

    assert status == {
        "llama-a": "loaded",
        "of/mine": "loaded",
        "minilm": "unloaded",
        "inner-q8_0": "unloaded",
    }


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("llama-a", "llama-a"),
        ("LLAMA-A", "llama-a"),
        ("nice%20name", "llama-a"),
        ("llama-b", "llama-b"),
        ("of/mine", "of/mine"),
        ("of%2Fmine", "of/mine"),
        ("mine", "of/mine"),
    ],
)
def test_one_model_is_told_of_by_any_of_its_names(stocked: House, name: str, model: str) -> None:
    assert stocked.get(f"/v1/models/{name}")["id"] == model


def test_running_lists_what_is_in_memory_as_llama_swap_does(stocked: House) -> None:
    running = {one["model"]: one for one in stocked.get("/running")["running"]}

    assert set(running) == {"llama-a", "of/mine"}
    assert running["llama-a"]["state"] == "ready"
    assert running["llama-a"]["ttl"] == 120
    assert running["llama-a"]["name"] == "A Llama"
    assert "--model" in running["llama-a"]["cmd"]
    assert running["of/mine"]["proxy"].startswith("http://127.0.0.1:")
    assert "--port" in running["of/mine"]["cmd"]


def test_the_library_holds_every_model_with_its_file(stocked: House) -> None:
    library = stocked.get("/api/paddock/library")
    models = {one["id"]: one for one in library["models"]}

    assert set(models) == {"llama-a", "llama-b", "minilm", "inner-q8_0", "of/mine"}
    assert models["llama-a"]["path"] == str(stocked.models / "llama-a.gguf")
    assert models["llama-a"]["state"] == "loaded"
    assert models["llama-b"]["unlisted"] is True
    assert models["of/mine"]["path"] == ""
    assert library["left_out"] == []


def test_the_library_tells_which_files_were_left_out_and_why(stocked: House) -> None:
    left_out = {
        file["path"].rpartition("/")[2]: file["reason"]
        for file in stocked.get("/api/paddock/library?all=1")["left_out"]
    }

    assert set(left_out) == {"cut.gguf", "text.gguf"}
    assert all(left_out.values())


def test_instances_tell_who_runs_how(stocked: House) -> None:
    view = stocked.get("/api/paddock/instances")
    running = {one["model"]: one for one in view["instances"]}

    assert running["llama-a"]["engine"] == "fake"
    assert running["of/mine"]["engine"] == "command"
    assert running["llama-a"]["slots"] == 2
    assert running["llama-a"]["active"] == 0
    assert running["llama-a"]["pid"] > 1
    assert running["llama-a"]["load_seconds"] > 0
    assert 0 < running["llama-a"]["expires_in"] <= 120
    assert view["queue"] == view["failures"] == []


def test_a_child_gets_the_context_and_slots_that_are_listed(stocked: House) -> None:
    argv = stocked.engine_state("llama-a")["argv"]

    assert argv[argv.index("--parallel") + 1] == "2"
    assert argv[argv.index("--ctx-size") + 1] == "4096"
