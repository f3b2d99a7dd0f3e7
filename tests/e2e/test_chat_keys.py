"""Keys of accounts at the model doors of a real daemon, and the commands that make them."""

from __future__ import annotations

import base64
import itertools
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.fakes.chat_visitors import Visitor, visitors
from tests.fakes.house import Answer, House

from paddock.storage.users import Role

CONFIG_KEY = "config-key-canary-4711"
DOOR = {"host": "127.0.0.1", "port": 0}
LISTEN = {"openai": DOOR | {"auth": "accounts"}, "ollama": DOOR, "chat": DOOR}

STYLES = {
    "bearer": lambda key: {"Authorization": f"Bearer {key}"},
    "basic": lambda key: {
        "Authorization": f"Basic {base64.b64encode(f'x:{key}'.encode()).decode()}"
    },
    "x-api-key": lambda key: {"x-api-key": key},
}


def chat(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}


ASKS = (
    ("openai", "/v1/chat/completions", chat),
    ("openai", "/v1/completions", lambda model: {"model": model, "prompt": "hi", "max_tokens": 2}),
    ("openai", "/v1/messages", chat),
    ("openai", "/api/chat", lambda model: chat(model) | {"stream": False}),
    ("ollama", "/api/chat", lambda model: chat(model) | {"stream": False}),
    ("ollama", "/api/generate", lambda model: {"model": model, "prompt": "hi", "stream": False}),
    ("ollama", "/api/generate", lambda model: {"model": model}),
    ("ollama", "/api/generate", lambda model: {"model": model, "keep_alive": 0}),
    ("ollama", "/v1/chat/completions", chat),
)
"""Door, path and body of requests for a model, in every dialect."""


class Family(NamedTuple):
    house: House
    admin: Visitor
    user: Visitor

    def key(self, who: Visitor | None = None, **scope: Any) -> str:
        """The secret of a new key."""
        made = (who or self.user).ask("POST", "/api/me/keys", {"name": "laptop"} | scope)
        assert made.status == 200, made.text
        return str(made.json()["secret"])

    def limit(self, **limits: Any) -> None:
        path = f"/api/admin/users/{self.user.user.id}"
        assert self.admin.ask("PATCH", path, {"limits": limits}).status == 200


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Family]:
    """A daemon both of whose doors are locked, one by accounts and one by the configuration."""
    house = House(tmp_path_factory.mktemp("family"))
    for name in ("llama-a", "llama-b"):
        house.add(name)
    people = visitors(house, admin=Role.ADMIN, user=Role.USER)
    config = house.config(
        listen=LISTEN, apiKeys=[CONFIG_KEY], maxLoadedModels=2, logLevel="debug",
        models={"llama-a": {"aliases": ["other name"]}},
    )  # fmt: skip
    house.start(config)
    family = Family(house, **people)
    family.key()  # once keys can be made, they are read
    yield family
    house.stop()


def ask(
    family: Family, door: str, path: str, body: Any = None, headers: Mapping[str, str] = {}
) -> Answer:
    return family.house.ask("GET" if body is None else "POST", path, body, headers, door=door)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


SCOPES: tuple[dict[str, list[str]], ...] = (
    {},
    {"doors": ["openai"]},
    {"doors": ["ollama"]},
    {"doors": []},
    {"models": ["llama-a"]},
    {"models": []},
    {"doors": ["ollama"], "models": ["llama-b"]},
)


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_a_key_works_where_it_is_meant_to_and_nowhere_else(
    family: Family, scope: dict[str, list[str]]
) -> None:
    key = family.key(None, **scope)
    names = {"llama-a": "llama-a", "other name": "llama-a", "llama-b": "llama-b"}
    wrong = []
    for (door, path, body), style, name in itertools.product(ASKS, STYLES, names):
        answer = ask(family, door, path, body(name), STYLES[style](key))
        may = door in scope.get("doors", [door]) and names[name] in scope.get(
            "models", names.values()
        )
        if answer.status != (200 if may else 403):
            wrong.append((door, path, style, name, answer.status, answer.text[:200]))
    assert wrong == []


