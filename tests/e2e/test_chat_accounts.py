"""Accounts at the door of a real daemon: coming in, what is kept, and who must stay out."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from tests.fakes.chat_routes import chat_routes
from tests.fakes.chat_visitors import CHAT_DOOR, Visitor, visitors
from tests.fakes.house import Answer, House

from paddock.storage.users import Role

PASSWORD = "correct-horse-canary-4711"
OTHER_PASSWORD = "other-horse-canary-0815"
MARK = {"X-Paddock": "1"}
ADDRESSES = iter(f"127.0.{high}.{low}" for high in range(1, 250) for low in range(1, 250))
"""Of this machine, one for each who guesses: they do not make each other wait."""

PUBLIC = {
    ("GET", "/api/start"),
    ("POST", "/api/setup"),
    ("POST", "/api/signin"),
    ("POST", "/api/signup"),
    ("POST", "/api/invite/look"),
    ("POST", "/api/invite/accept"),
}
"""What the chat answers to who is not signed in. A new one belongs here only on purpose."""


def send(
    house: House,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] = MARK,
    address: str = "",
) -> Answer:
    """One request to the chat's door. A body that is no bytes is sent as JSON."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    kind = {"Content-Type": "application/json"} if data is not None else {}
    place = urlsplit(house.chat_url).netloc
    source = (address or next(ADDRESSES), 0)
    with closing(HTTPConnection(place, timeout=30, source_address=source)) as connection:
        connection.request(method, path, data, kind | dict(headers))
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())


def code(answer: Answer) -> str:
    return str(answer.json()["error"]["code"])


def cookie(answer: Answer) -> dict[str, str]:
    """The headers of who was signed in by this answer."""
    assert answer.status == 200, answer.text
    return MARK | {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


def sign_in(house: House, login: str, password: str, **more: Any) -> Answer:
    return send(house, "POST", "/api/signin", {"login": login, "password": password}, **more)


class Family(NamedTuple):
    house: House
    admin: Visitor
    user: Visitor
    pending: Visitor

    def new(self, login: str, role: str = "user") -> dict[str, str]:
        """Make an account by an invite, with PASSWORD; its headers."""
        made = self.admin.ask("POST", "/api/admin/invites", {"role": role}).json()
        asked = {"token": made["token"], "login": login, "password": PASSWORD}
        return cookie(send(self.house, "POST", "/api/invite/accept", asked))

    def id_of(self, login: str) -> str:
        users = self.admin.get("/api/admin/users")["users"]
        return str(next(user["id"] for user in users if user["login"] == login))


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Family]:
    house = House(tmp_path_factory.mktemp("family"))
    house.add("llama-a")
    people = visitors(house, admin=Role.ADMIN, user=Role.USER, pending=Role.PENDING)
    chat = {"signUp": "approval"}
    house.start(house.config(listen=CHAT_DOOR, chat=chat, logLevel="debug"))
    yield Family(house, **people)
    house.stop()


# --- the first admin ------------------------------------------------------------------------------


def test_the_printed_token_makes_the_first_admin_and_works_once(house: House) -> None:
    house.start(house.config(listen=CHAT_DOOR))
    file = house.state / "chat" / "setup.token"
    house.until(lambda: "The chat has no admin yet" in house.said, "the token is printed")
    token = file.read_text().strip()
    assert token in house.said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    start = send(house, "GET", "/api/start").json()
    assert [start["setup"], start["signup"], start["user"]] == [True, "closed", None]

    asked = {"token": token[:-1], "login": "Anna", "name": "Anna B", "password": PASSWORD}
    wrong = send(house, "POST", "/api/setup", asked)
    assert [wrong.status, code(wrong)] == [401, "wrong_password"]
    early = send(house, "POST", "/api/signup", {"login": "eve", "password": PASSWORD})
    assert [early.status, code(early)] == [403, "signup_closed"]

    done = send(house, "POST", "/api/setup", asked | {"token": token})
    assert done.json()["user"]["role"] == "admin"
    assert done.json()["user"]["login"] == "anna"
    assert send(house, "GET", "/api/me", headers=cookie(done)).json()["user"]["name"] == "Anna B"
    again = send(house, "POST", "/api/setup", asked | {"token": token, "login": "eve"})
    assert [again.status, code(again)] == [409, "set_up_already"]
    assert not file.exists()
    assert send(house, "GET", "/api/start").json()["setup"] is False


