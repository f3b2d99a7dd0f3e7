"""Clients as they are in life: they read slowly, stop reading, and leave without a word.

A `Caller` is one request on a socket of its own; a `Crowd` is all the callers of a test. `DIALECTS`
are the APIs that stream: how to ask each, how its streams end well, and how they end in an error.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPResponse, IncompleteRead
from typing import Any
from urllib.parse import urlsplit

import psutil
from tests.fakes.house import PATIENCE, House

Json = dict[str, Any]


# --- what is asked, in each dialect --------------------------------------------------------------


@dataclass(frozen=True)
class Dialect:
    """One API that streams."""

    path: str
    body: Callable[[str], Json]
    """The request's own fields for a text."""
    ending: bytes
    """What ends a stream of it well, and is in no other event."""
    error_event: str = ""
    """The name of the event that ends a broken stream; else it has none."""
    content_type: str = "text/event-stream"

    def error(self, body: bytes | bytearray) -> Json:
        """The error that ends a broken stream. Fails when it does not end in one, or also well."""
        assert self.ending not in body, body[-400:]
        broken = events(body)
        assert broken, "an empty stream"
        name, data = broken[-1]
        assert name == self.error_event, body[-400:]
        error = json.loads(data)["error"]
        assert isinstance(error, dict)
        assert error["message"]
        assert sum('"error"' in text for _, text in broken) == 1, body[-400:]
        return error


class LinesDialect(Dialect):
    """Ollama's: a line for each piece, and a last one that is an error or the end."""

    def error(self, body: bytes | bytearray) -> Json:
        assert self.ending not in body, body[-400:]
        assert body.endswith(b"\n"), body[-400:]
        lines = [json.loads(line) for line in body.splitlines()]  # none of them is blank
        broken = [line for line in lines if "error" in line]
        assert broken == lines[-1:], body[-400:]
        assert isinstance(broken[0]["error"], str)
        assert broken[0]["error"]
        return {"message": broken[0]["error"]}


def _chat(text: str) -> Json:
    return {"messages": [{"role": "user", "content": text}]}


DIALECTS = {
    "chat": Dialect("/v1/chat/completions", _chat, b"data: [DONE]"),
    "completions": Dialect("/v1/completions", lambda text: {"prompt": text}, b"data: [DONE]"),
    "native": Dialect("/completion", lambda text: {"prompt": text}, b'"stop":true'),
    "responses": Dialect(
        "/v1/responses", lambda text: {"input": text}, b"response.completed", "error"
    ),
    "messages": Dialect(
        "/v1/messages",
        lambda text: {**_chat(text), "max_tokens": 1 << 20},
        b"message_stop",
        "error",
    ),
    "ollama-chat": LinesDialect(
        "/api/chat", _chat, b'"done":true', content_type="application/x-ndjson"
    ),
    "ollama-generate": LinesDialect(
        "/api/generate",
        lambda text: {"prompt": text},
        b'"done":true',
        content_type="application/x-ndjson",
    ),
}

BLANK_LINE = re.compile(rb"\r?\n\r?\n")


def events(body: bytes | bytearray) -> list[tuple[str, str]]:
    """Name and data of each event of a stream. Comments are left out."""
    found = []
    for block in BLANK_LINE.split(body):
        fields = dict.fromkeys(("event", "data"), "")
        for line in block.decode().splitlines():
            name, _, value = line.partition(":")
            if name in fields:
                fields[name] += value.removeprefix(" ")
        if fields["data"]:
            found.append((fields["event"], fields["data"]))
    return found


# --- who asks ------------------------------------------------------------------------------------


