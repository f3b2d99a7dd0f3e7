"""Who may reach which route of the chat: each of the code's own table is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.fakes.chat_visitors import CHAT_DOOR, Visitor, visitors
from tests.fakes.house import Answer, House

from paddock.chat.calls import ChatRoute, Who
from paddock.chat.reference import routes
from paddock.storage.users import Role

PUBLIC = {
    ("GET", "/api/start"),
    ("POST", "/api/setup"),
    ("POST", "/api/signin"),
    ("POST", "/api/signup"),
    ("POST", "/api/invite/look"),
    ("POST", "/api/invite/accept"),
}
"""What answers to who is not signed in. Nothing else does."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/api/chats/{chat}/messages"): {"content": "hello"},
    ("POST", "/api/chats/{chat}/count"): {"content": "hello"},
    ("PATCH", "/api/chats/{chat}"): {"title": "taken"},
    ("PATCH", "/api/chats/{chat}/messages/{message}"): {"content": "taken"},
    ("PATCH", "/api/folders/{folder}"): {"name": "taken"},
    ("PATCH", "/api/presets/{preset}"): {"name": "taken"},
}
"""What a route takes, where it looks at that first."""


class Home(NamedTuple):
    """`ann` is an admin; `ben` has one of everything, whose ids are known; `cleo` has a chat."""

    house: House
    people: dict[str, Visitor]
    ids: dict[str, str]
    own: str


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    house = House(tmp_path_factory.mktemp("home"))
    house.add("llama")
    people = visitors(house, ann=Role.ADMIN, ben=Role.USER, cleo=Role.USER)
    house.start(house.config(listen=CHAT_DOOR))
    own = told(people["cleo"].ask("POST", "/api/chats", {"title": "hers"}))["id"]
    yield Home(house, people, one_of_everything(house, people["ben"]), own)
    house.stop()


def told(answer: Answer) -> Any:
    assert answer.status < 300, answer.text
    return answer.json()


def one_of_everything(house: House, ben: Visitor) -> dict[str, str]:
    chat = told(ben.ask("POST", "/api/chats", {"title": "his"}))["id"]
    sent = told(ben.ask("POST", f"/api/chats/{chat}/messages", {"content": "fake tokens=3 secret"}))
    messages = f"/api/chats/{chat}"
    house.until(
        lambda: all(one["state"] == "done" for one in ben.get(messages)["messages"]), "it is said"
    )
    return {
        "chat": chat,
        "message": sent["answer"]["id"],
        "folder": told(ben.ask("POST", "/api/folders", {"name": "his"}))["id"],
        "preset": told(ben.ask("POST", "/api/presets", {"name": "his", "system": "secret"}))["id"],
        "file": told(ben.ask("POST", "/api/files?name=his.json", {"secret": 1}))["id"],
        "key": told(ben.ask("POST", "/api/me/keys", {"name": "his"}))["key"]["id"],
        "session": ben.get("/api/me/sessions")["sessions"][0]["id"],
        "user": ben.user.id,
        "invite": "AAAAAAAAAAAAAAAA",
        "pull": "AAAAAAAAAAAAAAAA",
    }


