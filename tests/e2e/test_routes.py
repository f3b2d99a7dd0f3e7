"""llama-swap's routes: which path a child sees, and what starts a model and what does not."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from tests.fakes.house import Answer, House
from tests.fakes.wire import Wire


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a command for each kind of test."""
    house = House(tmp_path_factory.mktemp("routed"))
    house.add("llama-a")
    command = house.command()
    models = {
        "cmd": {"cmd": command, "aliases": ["also cmd"]},
        "deep/er": {"cmd": command},
        "deep": {"cmd": command, "aliases": ["deep/er/est"]},
        "cold": {"cmd": command},
        "quiet": {"cmd": command, "compat": {"ignoreWebsockets": True}},
        "hidden": {"cmd": command, "unlisted": True},
        "comfyui_auto": {"cmd": command},
    }
    upstream = {"ignorePaths": [r"\.(css|js)$", "^/assets/"]}
    house.start(house.config(maxLoadedModels=10, defaultTtl=0, models=models, upstream=upstream))
    yield house
    house.stop()


# --- where each route leads -----------------------------------------------------------------------

POSTED = {
    "/v1/chat/completions": "/v1/chat/completions",
    "/v1/completions": "/v1/completions",
    "/v1/responses": "/v1/responses",
    "/v1/messages": "/v1/messages",
    "/v1/messages/count_tokens": "/v1/messages/count_tokens",
    "/v1/embeddings": "/v1/embeddings",
    "/v1/rerank": "/v1/rerank",
    "/v1/reranking": "/v1/reranking",
    "/rerank": "/rerank",
    "/reranking": "/reranking",
    "/infill": "/infill",
    "/completion": "/completion",
    "/v1/audio/speech": "/v1/audio/speech",
    "/v1/audio/voices": "/v1/audio/voices",
    "/v1/images/generations": "/v1/images/generations",
    "/v1/images/edits": "/v1/images/edits",
    "/sdapi/v1/txt2img": "/sdapi/v1/txt2img",
    "/sdapi/v1/img2img": "/sdapi/v1/img2img",
    "/audioapi/v1/tasks/run": "/v1/tasks/run",
    "/v/chat/completions": "/chat/completions",
    "/v/completions": "/completions",
    "/v/responses": "/responses",
    "/v/messages": "/messages",
    "/v/messages/count_tokens": "/messages/count_tokens",
    "/v/embeddings": "/embeddings",
    "/v/rerank": "/rerank",
    "/v/reranking": "/reranking",
}


@pytest.mark.parametrize("model", ["cmd", "also cmd", "llama-a"])
@pytest.mark.parametrize("path", POSTED)
def test_a_json_route_leads_to_its_path(routed: House, path: str, model: str) -> None:
    body = {"model": model, "prompt": "x", "messages": [{"role": "user", "content": "x"}]}

    routed.ask("POST", path, body)

    child = "llama-a" if model == "llama-a" else "cmd"
    assert routed.last_request(child)["path"] == POSTED[path]
    assert json.loads(routed.last_request(child)["body"])["model"] == model


@pytest.mark.parametrize("path", POSTED)
def test_a_json_route_without_a_model_is_refused(routed: House, path: str) -> None:
    answer = routed.ask("POST", path, {"prompt": "x"})

    assert answer.status == 400
    assert "model" in answer.text


@pytest.mark.parametrize("path", POSTED)
def test_a_json_route_answers_no_other_method(routed: House, path: str) -> None:
    answer = routed.ask("DELETE", path)

    assert answer.status == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/v1/audio/voices", "/sdapi/v1/loras", "/props"])
@pytest.mark.parametrize("query", ["model=cmd", "x=%2F&model=also%20cmd&y="])
def test_a_route_without_a_body_passes_its_query(routed: House, path: str, query: str) -> None:
    routed.ask("GET", f"{path}?{query}")

    assert (routed.last_request("cmd")["method"], routed.last_request("cmd")["path"]) == (
        "GET",
        f"{path}?{query}",
    )


@pytest.mark.parametrize("path", ["/v1/audio/voices", "/sdapi/v1/loras"])
@pytest.mark.parametrize(("query", "status"), [("", 400), ("?model=", 400), ("?model=nobody", 404)])
def test_a_route_without_a_body_needs_its_query(
    routed: House, path: str, query: str, status: int
) -> None:
    assert routed.ask("GET", path + query).status == status


