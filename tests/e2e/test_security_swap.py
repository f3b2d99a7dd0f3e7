"""Attacks on what came with llama-swap's endpoints: by clients, by web pages and by peers.

The daemon is the one of every table here. After each attack it must still answer at once, and what
it keeps of the attack must be as small and as harmless as what it keeps of anything else.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import psutil
import pytest
from tests.fakes.hostile_peer import HostilePeer, answer, hostile_peer
from tests.fakes.house import House
from tests.fakes.wire import WireAnswer

KEY = "door-key-4711"
PEER_KEY = "peer-key-canary"
SECRET = "environment-canary"
WRITTEN = "command-canary"
TYPED = "header-canary"
CANARIES = (KEY, PEER_KEY, SECRET, WRITTEN, TYPED)
GROWTH = 128 << 20
"""Bytes by which no attack may make the daemon grow."""

BROWSER_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "*",
    "Alt-Svc": 'h3=":443"',
    "Clear-Site-Data": '"*"',
    "Location": "http://evil.example/",
    "NEL": "{}",
    "Refresh": "0; url=http://evil.example/",
    "Report-To": "{}",
    "Service-Worker-Allowed": "/",
    "Set-Cookie": "session=evil; Path=/",
    "Strict-Transport-Security": "max-age=99999999",
    "WWW-Authenticate": 'Basic realm="tell me"',
    "X-Accel-Redirect": "/private",
    "X-Paddock-Via": "x",
    "X-Request-Id": "theirs",
    "X-Sendfile": "/etc/passwd",
}
"""What must not get from a peer to a browser."""

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\n{}\r\n"
)
HALF = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
REPLIES = {
    "headers": [answer(b"{}", *(f"{k}: {v}" for k, v in BROWSER_HEADERS.items()))],
    "redirect": [answer(b"{}", "Location: http://127.0.0.1:1/", status="307 Temporary Redirect")],
    "both-lengths": [HALF + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    "two-lengths": [HALF + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"],
    "bare-lf": [HALF + b"X-A: b\nX-Injected: 1\r\nContent-Length: 2\r\n\r\n{}"],
    "bare-cr": [HALF + b"X-A: b\rX-Injected: 1\r\nContent-Length: 2\r\n\r\n{}"],
    "folded": [HALF + b"X-A: b\r\n X-Injected: 1\r\nContent-Length: 2\r\n\r\n{}"],
    "no-status": [b"HTTP/1.1 007 Odd\r\nContent-Length: 2\r\n\r\n{}"],
    "switch": [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\n\r\n"],
    "second-answer": [answer(b"{}") + answer(b'{"for": "somebody else"}')],
    "surrogate": [answer(b'{"error": {"message": "\\ud800 bad"}}', status="500 X")],
    "deep-error": [answer(b'{"error": ' + b"[" * 20000 + b"]" * 20000 + b"}", status="500 X")],
    "deep-usage": [answer(b'{"usage": {"a": ' + b"[" * 9000 + b"]" * 9000 + b"}}")],
    "wild-usage": [answer(b'{"usage": {"prompt_tokens": 1e999, "completion_tokens": -5}}')],
    "packed": [answer(b"\x1f\x8b\x08\x00junk", "Content-Encoding: gzip")],
    "endless-tail": chain([CHUNKED + b"0\r\n"], repeat(b"X: " + b"y" * 60000 + b"\r\n", 4000)),
    "endless-line": chain([CHUNKED + b"0\r\nX: "], repeat(b"y" * 60000, 4000)),
    "endless-chunk": chain([CHUNKED + b"2;"], repeat(b"y" * 60000, 4000)),
    "endless-head": repeat(b"HTTP/1.1 103 Early Hints\r\nX: " + b"y" * 60000 + b"\r\n\r\n", 2000),
}
LISTED: list[dict[str, Any]] = [
    {"id": "escape\x1b[31m"},
    {"id": "line\nbreak"},
    {"id": "x" * 5000},
    {"id": ""},
    {"id": 7},
    {"id": "number", "context_length": 10**400, "status": {"value": []}},
    {"id": "truth", "context_length": True, "status": "odd"},
]


@pytest.fixture(scope="module")
def peer() -> Iterator[HostilePeer]:
    with hostile_peer(REPLIES, LISTED) as peer:
        yield peer


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, peer: HostilePeer) -> Iterator[House]:
    """A door with a key; a hostile peer, and one that is not there."""
    house = House(tmp_path_factory.mktemp("home"))
    house.add("llama-a")
    house.start(
        house.config(
            apiKeys=[KEY],
            maxLoadedModels=4,
            defaultTtl=0,
            drainTimeout=2,
            stallTimeout=1,
            upstream={"ignorePaths": [r"(.*)\.js$"]},
            models={
                "locked": {"cmd": house.command("--api-key", WRITTEN)},
                "other": {
                    "cmd": house.command("--api-key", "${env.OTHER_SECRET}"),
                    "env": ["MY_SECRET=${env.OTHER_SECRET}"],
                    "description": "d" * 100_000,
                },
            },
            profiles={"one": {"pins": {}}, "two": {"pins": {}}},
            peers={
                "bad": {"proxy": peer.url, "apiKey": PEER_KEY},
                "gone": {"proxy": "http://127.0.0.1:9"},
            },
        ),
        OTHER_SECRET=SECRET,
    )
    for model in ("llama-a", "other", "locked"):
        loaded = ask(house, "POST", "/api/paddock/load", {"model": model})
        assert loaded.status == 200, loaded.body
    house.until(lambda: "headers" in peers(house)["bad"]["models"], "the peer has told")
    yield house
    house.stop()


@pytest.fixture(autouse=True)
def unharmed(home: House) -> Iterator[None]:
    """No attack makes the daemon grow, fail inside, or keep others waiting afterwards."""
    process = psutil.Process(home.pid)
    before = process.memory_info().rss
    yield
    assert ask(home, "GET", "/v1/models").status == 200
    assert ask(home, "GET", "/api/metrics/activity").status == 200
    assert process.memory_info().rss - before < GROWTH
    assert "Traceback" not in home.said


def ask(home: House, method: str, path: str, body: Any = None, *headers: str) -> WireAnswer:
    """One request with the key, as it stands."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    with home.wire() as wire:
        wire.ask(method, path, f"Authorization: Bearer {KEY}", *headers, body=data)
        return wire.answer()