class Caller:
    """One request on a socket of its own, sent at once; its answer is read when asked for."""

    def __init__(
        self,
        url: str,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        key: str = "",
        receive_buffer: int = 0,
    ) -> None:
        address = urlsplit(url)
        assert address.hostname
        assert address.port
        self._socket = socket.socket()
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(PATIENCE)
        self._socket.connect((address.hostname, address.port))
        self._method = "GET" if body is None else "POST"
        data = b"" if body is None else json.dumps(body).encode()
        self._socket.sendall(
            f"{self._method} {path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Authorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            + data
        )
        self.body = bytearray()
        """What was read of the answer's body."""
        self.whole = False
        """The answer's framing ended as it must."""

    @cached_property
    def answer(self) -> HTTPResponse:
        """The answer's head, waited for."""
        answer = HTTPResponse(self._socket, method=self._method)
        answer.begin()
        return answer

    def until(self, text: str) -> Caller:
        """Read until the body has this text."""
        while text.encode() not in self.body:
            piece = self.answer.read1(65536)
            assert piece, f"ended before {text!r}: {self.body[-400:]!r}"
            self.body += piece
        return self

    def finish(self) -> Caller:
        """Read to the end, however it comes."""
        try:
            while piece := self.answer.read1(65536):
                self.body += piece
        except IncompleteRead as cut:
            self.body += cut.partial
        except ConnectionError:
            pass
        else:
            self.whole = not self.answer.length
        return self

    def json(self) -> Any:
        """The whole answer."""
        return json.loads(self.finish().body)

    def refusal(self) -> str:
        """The words of an answer that is an error."""
        error = self.json()["error"]
        return str(error if isinstance(error, str) else error["message"])

    def leave(self, way: str) -> None:
        """Go: `fin` closes, `rst` resets, `half` says that there will be no more requests."""
        if way == "half":
            self._socket.shutdown(socket.SHUT_WR)
            return
        if way == "rst":
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def close(self) -> None:
        """Idempotent."""
        if "answer" in self.__dict__:
            self.answer.close()
        self._socket.close()


class Crowd:
    """The callers of a test. Who is still there at its end is sent away."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._callers: list[Caller] = []

    def ask(
        self,
        model: str,
        switches: str = "",
        *,
        dialect: str = "chat",
        stream: bool = True,
        key: str = "",
        receive_buffer: int = 0,
        **fields: Any,
    ) -> Caller:
        """Send a request with these switches for the fake engine."""
        asked = DIALECTS[dialect]
        body = {**asked.body(f"fake {switches}"), "model": model, "stream": stream, **fields}
        return self.came(
            Caller(self._house.url, asked.path, body, key=key, receive_buffer=receive_buffer)
        )

    def get(self, path: str) -> Caller:
        """Send a GET."""
        return self.came(Caller(self._house.url, path, None))

    def came(self, caller: Caller) -> Caller:
        """Take in one who is here already."""
        self._callers.append(caller)
        return caller

    def close(self) -> None:
        """Idempotent."""
        for caller in self._callers:
            caller.close()


# --- what is seen of it --------------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    """How busy the daemon is."""

    active: int
    """Leases of all instances."""
    queued: int


def load_of(house: House) -> Load:
    """How busy the daemon says it is."""
    told = house.get("/api/paddock/instances")
    return Load(sum(one["active"] for one in told["instances"]), len(told["queue"]))


def at_rest(house: House) -> bool:
    """Whether the daemon has forgotten everybody who asked it something."""
    return load_of(house) == Load(0, 0) and not house.get("/api/inflight")["total"]


class Child:
    """The fake engine of a model, asked directly: no slot of it is taken."""

    def __init__(self, house: House, model: str) -> None:
        def listens() -> str:
            running = house.get("/running")["running"]
            return next((str(one["proxy"]) for one in running if one["model"] == model), "")

        self._url = house.until(listens, f"{model} has an address")

    def state(self) -> Any:
        """What it tells of itself; None when it does not answer."""
        try:
            with urllib.request.urlopen(f"{self._url}/fake/state", timeout=PATIENCE) as answer:
                return json.load(answer)
        except OSError:
            return None

    @property
    def running(self) -> int:
        """Generations that go on now."""
        return int(self.state()["running"])


def lives(pid: int) -> bool:
    """Whether a process runs. One that only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def seconds_until(check: Callable[[], bool], limit: float = PATIENCE) -> float:
    """How long it takes until `check()` holds. Fails after `limit` seconds."""
    start = time.monotonic()
    while not check():
        assert time.monotonic() - start < limit, "waited too long"
        time.sleep(0.002)
    return time.monotonic() - start
