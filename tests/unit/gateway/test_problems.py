from __future__ import annotations

import json

import pytest

from paddock import errors
from paddock.errors import FailureKind, InstanceFailed, PaddockError
from paddock.gateway import problems

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


def failed(kind: FailureKind, retry_after: float | None = None) -> InstanceFailed:
    return InstanceFailed("m", kind, "why", hint="do", output=("last",), retry_after=retry_after)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.UnknownModel("x", ("y",)), 404, "model_not_found"),
        (errors.InvalidRequest("x", param="p"), 400, "invalid_request"),
        (errors.RequestTooLarge("x"), 413, "request_too_large"),
        (errors.RequestTooSlow("x"), 408, "request_timeout"),
        (errors.Unauthenticated("x"), 401, "invalid_api_key"),
        (errors.Forbidden("x"), 403, "forbidden"),
        (errors.QueueFull("x"), 503, "queue_full"),
        (errors.WaitExpired("x"), 503, "queue_timeout"),
        (errors.ModelGone("x"), 503, "model_gone"),
        (errors.ShuttingDown("x"), 503, "shutting_down"),
        (errors.EngineMissing("x"), 503, "engine_missing"),
        (errors.ArgumentRefused("x"), 500, "bad_flag"),
        (errors.UpstreamLost("x"), 502, "engine_lost"),
        (problems.NoRoute("GET", "/x", ()), 404, "unknown_url"),
        (problems.NoRoute("GET", "/x", ("POST",)), 405, "method_not_allowed"),
        (problems.HeadTooLarge(), 431, "headers_too_large"),
        (problems.Internal(), 500, "internal_error"),
        (PaddockError("x"), 500, None),
        (failed(FailureKind.OUT_OF_MEMORY), 503, "out_of_memory"),
        (failed(FailureKind.BAD_FLAG), 500, "bad_flag"),
        (failed(FailureKind.FILE_CORRUPT), 500, "file_corrupt"),
        (failed(FailureKind.UNSUPPORTED_ARCHITECTURE), 500, "unsupported_architecture"),
        (failed(FailureKind.NOT_EXECUTABLE), 500, "not_executable"),
        (failed(FailureKind.CRASH_LOOP), 503, "crash_loop"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_every_error_has_its_status_and_code(
    error: PaddockError, status: int, code: str | None
) -> None:
    answer = problems.response(error, CHAT)

    assert answer.status == status
    assert isinstance(answer.body, bytes)
    told = json.loads(answer.body)["error"]
    assert told["code"] == code
    assert told["message"] == error.message
    assert told.get("hint", "") == error.hint


def every_class(root: type[PaddockError]) -> set[type[PaddockError]]:
    below = {sub for sub in root.__subclasses__() if sub.__module__ == "paddock.errors"}
    return below.union(*(every_class(sub) for sub in below))


def test_no_request_or_access_error_is_called_a_fault_of_the_server() -> None:
    known = every_class(errors.RequestError) | every_class(errors.AccessError)
    for kind in known - {errors.InvalidOption}:  # Ollama has it so
        assert problems.shape_of(kind("x")).status < 500


def test_a_failed_start_tells_the_childs_last_lines() -> None:
    told = problems.error_object(failed(FailureKind.EXITED))

    assert told["output"] == ["last"]


@pytest.mark.parametrize(("seconds", "told"), [(0.0, "1"), (0.2, "1"), (1.5, "2"), (30.0, "30")])
def test_when_to_come_back_is_told_in_whole_seconds(seconds: float, told: str) -> None:
    error = failed(FailureKind.CRASH_LOOP, retry_after=seconds)

    assert problems.headers_of(error)["Retry-After"] == told


def test_an_error_without_a_time_to_come_back_names_none() -> None:
    assert "Retry-After" not in problems.headers_of(failed(FailureKind.BAD_FLAG))
    assert "Retry-After" not in problems.headers_of(errors.InvalidRequest("x"))


def test_headers_tell_what_a_client_can_do() -> None:
    challenge = {"WWW-Authenticate": 'Bearer, Basic realm="Paddock"'}
    assert problems.headers_of(errors.Unauthenticated("x")) == challenge
    assert problems.headers_of(problems.NoRoute("PUT", "/x", ("GET", "POST"))) == {
        "Allow": "GET, POST"
    }
    assert problems.headers_of(errors.ShuttingDown("x"))["Connection"] == "close"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.InvalidRequest("x"), "invalid_request_error"),
        (errors.Unauthenticated("x"), "authentication_error"),
        (errors.Forbidden("x"), "permission_error"),
        (errors.UnknownModel("x"), "not_found_error"),
        (errors.RequestTooLarge("x"), "request_too_large"),
        (errors.QueueFull("x"), "overloaded_error"),
        (errors.UpstreamLost("x"), "api_error"),
        (problems.Internal(), "api_error"),
    ],
)
def test_anthropics_endpoints_get_anthropics_shape(error: PaddockError, kind: str) -> None:
    told = problems.body_of(error, MESSAGES)

    assert told["type"] == "error"
    assert told["error"]["type"] == kind
    assert error.message in told["error"]["message"]
    assert error.hint in told["error"]["message"]


