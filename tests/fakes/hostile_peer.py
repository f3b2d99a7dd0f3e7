"""A server that other daemons are told is a peer, and whose every answer is an attack of the test.

It lists the names it has answers for, and answers a request with the bytes of the model's name, one
on a connection.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Json = dict[str, Any]

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


class HostilePeer:
    """Use `hostile_peer`, which closes it."""

    def __init__(self, answers: Mapping[str, Iterable[bytes]], listed: Iterable[Json]) -> None:
        """`answers`: what is sent for each model, piece by piece, for as long as it is taken.

        `listed`: entries of its list of models beside those.
        """
        self.seen: list[bytes] = []
        """The head of every request."""
        self._answers = answers
        self._list = json.dumps({"data": [*({"id": name} for name in answers), *listed]}).encode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Idempotent."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if request := _request(connection):
                    self._answer(connection, *request)
            except OSError:
                return

    def _answer(self, connection: socket.socket, head: bytes, body: bytes) -> None:
        self.seen.append(head)
        if b" /v1/models " in head:
            connection.sendall(answer(self._list))
            return
        for piece in self._answers[json.loads(body)["model"]]:
            connection.sendall(piece)


def _request(connection: socket.socket) -> tuple[bytes, bytes] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return head, body


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer of JSON."""
    own = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*own, *headers]).encode("latin-1") + b"\r\n\r\n" + body


@contextmanager
def hostile_peer(
    answers: Mapping[str, Iterable[bytes]], listed: Iterable[Json] = ()
) -> Iterator[HostilePeer]:
    """A peer that listens until the block ends."""
    peer = HostilePeer(answers, listed)
    try:
        yield peer
    finally:
        peer.close()
