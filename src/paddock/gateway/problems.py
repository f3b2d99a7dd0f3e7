"""Every error's HTTP shape, made here and nowhere else: the status, the headers and the body.

OpenAI's envelope is the common one, with `hint` added; Anthropic's routes get Anthropic's, and
Ollama's own get Ollama's, in its words where its clients know them. At Ollama's door OpenAI's
errors are of the types that Ollama has, and what there is no endpoint for is told in plain text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

from paddock import errors
from paddock.access.grants import KeysNotRead
from paddock.errors import FailureKind, InstanceFailed, PaddockError
from paddock.gateway.ollama.paths import is_native


class NoRoute(PaddockError):
    """No endpoint answers this method and path. `methods` are those the path does answer."""

    def __init__(self, method: str, path: str, methods: tuple[str, ...]) -> None:
        known = f"; it answers {', '.join(methods)}" if methods else ""
        super().__init__(
            f"{method} {path} is not an endpoint of this door{known}",
            hint="GET / lists what is here",
        )
        self.methods = methods


class HeadTooLarge(PaddockError):
    """The request's headers pass the limit."""

    def __init__(self) -> None:
        super().__init__("the request headers are larger than 32 KiB")


class Internal(PaddockError):
    """A bug of ours. The log has the details under the request id; the client gets only that."""

    def __init__(self) -> None:
        super().__init__(
            "an error inside Paddock", hint="its log tells more, under this request id"
        )


