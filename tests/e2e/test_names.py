"""What names lead to: ids, aliases, profiles and selectors, and how each is listed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.house import House


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with commands, profiles and selectors."""
    house = House(tmp_path_factory.mktemp("named"))
    house.add("llama-a")
    command = house.command()
    models = {
        "a": {"cmd": command, "aliases": ["gpt-4", "name of a"]},
        "b": {"cmd": command, "useModelName": "real-b"},
        "c": {"cmd": command, "concurrencyLimit": 2},
        "d": {"cmd": command, "concurrencyLimit": 2},
        "hidden": {"cmd": command, "unlisted": True},
        "able": {
            "cmd": command,
            "name": "Able",
            "metadata": {"port": 1, "architecture": "mine"},
            "capabilities": {
                "in": ["text", "image", "audio"],
                "out": ["text"],
                "tools": True,
                "context": 4096,
            },
        },
        "paints": {
            "cmd": command,
            "capabilities": {"in": ["text", "image"], "out": ["image", "audio"]},
            "metadata": {"mine": True},
        },
        "ranks": {"cmd": command, "capabilities": {"reranker": True}},
    }
    profiles = {
        "night": {"description": "quiet", "pins": {"gpt-4": "b", "day only": None, "sel": "a"}},
        "odd": {"pins": {"first": "a", "to-selector": "first", "a": "b", "empty": ""}},
    }
    selectors = {
        "first": {"strategy": "pin", "targets": ["b", "a"], "description": "B if you can"},
        "sel": {"strategy": "warm", "targets": ["c", "d"], "name": "Warm", "metadata": {"x": 1}},
        "many": {"strategy": "spillover", "targets": ["c", "d"], "settings": {"spillover": 2}},
        "secret": {"strategy": "pin", "targets": ["a"], "unlisted": True},
        "by alias": {"strategy": "pin", "targets": ["gpt-4"]},
    }
    house.start(
        house.config(
            maxLoadedModels=10,
            defaultTtl=0,
            includeAliasesInList=True,
            models=models,
            profiles=profiles,
            selectors=selectors,
        )
    )
    yield house
    house.stop()


@pytest.fixture(autouse=True)
def no_profile(named: House) -> Iterator[None]:
    yield
    named.ask("PUT", "/api/profiles/active", {"name": None})


def switch(named: House, name: str | None) -> None:
    assert named.ask("PUT", "/api/profiles/active", {"name": name}).status == 200


def answered(named: House, asked: str) -> tuple[str, str]:
    """Which model answers, and what name its child is told."""
    answer = named.chat(asked, fake={"tokens": 1})
    told = named.ask("POST", "/v1/embeddings", {"model": asked, "input": "x"})
    assert (answer.status, told.status) == (200, 200), answer.text + told.text
    return answer.json()["model"], told.json()["model"]


def listed(named: House) -> dict[str, Any]:
    return {entry["id"]: entry for entry in named.get("/v1/models")["data"]}


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "model", "told"),
    [
        ("a", "a", "a"),
        ("A", "a", "A"),
        ("gpt-4", "a", "gpt-4"),
        ("name of a", "a", "name of a"),
        ("hidden", "hidden", "hidden"),
        ("b", "b", "real-b"),
        ("first", "b", "real-b"),
        ("FIRST:latest", "b", "real-b"),
        ("secret", "a", "a"),
        ("by alias", "a", "gpt-4"),
    ],
)
def test_a_name_leads_to_its_model(named: House, asked: str, model: str, told: str) -> None:
    assert answered(named, asked) == (model, told)