@pytest.mark.parametrize("path", ["/props?model=cmd", "/sdapi/v1/loras?model=cmd"])
def test_a_head_of_a_model_is_refused_and_the_connection_goes_on(routed: House, path: str) -> None:
    with routed.wire() as wire:
        answer = wire.ask("HEAD", path).answer(bodiless=True)
        again = wire.ask("GET", "/health").answer()

    assert (answer.status, again.status) == (400, 200)


@pytest.mark.parametrize("path", ["/v1/messages", "/v/messages"])
def test_an_error_has_the_shape_of_its_dialect(routed: House, path: str) -> None:
    answer = routed.ask("POST", path, {"model": "nobody", "messages": []})

    assert answer.json()["type"] == "error"


def test_props_of_no_model_are_the_routers(routed: House) -> None:
    told = routed.get("/props")

    assert told["role"] == "router"
    assert told["build_info"].startswith("paddock ")
    assert routed.get("/props?model=cmd")["model_alias"] == "cmd"


def test_a_pictures_edit_may_be_a_form(routed: House) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ncmd\r\n'
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        b"\x89PNG\x00\r\n--b--\r\n"
    )

    routed.ask(
        "POST", "/v1/images/edits", body, {"Content-Type": "multipart/form-data; boundary=b"}
    )

    assert routed.last_request("cmd")["path"] == "/v1/images/edits"
    assert int(routed.last_request("cmd")["headers"]["content-length"]) == len(body)


# --- public ones ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon that asks for a key."""
    house = House(tmp_path_factory.mktemp("locked"))
    house.add("llama-a")
    house.add("llama-b")
    entries = {"llama-b": {"unlisted": True}}
    house.start(house.config(apiKeys=["sesame"], models=entries))
    yield house
    house.stop()


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/health", 200, '{"status": "ok"}'),
        ("/wol-health", 200, "OK"),
        ("/favicon.ico", 204, ""),
    ],
)
def test_some_routes_ask_for_no_key(locked: House, path: str, status: int, text: str) -> None:
    answer = locked.ask("GET", path)

    assert (answer.status, answer.text) == (status, text)


def test_the_front_page_lists_the_endpoints(locked: House) -> None:
    page = locked.ask("GET", "/").text

    for path in (*POSTED, "/upstream/*", "/comfyui/*", "/api/profiles", "/api/paddock/peers"):
        assert f"<code>{path}</code>" in page


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/props",
        "/running",
        "/upstream/llama-a/",
        "/comfyui/",
        "/api/profiles",
        "/api/paddock/peers",
        "/sdapi/v1/loras?model=llama-a",
    ],
)
def test_the_others_do(locked: House, path: str) -> None:
    assert locked.ask("GET", path).status == 401
    assert locked.ask("GET", path, headers={"x-api-key": "sesame"}).status != 401


def test_the_page_of_upstreams_links_to_them(routed: House) -> None:
    answer = routed.ask("GET", "/upstream", headers={"Accept": "text/html,*/*"})

    assert answer.headers["Content-Type"].startswith("text/html")
    assert 'href="/upstream/deep/er/"' in answer.text
    assert "hidden" not in answer.text


# --- /upstream ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "model", "child"),
    [
        ("deep/x", "deep", "/x"),
        ("deep/", "deep", "/"),
        ("deep/er/x", "deep/er", "/x"),
        ("deep%2Fer/x", "deep/er", "/x"),
        ("deep%2fer/x%2Fy", "deep/er", "/x%2Fy"),
        ("deep/er/est/x", "deep", "/x"),
        ("deep/ER/EST/x", "deep", "/x"),
        ("deep/eras/x", "deep", "/eras/x"),
        ("also%20cmd/a//b", "cmd", "/a//b"),
        ("cmd/x?a=%20&b", "cmd", "/x?a=%20&b"),
    ],
)
def test_the_longest_name_of_a_path_counts(
    routed: House, path: str, model: str, child: str
) -> None:
    with routed.wire() as wire:
        wire.ask("GET", f"/upstream/{path}").answer()

    assert routed.last_request(model)["path"] == child


def test_a_path_of_many_slashes_is_no_work(routed: House) -> None:
    answer = routed.ask("GET", "/upstream/nobody" + "/x" * 10_000)

    assert answer.status == 404


@pytest.mark.parametrize("path", ["nobody/x", "nobody", "%00/x", "/x"])
def test_a_path_that_names_no_model_is_told_so(routed: House, path: str) -> None:
    answer = routed.ask("GET", f"/upstream/{path}")

    assert answer.status == 404
    assert answer.json()["error"]["code"] == "model_not_found"


