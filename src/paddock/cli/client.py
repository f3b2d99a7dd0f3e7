"""Calls a running daemon. Only the standard library: `paddock ps` must answer at once."""

from __future__ import annotations

import codecs
import http.client
import json
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from paddock import __version__
from paddock.cli.address import Address, find_address
from paddock.errors import PaddockError

ANSWER_SECONDS = 15.0
"""For connecting, and for every answer that is there already."""

LOAD_SECONDS = 3600.0
"""For what waits for a model: the daemon's own limits end it long before."""

MAX_ANSWER_BYTES = 64 << 20

_OTHER = "name the daemon with --host or PADDOCK_HOST"


class Unreachable(PaddockError):
    """No daemon answers there."""


class Refused(PaddockError):
    """The daemon answered with an error: its message and hint."""


class Client:
    """One daemon, by address and key."""

    def __init__(self, address: Address, key: str = "") -> None:
        self.address = address
        self._headers = {"User-Agent": f"paddock/{__version__}"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    def get(self, path: str) -> Any:
        """The JSON answer to a GET. Raises Unreachable or Refused, as all of these do."""
        return self._json("GET", path, None, ANSWER_SECONDS)

    def post(self, path: str, body: Any) -> Any:
        """The JSON answer to a POST, which may take as long as a model loads."""
        return self._json("POST", path, body, LOAD_SECONDS)

    def tell(self, path: str) -> None:
        """A POST without a body, whose answer says nothing."""
        with self._answer("POST", path, None, LOAD_SECONDS):
            pass

    def text(self, path: str, *, endless: bool = False) -> Iterator[str]:
        """The text of an answer piece by piece; `endless`: as it comes, however long that takes."""
        with self._answer("GET", path, None, None if endless else ANSWER_SECONDS) as answer:
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            while piece := answer.read1(65536):
                yield decoder.decode(piece)

    def _json(self, method: str, path: str, body: Any, limit: float) -> Any:
        with self._answer(method, path, body, limit) as answer:
            if answer.getheader("Content-Type", "").startswith("application/json"):
                return json.loads(answer.read(MAX_ANSWER_BYTES))
            raise self._stranger(answer.status)

    @contextmanager
    def _answer(
        self, method: str, path: str, body: Any, limit: float | None
    ) -> Iterator[http.client.HTTPResponse]:
        kind = http.client.HTTPSConnection if self.address.secure else http.client.HTTPConnection
        connection = kind(self.address.host, self.address.port, timeout=ANSWER_SECONDS)
        try:
            connection.connect()
            connection.sock.settimeout(limit)
            self._ask(connection, method, path, body)
            with connection.getresponse() as answer:
                if answer.status != http.client.OK:
                    raise self._refused(answer.status, answer.read(MAX_ANSWER_BYTES))
                yield answer
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Any
    ) -> None:
        headers = dict(self._headers)
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        connection.request(method, self.address.prefix + path, payload, headers)

    def _refused(self, status: int, body: bytes) -> PaddockError:
        try:
            error = json.loads(body)["error"]
            message, hint = str(error["message"]), str(error.get("hint") or "")
        except (ValueError, KeyError, TypeError):
            return self._stranger(status)
        if status == http.client.UNAUTHORIZED:
            hint = "put one of its apiKeys into PADDOCK_API_KEY"
        return Refused(message, hint=hint)

    def _stranger(self, status: int) -> Unreachable:
        return Unreachable(
            f"what answers at {self.address} is not a Paddock (status {status})", hint=_OTHER
        )

    def _unreachable(self, error: Exception) -> Unreachable:
        if isinstance(error, ConnectionRefusedError):
            why, hint = "", "start it with `paddock serve`"
        elif isinstance(error, ssl.SSLCertVerificationError):
            why = f" that can be trusted: {error.verify_message}"
            hint = "name the file of its certificate in SSL_CERT_FILE"
        elif isinstance(error, ConnectionError) and not self.address.secure:
            why, hint = ": it hung up", f"does it speak https://? {_OTHER}"
        elif isinstance(error, TimeoutError):
            why, hint = " in time", _OTHER
        else:
            why, hint = f": {error or type(error).__name__}", _OTHER
        return Unreachable(f"no Paddock answers at {self.address}{why}", hint=hint)


def connect(host: str | None) -> Client:
    """The daemon that `--host` or the environment names, with the key of PADDOCK_API_KEY."""
    return Client(find_address(host, os.environ), os.environ.get("PADDOCK_API_KEY", ""))
