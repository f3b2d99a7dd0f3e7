"""What a family keeps, through a real daemon, on each database: found again after a restart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.fakes import postgres
from tests.fakes.chat_visitors import CHAT_DOOR, Visitor
from tests.fakes.house import House


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """`chat.database`."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield str(tmp_path / "family.db")
            return
        programs = postgres.programs()
        if programs is None:
            pytest.skip("no PostgreSQL here; `make setup` as root brings Debian's")
        server = stack.enter_context(postgres.running(programs))
        yield stack.enter_context(server.database())


def test_what_is_kept_is_there_after_a_restart(house: House, database: str) -> None:
    house.add("llama")
    config = house.config(listen=CHAT_DOOR, chat={"database": database})
    house.start(config)
    admin = first_admin(house)

    chat = admin.ask("POST", "/api/chats", {"title": "Sourdough", "settings": {"model": "llama"}})
    assert chat.status == 201, chat.text
    chat_id = chat.json()["id"]
    path = f"/api/chats/{chat_id}"
    temporary = admin.ask("POST", "/api/chats", {"temporary": True}).json()["id"]
    folder = admin.ask("POST", "/api/folders", {"name": "Kitchen"}).json()["id"]
    assert admin.ask("PATCH", path, {"folder": folder}).status == 200
    preset = {"name": "Baker", "system": "You bake.", "house": True}
    assert admin.ask("POST", "/api/presets", preset).status == 201
    file = admin.ask("POST", "/api/files?name=recipe.json", {"rye": 500})
    assert file.status == 201, file.text
    asked = {"content": "How long is the proof?", "files": [file.json()["id"]]}
    with admin.live() as live:
        assert admin.ask("POST", f"{path}/messages", asked).status < 300
        live.until("done")
    export = {"mapping": {"a": said("user", None), "b": said("assistant", "a")}, "title": "Rye"}
    imported = admin.ask("POST", "/api/import", [export]).json()
    assert (imported["imported"], imported["messages"]) == (1, 2)

    house.stop()
    house.start(config)
    whole = admin.get(path)
    assert [message["role"] for message in whole["messages"]] == ["user", "assistant"]
    assert [one["name"] for one in whole["messages"][0]["files"]] == ["recipe.json"]
    assert whole["chat"]["folder"] == folder
    assert admin.ask("GET", f"/api/chats/{temporary}").status == 404
    titles = [one["title"] for one in admin.get("/api/chats")["chats"]]
    assert sorted(titles) == ["Rye", "Sourdough"]
    found = {
        words: [one["chat"]["title"] for one in admin.get(f"/api/search?q={words}")["results"]]
        for words in ("proof", "sourd", "words", "recipe")
    }
    assert found == {
        "proof": ["Sourdough"],
        "sourd": ["Sourdough"],
        "words": ["Rye"],
        "recipe": [],
    }
    assert "How long is the proof?" in admin.ask("GET", f"{path}/export?format=md").text
    assert len(admin.get("/api/export")["chats"]) == 2
    bytes_of = house.state / "chat" / "files"
    assert [one.name for one in bytes_of.iterdir()] == [file.json()["id"]]
    assert admin.ask("DELETE", path).status == 204
    assert list(bytes_of.iterdir()) == []


def first_admin(house: House) -> Visitor:
    """Makes the first account with the token that the daemon printed."""
    house.until(lambda: "give this token" in house.said, "the token is printed")
    token = re.search(r"token: (\S+)", house.said)
    assert token is not None
    body = {"token": token[1], "login": "ann", "name": "Ann", "password": "a long good password"}
    answer = Visitor(house).ask("POST", "/api/setup", body)
    assert answer.status < 300, answer.text
    return Visitor(house, None, answer.headers["Set-Cookie"].partition(";")[0])


def said(role: str, parent: str | None) -> dict[str, object]:
    """A node of ChatGPT's tree."""
    content = {"content_type": "text", "parts": ["some words"]}
    return {"parent": parent, "message": {"author": {"role": role}, "content": content}}