def test_the_token_is_the_same_after_a_restart(house: House) -> None:
    told = []
    for _ in range(2):
        house.start(house.config(listen=CHAT_DOOR))
        house.until(lambda: "The chat has no admin yet" in house.said, "the token is printed")
        told.append((house.state / "chat" / "setup.token").read_text())
        house.stop()
    assert told[0] == told[1]


# --- coming in ------------------------------------------------------------------------------------


def test_an_invite_makes_one_account_and_only_one(family: Family) -> None:
    house = family.house
    made = family.admin.ask("POST", "/api/admin/invites", {"role": "user", "days": 1}).json()
    assert made["link"] == f"{house.chat_url}/#/invite/{made['token']}"
    assert made["qr"].startswith("<svg")
    look = send(house, "POST", "/api/invite/look", {"token": made["token"]})
    assert [look.json()["role"], look.json()["by"]] == ["user", "admin"]

    asked = {"token": made["token"], "login": "user", "password": PASSWORD}
    taken = send(house, "POST", "/api/invite/accept", asked)
    assert [taken.status, code(taken), taken.json()["error"]["field"]] == [
        409,
        "login_taken",
        "login",
    ]
    asked |= {"login": "invited", "name": "In Vited"}
    me = send(
        house, "GET", "/api/me", headers=cookie(send(house, "POST", "/api/invite/accept", asked))
    )
    assert [me.json()["user"]["role"], me.json()["user"]["name"]] == ["user", "In Vited"]

    for path in ("/api/invite/look", "/api/invite/accept"):
        again = send(house, "POST", path, asked | {"login": "invited2"})
        assert [again.status, code(again)] == [404, "invite_over"]
    shown = family.admin.get("/api/admin/invites")["invites"]
    assert made["token"] not in json.dumps(shown)
    assert next(one for one in shown if one["id"] == made["invite"]["id"])["used"] is True


def test_an_invite_that_was_taken_back_is_over(family: Family) -> None:
    made = family.admin.ask("POST", "/api/admin/invites", {}).json()
    path = f"/api/admin/invites/{made['invite']['id']}"
    assert family.admin.ask("DELETE", path).status == 204
    assert family.admin.ask("DELETE", path).status == 404
    assert send(family.house, "POST", "/api/invite/look", {"token": made["token"]}).status == 404


def test_who_signs_up_waits_until_an_admin_lets_him_in(family: Family) -> None:
    house = family.house
    asked = {"login": "signer", "password": PASSWORD}
    him = cookie(send(house, "POST", "/api/signup", asked))
    assert send(house, "GET", "/api/me", headers=him).json()["user"]["role"] == "pending"
    refused = send(house, "GET", "/api/me/keys", headers=him)
    assert [refused.status, code(refused)] == [403, "pending"]
    path = f"/api/admin/users/{family.id_of('signer')}"
    assert family.admin.ask("PATCH", path, {"role": "user"}).status == 200
    assert send(house, "GET", "/api/me/keys", headers=him).status == 200


def test_every_sign_in_makes_a_new_cookie_and_takes_none_that_is_offered(family: Family) -> None:
    family.new("fixed")
    planted = MARK | {"Cookie": "paddock_session=planted-by-somebody-else-0000000000000000000"}
    one = sign_in(family.house, "Fixed", PASSWORD, headers=planted)
    told = one.headers["Set-Cookie"]
    assert "planted" not in told
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(told.split("; "))
    two = sign_in(family.house, "fixed", PASSWORD, headers=cookie(one))
    assert cookie(two) != cookie(one)
    me = "/api/me"
    assert send(family.house, "GET", me, headers=planted).status == 401
    assert send(family.house, "GET", me, headers=cookie(one)).status == 401, "it was replaced"
    assert send(family.house, "GET", me, headers=cookie(two)).status == 200


@pytest.mark.parametrize(
    "value",
    ["", "x", "a" * 43, "a" * 5000, "' OR 1=1--", "%00", "../../x", '"quoted"', "None", "0"],
)
def test_a_forged_cookie_is_nobodys(family: Family, value: str) -> None:
    headers = MARK | {"Cookie": f"paddock_session={value}"}
    assert send(family.house, "GET", "/api/me", headers=headers).status == 401