def filled(path: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, "a new kind of id: give one_of_everything one"
    return path


def ask(who: Visitor, route: ChatRoute, ids: dict[str, str]) -> Answer:
    body = BODIES.get((route.method, route.path))
    return who.ask(route.method, filled(route.path, ids), body)


def everything_of(ben: Visitor, ids: dict[str, str]) -> dict[str, Any]:
    """All that could have been changed or taken from him."""
    places = (f"/api/chats/{ids['chat']}", "/api/folders", "/api/presets", "/api/me/keys")
    return {place: ben.get(place) for place in places} | {
        "file": ben.ask("GET", f"/api/files/{ids['file']}").text,
        "sessions": [one["id"] for one in ben.get("/api/me/sessions")["sessions"]],
    }


def test_the_table_is_whole_and_open_to_nobody_but_as_written() -> None:
    assert len(routes()) > 60
    assert {(one.method, one.path) for one in routes() if one.who is Who.ANYONE} == PUBLIC


def test_who_is_not_signed_in_gets_nowhere(home: Home) -> None:
    nobody = Visitor(home.house)
    shut = [one for one in routes() if (one.method, one.path) not in PUBLIC]
    assert {(one.path, ask(nobody, one, home.ids).status) for one in shut} == {
        (one.path, 401) for one in shut
    }


def test_no_change_without_the_mark(home: Home) -> None:
    ann = home.people["ann"]
    unmarked = Visitor(home.house, ann.user, ann.cookie)
    del unmarked._headers["X-Paddock"]
    before = everything_of(home.people["ben"], home.ids)
    writes = [one for one in routes() if one.method not in {"GET", "HEAD"}]
    assert len(writes) > 35
    wrong = {(one.method, one.path): ask(unmarked, one, home.ids).status for one in writes}
    assert set(wrong.values()) == {403}, wrong
    assert everything_of(home.people["ben"], home.ids) == before


def test_users_are_no_admins(home: Home) -> None:
    for_admins = [one for one in routes() if one.who is Who.ADMIN]
    assert len(for_admins) > 20
    told_them = {
        (one.method, one.path): ask(home.people["ben"], one, home.ids) for one in for_admins
    }
    assert {answer.status for answer in told_them.values()} == {403}


@pytest.mark.parametrize("login", ["cleo", "ann"])
def test_what_is_anothers_is_not_there(home: Home, login: str) -> None:
    """For an admin neither. What is said is what is said of an id that nobody has."""
    who, ben = home.people[login], home.people["ben"]
    before = everything_of(ben, home.ids)
    mine = [one for one in routes() if one.who is Who.USER and "{" in one.path]
    methods = {one.path: {route.method for route in mine if route.path == one.path} for one in mine}
    none = dict.fromkeys(home.ids, "AAAAAAAAAAAAAAAA")
    pairs = 0
    for path, answered in methods.items():
        for method in METHODS:
            route = ChatRoute(method, path, Who.USER, mine[0].endpoint)
            answer, missing = ask(who, route, home.ids), ask(who, route, none)
            assert answer.status == missing.status, (method, path, answer.text)
            assert answer.status == 404 or (answer.status == 405 and method not in answered)
            assert without(home.ids, answer) == without(none, missing), (method, path)
            pairs += 1
    assert pairs >= 60
    assert everything_of(ben, home.ids) == before


def without(ids: dict[str, str], answer: Answer) -> str:
    """What it says, but for the ids."""
    text = answer.text
    for one in ids.values():
        text = text.replace(one, "")
    return text


def test_a_message_of_another_chat_is_not_in_mine(home: Home) -> None:
    cleo = home.people["cleo"]
    mixed = home.ids | {"chat": home.own}
    within = [one for one in routes() if "{message}" in one.path]
    assert len(within) >= 5
    assert {ask(cleo, one, mixed).status for one in within} == {404}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/api/chats/{own}", {"folder": "{folder}"}),
        ("PATCH", "/api/chats/{own}", {"current": "{message}"}),
        ("POST", "/api/chats", {"folder": "{folder}"}),
        ("POST", "/api/chats/{own}/messages", {"content": "x", "files": ["{file}"]}),
        ("POST", "/api/chats/{own}/messages", {"content": "x", "parent": "{message}"}),
        ("POST", "/api/chats/{own}/count", {"content": "x", "files": ["{file}"]}),
        ("POST", "/api/chats/{own}/count", {"content": "x", "parent": "{message}"}),
    ],
)
def test_what_is_anothers_cannot_be_named_in_a_body(
    home: Home, method: str, path: str, body: dict[str, Any]
) -> None:
    cleo, ids = home.people["cleo"], home.ids | {"own": home.own}

    def given(value: Any) -> Any:
        return (
            [filled(one, ids) for one in value] if isinstance(value, list) else filled(value, ids)
        )

    answer = cleo.ask(method, filled(path, ids), {key: given(value) for key, value in body.items()})
    assert answer.status in {400, 404}, answer.text
    assert "secret" not in answer.text
