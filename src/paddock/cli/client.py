"""Calls a running daemon. Only the standard library: `paddock ps` must answer at once."""

from __future__ import annotations

import codecs
import http.client
import json
import os
import ssl
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from paddock import __version__
from paddock.cli.address import Address, find_address
from paddock.errors import PaddockError

ANSWER_SECONDS = 15.0
"""For connecting, and for every answer that is there already."""

HUB_SECONDS = 120.0
"""For an answer that the daemon has to ask a hub or many files for."""

LOAD_SECONDS = 3600.0
"""For what waits for a model: the daemon's own limits end it long before."""

MAX_ANSWER_BYTES = 64 << 20

PULL_ENDS = frozenset({"done", "failed", "cancelled"})
"""The states in which a pull moves no more."""

OWNER_FILE = "X-Paddock-Owner-File"
"""Where the daemon keeps what it wants to see from its owner."""

_NONE: Mapping[str, str] = {}
_OTHER = "name the daemon with --host or PADDOCK_HOST"
_GOOD = (http.client.OK, http.client.CREATED)


class Unreachable(PaddockError):
    """No daemon answers there."""


class Stranger(Unreachable):
    """Something answers there, but not as a daemon does."""


class BrokenOff(PaddockError):
    """The daemon hung up, or fell silent, in the middle of an answer."""