def test_a_cookie_is_over_after_sign_out(family: Family) -> None:
    him = family.new("leaver")
    out = send(family.house, "POST", "/api/signout", headers=him)
    assert [out.status, "Max-Age=0" in out.headers["Set-Cookie"]] == [204, True]
    assert send(family.house, "GET", "/api/me", headers=him).status == 401


@pytest.mark.parametrize("login", ["guessed", "nobody-has-this-login"])
def test_who_guesses_must_wait_whether_there_is_the_login_or_not(
    family: Family, login: str
) -> None:
    if login == "guessed":
        family.new(login)
    address = next(ADDRESSES)
    answers = [
        sign_in(family.house, login, f"wrong-{number}", address=address) for number in range(20)
    ]
    assert {answer.status for answer in answers[:5]} == {401}
    assert len({answer.text for answer in answers[:5]}) == 1
    waiting = [answer for answer in answers if answer.status == 429]
    assert waiting
    assert code(waiting[-1]) == "too_many_tries"
    assert int(waiting[-1].headers["Retry-After"]) >= 1
    other = sign_in(family.house, login, PASSWORD, address=next(ADDRESSES))
    assert other.status == 429, "the login waits, wherever one comes from"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"login": "a b"}, "login"),
        ({"login": ""}, "login"),
        ({"login": 5}, "login"),
        ({"login": "nul\0"}, "login"),
        ({"login": "x" * 255}, "login"),
        ({"password": "short"}, "password"),
        ({"password": "ü" * 600}, "password"),
        ({"password": "sign-me-up"}, "password"),
        ({"password": None}, "password"),
        ({"name": "x" * 101}, "name"),
        ({"name": ["x"]}, "name"),
    ],
)
def test_a_form_is_told_which_of_its_fields_is_wrong(
    family: Family, fields: dict[str, Any], field: str
) -> None:
    asked = {"login": "sign-me-up", "password": PASSWORD} | fields
    answer = send(family.house, "POST", "/api/signup", asked)
    assert [answer.status, answer.json()["error"]["field"]] == [400, field]


# --- one's own account ----------------------------------------------------------------------------


def test_another_password_signs_all_other_devices_out(family: Family) -> None:
    house, here = family.house, family.new("changer")
    there = cookie(sign_in(house, "changer", PASSWORD))
    path = "/api/me/password"
    wrong = send(house, "POST", path, {"old": "wrong", "new": OTHER_PASSWORD}, here)
    assert [wrong.status, code(wrong), wrong.json()["error"]["field"]] == [
        403,
        "wrong_password",
        "old",
    ]
    weak = send(house, "POST", path, {"old": PASSWORD, "new": "changer"}, here)
    assert [weak.status, weak.json()["error"]["field"]] == [400, "new"]
    assert send(house, "POST", path, {"old": PASSWORD, "new": OTHER_PASSWORD}, here).status == 200
    assert send(house, "GET", "/api/me", headers=here).status == 200
    assert send(house, "GET", "/api/me", headers=there).status == 401
    assert sign_in(house, "changer", PASSWORD).status == 401
    assert sign_in(house, "changer", OTHER_PASSWORD).status == 200


def test_devices_are_listed_and_signed_out_one_by_one(family: Family) -> None:
    house, here = family.house, family.new("traveller")
    phone = {"User-Agent": "Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36"}
    there = cookie(sign_in(house, "traveller", PASSWORD, headers=MARK | phone))
    found = send(house, "GET", "/api/me/sessions", headers=here).json()["sessions"]
    assert {(one["device"], one["current"]) for one in found} == {
        ("Chrome on Android", False),
        ("unknown device", True),
    }
    other = next(one for one in found if not one["current"])
    path = f"/api/me/sessions/{other['id']}"
    assert family.user.ask("DELETE", path).status == 404, "another's"
    assert send(house, "DELETE", "/api/me/sessions/%00", headers=here).status == 404
    assert send(house, "DELETE", path, headers=here).status == 204
    assert send(house, "GET", "/api/me", headers=there).status == 401


def test_settings_are_merged_and_kept(family: Family) -> None:
    him = family.new("settler")
    for told in ({"theme": "dark", "model": "a"}, {"model": None, "better_titles": True}):
        assert send(family.house, "PATCH", "/api/me", {"settings": told}, him).status == 200
    user = send(family.house, "GET", "/api/me", headers=him).json()["user"]
    assert user["settings"] == {"theme": "dark", "better_titles": True}
    for wrong in ({"settings": 5}, {"settings": {"system": "x" * 70_000}}, {"name": "a\nb"}):
        assert send(family.house, "PATCH", "/api/me", wrong, him).status == 400


