"""A host that serves files, and misbehaves as it is told.

In a test: `with ContentServer(folder) as server: server.behave = lambda request: Fault(...)`.
As a program, `python -m tests.fakes.content_server FOLDER [--tls CERT KEY] [--workers N]` tells its
port, and serves until its stdin ends.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

PIECE = 256 << 10


@dataclass(frozen=True)
class Fault:
    """What is wrong with one answer. The default is an answer as it should be."""

    status: int = 0
    """Answer this at once, without a body."""
    headers: dict[str, str] = field(default_factory=dict)
    """Added, or put in the place of the right ones; an empty value takes one away."""
    ignore_range: bool = False
    cut_after: int | None = None
    """Close after so many bytes of the body."""
    stall_after: int | None = None
    """Send nothing more after so many, and keep the connection open."""
    flip: int | None = None
    """The byte at this place of the file is sent wrong, where it is in the range."""
    endless: bool = False
    """Without a length, and it goes on after its end."""
    unsized: bool = False
    """Without a length, and it ends where it should."""
    etag: str = ""
    other: bytes | None = None
    """These bytes instead of the file's."""
    rate: int = 0
    """Bytes a second."""
    redirect: str = ""


class Request(NamedTuple):
    """A request that came."""

    number: int
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    start: int
    end: int
    """Of its range; all of the file without one."""


class ContentServer:
    """Serves the files of a folder, each connection in a thread of its own."""

    def __init__(self, folder: Path, *, tls: tuple[Path, Path] | None = None) -> None:
        self.folder = folder
        self.behave: Callable[[Request], Fault] = lambda request: Fault()
        self.requests: list[Request] = []
        self.sent = 0
        """Bytes of bodies."""
        self._tls: ssl.SSLContext | None = None
        if tls is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*tls)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()

    @property
    def origin(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def url(self, name: str) -> str:
        return f"{self.origin}/{name}"

    def __enter__(self) -> Self:
        self._start(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                self._start(self._serve, self._listener.accept()[0])

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError, ssl.SSLError), connection:
            with self._lock:
                self._open.add(connection)
            if self._tls is not None:
                plain = connection
                connection = self._tls.wrap_socket(plain, server_side=True)
                with self._lock:
                    self._open.discard(plain)
                    self._open.add(connection)
            try:
                with connection, connection.makefile("rb") as reader:
                    while not self._closed.is_set() and (head := _head(reader)) is not None:
                        if not self._answer(connection, *head):
                            break
            finally:
                with self._lock:
                    self._open.discard(connection)

    def _answer(self, connection: socket.socket, path: str, headers: dict[str, str]) -> bool:
        """Whether the connection goes on."""
        file = self.folder / path.partition("?")[0].lstrip("/")
        size = file.stat().st_size if file.is_file() else 0
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", ""))
        start, end = (int(asked[1]), int(asked[2]) + 1) if asked else (0, size)
        with self._lock:
            request = Request(len(self.requests), path, headers, start, end)
            self.requests.append(request)
        fault = self.behave(request)
        data = fault.other
        size = size if data is None else len(data)
        if fault.redirect:
            fault = Fault(status=302, headers={"Location": fault.redirect})
        if not file.is_file() and not fault.status:
            fault = Fault(status=404)
        if fault.status:
            send_head(connection, fault.status, {"Content-Length": "0", **fault.headers})
            return True
        ranged = asked is not None and not fault.ignore_range
        if headers.get("if-range", fault.etag) != fault.etag:
            ranged = False
        if not ranged:
            start, end = 0, size
        end = min(end, size)
        if start >= size and ranged:
            return self._past_the_end(connection, size, fault)
        told = {
            "Content-Type": "application/octet-stream",
            "Accept-Ranges": "bytes",
            "ETag": fault.etag,
            "Content-Range": f"bytes {start}-{end - 1}/{size}" if ranged else "",
            "Content-Length": "" if fault.endless or fault.unsized else str(end - start),
            "Connection": "close" if fault.endless or fault.unsized else "",
            **fault.headers,
        }
        send_head(connection, 206 if ranged else 200, told)
        return self._body(connection, file, start, end, fault)

    @staticmethod
    def _past_the_end(connection: socket.socket, size: int, fault: Fault) -> bool:
        """As Debian's registry does it: with a length, and no body."""
        told = {"Content-Range": f"bytes */{size}", "Content-Length": str(size)}
        send_head(connection, 416, told | fault.headers)
        return True

    def _body(
        self, connection: socket.socket, file: Path, start: int, end: int, fault: Fault
    ) -> bool:
        stops = [n for n in (fault.cut_after, fault.stall_after) if n is not None]
        until = min([end, *(start + n for n in stops)])
        plain = not fault.rate and fault.flip is None and fault.other is None
        with file.open("rb") as opened:
            if plain and self._tls is None:
                if until > start:
                    connection.sendfile(opened, start, until - start)
                    with self._lock:
                        self.sent += until - start
            else:
                self._pieces(connection, opened, start, until, fault)
        if fault.endless:
            while True:
                connection.sendall(b"more" * 1024)
        if fault.stall_after is not None and until < end:
            self._closed.wait()
        return until == end and not fault.unsized

    def _pieces(self, connection, opened, start: int, until: int, fault: Fault) -> None:
        opened.seek(start)
        piece_bytes = PIECE if not fault.rate else max(1, min(PIECE, fault.rate // 50))
        at, begun = start, time.monotonic()
        while at < until and not self._closed.is_set():
            if fault.other is not None:
                piece = bytearray(fault.other[at : min(until, at + piece_bytes)])
            else:
                piece = bytearray(opened.read(min(piece_bytes, until - at)))
            if fault.flip is not None and at <= fault.flip < at + len(piece):
                piece[fault.flip - at] ^= 1
            connection.sendall(piece)
            at += len(piece)
            with self._lock:
                self.sent += len(piece)
            if fault.rate:
                due = begun + (at - start) / fault.rate - time.monotonic()
                self._closed.wait(max(0.0, due))


def _head(reader) -> tuple[str, dict[str, str]] | None:
    line = reader.readline()
    if not line:
        return None
    headers = {}
    while (field_line := reader.readline().strip()) != b"":
        name, _, value = field_line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return line.split()[1].decode(), headers


def send_head(connection: socket.socket, status: int, headers: dict[str, str]) -> None:
    """A status line and headers; those with an empty value are left out."""
    lines = [f"HTTP/1.1 {status} Told", *(f"{k}: {v}" for k, v in headers.items() if v)]
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")


def main() -> None:
    """As a program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tls", nargs=2, type=Path, metavar=("CERT", "KEY"))
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes that share the port")
    asked = parser.parse_args()
    tls = (asked.tls[0], asked.tls[1]) if asked.tls else None
    server = ContentServer(asked.folder, tls=tls)
    server.behave = lambda request: Fault(rate=asked.rate)
    print(server.port, flush=True)
    others: list[int] = []
    while len(others) < asked.workers - 1:
        others.append(os.fork())
        if others[-1] == 0:
            others = []
            break
    with server:
        sys.stdin.read()
    for other in others:
        os.waitpid(other, 0)


if __name__ == "__main__":
    main()