@pytest.mark.parametrize(
    ("profile", "asked", "model", "told"),
    [
        ("night", "gpt-4", "b", "real-b"),
        ("night", "GPT-4", "b", "real-b"),
        ("night", "name of a", "a", "name of a"),
        ("night", "a", "a", "a"),
        ("night", "sel", "a", "a"),
        ("night", "first", "b", "real-b"),
        ("odd", "first", "a", "a"),
        ("odd", "to-selector", "b", "real-b"),
        ("odd", "a", "b", "real-b"),
        ("odd", "gpt-4", "a", "gpt-4"),
        ("odd", "secret", "a", "a"),
    ],
)
def test_a_profile_leads_names_elsewhere(
    named: House, profile: str, asked: str, model: str, told: str
) -> None:
    switch(named, profile)

    assert answered(named, asked) == (model, told)


@pytest.mark.parametrize(
    ("profile", "asked"), [("night", "day only"), ("odd", "empty"), (None, "day only")]
)
def test_a_name_that_is_switched_off_is_unknown(
    named: House, profile: str | None, asked: str
) -> None:
    switch(named, profile)

    answer = named.ask("POST", "/v1/embeddings", {"model": asked, "input": "x"})

    assert answer.status == 404
    assert answer.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("asked", "offered"),
    [("gpt4", "gpt-4"), ("hiden", "hidden"), ("firsd", "first"), ("by aliaz", "by alias")],
)
def test_an_unknown_name_is_told_the_nearest(named: House, asked: str, offered: str) -> None:
    answer = named.ask("POST", "/v1/embeddings", {"model": asked, "input": "x"})

    assert answer.status == 404
    assert repr(offered) in answer.json()["error"]["message"]
    assert answer.json()["error"]["param"] == "model"


# --- profiles -------------------------------------------------------------------------------------


def test_profiles_are_told_with_their_pins(named: House) -> None:
    switch(named, "night")

    told = named.get("/api/profiles")

    assert told["active"] == "night"
    assert [profile["id"] for profile in told["profiles"]] == ["night", "odd"]
    assert told["profiles"][0] == {
        "id": "night",
        "description": "quiet",
        "pins": {"gpt-4": "b", "day only": None, "sel": "a"},
    }


@pytest.mark.parametrize(
    ("body", "status", "active"),
    [
        ({"name": "odd"}, 200, "odd"),
        ({"name": None}, 200, None),
        ({"name": ""}, 200, None),
        ({"name": "unknown"}, 404, "night"),
        ({"name": 1}, 400, "night"),
        ({"name": ["night"]}, 400, "night"),
        ({}, 400, "night"),
        ([], 400, "night"),
    ],
)
def test_switching(named: House, body: Any, status: int, active: str | None) -> None:
    switch(named, "night")

    answer = named.ask("PUT", "/api/profiles/active", body)

    assert answer.status == status
    assert named.get("/api/profiles")["active"] == active
    if status == 200:
        assert answer.json() == {"active": active}
    else:
        assert answer.json()["error"]["message"]


def test_a_profile_holds_for_upstream(named: House) -> None:
    switch(named, "odd")
    assert named.get("/upstream/a/v1/models")["data"][0]["id"] == "b"
    switch(named, None)
    assert named.get("/upstream/a/v1/models")["data"][0]["id"] == "a"


@pytest.mark.parametrize("name", ["first", "sel", "many"])
def test_a_selector_does_not_hold_for_upstream(named: House, name: str) -> None:
    assert named.ask("GET", f"/upstream/{name}/v1/models").status == 404


# --- selectors ------------------------------------------------------------------------------------


@contextmanager
def busy(named: House, asked: str, gate: Path) -> Iterator[None]:
    """A request that runs until its gate opens."""
    fields = {"fake": {"gate": str(gate)}, "stream": True}
    thread = threading.Thread(target=named.chat, args=(asked,), kwargs=fields)
    before = active(named)
    thread.start()
    named.until(lambda: sum(active(named).values()) > sum(before.values()), "the request runs")
    try:
        yield
    finally:
        gate.touch()
        thread.join(30)


def active(named: House) -> dict[str, int]:
    instances = named.get("/api/paddock/instances")["instances"]
    return {one["model"]: one["active"] for one in instances if one["active"]}