def test_who_removes_the_account_takes_all_of_it_along(family: Family) -> None:
    house, him = family.house, family.new("goner")
    secret = send(house, "POST", "/api/me/keys", {"name": "k"}, him).json()["secret"]
    assert send(house, "DELETE", "/api/me", {"password": "wrong"}, him).status == 403
    gone = send(house, "DELETE", "/api/me", {"password": PASSWORD}, him)
    assert [gone.status, "Max-Age=0" in gone.headers["Set-Cookie"]] == [204, True]
    assert send(house, "GET", "/api/me", headers=him).status == 401
    assert sign_in(house, "goner", PASSWORD).status == 401
    assert secret


# --- what admins do -------------------------------------------------------------------------------


def test_a_temporary_password_must_be_changed_first(family: Family) -> None:
    house, before = family.house, family.new("forgetful")
    path = f"/api/admin/users/{family.id_of('forgetful')}/password"
    temporary = family.admin.ask("POST", path).json()["password"]
    assert send(house, "GET", "/api/me", headers=before).status == 401
    him = cookie(sign_in(house, "forgetful", temporary))
    for method, path in (("GET", "/api/me"), ("GET", "/api/chats"), ("PATCH", "/api/me")):
        refused = send(house, method, path, headers=him)
        assert [refused.status, code(refused)] == [403, "must_change"]
    assert send(house, "GET", "/api/start", headers=him).json()["user"]["must_change"] is True
    body = {"old": temporary, "new": OTHER_PASSWORD}
    assert send(house, "POST", "/api/me/password", body, him).status == 200
    assert send(house, "GET", "/api/me", headers=him).status == 200


def test_the_last_admin_stays(family: Family) -> None:
    for one in family.admin.ask("GET", "/api/admin/users").json()["users"]:  # of other tests
        if one["role"] == "admin" and one["id"] != family.admin.user.id:
            family.admin.ask("DELETE", f"/api/admin/users/{one['id']}")
    path = f"/api/admin/users/{family.admin.user.id}"
    for answer in (
        family.admin.ask("PATCH", path, {"role": "user"}),
        family.admin.ask("PATCH", path, {"role": "pending"}),
        family.admin.ask("DELETE", path),
    ):
        assert [answer.status, code(answer)] == [409, "last_admin"]
    assert family.admin.get("/api/me")["user"]["role"] == "admin"


def test_what_an_admin_may_not_say_of_an_account(family: Family) -> None:
    path = f"/api/admin/users/{family.user.user.id}"
    for wrong in (
        {"role": "king"},
        {"role": None},
        {"limits": 5},
        {"limits": {"tokens": 5}},
        {"limits": {"models": "a"}},
        {"limits": {"tokens_per_day": -1}},
        {"limits": {"tokens_per_day": True}},
        {"limits": {"parallel": 0}},
        {"limits": {"quiet": {"from": "25:00", "to": "07:00"}}},
        {"limits": {"quiet": {"from": "07:00", "to": "07:00"}}},
        {"limits": {"quiet": "at night"}},
        {"limits": {"preset": ""}},
    ):
        assert family.admin.ask("PATCH", path, wrong).status == 400, wrong
    right = {"models": ["a"], "tokens_per_day": 0, "quiet": {"from": "21:00", "to": "07:00"}}
    assert family.admin.ask("PATCH", path, {"limits": right}).json()["user"]["limits"] == right
    assert family.admin.ask("PATCH", path, {"limits": {}}).json()["user"]["limits"] == {}
    assert family.admin.ask("PATCH", "/api/admin/users/x", {"role": "user"}).status == 404


