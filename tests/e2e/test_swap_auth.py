"""llama-swap's behaviours around keys and web pages, each against a running daemon."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import product

import pytest
from tests.fakes.house import House

KEYS = ("first-key", "sk-second_key.2", "p@ss:with:colons")
FIRST = KEYS[0]
PAGE = "https://chat.example.lan"
CHAT = {"model": "llama-a", "messages": [{"role": "user", "content": "hello"}]}

ENDPOINTS = (
    ("GET", "/v1/models"),
    ("GET", "/models"),
    ("GET", "/v1/models/llama-a"),
    ("GET", "/running"),
    ("GET", "/logs"),
    ("GET", "/api/queue"),
    ("GET", "/api/profiles"),
    ("GET", "/props?model=llama-a"),
    ("GET", "/upstream"),
    ("GET", "/upstream/llama-a/health"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v/chat/completions"),
)
PUBLIC = ("/", "/health", "/wol-health", "/favicon.ico")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with three keys, a page that may call it, and a loaded model."""
    house = House(tmp_path_factory.mktemp("home"))
    house.add("llama-a")
    house.start(house.config(apiKeys=list(KEYS), allowedOrigins=[PAGE], defaultTtl=0))
    house.ask("POST", "/api/paddock/load", {"model": "llama-a"}, {"x-api-key": FIRST})
    yield house
    house.stop()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def status(home: House, endpoint: tuple[str, str], headers: dict[str, str]) -> int:
    method, path = endpoint
    body = {**CHAT, "input": "x", "max_tokens": 4} if method == "POST" else None
    return home.ask(method, path, body, headers).status


WAYS = {
    "bearer": lambda key: {"Authorization": f"Bearer {key}"},
    "bearer in lower case": lambda key: {"Authorization": f"bearer {key}"},
    "header in lower case": lambda key: {"authorization": f"Bearer {key}"},
    "basic": lambda key: {"Authorization": basic("somebody", key)},
    "basic without a user": lambda key: {"Authorization": basic("", key)},
    "x-api-key": lambda key: {"x-api-key": key},
    "X-API-Key": lambda key: {"X-API-Key": key},
    "the same one twice": lambda key: {"Authorization": f"Bearer {key}", "x-api-key": key},
}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=" ".join)
@pytest.mark.parametrize("way", ["bearer", "basic", "x-api-key"])
def test_a_key_opens_every_endpoint(home: House, endpoint: tuple[str, str], way: str) -> None:
    assert status(home, endpoint, WAYS[way](FIRST)) == 200


@pytest.mark.parametrize(("way", "key"), list(product(WAYS, KEYS)))
def test_every_key_counts_in_every_way(home: House, way: str, key: str) -> None:
    assert status(home, ("GET", "/running"), WAYS[way](key)) == 200


WRONG = {
    "nothing": {},
    "an unknown key": {"Authorization": "Bearer unknown"},
    "an unknown x-api-key": {"x-api-key": "unknown"},
    "an unknown password": {"Authorization": basic("somebody", "unknown")},
    "the key as user": {"Authorization": basic(FIRST, "")},
    "an empty bearer": {"Authorization": "Bearer "},
    "an empty x-api-key": {"x-api-key": ""},
    "no scheme": {"Authorization": FIRST},
    "another scheme": {"Authorization": f"Digest {FIRST}"},
    "basic that is no base64": {"Authorization": "Basic %%%"},
    "basic without a colon": {
        "Authorization": "Basic " + base64.b64encode(FIRST.encode()).decode()
    },
    "a key in capitals": {"x-api-key": FIRST.upper()},
    "a part of a key": {"x-api-key": FIRST[:-1]},
    "more than a key": {"x-api-key": FIRST + "x"},
    "two keys in one": {"x-api-key": f"{FIRST},{KEYS[1]}"},
    "a key in a cookie": {"Cookie": f"key={FIRST}"},
    "another header": {"api-key": FIRST},
}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=" ".join)
@pytest.mark.parametrize("name", ["nothing", "an unknown key"])
def test_every_endpoint_refuses(home: House, endpoint: tuple[str, str], name: str) -> None:
    assert status(home, endpoint, WRONG[name]) == 401