@pytest.mark.parametrize(
    ("path", "start"),
    [
        (CHAT, b'data: {"error": '),
        ("/completion", b'data: {"error": '),
        ("/v1/responses", b'event: error\ndata: {"error": '),
        (MESSAGES, b'event: error\ndata: {"type": "error", '),
    ],
)
def test_a_broken_stream_ends_with_one_event_in_its_dialect(path: str, start: bytes) -> None:
    frame = problems.stream_frame(errors.UpstreamLost("line\nbreak"), path)

    assert frame.startswith(start)
    assert frame.endswith(b"}\n\n")
    assert frame.count(b"\n\n") == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"no","type":"t","code":400}}', "no"),
        (b'{"error":"plain"}', "plain"),
        (b"not json", "not json"),
        (b"", "the engine gave no reason"),
        (b"[]", "[]"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"error":{}}', "the engine refused the request"),
    ],
)
def test_the_engines_refusal_is_understood_whatever_its_form(body: bytes, message: str) -> None:
    refusal = problems.engine_refusal(400, body)

    assert refusal.message == message
    assert problems.shape_of(refusal).status == 400


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/api/generate", "model 'x' not found"),
        ("/api/chat", "model 'x' not found"),
        ("/api/show", "model 'x' not found"),
        ("/api/embed", "model 'x' not found"),
        ("/api/embeddings", 'model "x" not found, try pulling it first'),
        ("/api/copy", 'model "x" not found'),
        ("/api/delete", 'model "x" not found'),
    ],
)
def test_ollama_tells_of_an_unknown_model_in_more_than_one_way(path: str, text: str) -> None:
    answer = problems.response(errors.UnknownModel("x", ("xy",)), path)

    assert answer.status == 404
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {"error": text, "hint": "did you mean 'xy'?"}
    assert problems.body_of(errors.UnknownModel("x"), path) == {"error": text}


@pytest.mark.parametrize("error", [errors.QueueFull("x"), errors.LineFull("x")])
def test_ollama_has_one_word_for_every_full_queue(error: PaddockError) -> None:
    answer = problems.response(error, "/api/chat")

    assert answer.status == 503
    busy = "server busy, please try again.  maximum pending requests exceeded"
    assert problems.body_of(error, "/api/chat") == {"error": busy}


@pytest.mark.parametrize("path", ["/api/blobs/sha256:x", "/api/experimental/web_search", "/api/me"])
def test_ollamas_paths_get_a_text(path: str) -> None:
    told = problems.body_of(errors.Forbidden("no"), path)
    assert told == {"error": "no"}


@pytest.mark.parametrize("path", ["/api/metrics/activity", "/api/paddock/load", "/api/models/x"])
def test_other_paths_below_api_get_openais_object(path: str) -> None:
    assert problems.body_of(errors.Forbidden("no"), path)["error"]["type"] == "permission_error"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.UnknownModel("x"), "not_found_error"),
        (errors.InvalidRequest("x"), "invalid_request_error"),
        (errors.Unauthenticated("x"), "invalid_request_error"),
        (errors.QueueFull("x"), "api_error"),
        (failed(FailureKind.FILE_CORRUPT), "api_error"),
    ],
)
def test_openais_errors_at_ollamas_door_are_of_its_types(error: PaddockError, kind: str) -> None:
    assert problems.body_of(error, CHAT, "ollama")["error"]["type"] == kind
    assert problems.body_of(error, MESSAGES, "ollama")["type"] == "error"


@pytest.mark.parametrize(
    ("methods", "status", "text"),
    [((), 404, "404 page not found"), (("GET",), 405, "405 method not allowed")],
)
def test_ollamas_door_tells_in_plain_text_what_is_not_there(
    methods: tuple[str, ...], status: int, text: str
) -> None:
    answer = problems.response(problems.NoRoute("POST", "/x", methods), "/x", "ollama")

    assert (answer.status, answer.text, answer.content_type) == (status, text, "text/plain")
    assert answer.headers.get("Allow", "") == "".join(methods)
