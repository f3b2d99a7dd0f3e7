"""llama-swap's `/upstream` and `/comfyui`: any request, straight to a model's server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from tests.fakes.house import Answer, House
from tests.fakes.wire import WireAnswer

ASSETS = (
    "app.css",
    "app.js",
    "app.mjs",
    "app.js.map",
    "a/b/logo.PNG",
    "photo.jpg",
    "photo.jpeg",
    "x.gif",
    "icon.svg",
    "favicon.ico",
    "x.webp",
    "x.avif",
    "font.woff",
    "font.woff2",
    "font.ttf",
    "font.otf",
    "robots.txt",
    "site.webmanifest",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with models of all kinds of names, all loaded but `cold` and ComfyUI."""
    house = House(tmp_path_factory.mktemp("home"))
    house.add("llama-a")
    cmd = house.command().replace("${MODEL_ID}", '"${MODEL_ID}"')
    names = ("plain", "org/name", "org/name/deep", "with space", "ünïcode", "100%")
    models: dict[str, Any] = {name: {"cmd": cmd} for name in (*names, "cold", "comfyui_auto")}
    models["plain"]["aliases"] = ["short", "alias/with/slash"]
    models["cold"]["aliases"] = ["frozen"]
    house.start(house.config(models=models, maxLoadedModels=20, defaultTtl=0, profiles=PROFILES))
    house.load(*names, "llama-a")
    yield house
    house.stop()


PROFILES = {"pinned": {"pins": {"virtual": "plain", "blocked": None}}}


@pytest.fixture
def profile(home: House) -> Iterator[None]:
    """The profile is active."""
    assert home.ask("PUT", "/api/profiles/active", {"name": "pinned"}).status == 200
    yield
    assert home.ask("PUT", "/api/profiles/active", {"name": None}).status == 200


def raw(home: House, method: str, target: str, *headers: str, body: bytes = b"") -> WireAnswer:
    """One request whose target is sent as it is; redirects are not followed."""
    with home.wire() as wire:
        return wire.ask(method, target, *headers, body=body).answer()


def echoed(answer: Answer | WireAnswer) -> Any:
    """What the model's server was asked."""
    assert answer.status == 200, answer.body
    return answer.json()


# --- which model ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "model"),
    [
        ("plain", "plain"),
        ("PLAIN", "plain"),
        ("short", "plain"),
        ("alias/with/slash", "plain"),
        ("alias%2Fwith%2Fslash", "plain"),
        ("org/name", "org/name"),
        ("org%2Fname", "org/name"),
        ("org%2fname", "org/name"),
        ("org/name/deep", "org/name/deep"),
        ("org%2Fname%2Fdeep", "org/name/deep"),
        ("org/name%2Fdeep", "org/name/deep"),
        ("with%20space", "with space"),
        (quote("ünïcode"), "ünïcode"),
        ("100%25", "100%"),
    ],
)
@pytest.mark.parametrize("rest", ["/echo", "/echo?a=1", "/echo?model=other"])
def test_the_longest_name_that_the_path_begins_with(
    home: House, prefix: str, model: str, rest: str
) -> None:
    told = echoed(raw(home, "GET", f"/upstream/{prefix}{rest}"))

    assert told["alias"] == model
    assert told["path"] == rest


@pytest.mark.parametrize(
    "prefix", ["nobody", "plainer", "plai", "org", "org/nobody", "plain%2Fecho", "..", "%2e%2e", ""]
)
def test_what_begins_with_no_name_is_404(home: House, prefix: str) -> None:
    answer = raw(home, "GET", f"/upstream/{prefix}/echo")

    assert answer.status == 404
    assert answer.json()["error"]["code"] == "model_not_found"


# --- the path without its end ---------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["plain", "org/name", "org%2Fname", "with%20space", "cold"])
@pytest.mark.parametrize("query", ["", "?a=b%2Fc&d"])
def test_a_page_is_led_to_its_root(home: House, prefix: str, query: str) -> None:
    answer = raw(home, "GET", f"/upstream/{prefix}{query}")

    assert answer.status == 301
    assert answer.header("location") == f"/upstream/{prefix}/{query}"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_has_a_body_keeps_its_method(home: House, method: str) -> None:
    answer = raw(home, method, "/upstream/plain")

    assert answer.status == 308
    assert answer.header("location") == "/upstream/plain/"


def test_a_redirect_loads_nothing(home: House) -> None:
    raw(home, "GET", "/upstream/cold")

    assert "cold" not in home.running()


# --- what is passed on ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/echo?",
        "/echo?a",
        "/echo?a=b&a=c",
        "/echo?a=%20%2B+&b=%C3%BC",
        "/echo?url=http%3A%2F%2Fx%2Fy",
        "/echo?[]={}|",
        "/echo?" + "x" * 2000,
    ],
)
def test_the_query_is_passed_on_as_it_is(home: House, path: str) -> None:
    told = echoed(raw(home, "GET", f"/upstream/plain{path}"))

    assert told["path"].rstrip("?") == path.rstrip("?")