@pytest.mark.parametrize("name", WRONG)
def test_a_refusal_has_a_status_a_challenge_and_an_error(home: House, name: str) -> None:
    answer = home.ask("GET", "/v1/models", headers=WRONG[name])

    assert answer.status == 401
    assert "Basic" in answer.headers["WWW-Authenticate"]
    assert "Bearer" in answer.headers["WWW-Authenticate"]
    assert answer.json()["error"]["type"] == "authentication_error"
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert FIRST not in answer.text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"Authorization": f"Bearer {FIRST}"}, {"x-api-key": "unknown"}),
        ({"Authorization": "Bearer unknown"}, {"x-api-key": FIRST}),
        ({"Authorization": basic("", FIRST)}, {"x-api-key": "unknown"}),
        ({"Authorization": basic("", "unknown")}, {"x-api-key": FIRST}),
        ({"Authorization": f"Bearer {FIRST}"}, {"x-api-key": KEYS[1]}),
    ],
)
def test_better_two_different_keys_are_refused_and_not_ranked(
    home: House, one: dict[str, str], other: dict[str, str]
) -> None:
    assert home.ask("GET", "/v1/models", headers=one | other).status == 400


@pytest.mark.parametrize("path", PUBLIC)
@pytest.mark.parametrize("name", ["nothing", "an unknown key"])
def test_these_need_no_key(home: House, path: str, name: str) -> None:
    assert home.ask("GET", path, headers=WRONG[name]).status in {200, 204}


def test_better_the_clients_key_does_not_reach_the_model(home: House) -> None:
    headers = {"Authorization": f"Bearer {FIRST}"}
    home.ask("POST", "/v1/embeddings", {"model": "llama-a", "input": "x"}, headers)
    seen = home.ask("GET", "/upstream/llama-a/fake/state", headers=headers).json()["requests"]

    assert seen
    assert FIRST not in str([request["headers"] for request in seen])


# --- web pages ------------------------------------------------------------------------------------

PATHS = (
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/models",
    "/running",
    "/unload",
    "/upstream/llama-a/",
    "/nothing/here",
    "/",
)
REQUEST = {"Access-Control-Request-Method": "POST"}


@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_is_answered_without_a_key(home: House, path: str) -> None:
    wanted = "authorization, content-type, x-custom"
    headers = {"Origin": PAGE, "Access-Control-Request-Headers": wanted, **REQUEST}
    answer = home.ask("OPTIONS", path, headers=headers)

    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Access-Control-Allow-Headers"] == wanted
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert answer.body == b""


@pytest.mark.parametrize("path", PATHS)
def test_options_of_who_is_no_page_is_204(home: House, path: str) -> None:
    answer = home.ask("OPTIONS", path)

    assert answer.status == 204
    assert not any(name.lower().startswith("access-control") for name in answer.headers)


STRANGERS = (
    "https://evil.example",
    "http://chat.example.lan",
    "https://chat.example.lan:8443",
    "https://chat.example.lan.evil.example",
    "null",
    "*",
)


@pytest.mark.parametrize("origin", STRANGERS)
@pytest.mark.parametrize(
    ("method", "path"),
    [("OPTIONS", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/unload")],
)
def test_better_only_listed_pages_may_call(
    home: House, origin: str, method: str, path: str
) -> None:
    answer = home.ask(method, path, headers={"Origin": origin, "x-api-key": FIRST})

    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=" ".join)
def test_a_listed_page_may_read_every_answer(home: House, endpoint: tuple[str, str]) -> None:
    method, path = endpoint
    body = {**CHAT, "input": "x", "max_tokens": 4} if method == "POST" else None
    answer = home.ask(method, path, body, {"Origin": PAGE, "x-api-key": FIRST})

    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    ("path", "expected"), [("/v1/models/none", 404), ("/none", 404), ("/v1/messages", 405)]
)
def test_a_listed_page_may_read_errors(home: House, path: str, expected: int) -> None:
    answer = home.ask("GET", path, headers={"Origin": PAGE, "x-api-key": FIRST})

    assert answer.status == expected
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE


@pytest.mark.parametrize("name", ["a\\r\\nb", "x" * 300, "ü", "a, b"])
def test_whatever_headers_are_asked_for_the_answer_is_one(home: House, name: str) -> None:
    with home.wire() as wire:
        wire.ask(
            "OPTIONS", "/v1/models", f"Origin: {PAGE}", f"Access-Control-Request-Headers: {name}"
        )
        answer = wire.answer()

    assert answer.status == 204
    assert len([key for key, _ in answer.headers if key == "access-control-allow-headers"]) <= 1
