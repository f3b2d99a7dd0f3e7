"""The Ollama door's listing and management, through Ollama's own Python client."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ollama
import pytest
from tests.fakes.gguf_maker import Gguf
from tests.fakes.house import Answer, House

CHAT_TEMPLATE = "{% if tools %}{{ tools }}{% endif %}{{ messages }}"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a chat model, an embedding model and one that sees in its folder."""
    house = House(tmp_path_factory.mktemp("door"))
    house.add(
        "chatty-1b-q4_k_m",
        metadata={"tokenizer.chat_template": CHAT_TEMPLATE, "general.tags": ["chat", "small"]},
        vocabulary=300,
    )
    house.add("embedder", architecture="bert")
    house.start(
        house.config(
            maxLoadedModels=4,
            models={"hidden": {"cmd": "x ${PORT}", "unlisted": True}},
            selectors={"best": {"targets": ["chatty-1b-q4_k_m"], "strategy": "pin"}},
            peers={"far": {"proxy": "http://127.0.0.1:9", "models": ["away"]}},
        )
    )
    yield house
    house.stop()


@pytest.fixture
def client(door: House) -> Iterator[ollama.Client]:
    """Ollama's client of the house."""
    with ollama.Client(door.ollama_url) as client:
        yield client


def ask(
    door: House,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request at the Ollama door."""
    door.url, url = door.ollama_url, door.url
    try:
        return door.ask(method, path, body, headers)
    finally:
        door.url = url


def store_of(door: House) -> Path:
    return door.state / "ollama"


def names(client: ollama.Client) -> list[str]:
    return [model.model or "" for model in client.list().models]


def blob_of(file: Path) -> str:
    return "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()


# --- listing


def test_a_file_of_the_folder_is_listed_with_all_its_fields(door: House, client: ollama.Client):
    told = json.loads(ask(door, "GET", "/api/tags").body)["models"]
    entry = next(one for one in told if one["name"] == "chatty-1b-q4_k_m:latest")

    assert entry.keys() == {
        "name", "model", "modified_at", "size", "digest", "details", "capabilities",
    }  # fmt: skip
    assert entry["model"] == entry["name"]
    assert len(entry["digest"]) == 64
    assert entry["size"] == (door.models / "chatty-1b-q4_k_m.gguf").stat().st_size
    assert datetime.fromisoformat(entry["modified_at"]).utcoffset() is not None
    assert entry["details"]["families"] == ["llama"]
    assert entry["details"]["quantization_level"] == "Q4_K_M"
    assert entry["capabilities"] == ["completion", "tools"]
    assert "hidden:latest" not in names(client)


def test_selectors_and_what_peers_have_are_listed_too(door: House, client: ollama.Client):
    told = {one.model: one for one in client.list().models}

    assert told["best:latest"].digest
    assert told["far/away:latest"].digest != told["best:latest"].digest
    assert client.show("best").template == CHAT_TEMPLATE
    assert client.show("far/away").capabilities == ["completion"]
    assert client.pull("far/away").status == "success"


def test_the_newest_is_listed_first(door: House):
    told = ask(door, "GET", "/api/tags").json()["models"]

    times = [datetime.fromisoformat(one["modified_at"]) for one in told]
    assert times == sorted(times, reverse=True)


def test_an_embedding_model_does_not_complete(client: ollama.Client):
    assert client.show("embedder").capabilities == ["embedding"]


def test_head_is_answered_without_a_body(door: House):
    answer = ask(door, "HEAD", "/api/tags")

    assert (answer.status, answer.body) == (200, b"")


def test_what_runs_is_told_with_its_memory_and_its_end(door: House, client: ollama.Client):
    door.load("chatty-1b-q4_k_m")

    entry = next(one for one in client.ps().models if one.model == "chatty-1b-q4_k_m:latest")

    assert entry.name == entry.model
    assert (entry.size or 0) > 0
    assert entry.context_length == 4096
    assert entry.expires_at is not None
    assert timedelta() < entry.expires_at - datetime.now(UTC) < timedelta(minutes=6)
    assert entry.digest == next(
        one.digest for one in client.list().models if one.model == entry.model
    )


# --- showing


def test_everything_is_shown_of_a_file(client: ollama.Client):
    shown = client.show("CHATTY-1b-q4_k_m")

    assert shown.template == CHAT_TEMPLATE
    assert shown.modelfile is not None
    assert "chatty-1b-q4_k_m.gguf" in shown.modelfile
    assert shown.modelinfo is not None
    assert shown.modelinfo["general.architecture"] == "llama"
    assert shown.modelinfo["general.tags"] == ["chat", "small"]
    assert shown.modelinfo["tokenizer.ggml.tokens"] is None
    assert "tokenizer.chat_template" not in shown.modelinfo
    assert shown.capabilities == ["completion", "tools"]


def test_long_arrays_are_shown_when_asked_for(door: House):
    asked = {"model": "chatty-1b-q4_k_m", "verbose": True}

    told = ask(door, "POST", "/api/show", asked).json()

    assert len(told["model_info"]["tokenizer.ggml.tokens"]) == 300
    assert told["tensors"][0] == {
        "name": "token_embd.weight",
        "type": "Q4_K",
        "shape": [256, 32],
    }


def test_a_request_may_ask_what_would_be_with_its_own_settings(door: House):
    asked = {"model": "embedder", "system": "mine", "options": {"top_k": 3}}

    told = ask(door, "POST", "/api/show", asked).json()

    assert told["system"] == "mine"
    assert told["parameters"] == "top_k                          3"


def test_copilot_is_told_the_name_that_it_asked_for(door: House):
    told = ask(
        door,
        "POST",
        "/api/show",
        {"model": "Embedder"},
        {"User-Agent": "GitHubCopilotChat/0.30"},
    ).json()

    assert told["model_info"]["general.basename"] == "Embedder"


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 400, "model is required"),
        ({"model": "nobody"}, 404, "model 'nobody' not found"),
        ({"name": 1}, 400, "`name` must be a string, not a number"),
        ({"model": "x", "options": []}, 400, "`options` must be an object, not an array"),
        ([], 400, "the body must be a JSON object, not an array"),
    ],
)
def test_a_wrong_question_is_told_so(door: House, body: Any, status: int, error: str):
    answer = ask(door, "POST", "/api/show", body)

    assert (answer.status, answer.json()["error"]) == (status, error)


# --- making


def test_a_model_is_made_of_a_file_and_shares_its_bytes(door: House, client: ollama.Client):
    statuses = [
        one.status
        for one in client.create(
            "mario",
            from_="chatty-1b-q4_k_m",
            system="You are Mario.",
            template="{{ .System }} {{ .Prompt }}",
            parameters={"temperature": 0.7, "stop": ["</s>", "Luigi"]},
            messages=[{"role": "user", "content": "hi"}],
            license="MIT",
            stream=True,
        )
    ]

    assert statuses[-2:] == ["writing manifest", "success"]
    assert any((status or "").startswith("creating new layer sha256:") for status in statuses)
    file = door.models / "chatty-1b-q4_k_m.gguf"
    blob = store_of(door) / "blobs" / blob_of(file).replace(":", "-")
    assert os.path.samefile(blob, file)
    shown = client.show("mario")
    assert shown.template == "{{ .System }} {{ .Prompt }}"
    assert shown.license == "MIT"
    assert shown.parameters is not None
    assert "temperature                    0.7" in shown.parameters.splitlines()
    assert 'stop                           "Luigi"' in shown.parameters.splitlines()
    raw = ask(door, "POST", "/api/show", {"model": "mario"}).json()
    assert raw["system"] == "You are Mario."
    assert raw["messages"] == [{"role": "user", "content": "hi"}]
    assert "mario:latest" in names(client)


def test_a_model_made_of_another_keeps_what_is_not_replaced(door: House, client: ollama.Client):
    client.create("parent", from_="embedder", system="old", license="MIT", parameters={"seed": 1})

    client.create("child:v2", from_="parent", system="new", license="BSD", parameters={"top_k": 2})

    raw = ask(door, "POST", "/api/show", {"model": "child:v2"}).json()
    assert raw["system"] == "new"
    assert raw["license"] == "MIT\nBSD"
    assert {line.split()[0] for line in raw["parameters"].splitlines()} == {"seed", "top_k"}


def test_a_model_is_made_of_files_that_are_sent(door: House, client: ollama.Client, tmp_path: Path):
    file = Gguf(metadata={"general.name": "Sent"}).write(tmp_path / "sent.gguf")

    digest = client.create_blob(file)
    made = client.create("sent", files={"sent.gguf": digest}, stream=False)

    assert made.status == "success"
    assert ask(door, "HEAD", f"/api/blobs/{digest}").status == 200
    assert "sent:latest" in names(client)
    door.load("sent")


def test_the_owners_own_client_names_files_instead_of_sending_them(door: House):
    file = door.models / "chatty-1b-q4_k_m.gguf"
    asked = {"model": "named", "paths": {"a.gguf": str(file)}, "stream": False}

    assert ask(door, "POST", "/api/create", asked).json() == {"status": "success"}


def test_a_model_may_have_the_name_of_the_file_it_is_made_of(door: House, client: ollama.Client):
    door.add("own-name")
    door.until(lambda: "own-name:latest" in names(client), "the file is a model")

    client.create("own-name", from_="own-name", system="Be kind.", stream=False)

    assert client.show("own-name").modelfile is not None
    assert ask(door, "POST", "/api/show", {"model": "own-name"}).json()["system"] == "Be kind."
    assert [name for name in names(client) if name.startswith("own-name")] == ["own-name:latest"]
    (door.models / "own-name.gguf").unlink()
    door.load("own-name")


def test_a_known_file_of_the_folder_need_not_be_sent(door: House, client: ollama.Client):
    client.create("known", from_="chatty-1b-q4_k_m")
    digest = blob_of(door.models / "chatty-1b-q4_k_m.gguf")

    assert ask(door, "HEAD", f"/api/blobs/{digest}").status == 200
    assert ask(door, "POST", f"/api/blobs/{digest}", b"").status == 200


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"from": "nobody-here", "stream": False}, 404, "file does not exist"),
        ({"from": "../../etc/passwd"}, 400, "invalid model name '../../etc/passwd'"),
        ({"files": {"a.gguf": "sha256:" + "0" * 64}}, 400, "`files.a.gguf`: the blob sha256:000"),
        ({"paths": {"a.gguf": "/etc/passwd"}}, 400, "'/etc/passwd' is not in a models folder"),
        ({"paths": {"a.gguf": "a.gguf"}}, 400, "is not in a models folder"),
        ({"paths": {"a.gguf": "/a\0b"}}, 400, "is not in a models folder"),
        ({"from": "chatty-1b-q4_k_m", "template": "{{ if }}"}, 400, "template error: "),
        ({"from": "chatty-1b-q4_k_m", "quantize": "Q4_K_M"}, 400, "only supported for F16"),
        ({"from": "chatty-1b-q4_k_m", "quantize": "Q9"}, 400, "unsupported quantization type"),
        ({"from": "hidden"}, 400, "hidden is a command of the configuration"),
        ({"model": "embedder", "from": "chatty-1b-q4_k_m"}, 400, "is the name of the file"),
        ({}, 400, "neither 'from' or 'files' was specified"),
        ({"model": "a/b/c/d:e"}, 400, "invalid model name 'a/b/c/d:e', in `model`"),
        ({"stream": "no"}, 400, "`stream` must be a boolean, not a string"),
    ],
)
def test_what_cannot_be_made_touches_nothing(
    door: House, changes: dict[str, Any], status: int, error: str
):
    before = everything_below(store_of(door))

    answer = ask(door, "POST", "/api/create", {"model": "never"} | changes)

    assert error in answer.json()["error"]
    assert answer.status == status
    assert everything_below(store_of(door)) == before


def everything_below(folder: Path) -> set[str]:
    """All files; the store's own folders come with the first of them and stay."""
    return {str(path) for path in folder.rglob("*") if not path.is_dir()}


# --- blobs


def test_a_blob_that_is_something_else_is_refused_and_leaves_nothing(door: House):
    before = everything_below(store_of(door))

    answer = ask(door, "POST", "/api/blobs/sha256:" + "1" * 64, b"something else")

    assert answer.status == 400
    assert "digest mismatch" in answer.json()["error"]
    assert everything_below(store_of(door)) == before


@pytest.mark.parametrize(
    "digest",
    ["sha256:12", "md5:abc", "sha256-..%2F..%2Fetc%2Fpasswd", "%00", "", "sha256:" + "g" * 64],
)
def test_a_digest_that_is_none_is_refused(door: House, digest: str):
    assert ask(door, "POST", f"/api/blobs/{digest}", b"x").status == 400
    assert ask(door, "HEAD", f"/api/blobs/{digest}").status == 400


def test_an_upload_that_breaks_off_leaves_nothing(door: House):
    before = everything_below(store_of(door))
    door.url, url = door.ollama_url, door.url
    try:
        with door.wire() as wire:
            wire.send(
                f"POST /api/blobs/sha256:{'2' * 64} HTTP/1.1\r\nHost: localhost\r\n"
                "Content-Length: 1000000\r\n\r\nhalf of it".encode()
            )
            door.until(lambda: everything_below(store_of(door)) != before, "it is being received")
    finally:
        door.url = url

    door.until(lambda: everything_below(store_of(door)) == before, "nothing is left of it")


def test_a_file_that_the_disk_has_no_room_for_is_refused_at_once(door: House):
    door.url, url = door.ollama_url, door.url
    try:
        with door.wire() as wire:
            wire.send(
                f"POST /api/blobs/sha256:{'3' * 64} HTTP/1.1\r\nHost: localhost\r\n"
                f"Content-Length: {1 << 60}\r\n\r\n".encode()
            )
            answer = wire.bytes_until(b"}")
    finally:
        door.url = url

    assert b" 500 " in answer
    assert b"the store has room for" in answer


def test_the_same_blob_may_be_sent_twice_at_once(door: House, tmp_path: Path):
    data = b"x" * 3_000_000
    digest = "sha256:" + hashlib.sha256(data).hexdigest()

    with ThreadPoolExecutor(4) as senders:
        answers = list(
            senders.map(lambda _: raw(door, "POST", f"/api/blobs/{digest}", data), range(4))
        )

    assert {status for status, _ in answers} <= {200, 201}
    assert (store_of(door) / "blobs" / digest.replace(":", "-")).read_bytes() == data
    assert not [p for p in os.listdir(store_of(door) / "blobs") if "partial" in p]


def raw(door: House, method: str, path: str, data: bytes) -> tuple[int, bytes]:
    """One request that is not JSON."""
    address = door.ollama_url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request(method, path, data)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_file_that_is_no_gguf_makes_no_model(door: House):
    data = b"these are no weights"
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    assert raw(door, "POST", f"/api/blobs/{digest}", data)[0] == 201

    answer = ask(door, "POST", "/api/create", {"model": "m", "files": {"a.gguf": digest}})

    assert answer.status == 400
    assert answer.json()["error"] == "`files.a.gguf`: not a GGUF file"


def test_a_link_leads_nobody_out_of_the_models_folder(door: House, tmp_path: Path):
    outside = Gguf(metadata={"general.name": "Outside"}).write(tmp_path / "outside.gguf")
    link = door.models / "linked.gguf"
    link.symlink_to(outside)

    made = ask(door, "POST", "/api/create", {"model": "m", "paths": {"a.gguf": str(link)}})
    link.unlink()

    assert made.status == 400
    assert "is not in a models folder" in made.json()["error"]


def test_of_a_link_only_the_link_is_deleted(door: House):
    file = door.add("led-to", metadata={"general.name": "Led to"})
    link = door.models / "leads.gguf"
    link.symlink_to(file)
    door.until(
        lambda: ask(door, "POST", "/api/show", {"model": "leads"}).status == 200, "it is there"
    )

    deleted = ask(door, "DELETE", "/api/delete", {"model": "leads", "files": True})

    assert deleted.status == 200
    assert not link.is_symlink()
    assert file.exists()


# --- names


def test_a_copy_is_the_same_and_lives_on_its_own(door: House, client: ollama.Client):
    client.create("original", from_="chatty-1b-q4_k_m", system="s")

    client.copy("original", "someone/copied:v1")
    client.delete("original")

    assert "someone/copied:v1" in names(client)
    assert "original:latest" not in names(client)
    assert ask(door, "POST", "/api/show", {"model": "someone/copied:v1"}).json()["system"] == "s"


def test_a_file_of_the_folder_can_be_copied(client: ollama.Client):
    client.copy("embedder", "second-embedder")

    assert client.show("second-embedder").capabilities == ["embedding"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", "/api/copy", {"source": "no", "destination": "b"}, 404, 'model "no" not found'),
        ("POST", "/api/copy", {"source": "embedder", "destination": "../b"}, 400, "invalid model"),
        ("POST", "/api/copy", {"source": "embedder"}, 400, "model is required"),
        ("DELETE", "/api/delete", {"model": "no"}, 404, 'model "no" not found'),
        ("DELETE", "/api/delete", {"model": "../../x"}, 400, "invalid model name"),
        ("DELETE", "/api/delete", {"model": "embedder"}, 400, "embedder is a file in the models"),
        ("DELETE", "/api/delete", {"model": "hidden", "files": True}, 400, "with a cmd"),
        ("POST", "/api/push", {"model": "embedder"}, 400, "registries take models of the store"),
        ("POST", "/api/push", {"model": "no"}, 404, "not found"),
        ("POST", "/api/pull", {"model": "no", "stream": False}, 404, "file does not exist"),
        ("POST", "/api/pull", {"model": "a b"}, 400, "invalid model name 'a b'"),
    ],
)
def test_names_that_cannot_be_are_refused(
    door: House, method: str, path: str, body: Any, status: int, error: str
):
    answer = ask(door, method, path, body)

    assert error in answer.json()["error"]
    assert answer.status == status


