"""Loading and unloading by hand: which model a name means while a profile is on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.fakes.house import House

PINS = {"a": "b", "only here": "b", "off": None, "chosen": "sel"}


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a profile that is on and leads `a` to `b`."""
    house = House(tmp_path_factory.mktemp("pinned"))
    models = {name: {"cmd": house.command()} for name in ("a", "b", "off")}
    selectors = {"sel": {"strategy": "pin", "targets": ["a"]}}
    profiles = {"night": {"pins": PINS}}
    house.start(
        house.config(
            maxLoadedModels=4,
            defaultTtl=0,
            models=models,
            selectors=selectors,
            profiles=profiles,
        )
    )
    yield house
    house.stop()


def switch(pinned: House, name: str | None) -> None:
    assert pinned.ask("PUT", "/api/profiles/active", {"name": name}).status == 200


def load_own(pinned: House, *models: str) -> None:
    """Just these in memory, by their own names, and then the profile on."""
    switch(pinned, None)
    assert pinned.ask("GET", "/unload").status == 200
    for model in models:
        assert pinned.ask("POST", "/api/paddock/load", {"model": model}).status == 200
    switch(pinned, "night")


def in_memory(pinned: House) -> set[str]:
    return {one["model"] for one in pinned.get("/running")["running"]}


@pytest.mark.parametrize("path", ["/models/load", "/api/paddock/load"])
@pytest.mark.parametrize("name", ["a", "only here"])
def test_what_is_loaded_is_what_a_request_by_this_name_would_reach(
    pinned: House, path: str, name: str
) -> None:
    load_own(pinned)

    assert pinned.ask("POST", path, {"model": name}).status == 200

    pinned.until(lambda: in_memory(pinned) == {"b"}, "b is in memory, and nothing else")


@pytest.mark.parametrize("path", ["/models/load", "/api/paddock/load"])
@pytest.mark.parametrize("name", ["off", "sel", "chosen", "nobody"])
def test_a_name_that_leads_to_no_model_here_loads_nothing(
    pinned: House, path: str, name: str
) -> None:
    load_own(pinned)

    answer = pinned.ask("POST", path, {"model": name})

    assert (answer.status, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert not in_memory(pinned)


@pytest.mark.parametrize("path", ["/upstream/sel/props", "/upstream/chosen/"])
def test_upstream_offers_no_name_that_it_does_not_know(pinned: House, path: str) -> None:
    load_own(pinned)

    answer = pinned.ask("GET", path)

    assert answer.status == 404
    assert "did you mean" not in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("name", "left"),
    [("a", {"b", "off"}), ("off", {"a", "b"}), ("b", {"a", "off"}), ("only here", {"a", "off"})],
)
@pytest.mark.parametrize("by", ["body", "path"])
def test_what_is_in_memory_is_unloaded_by_its_own_name_first(
    pinned: House, by: str, name: str, left: set[str]
) -> None:
    load_own(pinned, "a", "b", "off")

    if by == "body":
        answer = pinned.ask("POST", "/models/unload", {"model": name})
    else:
        answer = pinned.ask("POST", f"/api/models/unload/{name.replace(' ', '%20')}")

    assert answer.status == 200
    assert in_memory(pinned) == left