def chat(home: House, model: str, *headers: str) -> WireAnswer:
    asked = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    return ask(home, "POST", "/v1/chat/completions", asked, *headers)


def peers(home: House) -> Any:
    return {one["id"]: one for one in ask(home, "GET", "/api/paddock/peers").json()["peers"]}


def newest(home: House) -> Any:
    return ask(home, "GET", "/api/metrics/activity?limit=1").json()["data"][0]


# --- peers ---------------------------------------------------------------------------------------


def test_a_peer_tells_the_clients_browser_nothing(home: House) -> None:
    told = chat(home, "bad/headers")

    names = [name for name, _ in told.headers]
    assert told.status == 200
    assert told.header("x-request-id") != "theirs"
    assert set(names) & ({name.lower() for name in BROWSER_HEADERS} - {"x-request-id"}) == set()


def test_a_peers_redirect_leads_nobody_anywhere(home: House) -> None:
    told = chat(home, "bad/redirect")

    assert told.status == 307
    assert told.header("location") == ""


@pytest.mark.parametrize(
    "name",
    [
        "both-lengths",
        "two-lengths",
        "bare-lf",
        "bare-cr",
        "folded",
        "switch",
        "no-status",
        "endless-head",
    ],
)
def test_an_answer_that_can_be_read_in_two_ways_is_not_passed_on(home: House, name: str) -> None:
    told = chat(home, f"bad/{name}")

    assert told.status == 502
    assert told.json()["error"]["code"] == "peer_lost"
    assert told.header("x-injected") == ""


@pytest.mark.parametrize("name", ["endless-tail", "endless-line", "endless-chunk"])
def test_an_answer_without_end_is_cut_off(home: House, name: str) -> None:
    assert not chat(home, f"bad/{name}").whole


def test_a_second_answer_is_nobodys(home: House) -> None:
    told = [chat(home, name).body for name in ("bad/second-answer", "bad/headers") * 3]

    assert set(told) == {b"{}"}


@pytest.mark.parametrize(
    "name", ["surrogate", "deep-error", "deep-usage", "wild-usage", "packed", "second-answer"]
)
def test_an_odd_answer_gets_its_row(home: House, name: str) -> None:
    chat(home, f"bad/{name}", "X-Session-ID: odd")

    row = newest(home)
    assert row["model"] == f"bad/{name}"
    assert row["tokens"]["input_tokens"] == 0
    assert len(row.get("error_msg", "")) <= 500


def test_a_peers_list_of_models_is_taken_with_measure(home: House) -> None:
    names = peers(home)["bad"]["models"]
    numbers = {
        one["id"]: one.get("context_length", 0)
        for one in ask(home, "GET", "/v1/models").json()["data"]
    }

    assert set(names) == {*REPLIES, "number", "truth"}
    assert numbers["bad/number"] == numbers["bad/truth"] == 0


def test_a_peer_is_given_its_own_key_and_no_other(home: House, peer: HostilePeer) -> None:
    chat(home, "bad/wild-usage", f"Cookie: {TYPED}", f"X-Forwarded-For: {TYPED}")

    heads = b"\n".join(peer.seen)
    assert heads.count(b"Bearer " + PEER_KEY.encode()) == len(peer.seen)
    for foreign in (KEY, TYPED, SECRET):
        assert foreign.encode() not in heads