def test_a_deleted_model_leaves_memory_and_takes_only_its_own_blobs(
    door: House, client: ollama.Client
):
    client.create(
        "one", from_="chatty-1b-q4_k_m", system="only of one", parameters={"num_ctx": 512}
    )
    client.create("two", from_="one", system="only of two")
    manifests = store_of(door) / "manifests/registry.ollama.ai/library"
    door.load("one")
    before = set(os.listdir(store_of(door) / "blobs"))

    client.delete("one")

    assert not (manifests / "one").exists()
    assert "one:latest" not in door.running()
    gone = before - set(os.listdir(store_of(door) / "blobs"))
    assert len(gone) == 2  # its system prompt and its config
    assert (door.models / "chatty-1b-q4_k_m.gguf").exists()


def test_the_file_goes_too_when_that_is_said(door: House):
    door.add("goes-away", metadata={"general.name": "Goes"})
    door.until(
        lambda: ask(door, "POST", "/api/show", {"model": "goes-away"}).status == 200, "it is there"
    )

    answer = ask(door, "DELETE", "/api/delete", {"model": "goes-away", "files": True})

    assert (answer.status, answer.body) == (200, b"")
    assert not (door.models / "goes-away.gguf").exists()


# --- pulling


def test_what_is_here_is_pulled_at_once(client: ollama.Client):
    client.create("present", from_="embedder", system="s")

    lines = list(client.pull("present", stream=True))

    assert [lines[0].status, lines[-1].status] == ["pulling manifest", "success"]
    blobs = [line for line in lines if line.digest]
    assert all(line.completed == line.total for line in blobs)
    assert {"verifying sha256 digest", "writing manifest"} < {line.status for line in lines}
    assert client.pull("embedder", insecure=True).status == "success"


# --- who may


ROUTES = (
    ("GET", "/api/tags"), ("HEAD", "/api/tags"), ("GET", "/api/ps"), ("POST", "/api/show"),
    ("POST", "/api/create"), ("HEAD", "/api/blobs/x"), ("POST", "/api/blobs/x"),
    ("POST", "/api/copy"), ("DELETE", "/api/delete"), ("POST", "/api/pull"), ("POST", "/api/push"),
)  # fmt: skip


def test_nobody_manages_models_without_a_key(house: House):
    house.add("a")
    house.start(house.config(apiKeys=["the-key-of-the-house"]))

    answers = [ask(house, method, path) for method, path in ROUTES]

    assert [answer.status for answer in answers] == [401] * len(ROUTES)