@pytest.mark.parametrize("how", ["removed", "demoted", "barred", "password", "signed out"])
def test_who_may_no_more_is_cut_off_at_once(family: Family, how: str) -> None:
    house, login = family.house, f"cut-{how.replace(' ', '-')}"
    him = family.new(login, "admin")
    path = f"/api/admin/users/{family.id_of(login)}"
    acts = {
        "removed": lambda: family.admin.ask("DELETE", path),
        "demoted": lambda: family.admin.ask("PATCH", path, {"role": "user"}),
        "barred": lambda: family.admin.ask("PATCH", path, {"role": "pending"}),
        "password": lambda: family.admin.ask("POST", f"{path}/password"),
        "signed out": lambda: send(house, "POST", "/api/signout", headers=him),
    }
    visitor = Visitor(house, None, him["Cookie"])
    with visitor.live() as events, visitor.live("/api/admin/logs?follow=1") as logs:
        events.until("hello")
        assert acts[how]().status in {200, 204}
        events.until("signed_out")
        assert list(events) == []
        for _ in logs:
            pass
    assert send(house, "GET", "/api/me", headers=him).status == 401


# --- other pages ----------------------------------------------------------------------------------

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TEXT = {"Content-Type": "text/plain"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (FORM, 403),
        (TEXT, 403),
        ({}, 403),
        (MARK | FORM, 400),
        (MARK | TEXT, 400),
        (MARK | {"Origin": "https://evil.example"}, 403),
        (MARK | {"Origin": "null"}, 403),
        (MARK | {"Sec-Fetch-Site": "cross-site"}, 403),
        (MARK | {"Sec-Fetch-Site": "same-site"}, 403),
        (MARK | {"Host": "evil.example"}, 403),
        (MARK, 200),
    ],
)
def test_no_other_page_can_have_a_change_made(
    family: Family, headers: dict[str, str], status: int
) -> None:
    him = family.new(f"csrf{abs(hash(tuple(headers.items())))}")
    sent = {"Cookie": him["Cookie"]} | headers
    data = json.dumps({"name": "Changed"}).encode()
    assert send(family.house, "PATCH", "/api/me", data, sent).status == status
    name = send(family.house, "GET", "/api/me", headers=him).json()["user"]["name"]
    assert (name == "Changed") is (status == 200)


def test_no_page_of_another_origin_is_let_ask(family: Family) -> None:
    asking = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "x-paddock",
    }
    for method, headers in (("OPTIONS", asking), ("GET", {"Origin": "https://evil.example"})):
        answer = send(family.house, method, "/api/me", headers=headers)
        assert not any(name.lower().startswith("access-control") for name in answer.headers)
        assert answer.status == 403


# --- the route table ------------------------------------------------------------------------------


def test_every_route_but_the_listed_ones_asks_who_it_is(family: Family) -> None:
    answers = {}
    for method, path in routes():
        for headers in (MARK, MARK | {"Cookie": "paddock_session=forged"}):
            filled = re.sub(r"\{\w+\}", "x", path)
            answers[method, path, len(headers)] = send(
                family.house, method, filled, None if method == "GET" else {}, headers
            ).status
    let_in = {asked[:2] for asked, status in answers.items() if status != 401}
    # These answer 401 to a wrong token or password, too.
    assert let_in | {("POST", "/api/setup"), ("POST", "/api/signin")} == PUBLIC
    assert len(answers) > 100


def test_admins_routes_are_for_admins(family: Family) -> None:
    refused = {}
    for method, path in routes():
        if path.startswith("/api/admin"):
            filled = re.sub(r"\{\w+\}", "x", path)
            answer = family.user.ask(method, filled, None if method == "GET" else {})
            refused[method, path] = answer.status
    assert set(refused.values()) == {403}
    assert len(refused) > 15


def routes() -> list[tuple[str, str]]:
    """Method and path of every route of the chat, as the daemon is composed."""
    return [(route.method, route.path) for route in chat_routes()]


# --- what is kept ---------------------------------------------------------------------------------


def test_secrets_are_in_no_file_and_no_log(family: Family) -> None:
    house, him = family.house, family.new("secretive")
    secret = send(house, "POST", "/api/me/keys", {"name": "k"}, him).json()["secret"]
    made = family.admin.ask("POST", "/api/admin/invites", {}).json()
    sign_in(house, "secretive", OTHER_PASSWORD)
    value = him["Cookie"].partition("=")[2]
    secrets = [PASSWORD, OTHER_PASSWORD, secret, made["token"], value]
    kept = b"".join(path.read_bytes() for path in files(house.state))
    assert b"secretive" in kept
    for one in secrets:
        assert one.encode() not in kept
        assert one not in house.said
        assert one not in family.admin.ask("GET", "/api/admin/audit").text


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