@pytest.mark.parametrize("via", ["\xe2\x82\xac", "", "a b", "a,,b", "x" * 65, "<script>", "a=1;b"])
def test_a_malformed_via_goes_nowhere(home: House, peer: HostilePeer, via: str) -> None:
    seen = len(peer.seen)

    told = chat(home, "bad/headers", f"X-Paddock-Via: {via}")

    assert told.status == 400
    assert not any(b"chat/completions" in head for head in peer.seen[seen:])


@pytest.mark.parametrize("model", ["x" * 257, "a\r\nX-Injected: 1", "\x1b[31m", " \t\0", ""])
def test_a_name_that_no_peer_can_have_is_unknown(home: House, model: str) -> None:
    assert chat(home, f"gone/{model}").status == 404


# --- web pages -----------------------------------------------------------------------------------

PAGES = {
    "an origin": ("Origin: http://evil.example",),
    "a sandbox": ("Origin: null",),
    "a picture": ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"),
    "a frame": (
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Dest: iframe",
    ),
    "another port": ("Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"),
}
CHANGING = [
    ("GET", "/unload"),
    ("GET", "/upstream/other/"),
    ("POST", "/api/models/unload"),
    ("POST", "/api/models/unload/other"),
    ("POST", "/api/paddock/reload"),
    ("POST", "/api/inflight/1/cancel"),
    ("PUT", "/api/profiles/active"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/api/config"),
    ("GET", "/api/events"),
    ("GET", "/api/captures/1"),
]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("method", "path"), CHANGING)
def test_a_foreign_page_changes_and_reads_nothing(
    home: House, method: str, path: str, page: str
) -> None:
    body = b'{"model":"other","name":"one"}' if method != "GET" else None

    told = ask(home, method, path, body, "Content-Type: text/plain", *PAGES[page])

    assert told.status == 403
    assert "access-control-allow-origin" not in dict(told.headers)
    running = ask(home, "GET", "/running").json()["running"]
    assert {one["model"] for one in running} == {"llama-a", "other", "locked"}


def test_a_link_on_a_page_may_be_followed_but_unloads_nothing(home: House) -> None:
    link = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")

    assert ask(home, "GET", "/", None, *link).status == 200
    assert ask(home, "GET", "/unload", None, *link).status == 403


# --- what is kept and shown ----------------------------------------------------------------------

SHOWN = [
    "/api/config",
    "/api/metrics/activity",
    "/api/inflight",
    "/api/paddock/instances",
    "/api/paddock/status",
    "/api/paddock/peers",
    "/api/queue",
    "/metrics",
    "/running",
    "/v1/models",
    "/logs",
    "/logs/proxy",
]


def test_no_secret_is_shown(home: House) -> None:
    typed = [
        f"Cookie: session={TYPED}",
        f"Proxy-Authorization: Basic {TYPED}",
        f"X-Unrelated: {TYPED}",
    ]
    for path in ("/v1/chat/completions", "/v1/embeddings", "/nowhere", "/upstream/other/x"):
        asked = {"model": "llama-a", "input": "x", "messages": []}
        ask(home, "POST", f"{path}?key={TYPED}&api_key={TYPED}", asked, *typed)
    for path in SHOWN:
        text = ask(home, "GET", path).body.decode()
        found = [one for one in CANARIES if one in text]
        assert (path, found) == (path, [])
    assert not any(one in home.said for one in CANARIES)


def test_a_capture_has_no_keys_and_no_cookies(home: House) -> None:
    names = ("Cookie", "Proxy-Authorization", "api-key", "X-Goog-Api-Key", "X-Auth-Token")
    chat(home, "llama-a", *(f"{name}: {TYPED}" for name in names))

    capture = ask(home, "GET", f"/api/captures/{newest(home)['id']}")

    assert capture.status == 200
    assert not any(one.encode() in capture.body for one in CANARIES)


@pytest.mark.parametrize("session", ["\xff\xfe", "\xed\xa0\x80", "s" * 9000, "'; DROP TABLE x; --"])
def test_an_odd_session_is_a_row_like_others(home: House, session: str) -> None:
    chat(home, "llama-a", f"X-Session-ID: {session}")

    row = newest(home)
    assert row["model"] == "llama-a"
    assert len(row["session_id"]) <= 200


@pytest.mark.parametrize(
    "query",
    [
        "sort=id;DROP",
        "sort=metadata",
        "sort=%27",
        "order=desc--",
        "limit=0",
        "limit=1000",
        "limit=-1",
        "limit=%D9%A3",
        "page=0",
        "page=99999999999999999999",
        "min_id=9007199254740992",
        "max_id=1e3",
        "start=now",
        "start=2026-01-01",
    ],
)
def test_an_odd_question_is_refused(home: House, query: str) -> None:
    assert ask(home, "GET", f"/api/metrics/activity?{query}").status == 400