def test_what_is_refused_is_told_in_the_dialect_of_who_asks(family: Family) -> None:
    key = bearer(family.key(models=["llama-b"]))
    openai = ask(family, "openai", "/v1/chat/completions", chat("llama-a"), key).json()["error"]
    assert [openai["code"], openai["type"]] == ["model_not_allowed", "permission_error"]
    ollama = ask(family, "ollama", "/api/chat", chat("llama-a"), key).json()["error"]
    assert ollama == "you may not use llama-a"
    messages = ask(family, "openai", "/v1/messages", chat("llama-a"), key).json()["error"]
    assert messages["type"] == "permission_error"


def test_a_key_that_is_taken_back_is_over_at_once(family: Family) -> None:
    key = family.key()
    assert ask(family, "openai", "/v1/models", None, bearer(key)).status == 200
    keys = family.user.get("/api/me/keys")["keys"]
    assert key not in json.dumps(keys)
    mine = next(one for one in keys if key.startswith(one["prefix"]))
    assert mine["last_used"] is not None
    path = f"/api/me/keys/{mine['id']}"
    assert family.admin.ask("DELETE", path).status == 404, "another's"
    assert family.user.ask("DELETE", path).status == 204
    assert ask(family, "openai", "/v1/models", None, bearer(key)).status == 401


def test_a_key_is_over_when_it_expires(family: Family) -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    key = bearer(family.key(expires=now + 3000))
    assert ask(family, "openai", "/v1/models", None, key).status == 200
    family.house.until(
        lambda: ask(family, "openai", "/v1/models", None, key).status == 401, "it expires"
    )
    past = family.user.ask("POST", "/api/me/keys", {"name": "k", "expires": now - 1})
    assert [past.status, past.json()["error"]["field"]] == [400, "expires"]


@pytest.mark.parametrize("how", ["removed", "barred"])
def test_the_keys_of_who_may_no_more_are_over_at_once(family: Family, how: str) -> None:
    made = family.admin.ask("POST", "/api/admin/invites", {}).json()
    asked = {"token": made["token"], "login": f"him-{how}", "password": "correct-horse"}
    came = Visitor(family.house).ask("POST", "/api/invite/accept", asked)
    him = Visitor(family.house, None, came.headers["Set-Cookie"].partition(";")[0])
    key = bearer(family.key(him))
    assert ask(family, "openai", "/v1/models", None, key).status == 200
    path = f"/api/admin/users/{came.json()['user']['id']}"
    if how == "removed":
        assert family.admin.ask("DELETE", path).status == 204
    else:
        assert family.admin.ask("PATCH", path, {"role": "pending"}).status == 200
    assert ask(family, "openai", "/v1/models", None, key).status == 401


@pytest.mark.parametrize(
    "key",
    [
        "pk-' OR 1=1--",
        "pk-",
        "pk-" + "a" * 43,
        "pk-" + "a" * 4000,
        "pk-\x01",
        "x' UNION SELECT 1--",
    ],
)
@pytest.mark.parametrize("door", ["openai", "ollama"])
def test_a_wrong_key_opens_nothing(family: Family, door: str, key: str) -> None:
    with_key = {"x-api-key": key.replace("\x01", "\x7f")}
    assert ask(family, door, "/v1/models", None, with_key).status in {400, 401}


def test_a_huge_key_is_refused_before_it_is_looked_at(family: Family) -> None:
    with family.house.wire() as wire:
        answer = wire.ask("GET", "/v1/models", f"x-api-key: pk-{'a' * (1 << 20)}").answer()
    assert answer.status in {400, 431}


def test_the_keys_of_the_configuration_work_beside_them(family: Family) -> None:
    for door in ("openai", "ollama"):
        assert ask(family, door, "/v1/models", None, bearer(CONFIG_KEY)).status == 200
        assert ask(family, door, "/v1/models").status == 401


def test_only_admins_keys_are_good_for_more_than_asking(family: Family) -> None:
    paths = ("/logs", "/api/paddock/status", "/api/metrics/activity", "/api/captures/1", "/running")
    for path in paths:
        assert ask(family, "openai", path, None, bearer(family.key())).status == 403
    assert ask(family, "ollama", "/api/delete", {"model": "x"}, bearer(family.key())).status in {
        403,
        405,
    }
    load = ask(family, "openai", "/api/paddock/load", {"model": "llama-a"}, bearer(family.key()))
    assert load.status == 403
    admins, scoped = family.key(family.admin), family.key(family.admin, models=["llama-a"])
    assert ask(family, "openai", "/api/paddock/status", None, bearer(admins)).status == 200
    assert ask(family, "openai", "/api/paddock/status", None, bearer(scoped)).status == 403


