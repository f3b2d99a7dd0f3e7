"""llama-swap's example, with every key there is, started by llama-swap's own command line; and each
row of its table of endpoints asked.

Of the file only two places are changed: where it keeps its store, and where the other machine is.
`llama-server` and `docker` are fakes on the PATH.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.house import FAKE, PATIENCE, Answer, House

EXAMPLE = Path(__file__).parents[2] / "examples" / "llama-swap.yaml"
MODELS = ("small", "large", "contained", "embedder")

DOCKER = """#!/bin/sh
# docker run ... --name NAME ... -p 127.0.0.1:PORT:8080 ..., or docker stop NAME
pids="{folder}"
if [ "$1" = stop ]; then kill "$(cat "$pids/$2.pid")"; exit; fi
while [ $# -gt 0 ]; do
    case "$1" in --name) name=$2 ;; -p) port=${{2#127.0.0.1:}} ;; esac
    shift
done
echo $$ > "$pids/$name.pid"
exec "{python}" -S "{fake}" --port "${{port%:8080}}" --alias "$name"
"""


class Example(House):
    """A house with the example in it, and the machine that the example calls `workstation`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for name in ("small", "large", "embedder"):
            (self.models / f"{name}.gguf").touch()
        docker = self.engine.with_name("docker")
        docker.write_text(DOCKER.format(folder=folder, python=sys.executable, fake=FAKE))
        docker.chmod(0o755)
        self.port = free_port()
        self.file = folder / "config.yaml"
        self.file.write_text(
            replaced(
                EXAMPLE.read_text(),
                ("/tmp/paddock-example/activity.db", str(folder / "activity.db")),
                ("http://workstation.example.lan:8090", f"http://127.0.0.1:{self.port}"),
            )
        )
        self.workstation = subprocess.Popen(
            [sys.executable, "-S", str(FAKE), "--port", str(self.port), "--alias", "far-model"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def environment(self) -> dict[str, str]:
        """As an owner has it: a home with a folder of models, and programs on the PATH."""
        return {
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.state),
            "PATH": f"{self.engine.parent}{os.pathsep}{os.environ['PATH']}",
        }

    def stop(self) -> int:
        self.workstation.terminate()
        self.workstation.wait(PATIENCE)
        return super().stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def replaced(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """The example, as a unit file starts it."""
    house = Example(tmp_path_factory.mktemp("example"))
    try:
        words = ("-config", str(house.file), "-listen", "127.0.0.1:0", "-watch-config")
        house.serve(*words, **house.environment())
        yield house
    finally:
        house.stop()


# --- it starts -----------------------------------------------------------------------------------


def test_nothing_is_wrong_with_it(example: Example) -> None:
    said = example.get("/api/config")

    assert said["refused"] is None
    assert said["files"] == [str(example.file)]
    assert "rror" not in example.said.partition("Ctrl-C")[0]


def test_what_is_preloaded_comes_by_itself(example: Example) -> None:
    example.until(lambda: "starting embedder" in example.said, "the hook loads it")


def test_its_folder_for_requests_is_used(example: Example) -> None:
    assert (example.folder / "activity.db").exists()


@pytest.mark.parametrize("model", [*MODELS, "workstation/far-model", "far-model"])
def test_each_model_answers(example: Example, model: str) -> None:
    answer = example.chat(model)

    assert answer.status == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("gpt-4o-mini", "small"),
        ("quick", "small"),
        ("small:precise", "small"),
        ("small:wild", "small"),
        ("assistant", ""),
        ("crowd", ""),
    ],
)
def test_each_other_name_answers(example: Example, name: str, model: str) -> None:
    answer = example.chat(name)

    assert answer.status == 200, answer.text
    assert model in str(answer.json()["model"])


def test_its_macros_reach_the_command(example: Example) -> None:
    assert example.chat("small").status == 200
    argv = example.engine_state("small")["argv"]

    assert argv[argv.index("--ctx-size") + 1] == "8192"
    assert argv[argv.index("--temp") + 1] == "0.7"
    assert argv[argv.index("--model") + 1] == str(example.models / "small.gguf")
    assert "--no-webui" in argv


def test_its_own_macro_wins(example: Example) -> None:
    assert example.chat("large").status == 200
    argv = example.engine_state("large")["argv"]

    assert argv[argv.index("--ctx-size") + 1] == "32768"


def test_its_environment_reaches_the_command(example: Example) -> None:
    assert example.chat("small").status == 200
    env = example.engine_state("small")["env"]

    assert env["GGML_VK_VISIBLE_DEVICES"] == "0"
    assert env["LLAMA_ARG_THREADS"] == "8"


@pytest.mark.parametrize(
    ("name", "temperature"), [("small", 0.7), ("small:precise", 0), ("small:wild", 1.3)]
)
def test_its_filters_change_requests(example: Example, name: str, temperature: float) -> None:
    example.ask("POST", "/v1/embeddings", {"model": name, "input": "x", "top_k": 4, "n": 1})
    body = json.loads(example.last_request("small")["body"])

    assert body["temperature"] == temperature
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert "top_k" not in body
    assert body["n"] == 1


def test_a_group_that_is_exclusive_makes_others_leave_but_not_the_persistent(
    example: Example,
) -> None:
    for name in ("small", "embedder", "large", "contained"):
        assert example.chat(name).status == 200

    assert sorted(example.running()) == ["contained", "embedder", "small"]


def test_its_command_to_stop_stops_it(example: Example) -> None:
    assert example.chat("contained").status == 200
    pid = example.engine_state("contained")["pid"]
    assert int((example.folder / "contained.pid").read_text()) == pid

    assert example.ask("POST", "/api/models/unload/contained").text == "OK"
    assert "contained" not in example.running()


def test_its_peer_gets_its_key_its_filters_and_its_models_own_name(example: Example) -> None:
    told = {"model": "workstation/far-model", "input": "x", "temperature": 2}
    answer = example.ask("POST", "/v1/embeddings", told)
    with urllib.request.urlopen(f"http://127.0.0.1:{example.port}/fake/state") as state:
        seen = json.load(state)["requests"][-1]

    assert answer.status == 200
    assert json.loads(seen["body"]) == {"model": "far-model", "input": "x", "user": "nas"}
    assert seen["headers"]["authorization"] == "Bearer a-key-of-the-workstation"


def test_a_profile_leads_names_elsewhere_and_switches_them_off(example: Example) -> None:
    example.ask("PUT", "/api/profiles/active", {"name": "night"})
    night = example.ask("POST", "/v1/embeddings", {"model": "gpt-4o", "input": "x"})
    refused = example.ask("POST", "/v1/embeddings", {"model": "gpt-4o-mini", "input": "x"})
    example.ask("PUT", "/api/profiles/active", {"name": None})

    assert (night.status, refused.status) == (200, 404)
    assert example.ask("POST", "/v1/embeddings", {"model": "gpt-4o", "input": "x"}).status == 404


def test_a_broken_file_changes_nothing(example: Example) -> None:
    good = example.file.read_text()
    example.file.write_text("models: [")
    try:
        example.until(lambda: example.get("/api/config")["refused"], "it is noticed")
        assert example.chat("small").status == 200
    finally:
        example.file.write_text(good)
    example.until(lambda: not example.get("/api/config")["refused"], "it is well again")


# --- each row of the table of endpoints ----------------------------------------------------------

CHAT = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
TEXT: dict[str, Any] = {"prompt": "hello", "input": "hello", "query": "q", "documents": ["a"]}
INFILL = {"input_prefix": "a", "input_suffix": "b"}
JSON_PATHS = (
    *(
        f"{start}/{name}"
        for start in ("/v1", "/v")
        for name in (
            "chat/completions",
            "completions",
            "responses",
            "messages",
            "messages/count_tokens",
            "embeddings",
            "rerank",
            "reranking",
        )
    ),
    "/v1/audio/speech",
    "/v1/audio/voices",
    "/v1/images/generations",
    "/v1/images/edits",
    "/rerank",
    "/reranking",
    "/infill",
    "/completion",
    "/sdapi/v1/txt2img",
    "/sdapi/v1/img2img",
    "/audioapi/v1/tasks/run",
)


def body_for(path: str) -> dict[str, Any]:
    return INFILL if path == "/infill" else CHAT | TEXT if "messages" not in path else CHAT


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("model", ["small", "workstation/far-model"])
def test_a_model_answers_below(example: Example, path: str, model: str) -> None:
    answer = example.ask("POST", path, {"model": model, **body_for(path)})

    assert answer.status == 200, answer.text


@pytest.mark.parametrize("path", JSON_PATHS)
def test_without_such_a_model_it_is_404(example: Example, path: str) -> None:
    answer = example.ask("POST", path, {"model": "nobody", **body_for(path)})

    assert answer.status == 404
    assert "nobody" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/images/edits"])
@pytest.mark.parametrize("model", ["small", "quick", "far-model"])
def test_a_form_is_answered(example: Example, path: str, model: str) -> None:
    form = f'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n--b--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}

    assert example.ask("POST", path, form.encode(), kind).status == 200


@pytest.mark.parametrize("path", ["/v1/audio/voices", "/sdapi/v1/loras", "/props"])
@pytest.mark.parametrize("model", ["small", "quick", "workstation/far-model"])
def test_a_query_is_answered(example: Example, path: str, model: str) -> None:
    assert example.ask("GET", f"{path}?model={model}").status == 200


def of_type(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


ENTRY = {"id": of_type(str), "object": "model".__eq__, "created": of_type(int)}
PLAIN: dict[str, dict[str, Any]] = {
    "/v1/models": {"object": "list".__eq__, "data": of_type(list)},
    "/models": {"object": "list".__eq__, "data": of_type(list)},
    "/running": {"running": of_type(list)},
    "/api/metrics/activity": {
        "data": of_type(list),
        "page": (1).__eq__,
        "limit": (25).__eq__,
        "total": of_type(int),
        "total_pages": of_type(int),
    },
    "/api/metrics/stats": {
        "total_requests": of_type(int),
        "total_input_tokens": of_type(int),
        "total_output_tokens": of_type(int),
        "total_cache_tokens": of_type(int),
    },
    "/api/performance": {
        "enabled": True.__eq__,
        "sys_stats": of_type(list),
        "gpu_stats": of_type(list),
    },
    "/api/hardware": {
        "schema_version": (1).__eq__,
        "cpu": of_type(dict),
        "memory": of_type(dict),
        "accelerators": of_type(list),
    },
    "/api/version": {"version": of_type(str), "commit": of_type(str), "build_date": of_type(str)},
    "/api/profiles": {"profiles": of_type(list)},
    "/api/queue": {"waiting": of_type(list), "running": of_type(list)},
    "/api/inflight": {"total": of_type(int), "requests": of_type(list)},
}
"""Paths of the door, and what is in the object that each answers."""


@pytest.mark.parametrize("path", PLAIN)
def test_an_object_of_this_shape(example: Example, path: str) -> None:
    def answered() -> Answer | None:
        answer = example.ask("GET", path)
        return answer if answer.status != 503 else None  # it has not looked at the machine yet

    answer: Answer = example.until(answered, f"{path} answers")
    told = answer.json()

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert [key for key, right in PLAIN[path].items() if not right(told[key])] == []


def test_the_list_has_models_selectors_and_those_of_peers(example: Example) -> None:
    listed = {one["id"]: one for one in example.get("/v1/models")["data"]}

    assert set(listed) == {
        "small",
        "large",
        "contained",
        "assistant",
        "crowd",
        "workstation/far-model",
    }
    assert list(listed) == sorted(listed)
    for entry in listed.values():
        assert [key for key, right in ENTRY.items() if not right(entry[key])] == []
        assert entry["status"]["value"] in {"loaded", "unloaded"}
    small = listed["small"]
    assert (small["name"], small["description"]) == ("Small and quick", "For short questions")
    assert small["meta"]["llamaswap"]["context"] == 8192
    assert small["context_length"] == 8192


def test_running_says_how(example: Example) -> None:
    assert example.chat("small").status == 200
    one = next(one for one in example.get("/running")["running"] if one["model"] == "small")

    assert set(one) == {"model", "state", "cmd", "proxy", "ttl", "name", "description"}
    assert (one["state"], one["ttl"], one["name"]) == ("ready", 300, "Small and quick")
    assert one["cmd"].startswith("llama-server --host 127.0.0.1 --port ")
    assert one["proxy"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", "/unload", "OK"),
        ("POST", "/api/models/unload", '{"msg": "ok"}'),
        ("POST", "/api/models/unload/small", "OK"),
        ("POST", "/api/models/unload/quick", "OK"),
    ],
)
def test_unloading_answers_when_it_is_done(
    example: Example, method: str, path: str, told: str
) -> None:
    assert example.chat("small").status == 200
    answer = example.ask(method, path)

    assert (answer.status, answer.text) == (200, told)
    assert "small" not in example.running()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/upstream/small/health", 200),
        ("/upstream/quick/health", 200),
        ("/upstream/nobody/health", 404),
        ("/comfyui/", 404),  # the example has no model with that id
    ],
)
def test_what_is_below_upstream(example: Example, path: str, status: int) -> None:
    assert example.ask("GET", path).status == status