@pytest.mark.parametrize(
    "query",
    [
        "model=%27%20OR%201%3D1--",
        "model=%ff",
        "model=%00",
        "model=%ed%a0%80",
        "page=2147483648&limit=999",
        "start=9999-12-31T23:59:59-14:00",
        "&".join(f"model=a{n}" for n in range(2000)),
    ],
)
def test_an_odd_model_has_no_rows(home: House, query: str) -> None:
    assert ask(home, "GET", f"/api/metrics/activity?{query}").json()["data"] == []


def test_unknown_names_leave_nothing_behind(home: House) -> None:
    metrics = ask(home, "GET", "/metrics").body
    for number in range(200):
        assert chat(home, f"no-{number}-{'x' * number}").status == 404
    assert chat(home, "q" * 8_000_000).status == 404

    assert b"no-1-x" not in ask(home, "GET", "/metrics").body
    assert ask(home, "GET", "/metrics").body.count(b"model=") == metrics.count(b"model=")


def test_a_known_name_in_a_megabyte_of_blanks_is_not_remembered(home: House) -> None:
    for number in range(150):
        asked = {"model": "llama-a" + " " * 1_000_000 + "\t" * number, "input": "x"}
        assert ask(home, "POST", "/v1/embeddings", asked).status == 200


@pytest.mark.parametrize(
    "path",
    ["/%0aERROR%20forged", "/logs/%1b%5d0;x%07", "/v1/models/%0a%1b%5b31m", "/api/captures/%0a"],
)
def test_a_path_writes_no_line_and_no_escape(home: House, path: str) -> None:
    told = ask(home, "GET", path)

    assert told.status in {400, 404}
    assert b"\x1b" not in told.body
    assert "forged" not in home.said
    assert "\x1b" not in home.said


# --- time ----------------------------------------------------------------------------------------


def form(head: bytes) -> bytes:
    return b"--b\r\n" + head + b"\r\n\r\nllama-a\r\n--b--\r\n"


MULTIPART = "Content-Type: multipart/form-data; boundary=b"
URLENCODED = "Content-Type: application/x-www-form-urlencoded"
DISPOSITION = b"Content-Disposition: form-data; "

HEAVY = {
    "a head of 20 MB": (MULTIPART, form(DISPOSITION + b'x="' + b"a" * 20_000_000 + b'"')),
    "escapes": (MULTIPART, form(DISPOSITION + b'x="' + b"\\a" * 10_000_000)),
    "parameters": (MULTIPART, form(DISPOSITION + b"; a=" * 5_000_000)),
    "lines": (MULTIPART, form(b"Content-Dispositio: x\r\n" * 1_000_000)),
    "parts": (MULTIPART, (b"--b\r\n" + DISPOSITION + b'name="a"\r\n\r\nx\r\n') * 200_000),
    "percents": (URLENCODED, b"x=" + b"%41" * 10_000_000 + b"&model=llama-a"),
    "fields": (URLENCODED, b"a&" * 10_000_000 + b"model=llama-a"),
}


@pytest.mark.parametrize("name", HEAVY)
def test_a_heavy_form_is_refused_while_others_are_served(home: House, name: str) -> None:
    content_type, body = HEAVY[name]
    with home.wire() as wire:
        wire.ask(
            "POST",
            "/v1/images/edits",
            f"Authorization: Bearer {KEY}",
            content_type,
            body=body,
        )
        began = time.monotonic()
        assert ask(home, "GET", "/health").status == 200
        assert time.monotonic() - began < 10  # unbounded, these took half a minute
        assert wire.answer().status in {400, 413}


def test_an_owners_expression_meets_no_path_without_measure(home: House) -> None:
    began = time.monotonic()
    ask(home, "GET", "/upstream/other/" + "a" * 28_000)

    assert time.monotonic() - began < 6  # 8 s and more, and nobody else served


def test_a_reader_of_events_that_stopped_reading_is_dropped(home: House) -> None:
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = home.url.removeprefix("http://").split(":")
        reader.connect((host, int(port)))
        own = reader.getsockname()[1]
        reader.sendall(
            f"GET /api/events HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\n\r\n".encode()
        )
        home.until(lambda: is_connected(home, own), "the reader has come")

        def dropped() -> bool:
            for name in ("one", "two"):  # each is told with 100 KB of description
                ask(home, "PUT", "/api/profiles/active", {"name": name})
            return not is_connected(home, own)

        home.until(dropped, "the reader is dropped")


def is_connected(home: House, port: int) -> bool:
    return any(
        one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
        for one in psutil.Process(home.pid).net_connections()
    )