def test_a_request_with_a_key_is_its_users(family: Family) -> None:
    key = bearer(family.key(name="my laptop"))
    ask(family, "openai", "/v1/chat/completions", chat("llama-a"), key)
    rows = family.house.until(lambda: _rows_of(family, "user:user/my laptop"), "the row is written")
    assert rows[0]["model"] == "llama-a"
    assert family.user.get("/api/me")["usage"]["tokens_today"] > 0


def _rows_of(family: Family, client: str) -> list[Any]:
    told = ask(family, "openai", "/api/metrics/activity", None, bearer(CONFIG_KEY)).json()
    rows = told["data"] if isinstance(told, dict) else told
    return [row for row in rows if row.get("client") == client]


def test_the_limits_of_a_user_hold_for_the_keys_too(family: Family) -> None:
    key = bearer(family.key())
    path, body = "/v1/chat/completions", chat("llama-a")
    try:
        family.limit(models=["llama-b"])
        refused = ask(family, "openai", path, body, key)
        assert [refused.status, refused.json()["error"]["code"]] == [403, "model_not_allowed"]
        family.limit(quiet={"from": "00:00", "to": "23:59"})
        if datetime.now().strftime("%H:%M") != "23:59":  # noqa: DTZ005 - the house's clock
            refused = ask(family, "ollama", "/api/chat", body, key)
            assert [refused.status, "quiet hours" in refused.json()["error"]] == [403, True]
        family.limit(tokens_per_day=0)
        refused = ask(family, "openai", path, body, key)
        assert [refused.status, refused.json()["error"]["code"]] == [429, "daily_limit"]
        assert int(refused.headers["Retry-After"]) >= 1
    finally:
        family.limit()
    assert ask(family, "openai", path, body, key).status == 200


def test_an_open_door_knows_a_key_but_asks_for_none(house: House) -> None:
    house.add("llama-a")
    people = visitors(house, user=Role.USER)
    listen = {"openai": DOOR, "ollama": DOOR | {"auth": "none"}, "chat": DOOR}
    house.start(house.config(listen=listen))
    made = people["user"].ask("POST", "/api/me/keys", {"name": "k", "doors": ["openai"]}).json()
    for headers in ({}, bearer("pk-wrong"), bearer("x"), bearer(made["secret"])):
        answer = house.ask("POST", "/v1/chat/completions", chat("llama-a"), headers)
        assert answer.status == 200
    both = bearer(made["secret"]) | {"x-api-key": "another"}
    assert house.ask("GET", "/v1/models", None, both).status == 200
    rows = house.until(
        lambda: (
            (found := house.ask("GET", "/api/metrics/activity").text).count("llama-a") > 3 and found
        ),
        "the rows are written",
    )
    assert "user:user/k" in rows
    assert house.ask("GET", "/api/tags", None, bearer(made["secret"]), door="ollama").status == 403


# --- the commands ---------------------------------------------------------------------------------