class Refused(PaddockError):
    """The daemon answered with an error: its message and hint, and the HTTP status.

    `owner_file`: it wants to see what is in this file of its machine.
    """

    def __init__(
        self, message: str, *, hint: str = "", status: int = 0, owner_file: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.owner_file = owner_file


class _Body(NamedTuple):
    """What a request carries: pieces of so many bytes together."""

    pieces: Iterable[bytes]
    size: int
    kind: str

    @classmethod
    def json(cls, value: Any) -> _Body:
        data = json.dumps(value).encode()
        return cls((data,), len(data), "application/json")


class Client:
    """One daemon, by address and key. Everything raises Unreachable or Refused."""

    def __init__(self, address: Address, key: str = "") -> None:
        self.address = address
        self._headers = {"User-Agent": f"paddock/{__version__}"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    def get(self, path: str, *, patience: float = ANSWER_SECONDS) -> Any:
        """The JSON answer to a GET, which comes within `patience` seconds."""
        return self._json("GET", path, None, patience)

    def post(self, path: str, body: Any) -> Any:
        """The JSON answer to a POST, which may take as long as a model loads."""
        return self._json("POST", path, body, LOAD_SECONDS)

    def delete(self, path: str) -> Any:
        """The JSON answer to a DELETE."""
        return self._json("DELETE", path, None, LOAD_SECONDS)

    def ask(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        """The JSON answer to a request with these headers beside the usual ones."""
        sent = None if body is None else _Body.json(body)
        with self._answer(method, path, LOAD_SECONDS, sent, headers) as answer:
            return json.loads(answer.read(MAX_ANSWER_BYTES))

    def tell(self, path: str, body: Any = None, *, method: str = "POST") -> None:
        """A request whose answer says nothing."""
        with self._answer(method, path, LOAD_SECONDS, None if body is None else _Body.json(body)):
            pass

    def has(self, path: str) -> bool:
        """Whether a HEAD finds something there."""
        with self._answer("HEAD", path, ANSWER_SECONDS) as answer:
            if answer.status in {*_GOOD, http.client.NOT_FOUND}:
                return answer.status != http.client.NOT_FOUND
            raise self._refused(answer.status, b"")

    def upload(self, path: str, pieces: Iterable[bytes], size: int) -> None:
        """A POST of `size` bytes that come in pieces."""
        body = _Body(pieces, size, "application/octet-stream")
        with self._answer("POST", path, LOAD_SECONDS, body):
            pass

    def stream(
        self, path: str, body: Any = None, *, method: str = "POST"
    ) -> Generator[dict[str, Any]]:
        """The objects of an answer in lines, as they come. Closing it hangs up.

        Raises Refused for a line that tells an error, BrokenOff when the last line is missing.
        """
        done = False
        sent = None if body is None else _Body.json(body)
        with self._answer(method, path, LOAD_SECONDS, sent) as answer:
            for told in _objects(answer):
                if told.get("error"):
                    message, hint = _words(told)
                    raise Refused(message, hint=hint)
                done = _is_last(told)
                yield told
        if not done:
            raise _broken_off()

    def text(self, path: str, *, endless: bool = False) -> Iterator[str]:
        """The text of an answer piece by piece; `endless`: as it comes, however long that takes."""
        with self._answer("GET", path, None if endless else ANSWER_SECONDS) as answer:
            decoder = codecs.getincrementaldecoder("utf-8")("replace")
            while piece := answer.read1(65536):
                yield decoder.decode(piece)

    def _json(self, method: str, path: str, body: Any, limit: float) -> Any:
        sent = None if body is None else _Body.json(body)
        with self._answer(method, path, limit, sent) as answer:
            if answer.getheader("Content-Type", "").startswith("application/json"):
                return json.loads(answer.read(MAX_ANSWER_BYTES))
            raise self._stranger(answer.status)

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        limit: float | None,
        body: _Body | None = None,
        headers: Mapping[str, str] = _NONE,
    ) -> Iterator[http.client.HTTPResponse]:
        kind = http.client.HTTPSConnection if self.address.secure else http.client.HTTPConnection
        connection = kind(self.address.host, self.address.port, timeout=ANSWER_SECONDS)
        try:
            connection.connect()
            connection.sock.settimeout(limit)
            self._ask(connection, method, path, body, headers)
            with connection.getresponse() as answer:
                if answer.status not in _GOOD and method != "HEAD":
                    file = answer.getheader(OWNER_FILE, "")
                    raise self._refused(answer.status, answer.read(MAX_ANSWER_BYTES), file)
                yield answer
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: _Body | None,
        more: Mapping[str, str],
    ) -> None:
        headers = self._headers | dict(more)
        if body is not None:
            headers |= {"Content-Type": body.kind, "Content-Length": str(body.size)}
        pieces = None if body is None else body.pieces
        with suppress(ConnectionError):  # who refuses a body may say why, and hang up
            connection.request(method, self.address.prefix + path, pieces, headers)

    def _refused(self, status: int, body: bytes, owner_file: str = "") -> PaddockError:
        try:
            message, hint = _words(json.loads(body))
        except (ValueError, KeyError, TypeError):
            return self._stranger(status)
        if status == http.client.UNAUTHORIZED:
            hint = "put one of its apiKeys into PADDOCK_API_KEY"
        return Refused(message, hint=hint, status=status, owner_file=owner_file)

    def _stranger(self, status: int) -> Stranger:
        return Stranger(
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


def _objects(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """What each line of the answer holds. Raises BrokenOff when one is cut."""
    try:
        while line := answer.readline(MAX_ANSWER_BYTES):
            told = json.loads(line)
            if isinstance(told, dict):
                yield told
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _broken_off() from error


def _is_last(told: dict[str, Any]) -> bool:
    """Whether nothing may follow: an answer, a work or a pull has ended."""
    ended = bool(told.get("done")) or told.get("status") == "success"
    return ended or told.get("state") in PULL_ENDS


def _broken_off() -> BrokenOff:
    return BrokenOff(
        "the answer ended before it was complete", hint="`paddock logs` may tell what happened"
    )


def _words(told: Any) -> tuple[str, str]:
    """Message and hint of an error, in Ollama's form or in OpenAI's. Raises KeyError, TypeError."""
    error = told["error"]
    if isinstance(error, str):
        return error, str(told.get("hint") or "")
    return str(error["message"]), str(error.get("hint") or "")
