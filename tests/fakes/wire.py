"""A client on which every byte is the test's own, and a strict reader of HTTP/1.1 answers."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 30.0


@dataclass(frozen=True)
class WireAnswer:
    """One answer as it came, transfer coding taken off."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Lower-case names, in the order they came."""
    body: bytes
    whole: bool = True
    """False: the connection ended before the answer did."""

    def header(self, name: str) -> str:
        """The only value of a header; empty without one. Fails when there are two."""
        values = [value for key, value in self.headers if key == name]
        assert len(values) < 2, f"{name} came {len(values)} times: {values}"
        return values[0] if values else ""

    def json(self) -> Any:
        return json.loads(self.body)


def read_answer(
    data: bytes, *, ended: bool, bodiless: bool = False
) -> tuple[WireAnswer, bytes] | None:
    """The first answer in `data` and what follows it; None when more bytes are needed.

    `ended`: no more will come. Raises AssertionError for what is not strict HTTP/1.1.
    """
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        assert not ended or not data, f"the connection ended within a head: {data[:200]!r}"
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status, *_ = first.split(" ", 2)
    assert version in {"HTTP/1.1", "HTTP/1.0"}, first
    pairs = tuple(_header(line) for line in lines)
    names = dict(pairs)
    number = int(status)
    if bodiless or number < 200 or number in {204, 304}:
        return WireAnswer(number, pairs, b""), rest
    if "transfer-encoding" in names:
        assert "content-length" not in names
        assert names["transfer-encoding"] == "chunked"
        body, whole, after = _unchunk(rest)
    elif "content-length" in names:
        size = int(names["content-length"])
        body, whole, after = rest[:size], len(rest) >= size, rest[size:]
    else:
        body, whole, after = rest, ended, b""
    if not whole and not ended:
        return None
    return WireAnswer(number, pairs, body, whole), after


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    assert colon, f"a header without a colon: {line!r}"
    assert name, f"a header without a name: {line!r}"
    assert name == name.strip(), f"a header with blanks around its name: {line!r}"
    return name.lower(), value.strip()


def _unchunk(data: bytes) -> tuple[bytes, bool, bytes]:
    body: list[bytes] = []
    while True:
        line, found, after = data.partition(b"\r\n")
        if not found:
            return b"".join(body), False, b""
        size = int(line, 16)
        if len(after) < size + 2:
            return b"".join([*body, after[:size]]), False, b""
        assert after[size : size + 2] == b"\r\n"
        body.append(after[:size])
        data = after[size + 2 :]
        if size == 0:
            return b"".join(body), True, data


class Wire:
    """One connection. Use `wire(url)`, which closes it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""

    def send(self, *data: bytes | str) -> Wire:
        """Send bytes as they are; text as latin-1."""
        for piece in data:
            self.sock.sendall(piece.encode("latin-1") if isinstance(piece, str) else piece)
        return self

    def ask(
        self, method: str, target: str, *headers: str, body: bytes = b"", host: str = "localhost"
    ) -> Wire:
        """Send a request with these header lines."""
        length = [f"Content-Length: {len(body)}"] if body else []
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *length, *headers]
        return self.send("\r\n".join(lines) + "\r\n\r\n", body)

    def answer(self, *, bodiless: bool = False) -> WireAnswer:
        """The next answer."""
        ended = False
        while True:
            found = read_answer(self._buffer, ended=ended, bodiless=bodiless)
            if found is not None:
                answer, self._buffer = found
                return answer
            assert not ended, "the connection was closed without an answer"
            ended = not self._read()

    def bytes_until(self, wanted: bytes) -> bytes:
        """All bytes up to and with `wanted`."""
        while wanted not in self._buffer:
            assert self._read(), f"closed before {wanted!r}: {self._buffer[-500:]!r}"
        taken, _, self._buffer = self._buffer.partition(wanted)
        return taken + wanted

    def bytes_of(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        while len(self._buffer) < count:
            assert self._read(), f"closed after {len(self._buffer)} of {count} bytes"
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def lines(self) -> Iterator[str]:
        """The lines of a chunked answer with status 200, as they come."""
        head = self.bytes_until(b"\r\n\r\n").lower()
        assert head.startswith(b"http/1.1 200 "), head
        assert b"\r\ntransfer-encoding: chunked\r\n" in head, head
        part = b""
        while size := int(self.bytes_until(b"\r\n"), 16):
            *whole, part = (part + self.bytes_of(size)).split(b"\n")
            assert self.bytes_of(2) == b"\r\n"
            yield from (line.decode() for line in whole)

    def events(self) -> Iterator[Any]:
        """The JSON data of the events of a stream, as they come."""
        for line in self.lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))

    def rest(self) -> bytes:
        """All bytes until the other side closes."""
        while self._read():
            pass
        taken, self._buffer = self._buffer, b""
        return taken

    def is_closed(self) -> bool:
        """Whether the other side has closed already."""
        readable, _, _ = select.select([self.sock], [], [], 0)
        return bool(readable) and not self._read()

    def _read(self) -> bool:
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self._buffer += data
        return bool(data)


@contextmanager
def wire(url: str, *, patience: float = PATIENCE) -> Iterator[Wire]:
    """A connection to the door at `url`; every wait on it has a limit."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 80), patience) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Wire(sock)