def unload(named: House, *models: str) -> None:
    for model in models:
        assert named.ask("POST", f"/api/models/unload/{model}").status == 200


def test_warm_takes_what_is_loaded_and_else_the_first(named: House) -> None:
    unload(named, "c", "d")
    named.load("d")
    assert answered(named, "sel")[0] == "d"
    assert "c" not in named.running()

    named.load("c")
    assert answered(named, "sel")[0] == "c"

    unload(named, "c", "d")
    assert answered(named, "sel")[0] == "c"


def test_spillover_fills_what_runs_then_starts_the_next(named: House, tmp_path: Path) -> None:
    unload(named, "c", "d")
    gates = [tmp_path / str(number) for number in range(4)]

    with busy(named, "many", gates[0]):
        assert active(named) == {"c": 1}
        with busy(named, "many", gates[1]):
            assert active(named) == {"c": 2}
            with busy(named, "many", gates[2]):
                assert active(named) == {"c": 2, "d": 1}
                with busy(named, "many", gates[3]):
                    assert active(named) == {"c": 2, "d": 2}


def test_spillover_takes_turns_among_equals(named: House) -> None:
    named.load("c", "d")

    assert {named.chat("many").json()["model"] for _ in range(4)} == {"c", "d"}


# --- listing --------------------------------------------------------------------------------------


def test_the_list_is_sorted_and_has_every_kind(named: House) -> None:
    ids = [entry["id"] for entry in named.get("/v1/models")["data"]]

    assert ids == sorted(ids)
    assert set(ids) == {
        *("a", "able", "b", "c", "d", "llama-a", "paints", "ranks"),
        *("gpt-4", "name of a"),
        *("first", "sel", "many", "by alias"),
    }
    assert named.get("/models") == named.get("/v1/models")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a", {"type": "model", "aliases": ["gpt-4", "name of a"]}),
        ("gpt-4", {"type": "alias", "modelID": "a"}),
        ("llama-a", {"type": "model"}),
        ("first", {"type": "selector", "strategy": "pin", "targets": ["b", "a"]}),
        ("sel", {"type": "selector", "strategy": "warm", "targets": ["c", "d"], "x": 1}),
        (
            "many",
            {"type": "selector", "strategy": "spillover", "targets": ["c", "d"], "spillover": 2},
        ),
        ("able", {"type": "model", "port": 1}),
        ("paints", {"type": "model", "mine": True}),
    ],
)
def test_an_entry_says_what_it_is(named: House, name: str, kind: dict[str, Any]) -> None:
    entry = listed(named)[name]

    assert entry["meta"]["llamaswap"] == kind
    assert entry["object"] == "model"
    assert entry["owned_by"] == "paddock"
    assert entry["created"] > 1_600_000_000
    assert entry["status"]["value"] in {"loaded", "loading", "unloaded"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "able",
            {
                "name": "Able",
                "architecture": {
                    "input_modalities": ["text", "image", "audio"],
                    "output_modalities": ["text"],
                    "modality": "text+image+audio->text",
                },
                "capabilities": {
                    "vision": True,
                    "audio_transcriptions": True,
                    "function_calling": True,
                },
                "supported_parameters": ["tools", "tool_choice"],
                "context_length": 4096,
            },
        ),
        (
            "paints",
            {
                "architecture": {
                    "input_modalities": ["text", "image"],
                    "output_modalities": ["image", "audio"],
                    "modality": "text+image->image+audio",
                },
                "capabilities": {
                    "vision": True,
                    "audio_speech": True,
                    "image_generation": True,
                    "image_to_image": True,
                },
            },
        ),
        ("ranks", {"capabilities": {"reranker": True}}),
        ("first", {"name": "first", "description": "B if you can"}),
        ("sel", {"name": "Warm"}),
    ],
)
def test_an_entry_tells_what_the_owner_says(named: House, name: str, told: dict[str, Any]) -> None:
    entry = listed(named)[name]

    assert {key: entry[key] for key in told} == told


