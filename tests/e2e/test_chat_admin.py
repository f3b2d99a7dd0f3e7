"""What admins see and do in the chat, at the door of a real daemon; and that nobody else may."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.fakes.chat_visitors import CHAT_DOOR, Events, Visitor, visitors
from tests.fakes.house import House

from paddock.storage.users import Role

ADMIN_ROUTES = [
    ("POST", "/api/admin/models/load"),
    ("POST", "/api/admin/models/unload"),
    ("DELETE", "/api/admin/models"),
    ("GET", "/api/admin/disk"),
    ("GET", "/api/admin/quants?name=a"),
    ("GET", "/api/admin/find?q=a"),
    ("GET", "/api/admin/pulls"),
    ("POST", "/api/admin/pulls"),
    ("DELETE", "/api/admin/pulls/x"),
    ("GET", "/api/admin/machine"),
    ("GET", "/api/admin/queue"),
    ("GET", "/api/admin/requests"),
    ("GET", "/api/admin/logs"),
    ("GET", "/api/admin/logs?follow=1"),
    ("GET", "/api/admin/settings"),
    ("PATCH", "/api/admin/settings"),
    ("POST", "/api/admin/break-glass"),
    ("GET", "/api/admin/audit"),
    ("GET", "/api/admin/users/x/chats"),
    ("GET", "/api/admin/users/x/chats/y"),
]


class Family(NamedTuple):
    """A house with its people."""

    house: House
    admin: Visitor
    user: Visitor
    pending: Visitor
    child: Visitor
    """May use only llama-a."""


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Family]:
    """A daemon with models of all kinds, of which one may be loaded at a time."""
    house = House(tmp_path_factory.mktemp("family"))
    house.add("llama-a")
    house.add("llama-b")
    house.add("embedder", architecture="nomic-bert")
    for name in ("slow", "gated", "sick"):
        house.add(name)
    people = visitors(
        house,
        ada=Role.ADMIN,
        bob=Role.USER,
        pim=Role.PENDING,
        kim={"limits": {"models": ["llama-a"]}},
    )
    house.start(
        house.config(
            listen=CHAT_DOOR,
            defaultTtl=0,
            models={
                "command": {"cmd": house.command(), "capabilities": {"in": ["text", "image"]}},
                "slow": {"args": "--fake load=0.9 --fake steps=3"},
                "gated": {"args": f"--fake load_gate={house.folder / 'gate'}"},
                "sick": {"args": "--fake die=oom"},
            },
            selectors={"any": {"strategy": "warm", "targets": ["llama-b", "llama-a"]}},
            chat={"title": "Our house", "database": None},
        )
    )
    yield Family(house, people["ada"], people["bob"], people["pim"], people["kim"])
    house.stop()


def by_id(models: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {model["id"]: model for model in models}


def changes(events: Events, model: str) -> Iterator[Any]:
    """What is told of one model, as it comes."""
    while True:
        yield events.until("model", lambda one: one["id"] == model)


@pytest.mark.parametrize(("method", "path"), ADMIN_ROUTES)
def test_only_admins_reach_it(family, method, path):
    body: Any = None if method == "GET" else {}
    assert family.user.ask(method, path, body).status == 403
    assert family.pending.ask(method, path, body).json()["error"]["code"] == "pending"
    assert Visitor(family.house).ask(method, path, body).status == 401


# --- models


def test_everybody_sees_every_model_and_what_it_can(family):
    models = by_id(family.user.get("/api/models")["models"])
    assert {"any", "command", "embedder", "llama-a", "llama-b"} <= set(models)
    assert models["llama-a"]["context"] > 0
    assert models["llama-a"]["size"] > 0
    assert models["embedder"]["embedding"]
    assert not models["llama-a"]["embedding"]
    assert models["any"]["selector"]
    assert models["command"]["vision"]
    assert not models["llama-a"]["vision"]


def test_a_user_with_a_list_sees_only_that(family):
    assert set(by_id(family.child.get("/api/models")["models"])) == {"llama-a"}
    with family.child.live() as events:
        assert set(by_id(events.until("models"))) == {"llama-a"}


def test_what_fits_is_found_out_and_told(family):
    with family.user.live() as events:
        models = by_id(events.until("models"))
        if models["llama-b"]["fits"] is None:
            told = events.until("model", lambda one: one["id"] == "llama-b" and one["fits"])
            assert told["fits"] in {"gpu", "cpu"}
            assert told["place"]


def test_a_load_is_followed_from_its_start_to_its_end(family):
    admin = family.admin

    def ask(verb: str) -> Any:
        return admin.ask("POST", f"/api/admin/models/{verb}", {"model": "slow"}).json()

    with family.user.live() as events:
        assert by_id(events.until("models"))["slow"]["state"] == "unloaded"
        assert ask("load") == {"begun": True}
        slow = changes(events, "slow")
        loading = next(one for one in slow if one["state"] == "loading" and one["progress"])
        assert 0 < loading["progress"] <= 1
        assert loading["seconds"] is not None
        ready = next(one for one in slow if one["state"] == "ready")
        assert (ready["waiting"], ready["progress"], ready["seconds"]) == (0, None, None)
        assert ready["place"]
        assert ask("load") == {"begun": False}
        assert ask("unload") == {"unloaded": True}
        gone = next(one for one in slow if one["state"] == "unloaded")
        assert gone["seconds"] >= 1  # as long as it took
        assert ask("unload") == {"unloaded": False}


def test_who_waits_and_what_failed_is_told(family):
    house = family.house
    with family.user.live() as events, ThreadPoolExecutor(2) as pool:
        family.admin.ask("POST", "/api/admin/models/load", {"model": "gated"})
        next(one for one in changes(events, "gated") if one["state"] == "loading")
        answers = [pool.submit(house.chat, "llama-b") for _ in range(2)]
        queued = next(one for one in changes(events, "llama-b") if one["waiting"] == 2)
        assert queued["state"] == "queued"
        assert "gated" in queued["reason"]
        (house.folder / "gate").touch()
        next(one for one in changes(events, "llama-b") if one["state"] == "ready")
        assert [answer.result().status for answer in answers] == [200, 200]
        family.admin.ask("POST", "/api/admin/models/load", {"model": "sick"})
        failed = next(one for one in changes(events, "sick") if one["state"] == "failed")
        assert "memory" in failed["reason"]


def test_a_user_with_a_list_hears_only_of_that(family):
    with family.child.live() as events:
        events.until("models")
        family.house.load("llama-b", "llama-a")
        next(one for one in changes(events, "llama-a") if one["state"] == "ready")
        assert {one["id"] for name, one in events.heard if name == "model"} == {"llama-a"}


def test_a_selector_is_as_its_warmest_target(family):
    family.house.load("llama-a")
    models = by_id(family.user.get("/api/models")["models"])
    assert models["llama-a"]["state"] == "ready"
    assert models["any"]["state"] == "ready"
    assert models["any"]["place"] == models["llama-a"]["place"]


def test_an_unknown_model_is_told_with_the_nearest(family):
    answer = family.admin.ask("POST", "/api/admin/models/load", {"model": "lama-a"})
    assert answer.status == 404
    assert "llama-a" in answer.text


def test_deleting_tells_what_it_frees_and_refuses_what_runs(family):
    house, admin = family.house, family.admin
    file = house.add("old")
    house.until(lambda: "old" in by_id(admin.get("/api/models")["models"]), "old is a model")
    would = admin.ask("DELETE", "/api/admin/models", {"model": "old", "dry_run": True}).json()
    assert (would["removed"], would["freed"]) == (False, file.stat().st_size)
    house.load("old")
    refused = admin.ask("DELETE", "/api/admin/models", {"model": "old"})
    assert (refused.status, refused.json()["error"]["code"]) == (409, "model_in_use")
    assert file.exists()
    gone = admin.ask("DELETE", "/api/admin/models", {"model": "old", "force": True})
    assert gone.json()["removed"]
    assert not file.exists()
    deeds = admin.get("/api/admin/audit")["entries"]
    assert ("ada", "delete_model", "old") in {
        (one["actor"], one["action"], one["subject"]) for one in deeds
    }


# --- the machine, the queue, requests


def test_the_machine_tells_who_holds_what(family):
    family.house.load("llama-a")
    told = family.admin.get("/api/admin/machine")
    assert told["ram"]["total"] >= told["ram"]["available"] > 0
    assert "llama-a" in {one["model"] for one in told["ram"]["ours"]}
    for gpu in told["gpus"]:
        assert gpu["total"] >= gpu["used"] >= 0


def test_requests_are_told_without_what_was_said(family):
    family.house.chat("llama-a", "the secret of the pond")
    (newest, *_) = family.admin.get("/api/admin/requests?limit=1")["requests"]
    assert (newest["model"], newest["status"]) == ("llama-a", 200)
    assert newest["tokens"] > 0
    assert "pond" not in str(family.admin.get("/api/admin/requests"))
    assert family.admin.ask("GET", "/api/admin/requests?limit=x").status == 400
    assert family.admin.get("/api/admin/queue")["waiting"] == []


def test_logs_are_told_and_followed(family):
    house, admin = family.house, family.admin
    house.load("llama-a")
    assert "starts llama-a" in admin.ask("GET", "/api/admin/logs?model=llama-a").text
    assert admin.ask("GET", "/api/admin/logs").status == 200
    assert admin.ask("GET", "/api/admin/logs?model=nobody").status == 404
    with admin.live("/api/admin/logs?model=llama-a&follow=1") as events:
        (_, first) = next(iter(events))
        assert isinstance(first, str)


def test_who_is_no_admin_any_more_follows_no_more(tmp_path):
    house = House(tmp_path)
    house.add("llama-a")
    people = visitors(house, ada=Role.ADMIN, eve=Role.ADMIN)
    house.start(house.config(listen=CHAT_DOOR))
    try:
        with people["eve"].live("/api/admin/logs?follow=1") as events:
            next(iter(events))
            path = f"/api/admin/users/{people['eve'].user.id}"
            assert people["ada"].ask("PATCH", path, {"role": "user"}).status == 200
            house.load("llama-a")  # the log tells
            assert "llama-a" not in "".join(text for name, text in events if name != "ping")
        assert people["eve"].ask("GET", "/api/admin/logs").status in {401, 403}
    finally:
        house.stop()


# --- settings


def test_settings_say_who_decides_and_change_at_once(family):
    admin = family.admin
    rows = {row["key"]: row for row in admin.get("/api/admin/settings")["settings"]}
    assert (rows["title"]["value"], rows["title"]["locked"]) == ("Our house", True)
    assert rows["title"]["by"] == "paddock.yaml"
    assert rows["breakGlass"]["locked"]
    assert (rows["signUp"]["value"], rows["signUp"]["locked"]) == ("closed", False)
    assert rows["signUp"]["choices"] == ["closed", "approval", "open"]
    assert all(row["about"] for row in rows.values())
    changed = admin.ask("PATCH", "/api/admin/settings", {"signUp": "open", "uploads.total": "5GB"})
    rows = {row["key"]: row for row in changed.json()["settings"]}
    assert (rows["signUp"]["value"], rows["uploads.total"]["value"]) == ("open", 5_000_000_000)
    admin.ask("PATCH", "/api/admin/settings", {"signUp": None, "uploads.total": None})
    rows = {row["key"]: row for row in admin.get("/api/admin/settings")["settings"]}
    assert rows["signUp"]["value"] == "closed"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"title": "Mine"}, 409, "paddock.yaml"),
        ({"breakGlass": True}, 409, "chat.breakGlass"),
        ({"database": "x"}, 409, "chat.database"),
        ({"sinUp": "open"}, 400, "signUp"),
        ({"signUp": "opn"}, 400, "open"),
        ({"sessionDays": 0}, 400, "at least 1"),
        ({"sessionDays": 5, "title": "Mine"}, 409, "title"),
        ({"uploads.largest": "much"}, 400, "uploads.largest"),
    ],
)
def test_what_cannot_be_set_is_said(family, body, status, says):
    answer = family.admin.ask("PATCH", "/api/admin/settings", body)
    assert answer.status == status
    assert says in answer.text
    rows = {row["key"]: row for row in family.admin.get("/api/admin/settings")["settings"]}
    assert rows["sessionDays"]["value"] == 30


def test_what_was_set_outlives_the_daemon(tmp_path: Path):
    house = House(tmp_path)
    admin = visitors(house, ada=Role.ADMIN)["ada"]
    secret = "hunter2222"
    config = house.config(listen=CHAT_DOOR, macros={"api_key": secret})
    house.start(config)
    try:
        admin.ask("PATCH", "/api/admin/settings", {"title": "Ours", "sessionDays": 7})
        house.stop()
        house.start(config | {"chat": {"sessionDays": 9}})
        rows = {row["key"]: row for row in admin.get("/api/admin/settings")["settings"]}
        assert (rows["title"]["value"], rows["sessionDays"]["value"]) == ("Ours", 9)
        assert secret not in admin.ask("GET", "/api/admin/logs").text
    finally:
        house.stop()