def test_a_path_to_be_ignored_loads_nothing(example: Example) -> None:
    example.ask("GET", "/unload")

    assert example.ask("GET", "/upstream/large/page.css").status == 409
    assert example.running() == []


@pytest.mark.parametrize("path", ["/logs", "/logs/proxy", "/logs/upstream", "/logs/small"])
def test_logs_are_text(example: Example, path: str) -> None:
    answer = example.ask("GET", path)

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_the_log_of_the_daemon_tells_what_it_did(example: Example) -> None:
    assert example.chat("small").status == 200

    assert "small" in example.ask("GET", "/logs").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 200),
        ("/proxy", 200),
        ("/upstream", 200),
        ("/small", 200),
        ("/quick", 200),
        ("/nobody", 400),
    ],
)
def test_logs_are_streamed(example: Example, path: str, status: int) -> None:
    with example.wire() as wire:
        wire.ask("GET", f"/logs/stream{path}?no-history")
        head = wire.bytes_until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status)


def test_metrics_are_prometheus_text(example: Example) -> None:
    answer = example.ask("GET", "/metrics")

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_events_begin_with_everything(example: Example) -> None:
    kinds: set[str] = set()
    with urllib.request.urlopen(f"{example.url}/api/events", timeout=PATIENCE) as stream:
        while not kinds >= {"modelStatus", "logData", "inflight", "uiConfig", "profileChanged"}:
            line = stream.readline()
            assert line
            if line.startswith(b"data:"):
                kinds.add(json.loads(line[5:])["type"])


