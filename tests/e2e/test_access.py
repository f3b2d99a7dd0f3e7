"""Who may come in: keys, Host and Origin headers, and where secrets must never turn up."""

from __future__ import annotations

import asyncio
import base64
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.fakes.house import House

from paddock.chat.owner_paths import PATHS
from paddock.config.source import Source
from paddock.daemon.compose import composed
from paddock.gateway.routes import Route
from paddock.observe.logs import Logs

KEY = "key-canary-4711-of-the-first-user"
OTHER_KEY = "key-canary-0815-of-the-second-user"
PROMPT = "prompt-canary-do-not-keep-me"
PAGE = "https://chat.example.lan"
PUBLIC = {("GET", path) for path in ("/", "/health", "/v1/health", "/wol-health", "/favicon.ico")}
"""Every endpoint that answers without a key. A new one belongs here only on purpose."""
OWNERS = frozenset(PATHS)
"""Those that want the owner's token instead of a key."""


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"user:{password}".encode()).decode()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A locked daemon with its models loaded."""
    house = lock(House(tmp_path_factory.mktemp("locked")))
    for name in ("llama-a", "other"):
        house.ask("POST", "/api/paddock/load", {"model": name}, bearer(KEY))
    yield house
    house.stop()


def lock(house: House) -> House:
    """Start it with two keys, an allowed web page and allowed names, telling all to its log."""
    house.add("llama-a")
    return house.start(
        house.config(
            apiKeys=[KEY, OTHER_KEY],
            allowedOrigins=[PAGE],
            allowedHosts=["nas.example.lan", "*.home.arpa"],
            logLevel="debug",
            models={"other": {"cmd": house.command()}},
            maxLoadedModels=2,
        )
    )


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        f"Authorization: Bearer {KEY}",
        f"Authorization: bearer {OTHER_KEY}",
        f"authorization:   Bearer   {KEY}  ",
        f"Authorization: {basic(KEY)}",
        f"x-api-key: {KEY}",
        f"X-API-KEY: {OTHER_KEY}",
    ],
)
def test_a_key_opens_the_door_however_it_is_sent(locked: House, header: str) -> None:
    with locked.wire() as wire:
        assert wire.ask("GET", "/v1/models", header).answer().status == 200


@pytest.mark.parametrize(
    "header",
    [
        "X-Nothing: 1",
        "Authorization: Bearer wrong",
        "Authorization: Bearer ",
        f"Authorization: Bearer {KEY[:-1]}",
        f"Authorization: Bearer {KEY}x",
        f"Authorization: Bearer {KEY.upper()}",
        f"Authorization: {KEY}",
        f"Authorization: Token {KEY}",
        f"Authorization: Basic {KEY}",
        f"Authorization: {basic('wrong')}",
        "Authorization: Bearer ' OR 1=1--",
        f"Authorization: Bearer {'x' * 5000}",
        f"x-api-key: {'x' * 5000}",
        "x-api-key: schlüssel",
        f"Cookie: key={KEY}",
        f"X-Forwarded-Authorization: Bearer {KEY}",
        "X-Forwarded-For: 127.0.0.1",
        "X-Original-URL: /health",
    ],
)
def test_no_key_or_a_wrong_one_is_refused(locked: House, header: str) -> None:
    with locked.wire() as wire:
        answer = wire.ask("GET", "/v1/models", header).answer()

    assert answer.status == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert answer.header("www-authenticate") == 'Bearer, Basic realm="Paddock"'


@pytest.mark.parametrize("path", ["/v1/models?key=", "/v1/models?api_key=", "/running?token="])
def test_a_key_in_the_query_opens_nothing(locked: House, path: str) -> None:
    assert locked.ask("GET", path + KEY).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        (f"Authorization: Bearer {KEY}", "x-api-key: wrong"),
        (f"Authorization: Bearer {KEY}", f"x-api-key: {OTHER_KEY}"),
        (f"x-api-key: {KEY}", "x-api-key: wrong"),
        (f"Authorization: Bearer {KEY}", f"Authorization: {basic(OTHER_KEY)}"),
    ],
)
def test_two_different_keys_are_refused(locked: House, headers: tuple[str, str]) -> None:
    with locked.wire() as wire:
        answer = wire.ask("GET", "/v1/models", *headers).answer()

    assert answer.status == 400


def test_the_same_key_twice_is_one_key(locked: House) -> None:
    with locked.wire() as wire:
        wire.ask("GET", "/v1/models", f"Authorization: Bearer {KEY}", f"x-api-key: {KEY}")
        assert wire.answer().status == 200


def test_a_key_of_a_megabyte_is_too_large(locked: House) -> None:
    with locked.wire() as wire:
        wire.ask("GET", "/v1/models", f"x-api-key: {'x' * (1 << 20)}")
        assert wire.answer().status == 431


def test_anthropics_endpoint_refuses_in_its_own_shape(locked: House) -> None:
    answer = locked.ask("POST", "/v1/messages", {"model": "llama-a"})

    assert answer.status == 401
    assert answer.json()["error"]["type"] == "authentication_error"


def test_a_websocket_needs_a_key_too(locked: House) -> None:
    handshake = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: x")
    with locked.wire() as wire:
        assert wire.ask("GET", "/upstream/llama-a/ws", *handshake).answer().status == 401


# --- the route table ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Route, ...]:
    """The routes of a daemon as it is composed."""
    folder = tmp_path_factory.mktemp("routes")
    (folder / "models").mkdir()
    config = folder / "paddock.yaml"
    config.write_text("modelsDir: models\nstateDir: state\nlisten: {openai: {port: 0}}\n")

    async def table() -> tuple[Route, ...]:
        source = Source(config, {})
        async with composed(source.load(), source, Logs()) as daemon:
            return daemon.routes["openai"].routes

    return asyncio.run(table())


def test_only_the_listed_endpoints_are_public(routes: tuple[Route, ...]) -> None:
    public = {(route.method, route.path) for route in routes if route.public}
    assert public == PUBLIC | {("*", path) for path in OWNERS}


def test_every_other_endpoint_asks_for_a_key(locked: House, routes: tuple[Route, ...]) -> None:
    answers = {}
    for route in (route for route in routes if route.path not in OWNERS):
        methods = ("GET", "POST", "PUT", "DELETE") if route.method == "*" else (route.method,)
        path = route.path.replace("*", "llama-a")
        for method in methods:
            for key in ({}, bearer("wrong")):
                answer = locked.ask(method, path, None, key)
                answers[method, path, *key.values()] = answer.status

    refused = {asked for asked, status in answers.items() if status == 401}
    assert {asked[:2] for asked in answers.keys() - refused} == PUBLIC
    assert len(refused) > 80


def test_no_spelling_of_a_path_gets_around_the_key(
    locked: House, routes: tuple[Route, ...]
) -> None:
    spellings = ("/{}", "/%2e/{}", "/health/../{}", "/health/..%2f{}", "/{};x", "/{}/", "/{}%00")
    for route in routes:
        path = route.path.strip("/").replace("*", "llama-a")
        for spelling in spellings:
            with locked.wire() as wire:
                answer = wire.ask("GET", spelling.format(path)).answer()
            if ("GET", f"/{path}") not in PUBLIC and route.path not in OWNERS:
                assert answer.status in {401, 404, 405}, (spelling, path)


# --- the Host header ------------------------------------------------------------------------------

OURS = [
    "localhost",
    "LOCALHOST:8090",
    "localhost.",
    "127.0.0.1",
    "127.0.0.2:1",
    "[::1]",
    "[::1]:8090",
    "[::ffff:127.0.0.1]",
    socket.gethostname(),
    f"{socket.gethostname().partition('.')[0]}.local",
    f"{socket.gethostname().partition('.')[0]}.tail1234.ts.net",
    "nas.example.lan:80",
    "a.b.home.arpa",
]

NOT_OURS = [
    ("evil.example", 403),
    ("localhost.evil.example", 403),
    ("127.0.0.1.nip.io", 403),
    ("evil.tail1234.ts.net", 403),
    ("home.arpa.evil.example", 403),
    ("example.lan", 403),
    ("10.255.255.254", 403),
    ("0.0.0.0", 403),
    ("[::]", 403),
    ("", 400),
    ("a/health?", 400),
    ("localhost/health", 400),
    ("user@localhost", 400),
    ("localhost:99999", 400),
    ("localhost:", 400),
    ("localhost localhost", 400),
    ("localhost\t", 200),
    ("[::1", 400),
    ("[evil]", 400),
    ("löcalhost", 400),
]


@pytest.mark.parametrize("host", OURS)
def test_a_name_of_this_machine_is_served(locked: House, host: str) -> None:
    with locked.wire() as wire:
        assert wire.ask("GET", "/health", host=host).answer().status == 200


@pytest.mark.parametrize(("host", "status"), NOT_OURS)
@pytest.mark.parametrize("path", ["/health", "/v1/models", "/nothing"])
def test_another_name_is_refused_even_with_a_key(
    locked: House, host: str, status: int, path: str
) -> None:
    expected = {"/v1/models": 200, "/nothing": 404}.get(path, 200) if status == 200 else status
    with locked.wire() as wire:
        answer = wire.ask("GET", path, f"Authorization: Bearer {KEY}", host=host).answer()

    assert answer.status == expected


def test_a_refused_name_says_how_to_allow_it(locked: House) -> None:
    with locked.wire() as wire:
        answer = wire.ask("GET", "/health", host="evil.example").answer()

    assert answer.json()["error"]["code"] == "forbidden"
    assert "allowedHosts" in answer.json()["error"]["hint"]


def test_a_door_on_every_address_checks_names_too(house: House) -> None:
    house.start(house.config(listen={"openai": {"host": "0.0.0.0", "port": 0, "auth": "none"}}))

    with house.wire() as wire:
        assert wire.ask("GET", "/v1/models", host="evil.example").answer().status == 403
        assert wire.ask("GET", "/v1/models", host="127.0.0.1").answer().status == 200


# --- web pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost:1",
        f"{PAGE}.evil.example",
        PAGE.replace("https", "http"),
        "file://",
        "app://x",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_page_that_may_not_call_is_refused(locked: House, origin: str, method: str) -> None:
    with locked.wire() as wire:
        asked = wire.ask(method, "/v1/models", f"Authorization: Bearer {KEY}", f"Origin: {origin}")
        answer = asked.answer()

    assert answer.status == 403
    assert not cors_of(answer.headers)


def cors_of(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return {name: value for name, value in headers if name.startswith("access-control-")}


def test_a_page_of_the_door_itself_may_call(locked: House) -> None:
    authority = locked.url.removeprefix("http://")
    with locked.wire() as wire:
        wire.ask(
            "GET",
            "/v1/models",
            f"Authorization: Bearer {KEY}",
            f"Origin: http://{authority}",
            host=authority,
        )
        assert wire.answer().status == 200


CALLS: list[tuple[str, str, bytes, int]] = [
    ("GET", "/v1/models", b"", 200),
    ("GET", "/health", b"", 200),
    ("POST", "/v1/chat/completions", b'{"model":"llama-a","messages":[],"stream":true}', 200),
    ("POST", "/v1/chat/completions", b'{"model":"llama-a","messages":[]}', 200),
    ("POST", "/v1/chat/completions", b'{"model":"nobody"}', 404),
    ("POST", "/v1/chat/completions", b"{", 400),
    ("GET", "/nothing", b"", 404),
    ("GET", "/upstream/llama-a/v1/models", b"", 200),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), CALLS)
def test_an_allowed_page_may_read_answers_streams_and_errors(
    locked: House, method: str, path: str, body: bytes, status: int
) -> None:
    with locked.wire() as wire:
        wire.ask(method, path, f"Authorization: Bearer {KEY}", f"Origin: {PAGE}", body=body)
        answer = wire.answer()

    assert answer.status == status
    assert cors_of(answer.headers) == {"access-control-allow-origin": PAGE}
    assert answer.header("vary") == "Origin"


def test_an_allowed_page_may_read_that_its_key_is_missing(locked: House) -> None:
    with locked.wire() as wire:
        answer = wire.ask("GET", "/v1/models", f"Origin: {PAGE}").answer()

    assert answer.status == 401
    assert answer.header("access-control-allow-origin") == PAGE


def test_the_preflight_of_an_allowed_page_needs_no_key(locked: House) -> None:
    with locked.wire() as wire:
        wire.ask(
            "OPTIONS",
            "/v1/chat/completions",
            f"Origin: {PAGE}",
            "Access-Control-Request-Method: POST",
            "Access-Control-Request-Headers: authorization, content-type",
        )
        answer = wire.answer()

    assert answer.status == 204
    assert answer.header("access-control-allow-origin") == PAGE
    assert answer.header("access-control-allow-headers") == "authorization, content-type"
    assert "POST" in answer.header("access-control-allow-methods")
    assert "access-control-allow-credentials" not in dict(answer.headers)


def test_who_is_no_page_gets_no_cors_headers(locked: House) -> None:
    with locked.wire() as wire:
        answer = wire.ask("GET", "/health").answer()

    assert not cors_of(answer.headers)


# --- starting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "nas.example.lan"])
def test_a_door_for_others_without_keys_does_not_open(house: House, host: str) -> None:
    config = house.folder / "open.yaml"
    config.write_text(f"stateDir: state\nlisten:\n  openai:\n    host: '{host}'\n    port: 0\n")

    ended = subprocess.run(
        [sys.executable, "-m", "paddock", "serve", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "open.yaml:4" in ended.stderr
    assert "apiKeys" in ended.stderr
    assert "auth: none" in ended.stderr
    assert "Traceback" not in ended.stderr


# --- secrets --------------------------------------------------------------------------------------


def test_a_child_sees_its_own_key_and_none_of_the_clients_headers(locked: House) -> None:
    secret = {
        **bearer(KEY),
        "Cookie": "session=cookie-canary",
        "X-Forwarded-For": "192.0.2.7",
        "Tailscale-User-Login": "who@example",
        "User-Agent": "a-client/1",
    }
    for name in ("llama-a", "other"):
        locked.ask("GET", f"/upstream/{name}/v1/models", None, secret)
        locked.ask("POST", "/v1/embeddings", {"model": name, "input": "x"}, secret)
        state = locked.ask("GET", f"/upstream/{name}/fake/state", None, bearer(KEY)).json()

        assert KEY not in str(state)
        assert "cookie-canary" not in str(state)
        assert "192.0.2.7" not in str(state["requests"])
        assert "who@example" not in str(state["requests"])
        own = state["env"].get("LLAMA_API_KEY")
        assert (own is not None) is (name == "llama-a")  # other programs would not know what it is
        assert own is None or own not in str(state["argv"])


def test_no_secret_turns_up_where_it_may_be_read(house: House, routes: tuple[Route, ...]) -> None:
    locked = lock(house)
    ask_everything(locked, routes)

    places = {
        "stderr": locked.said,
        "/logs": locked.ask("GET", "/logs", None, bearer(KEY)).text,
        "/logs/llama-a": locked.ask("GET", "/logs/llama-a", None, bearer(KEY)).text,
        "/api/paddock/instances": locked.ask(
            "GET", "/api/paddock/instances", None, bearer(KEY)
        ).text,
        **{str(path): path.read_text("utf-8", "replace") for path in files(locked.state)},
        **command_lines(locked),
    }
    assert len(places) > 6
    for canary in (KEY, OTHER_KEY, PROMPT, "wrong-canary"):
        assert [name for name, text in places.items() if canary in text] == []


PULLING = {"/api/pull", "/api/paddock/pulls", "/models"}
"""The log names what is brought in, on purpose."""


def names_prompt(body: Any) -> bool:
    return isinstance(body, dict) and body["model"] == PROMPT


def ask_everything(locked: House, routes: tuple[Route, ...]) -> None:
    """Every endpoint with the key and the prompt: rightly, wrongly, and with a dying child."""
    spoken = {"model": "llama-a", "messages": [{"role": "user", "content": PROMPT}]}
    bodies: list[Any] = [
        {**spoken, "prompt": PROMPT, "input": PROMPT, "content": PROMPT},
        {**spoken, "prompt": PROMPT, "input": PROMPT, "stream": True},
        {**spoken, "prompt": PROMPT, "input": PROMPT, "fake": {"status": 500}},
        {"model": PROMPT, "messages": spoken["messages"]},
        f'{{"broken": "{PROMPT}"'.encode(),
        {**spoken, "grammar": PROMPT + "(" * 1000},
    ]
    streams = {"/models/sse", "/api/events", "/logs/stream", "/logs/stream/*"}
    endless = {*streams, "/unload", "/api/models/unload"}
    for route in routes:
        path = route.path.replace("*", "llama-a")
        if route.method == "GET" and route.path not in endless:
            locked.ask("GET", f"{path}?key={KEY}", None, bearer(KEY))
            locked.ask("GET", path, None, bearer("wrong-canary"))
        asked = [body for body in bodies if not (route.path in PULLING and names_prompt(body))]
        for body in asked if route.method == "POST" and route.path not in endless else ():
            locked.ask("POST", path, body, {"x-api-key": OTHER_KEY})
            locked.ask("POST", path, body, {"x-api-key": "wrong-canary"})
    dying = {**spoken, "stream": True, "fake": {"crash_after": 2}}
    locked.ask("POST", "/v1/chat/completions", dying, bearer(KEY))
    with locked.wire() as wire:
        wire.ask("GET", "/v1/models", f"Authorization: Bearer {KEY}\x01").answer()
    with locked.wire() as wire:
        wire.send(f"POST /v1/models HTTP/1.1\r\nAuthorization Bearer {KEY}\r\n\r\n").answer()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def command_lines(house: House) -> dict[str, str]:
    processes = [psutil.Process(house.pid), *psutil.Process(house.pid).children(recursive=True)]
    return {f"process {one.pid}": " ".join(one.cmdline()) for one in processes}


def test_no_client_named_in_the_queue_is_a_key(house: House) -> None:
    gate = house.folder / "gate"
    house.add("llama-a")
    house.start(
        house.config(apiKeys=[KEY], models={"llama-a": {"args": f"--fake load_gate={gate}"}})
    )
    asked = b'{"model":"llama-a","content":"x"}'
    with house.wire() as wire:
        wire.ask("POST", "/tokenize", f"x-api-key: {KEY}", body=asked)
        queue = house.until(lambda: waiting(house), "the request waits")
        gate.touch()

        assert wire.answer().status == 200
    assert [one["client"][:4] for one in queue] == ["key:"]
    assert KEY not in str(queue)


def waiting(house: House) -> Any:
    return house.ask("GET", "/api/paddock/instances", None, bearer(KEY)).json()["queue"]
