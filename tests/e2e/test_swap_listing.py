"""llama-swap's lists: what there is, and what is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from tests.fakes.house import House

ENTRIES: dict[str, Any] = {
    "b-plain": {},
    "a/slashed": {"name": "A title", "description": "About it"},
    "c-aliased": {"aliases": ["gpt-4o", "Claude"]},
    "d-unlisted": {"unlisted": True, "aliases": ["hidden-alias"]},
    "e-told": {"metadata": {"colour": "red", "nested": {"a": [1, 2.5, None, True]}}},
    "f-image": {"capabilities": {"in": ["text", "image"], "out": ["text"], "context": 4096}},
    "g-tools": {"capabilities": {"in": ["text"], "out": ["text"], "tools": True}},
    "h-speech": {"capabilities": {"in": ["text"], "out": ["audio"]}},
    "i-hearing": {"capabilities": {"in": ["audio"], "out": ["text"]}},
    "j-ranker": {"capabilities": {"in": ["text"], "out": ["text"], "reranker": True}},
    "k-painter": {"capabilities": {"in": ["text"], "out": ["image"]}},
    "l-loaded": {"name": "Loaded one", "ttl": 77},
}
LISTED = sorted([*(name for name in ENTRIES if name != "d-unlisted"), "llama-a", "router"])


def stocked(folder: Any, **config: Any) -> House:
    house = House(folder)
    house.add("llama-a")
    models = {name: {"cmd": house.command(), **entry} for name, entry in ENTRIES.items()}
    targets = ["b-plain", "l-loaded"]
    selectors = {
        "router": {"strategy": "warm", "targets": targets, "metadata": {"x": 1}},
        "secret-router": {"strategy": "pin", "targets": ["b-plain"], "unlisted": True},
    }
    house.start(
        house.config(models=models, selectors=selectors, maxLoadedModels=5, globalTTL=300, **config)
    )
    house.load("l-loaded")
    return house


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with an entry of every kind; `l-loaded` is in memory."""
    house = stocked(tmp_path_factory.mktemp("home"))
    yield house
    house.stop()