def paddock(house: House, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [sys.executable, "-m", "paddock", *words],
        env=os.environ | {"PADDOCK_HOST": house.url},
        input=stdin,
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert "Traceback" not in ended.stderr
    return ended


def test_accounts_are_made_and_removed_from_the_shell(family: Family) -> None:
    house = family.house
    added = paddock(house, "user", "add", "Berta", "--name", "Berta B")
    assert added.returncode == 0, added.stderr
    temporary = added.stdout.strip()
    asked = {"login": "berta", "password": temporary}
    came = Visitor(house).ask("POST", "/api/signin", asked)
    assert came.json()["user"]["must_change"] is True

    given = paddock(house, "user", "password", "berta", "--password-stdin", stdin="new-horse-1\n")
    assert [given.returncode, given.stdout] == [0, ""]
    came = Visitor(house).ask("POST", "/api/signin", asked | {"password": "new-horse-1"})
    assert came.json()["user"]["must_change"] is False

    assert paddock(house, "user", "role", "berta", "admin").returncode == 0
    listed = json.loads(paddock(house, "user", "list", "--json").stdout)["users"]
    assert {user["login"]: user["role"] for user in listed}["berta"] == "admin"
    assert "Berta B" in paddock(house, "user", "list").stdout

    assert paddock(house, "user", "remove", "berta").returncode == 1, "nobody said yes"
    assert paddock(house, "user", "remove", "berta", "--yes").returncode == 0
    again = paddock(house, "user", "remove", "berta", "--yes")
    assert [again.returncode, "no such account" in again.stderr] == [1, True]


def test_an_invite_from_the_shell_works(family: Family) -> None:
    link = paddock(family.house, "user", "invite", "--origin", "http://nas:3001").stdout.strip()
    assert link.startswith("http://nas:3001/#/invite/")
    look = Visitor(family.house).ask("POST", "/api/invite/look", {"token": link[-43:]})
    assert look.json()["role"] == "user"
    link = paddock(family.house, "user", "invite").stdout
    assert link.startswith(f"{family.house.chat_url}/#/invite/")


def test_keys_are_made_and_removed_from_the_shell(family: Family) -> None:
    house = family.house
    houses = paddock(house, "key", "add", "the printer", "--door", "openai").stdout.strip()
    users = paddock(
        house, "key", "add", "tablet", "--user", "User", "--model", "llama-a", "--days", "9"
    ).stdout.strip()
    for key, status in ((houses, 200), (users, 403)):
        assert ask(family, "openai", "/v1/models", None, bearer(key)).status == 200
        assert ask(family, "openai", "/api/paddock/status", None, bearer(key)).status == status
    rows = json.loads(paddock(house, "key", "list", "--json").stdout)["keys"]
    assert houses not in json.dumps(rows)
    by_name = {row["name"]: row for row in rows}
    assert [by_name["the printer"]["user"], by_name["tablet"]["user"]] == [None, "user"]
    assert "(the house)" in paddock(house, "key", "list").stdout
    for key, name in ((houses, "the printer"), (users, "tablet")):
        assert paddock(house, "key", "remove", by_name[name]["id"]).returncode == 0
        assert ask(family, "openai", "/v1/models", None, bearer(key)).status == 401
    gone = paddock(house, "key", "remove", by_name["tablet"]["id"])
    assert [gone.returncode, "no such key" in gone.stderr] == [1, True]


def test_without_the_owners_token_nobody_is_told_anything(family: Family) -> None:
    file = family.house.state / "owner.token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = file.read_text().strip()
    for headers in (
        {},
        {"X-Paddock-Owner": "wrong"},
        {"X-Paddock-Owner": token[:-1]},
        bearer(CONFIG_KEY),
        bearer(token),
        bearer(family.key(family.admin)),
    ):
        for path in ("/api/paddock/users", "/api/paddock/keys", "/api/paddock/users/admin"):
            refused = ask(family, "openai", path, None, headers)
            assert [refused.status, refused.json()["error"]["code"]] == [403, "forbidden"]
            assert "as the user that the daemon runs as" in refused.text
    assert ask(family, "ollama", "/api/paddock/users").status in {401, 404}
    right = {"X-Paddock-Owner": token}
    assert ask(family, "openai", "/api/paddock/users", None, right).status == 200


def test_the_commands_say_what_to_do_where_the_token_cannot_be_read(family: Family) -> None:
    file = family.house.state / "owner.token"
    hidden = file.with_name("hidden")
    file.rename(hidden)
    try:
        ended = paddock(family.house, "user", "list")
    finally:
        hidden.rename(file)
    assert ended.returncode == 1
    assert "as the user that the daemon runs as" in ended.stderr


def test_the_owners_token_is_in_no_log(family: Family) -> None:
    token = (family.house.state / "owner.token").read_text().strip()
    assert token not in family.house.said


def test_a_file_that_another_program_names_is_not_read(tmp_path: Path) -> None:
    from paddock.cli.address import Address
    from paddock.cli.client import Client, Refused
    from paddock.cli.owner import Owner

    secret = tmp_path / "secret"
    secret.write_text("canary")
    for host, file in (("127.0.0.1", str(secret)), ("192.0.2.1", str(tmp_path / "owner.token"))):
        error = Refused("no", owner_file=file)
        with pytest.raises(Refused):
            Owner(Client(Address(host, 1)))._token(file, error)