@pytest.mark.parametrize(
    "path", ["/a%2Fb", "/a%20b", "/%C3%BC", "/a//b", "/a/./b", "/a;b=c", "/~x"]
)
def test_percent_encoding_is_kept(home: House, path: str) -> None:
    answer = raw(home, "GET", f"/upstream/plain{path}")
    seen = home.last_request("plain")

    assert answer.status == 404  # the fake's own
    assert seen["path"] == path


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("body", [b"", b"hello", b"\x00\xff" * 10, b"x" * 100_000])
def test_any_method_and_body(home: House, method: str, body: bytes) -> None:
    told = echoed(raw(home, method, "/upstream/plain/echo", body=body))

    assert told["method"] == method
    assert told["body"] == body.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("header", "passed"),
    [
        ("Accept: text/html", True),
        ("Content-Type: application/x-thing", True),
        ("User-Agent: a-browser", True),
        ("Authorization: Bearer secret", False),
        ("Cookie: session=secret", False),
        ("X-Api-Key: secret", False),
        ("Proxy-Authorization: secret", False),
        ("X-Forwarded-For: 10.0.0.1", False),
    ],
)
def test_better_secrets_and_addresses_stay_here(home: House, header: str, passed: bool) -> None:
    name, _, value = header.partition(": ")
    told = echoed(raw(home, "GET", "/upstream/plain/echo", header))

    assert (told["headers"].get(name.lower()) == value) is passed


@pytest.mark.parametrize("method", ["HEAD", "TRACE"])
def test_better_methods_that_make_no_sense_are_told(home: House, method: str) -> None:
    with home.wire() as wire:
        answer = wire.ask(method, "/upstream/plain/echo").answer(bodiless=method == "HEAD")

    assert answer.status == 400


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/props", "/slots", "/metrics"])
@pytest.mark.parametrize("model", ["plain", "llama-a"])
def test_what_a_server_tells_of_itself(home: House, model: str, path: str) -> None:
    assert raw(home, "GET", f"/upstream/{model}{path}").status == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/completion"])
@pytest.mark.parametrize("stream", [True, False])
def test_inference_works_there_too(home: House, path: str, stream: bool) -> None:
    body = {"prompt": "x", "messages": [{"role": "user", "content": "x"}], "stream": stream}
    answer = home.ask("POST", f"/upstream/llama-a{path}", body)

    assert answer.status == 200
    assert "t7" in answer.text


# --- paths that load nothing ----------------------------------------------------------------------


@pytest.mark.parametrize("asset", ASSETS)
@pytest.mark.parametrize("name", ["cold", "frozen"])
def test_a_pages_assets_load_no_model(home: House, asset: str, name: str) -> None:
    answer = raw(home, "GET", f"/upstream/{name}/{asset}")

    assert answer.status == 409
    assert answer.json()["error"]["code"] == "model_not_ready"
    assert "cold" not in home.running()


@pytest.mark.parametrize("asset", ASSETS)
def test_a_loaded_model_serves_its_assets(home: House, asset: str) -> None:
    assert raw(home, "GET", f"/upstream/plain/{asset}?v=1").status == 404  # the fake's own


def test_a_query_is_no_suffix(home: House) -> None:
    assert echoed(raw(home, "GET", "/upstream/plain/echo?file=a.css"))["path"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/comfyui/ws"),
        ("GET", "/comfyui/api/prompt"),
        ("POST", "/comfyui/prompt"),
        ("GET", "/comfyui/index.html"),
        ("GET", "/comfyui//"),
    ],
)
def test_an_open_page_does_not_load_comfyui(home: House, method: str, path: str) -> None:
    assert raw(home, method, path).status == 409
    assert "comfyui_auto" not in home.running()


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("POST", 308)])
def test_comfyui_is_led_to_its_root(home: House, method: str, status: int) -> None:
    answer = raw(home, method, "/comfyui?x=1")

    assert (answer.status, answer.header("location")) == (status, "/comfyui/?x=1")


# --- profiles -------------------------------------------------------------------------------------


def test_profiles_apply(home: House, profile: None) -> None:
    assert echoed(raw(home, "GET", "/upstream/virtual/echo"))["alias"] == "plain"
    assert raw(home, "GET", "/upstream/blocked/echo").status == 404


def test_without_the_profile_its_names_are_none(home: House) -> None:
    assert raw(home, "GET", "/upstream/virtual/echo").status == 404


# --- loading --------------------------------------------------------------------------------------


def test_a_request_loads_the_model(home: House) -> None:
    told = echoed(raw(home, "GET", "/upstream/cold/echo"))
    home.ask("POST", "/api/models/unload/cold")

    assert told["alias"] == "cold"
    assert "cold" not in home.running()


def test_the_list_of_models_is_json_or_a_page(home: House) -> None:
    told = json.loads(raw(home, "GET", "/upstream").body)
    page = raw(home, "GET", "/upstream", "Accept: text/html").body.decode()

    assert {"plain", "org/name", "llama-a"} <= set(told["models"])
    assert '<a href="/upstream/with%20space/">' in page