IGNORED = ["/style.css", "/a/b.js", "/assets/x", "/x%2Ecss", "/style.css?v=1"]


@pytest.mark.parametrize("path", IGNORED)
def test_a_path_of_a_page_starts_no_model(routed: House, path: str) -> None:
    answer = routed.ask("GET", f"/upstream/cold{path}")

    assert answer.status == 409
    assert answer.json()["error"]["code"] == "model_not_ready"
    assert "cold" not in routed.running()


@pytest.mark.parametrize("path", IGNORED)
def test_a_path_of_a_page_is_passed_on_to_a_loaded_model(routed: House, path: str) -> None:
    routed.load("cmd")

    assert routed.ask("GET", f"/upstream/cmd{path}").status == 404
    assert routed.last_request("cmd")["path"] == path


# --- ComfyUI --------------------------------------------------------------------------------------


def unloaded(routed: House, model: str) -> None:
    routed.ask("POST", f"/api/models/unload/{model}")
    assert model not in routed.running()


@pytest.mark.parametrize("path", ["/comfyui/x", "/comfyui/ws", "/comfyui//", "/comfyui/%2F"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_only_the_first_page_of_comfyui_loads_it(routed: House, method: str, path: str) -> None:
    unloaded(routed, "comfyui_auto")

    answer = routed.ask(method, path)

    assert answer.status == 409
    assert "comfyui_auto" not in routed.running()


def test_comfyui_is_loaded_by_its_first_page(routed: House) -> None:
    unloaded(routed, "comfyui_auto")

    routed.ask("GET", "/comfyui/?x=1")

    assert routed.last_request("comfyui_auto")["path"] == "/?x=1"
    routed.ask("POST", "/comfyui/api/prompt?y=%2F", {"prompt": 1})
    assert routed.last_request("comfyui_auto")["path"] == "/api/prompt?y=%2F"


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("POST", 308)])
def test_comfyui_without_a_slash_leads_to_the_one_with_it(
    routed: House, method: str, status: int
) -> None:
    with routed.wire() as wire:
        answer = wire.ask(method, "/comfyui?x=1").answer()

    assert (answer.status, answer.header("location")) == (status, "/comfyui/?x=1")


def test_without_comfyui_its_path_says_so(locked: House) -> None:
    answer = locked.ask("GET", "/comfyui/", headers={"x-api-key": "sesame"})

    assert answer.status == 404
    assert "comfyui_auto" in answer.json()["error"]["message"]


# --- WebSockets -----------------------------------------------------------------------------------


def open_websocket(wire: Wire, target: str) -> int:
    key = base64.b64encode(b"0123456789abcdef").decode()
    wire.ask(
        "GET",
        target,
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    )
    return wire.answer().status


def active(routed: House, model: str) -> int:
    views = routed.get("/api/paddock/instances")["instances"]
    return next(one["active"] for one in views if one["model"] == model)


@pytest.mark.parametrize(
    ("target", "model", "held"),
    [
        ("/upstream/cmd/ws", "cmd", 1),
        ("/upstream/quiet/ws", "quiet", 0),
        ("/comfyui/ws", "comfyui_auto", 0),
    ],
)
def test_a_websocket_holds_a_slot_unless_it_is_ignored(
    routed: House, target: str, model: str, held: int
) -> None:
    routed.load(model)
    with routed.wire() as wire:
        assert open_websocket(wire, target) == 101
        assert active(routed, model) == held
        wire.send(b"\x82\x82\x01\x01\x01\x01" + bytes((ord("h") ^ 1, ord("i") ^ 1)))
        assert wire.bytes_of(4) == b"\x82\x02hi"

    routed.until(lambda: active(routed, model) == 0, "the slot is free")


def test_an_ignored_websocket_ends_with_its_model(routed: House) -> None:
    routed.load("quiet")
    with routed.wire() as wire:
        assert open_websocket(wire, "/upstream/quiet/ws") == 101

        unloaded(routed, "quiet")

        assert wire.is_closed()


def test_answers_of_swapped_routes_carry_a_request_id(routed: House) -> None:
    answers: list[Answer] = [
        routed.ask("GET", "/props"),
        routed.ask("GET", "/sdapi/v1/loras?model=cmd"),
        routed.ask("GET", "/upstream"),
        routed.ask("GET", "/upstream/cold/x.css"),
    ]

    assert all(answer.headers.get("X-Request-Id") for answer in answers)