def test_the_context_is_told_twice(named: House) -> None:
    assert listed(named)["able"]["meta"]["n_ctx"] == 4096


def test_what_the_owner_does_not_say_is_not_there(named: House) -> None:
    assert not listed(named)["a"].keys() & {
        *("architecture", "capabilities", "supported_parameters", "context_length", "description")
    }


def test_a_selector_is_loaded_when_a_target_is(named: House) -> None:
    unload(named, "c", "d", "b")
    named.load("a")
    told = listed(named)
    assert told["sel"]["status"]["value"] == told["first"]["status"]["value"] == "unloaded"

    named.load("d", "b")
    told = listed(named)
    assert told["sel"]["status"]["value"] == told["first"]["status"]["value"] == "loaded"


def test_the_pins_of_the_active_profile_are_listed_but_shadow_nothing(named: House) -> None:
    switch(named, "odd")
    told = listed(named)

    kind = {"type": "profile", "profile": "odd", "target": "first"}
    assert told["to-selector"]["meta"]["llamaswap"] == kind
    assert told["a"]["meta"]["llamaswap"]["type"] == "model"
    assert "empty" not in told
    switch(named, None)
    assert "to-selector" not in listed(named)


@pytest.mark.parametrize(
    ("name", "found"),
    [("gpt-4", "gpt-4"), ("GPT-4", "a"), ("hidden", "hidden"), ("sel", "sel"), ("A", "a")],
)
def test_one_entry_is_found_by_its_name(named: House, name: str, found: str) -> None:
    assert named.get(f"/v1/models/{name}")["id"] == found


def test_running_names_the_model_and_how_it_runs(named: House) -> None:
    named.load("able")

    running = {one["model"]: one for one in named.get("/running")["running"]}["able"]

    assert set(running) == {"model", "state", "cmd", "proxy", "ttl", "name", "description"}
    assert (running["state"], running["name"], running["ttl"]) == ("ready", "Able", 0)


# --- a reload -------------------------------------------------------------------------------------


def test_a_reload_is_felt_by_every_name(house: House) -> None:
    command = house.command()

    def config(**changes: Any) -> dict[str, Any]:
        first = {"cmd": command, "filters": {"setParams": {"top_p": 0.1}}}
        second = {"cmd": command, "aliases": ["to second"]}
        models = {"first": first, "second": second}
        return house.config(maxLoadedModels=2, defaultTtl=0, models=models) | changes

    def told(asked: str) -> Any:
        answer = house.ask("POST", "/v1/embeddings", {"model": asked, "input": "x"})
        requests = house.engine_state("first")["requests"] if answer.status == 200 else []
        return json.loads(requests[-1]["body"]) if requests else answer.status

    house.start(config())
    assert told("first") == {"model": "first", "input": "x", "top_p": 0.1}
    assert told("sel") == 404
    pid = house.engine_state("first")["pid"]

    changed = {"cmd": command, "aliases": ["new"], "filters": {"setParams": {"top_p": 0.9}}}
    selectors = {"sel": {"strategy": "pin", "targets": ["first"]}}
    profiles = {"p": {"pins": {"second": "first"}}}
    (house.folder / "paddock.yaml").write_text(
        json.dumps(config(models={"first": changed}, selectors=selectors, profiles=profiles))
    )

    house.until(lambda: told("sel") != 404, "the selector is there")
    assert told("first") == {"model": "first", "input": "x", "top_p": 0.9}
    assert told("new") == {"model": "new", "input": "x", "top_p": 0.9}
    assert told("to second") == 404
    switch(house, "p")
    assert told("second") == {"model": "first", "input": "x", "top_p": 0.9}
    switch(house, None)
    assert told("second") == 404
    assert house.engine_state("first")["pid"] == pid