class Upstream(PaddockError):
    """The engine refused the request: its own status and error object, passed on."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message", "the engine refused the request")))
        self.status = status
        self.error = dict(error)


def engine_refusal(status: int, body: bytes) -> Upstream:
    """The error in an engine's answer, whatever its form."""
    try:
        told = json.loads(body)
        error = told["error"] if isinstance(told["error"], dict) else {"message": told["error"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        error = {"message": body[:500].decode("utf-8", "replace") or "the engine gave no reason"}
    return Upstream(status, error)


@dataclass(frozen=True, slots=True)
class Shape:
    """How one class of error looks from outside."""

    status: int
    type: str
    code: str | None = None


SHAPES: dict[type[PaddockError], Shape] = {
    errors.ConfigError: Shape(400, "invalid_request_error", "invalid_config"),
    errors.UnknownModel: Shape(404, "invalid_request_error", "model_not_found"),
    errors.InvalidName: Shape(400, "invalid_request_error", "invalid_name"),
    errors.InvalidDigest: Shape(400, "invalid_request_error", "invalid_digest"),
    errors.ModelfileError: Shape(400, "invalid_request_error", "invalid_modelfile"),
    errors.DigestMismatch: Shape(400, "invalid_request_error", "digest_mismatch"),
    errors.StoreReadOnly: Shape(409, "invalid_request_error", "store_read_only"),
    errors.StoreError: Shape(500, "server_error", "store_error"),
    errors.EngineMissing: Shape(503, "server_error", "engine_missing"),
    errors.ArgumentRefused: Shape(500, "server_error", "bad_flag"),
    errors.InstanceFailed: Shape(503, "server_error"),
    errors.PeerLoop: Shape(508, "server_error", "peer_loop"),
    errors.PeerLost: Shape(502, "server_error", "peer_lost"),
    errors.UpstreamLost: Shape(502, "server_error", "engine_lost"),
    errors.EngineError: Shape(500, "server_error"),
    errors.QueueFull: Shape(503, "server_error", "queue_full"),
    errors.LineFull: Shape(429, "rate_limit_error", "concurrency_limit"),
    errors.WaitExpired: Shape(503, "server_error", "queue_timeout"),
    errors.ModelGone: Shape(503, "server_error", "model_gone"),
    errors.NoMemory: Shape(507, "server_error", "no_memory"),
    errors.ShuttingDown: Shape(503, "server_error", "shutting_down"),
    errors.InvalidOption: Shape(500, "invalid_request_error", "invalid_option"),
    errors.InvalidRequest: Shape(400, "invalid_request_error", "invalid_request"),
    errors.NotThere: Shape(404, "invalid_request_error", "not_there"),
    errors.Ambiguous: Shape(400, "invalid_request_error", "ambiguous"),
    errors.Gated: Shape(403, "permission_error", "gated"),
    errors.NeedsToken: Shape(403, "permission_error", "needs_token"),
    errors.RateLimited: Shape(429, "rate_limit_error", "hub_rate_limit"),
    errors.AddressRefused: Shape(403, "permission_error", "address_refused"),
    errors.HubUnreachable: Shape(502, "server_error", "hub_unreachable"),
    errors.HubBroken: Shape(502, "server_error", "hub_broken"),
    errors.NotRunnable: Shape(400, "invalid_request_error", "not_runnable"),
    errors.WrongBytes: Shape(502, "server_error", "wrong_bytes"),
    errors.NoRoom: Shape(507, "server_error", "no_room"),
    errors.OverQuota: Shape(507, "server_error", "over_quota"),
    errors.PullCancelled: Shape(499, "invalid_request_error", "cancelled"),
    errors.ModelInUse: Shape(409, "invalid_request_error", "model_in_use"),
    errors.AcquireError: Shape(500, "server_error", "acquire_error"),
    errors.NotObserved: Shape(503, "server_error", "not_observed"),
    errors.UnknownId: Shape(404, "invalid_request_error", "not_found"),
    errors.RequestCancelled: Shape(499, "invalid_request_error", "cancelled"),
    errors.UnknownProfile: Shape(404, "invalid_request_error", "profile_not_found"),
    errors.NotReady: Shape(409, "invalid_request_error", "model_not_ready"),
    errors.RequestTooLarge: Shape(413, "invalid_request_error", "request_too_large"),
    errors.RequestTooSlow: Shape(408, "invalid_request_error", "request_timeout"),
    errors.Unauthenticated: Shape(401, "authentication_error", "invalid_api_key"),
    errors.Forbidden: Shape(403, "permission_error", "forbidden"),
    errors.ModelNotAllowed: Shape(403, "permission_error", "model_not_allowed"),
    KeysNotRead: Shape(503, "server_error", "keys_not_read"),
    NoRoute: Shape(404, "invalid_request_error", "unknown_url"),
    HeadTooLarge: Shape(431, "invalid_request_error", "headers_too_large"),
    Internal: Shape(500, "server_error", "internal_error"),
    PaddockError: Shape(500, "server_error"),
}

LASTING_FAILURES = frozenset(
    {
        FailureKind.BAD_FLAG,
        FailureKind.FILE_CORRUPT,
        FailureKind.UNSUPPORTED_ARCHITECTURE,
        FailureKind.NOT_EXECUTABLE,
    }
)
"""Failures that the same request will meet again: 500, so that no client retries by itself."""

ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


def shape_of(error: PaddockError) -> Shape:
    """The shape of the nearest class that has one."""
    if isinstance(error, InstanceFailed):
        status = 500 if error.kind in LASTING_FAILURES else 503
        return Shape(status, "server_error", str(error.kind))
    if isinstance(error, NoRoute) and error.methods:
        return Shape(405, "invalid_request_error", "method_not_allowed")
    if isinstance(error, Upstream):
        return Shape(error.status, str(error.error.get("type", "server_error")))
    return next(SHAPES[kind] for kind in type(error).__mro__ if kind in SHAPES)


def error_object(error: PaddockError) -> dict[str, Any]:
    """The OpenAI error object: message, type, param, code, and our hint and the child's output."""
    shape = shape_of(error)
    if isinstance(error, Upstream):
        return error.error
    told: dict[str, Any] = {
        "message": error.message,
        "type": shape.type,
        "param": getattr(error, "param", None) or None,
        "code": shape.code,
    }
    if isinstance(error, errors.UnknownModel):
        told["param"] = "model"
    if isinstance(error, errors.ConfigError):
        told["problems"] = [asdict(problem) for problem in error.problems]
    if error.hint:
        told["hint"] = error.hint
    if isinstance(error, InstanceFailed) and error.output:
        told["output"] = list(error.output)
    return told


def anthropic_object(error: PaddockError) -> dict[str, Any]:
    """Anthropic's error object, for its routes."""
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    kind = ANTHROPIC_TYPES.get(shape_of(error).status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


def is_anthropic(path: str) -> bool:
    """Whether a path speaks Anthropic's dialect."""
    return path.startswith(("/v1/messages", "/v/messages"))


def is_ollama(path: str) -> bool:
    """Whether a path speaks Ollama's own dialect."""
    return is_native(path)


def ollama_object(error: PaddockError, path: str) -> dict[str, Any]:
    """Ollama's error object, for its routes: a text, and our hint beside it."""
    if isinstance(error, errors.UnknownModel):
        told = {"error": _not_found(error.name, path)}
        return told | ({"hint": _meant(error.nearest)} if error.nearest else {})
    if isinstance(error, errors.QueueFull | errors.LineFull):
        return {"error": BUSY}
    return {"error": error.message} | ({"hint": error.hint} if error.hint else {})


BUSY = "server busy, please try again.  maximum pending requests exceeded"
"""What Ollama says when its queue is full; clients look for it."""


def _not_found(name: str, path: str) -> str:
    if path == "/api/embeddings":
        return f'model "{name}" not found, try pulling it first'
    return f'model "{name}" not found' if path in _QUOTED_TWICE else f"model '{name}' not found"


_QUOTED_TWICE = frozenset({"/api/copy", "/api/delete"})


def _meant(names: tuple[str, ...]) -> str:
    return f"did you mean {' or '.join(map(repr, names))}?"


def ollama_openai_object(error: PaddockError) -> dict[str, Any]:
    """The OpenAI error object at Ollama's door."""
    status = shape_of(error).status
    kind = "not_found_error" if status == 404 else "api_error"
    told = "invalid_request_error" if 400 <= status < 500 and status != 404 else kind
    return error_object(error) | {"type": told}


def body_of(error: PaddockError, path: str, door: str = "") -> dict[str, Any]:
    """The JSON body for an error on `path`, at the door of this name."""
    if is_ollama(path):
        return ollama_object(error, path)
    if is_anthropic(path):
        return anthropic_object(error)
    return {"error": ollama_openai_object(error) if door == "ollama" else error_object(error)}


def stream_frame(error: PaddockError, path: str) -> bytes:
    """The SSE event that ends a broken stream in the dialect of `path`."""
    data = json.dumps(body_of(error, path), ensure_ascii=False).encode()
    name = b"event: error\n" if is_anthropic(path) or path.endswith("/responses") else b""
    return b"%bdata: %b\n\n" % (name, data)


def headers_of(error: PaddockError) -> dict[str, str]:
    """Response headers for an error: when to come back, and how to prove who one is."""
    headers: dict[str, str] = {}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer, Basic realm="Paddock"'
    if isinstance(error, NoRoute) and error.methods:
        headers["Allow"] = ", ".join(error.methods)
    if isinstance(error, errors.ShuttingDown):
        headers["Connection"] = "close"
    return headers


def response(error: PaddockError, path: str, door: str = "") -> web.Response:
    """The whole response for an error on `path`, at the door of this name."""
    status = shape_of(error).status
    if is_ollama(path) and isinstance(error, errors.LineFull):
        status = 503
    headers = headers_of(error)
    if isinstance(error, NoRoute) and door == "ollama":
        return web.Response(text=PLAIN[status], status=status, headers=headers)
    return web.json_response(body_of(error, path, door), status=status, headers=headers)


PLAIN = {404: "404 page not found", 405: "405 method not allowed"}
"""What Ollama answers where there is no endpoint."""