@pytest.fixture(scope="module")
def open_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The same with aliases as models of their own."""
    house = stocked(tmp_path_factory.mktemp("open"), includeAliasesInList=True)
    yield house
    house.stop()


def entries(home: House, path: str = "/v1/models") -> dict[str, Any]:
    return {entry["id"]: entry for entry in home.get(path)["data"]}


@pytest.mark.parametrize("path", ["/v1/models", "/models"])
def test_the_list_is_sorted_and_whole(home: House, path: str) -> None:
    told = home.get(path)

    assert told["object"] == "list"
    assert [entry["id"] for entry in told["data"]] == LISTED


@pytest.mark.parametrize("name", LISTED)
def test_every_entry_has_openais_fields(home: House, name: str) -> None:
    entry = entries(home)[name]

    assert entry["object"] == "model"
    assert isinstance(entry["created"], int)
    assert entry["created"] > 1_600_000_000
    assert entry["owned_by"]
    assert entry["status"]["value"] in {"loaded", "unloaded"}
    assert entry["meta"]["llamaswap"]["type"] in {"model", "selector"}


@pytest.mark.parametrize("name", LISTED)
def test_an_entry_alone_is_as_in_the_list(home: House, name: str) -> None:
    assert home.get(f"/v1/models/{quote(name)}") == entries(home)[name]


@pytest.mark.parametrize("name", ["gpt-4o", "claude", "d-unlisted", "hidden-alias"])
def test_better_an_entry_is_found_by_any_name(home: House, name: str) -> None:
    assert home.get(f"/v1/models/{name}")["id"] in ENTRIES


@pytest.mark.parametrize(
    "name", ["d-unlisted", "hidden-alias", "gpt-4o", "Claude", "secret-router"]
)
def test_what_is_not_listed(home: House, name: str) -> None:
    assert name not in entries(home)


def test_what_is_not_listed_still_answers(home: House) -> None:
    assert home.ask("POST", "/v1/embeddings", {"model": "hidden-alias", "input": "x"}).status == 200


@pytest.mark.parametrize(
    ("name", "title"),
    [("a/slashed", "A title"), ("b-plain", "b-plain"), ("l-loaded", "Loaded one")],
)
def test_titles(home: House, name: str, title: str) -> None:
    assert entries(home)[name]["name"] == title


def test_a_description_is_told_where_there_is_one(home: House) -> None:
    told = entries(home)

    assert told["a/slashed"]["description"] == "About it"
    assert "description" not in told["b-plain"]


def test_metadata_is_told_as_it_is(home: House) -> None:
    told = entries(home)["e-told"]["meta"]["llamaswap"]

    assert told["colour"] == "red"
    assert told["nested"] == {"a": [1, 2.5, None, True]}


@pytest.mark.parametrize(
    ("name", "modality", "words"),
    [
        ("f-image", "text+image->text", {"vision"}),
        ("g-tools", "text->text", {"function_calling"}),
        ("h-speech", "text->audio", {"audio_speech"}),
        ("i-hearing", "audio->text", {"audio_transcriptions"}),
        ("j-ranker", "text->text", {"reranker"}),
        ("k-painter", "text->image", {"image_generation"}),
    ],
)
def test_capabilities_are_told_in_its_words(
    home: House, name: str, modality: str, words: set[str]
) -> None:
    entry = entries(home)[name]

    assert entry["architecture"]["modality"] == modality
    assert {word for word, has in entry["capabilities"].items() if has} == words


@pytest.mark.parametrize("key", ["architecture", "capabilities", "supported_parameters"])
def test_who_says_nothing_is_told_nothing_of(home: House, key: str) -> None:
    assert key not in entries(home)["b-plain"]


def test_a_context_that_is_told_is_listed_twice(home: House) -> None:
    entry = entries(home)["f-image"]

    assert (entry["context_length"], entry["meta"]["n_ctx"]) == (4096, 4096)


def test_tools_are_parameters(home: House) -> None:
    assert "tools" in entries(home)["g-tools"]["supported_parameters"]


def test_a_selector_is_listed_with_its_targets(home: House) -> None:
    told = entries(home)["router"]["meta"]["llamaswap"]

    assert told["type"] == "selector"
    assert told["strategy"] == "warm"
    assert told["targets"] == ["b-plain", "l-loaded"]
    assert told["x"] == 1


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("l-loaded", "loaded"),
        ("router", "loaded"),
        ("b-plain", "unloaded"),
        ("llama-a", "unloaded"),
    ],
)
def test_status(home: House, name: str, status: str) -> None:
    assert entries(home)[name]["status"]["value"] == status


# --- with aliases ---------------------------------------------------------------------------------


def test_aliases_are_models_of_their_own(open_home: House) -> None:
    assert list(entries(open_home)) == sorted([*LISTED, "gpt-4o", "Claude"])


@pytest.mark.parametrize("alias", ["gpt-4o", "Claude"])
def test_an_alias_names_its_model(open_home: House, alias: str) -> None:
    told = entries(open_home)[alias]["meta"]["llamaswap"]

    assert (told["type"], told["modelID"]) == ("alias", "c-aliased")


# --- what is in memory ----------------------------------------------------------------------------


def test_running_is_told_in_its_fields(home: House) -> None:
    (one,) = [one for one in home.get("/running")["running"] if one["model"] == "l-loaded"]

    assert set(one) == {"model", "state", "cmd", "proxy", "ttl", "name", "description"}
    assert one["state"] == "ready"
    assert one["ttl"] == 77
    assert one["name"] == "Loaded one"
    assert one["description"] == ""
    assert one["proxy"].startswith("http://127.0.0.1:")
    assert "--alias l-loaded" in one["cmd"]
    assert one["proxy"].rpartition(":")[2] in one["cmd"]


@pytest.mark.parametrize("name", ["b-plain", "llama-a"])
def test_what_is_not_in_memory_does_not_run(home: House, name: str) -> None:
    assert name not in home.running()