def test_a_capture_has_the_request(example: Example) -> None:
    assert example.chat("small", "to be captured").status == 200

    def row() -> Any:
        newest = example.get("/api/metrics/activity?model=small&limit=1")["data"]
        return next((one for one in newest if one["has_capture"]), None)

    number = example.until(row, "the request has a row")["id"]
    capture = example.get(f"/api/captures/{number}")
    assert b"to be captured" in base64.b64decode(capture["req_body"])
    assert example.ask("GET", "/api/captures/987654321").status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [({"name": "night"}, 200), ({"name": None}, 200), ({"name": "nobody"}, 404), ({}, 400)],
)
def test_profiles_are_switched(example: Example, body: Any, status: int) -> None:
    answer = example.ask("PUT", "/api/profiles/active", body)
    example.ask("PUT", "/api/profiles/active", {"name": None})

    assert answer.status == status


def test_a_request_that_is_gone_cannot_be_cancelled(example: Example) -> None:
    assert example.ask("POST", "/api/inflight/1/cancel").status == 404


@pytest.mark.parametrize(
    ("path", "text"), [("/health", None), ("/wol-health", "OK"), ("/", None), ("/favicon.ico", "")]
)
def test_who_only_wants_to_know_whether_it_lives(
    example: Example, path: str, text: str | None
) -> None:
    answer = example.ask("GET", path)

    assert answer.status in {200, 204}
    assert text is None or answer.text == text


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/running", "/api/events", "/nowhere"])
def test_a_browser_is_asked_nothing_for_options(example: Example, path: str) -> None:
    assert example.ask("OPTIONS", path).status == 204
