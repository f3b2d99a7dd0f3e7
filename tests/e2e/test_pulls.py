"""Models brought in by whole daemons: from a hub, from a real registry, and against faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.caller import Caller, Crowd
from tests.fakes.gguf_maker import Gguf
from tests.fakes.house import House
from tests.fakes.hub import Hub
from tests.fakes.ollama_store import OllamaStore
from tests.fakes.registry import Registry

REPO = "maker/tiny-GGUF"
PULLS = "/api/paddock/pulls"
LARGE = 6 << 20


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path) as hub:
        yield hub


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path) as registry:
        yield registry


def gguf(folder: Path, size: int = 0, **what: Any) -> bytes:
    """A model, with so many bytes behind it."""
    return Gguf(**what).write(folder / "made").read_bytes() + os.urandom(size)


def start(house: House, hub: Hub, env: dict[str, str] | None = None, **changes: Any) -> House:
    pulls = {"endpoint": hub.url, **changes.pop("pulls", {})}
    return house.start(house.config(pulls=pulls, **changes), **(env or {}))


def pull(house: House, name: str, **asked: Any) -> dict[str, Any]:
    """The last state of a pull."""
    answer = house.ask("POST", PULLS, {"name": name, **asked})
    assert answer.status == 200, answer.text
    state: dict[str, Any] = json.loads(answer.text.splitlines()[-1])
    return state


def by_ollama(house: House, name: str) -> list[dict[str, Any]]:
    answer = house.ask("POST", "/api/pull", {"model": name}, door="ollama")
    return [json.loads(line) for line in answer.text.splitlines()]


def listed(house: House) -> tuple[set[str], set[str]]:
    """The models at both doors."""
    tags = house.ask("GET", "/api/tags", door="ollama").json()["models"]
    return {one["id"] for one in house.get("/v1/models")["data"]}, {one["name"] for one in tags}


def answers(house: House, model: str) -> bool:
    asked = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": False}
    native = house.ask("POST", "/api/chat", asked, door="ollama")
    return house.chat(model).status == native.status == 200


def under_way(house: House, *, at_least: int = 1) -> dict[str, Any] | None:
    """The only pull, once some of its bytes are here."""
    (state,) = house.get(PULLS)["pulls"] or [None]
    if state and sum(one["completed"] for one in state["files"]) >= at_least:
        found: dict[str, Any] = state
        return found
    return None


def sent(hub: Hub) -> int:
    return sum(request["sent"] for request in hub.requests("content"))


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# --- both worlds ---------------------------------------------------------------------------------


def test_a_file_of_the_hub_is_at_both_doors_and_answers(house: House, hub: Hub, tmp_path: Path):
    data = gguf(tmp_path)
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": data, "README.md": b"hello"})
    start(house, hub)

    plan = house.ask("POST", PULLS, {"name": f"{REPO}:Q4_K_M", "dry_run": True}).json()
    assert plan["files"] == [
        {
            "path": "tiny-Q4_K_M.gguf",
            "size": len(data),
            "target": str(house.models / "tiny-Q4_K_M.gguf"),
            "how": "fetch",
        }
    ]
    assert plan["total"] == plan["fetch"] == len(data)
    assert plan["left"] <= plan["free"] - len(data)
    assert below(house.models) == set()

    state = pull(house, f"{REPO}:Q4_K_M")
    assert (state["state"], state["models"]) == ("done", ["tiny-q4_k_m"])
    assert (house.models / "tiny-Q4_K_M.gguf").read_bytes() == data
    assert below(house.models) == {"tiny-Q4_K_M.gguf"}
    assert listed(house) == ({"tiny-q4_k_m"}, {"tiny-q4_k_m:latest"})
    assert answers(house, "tiny-q4_k_m")
    before = sent(hub)
    assert pull(house, f"{REPO}:Q4_K_M")["state"] == "done"
    assert sent(hub) == before, "nothing comes twice"
    house.until(lambda: not list((house.state / "pulls").glob("*.json")), "it is forgotten")


def test_a_model_of_a_real_registry_is_at_both_doors_and_answers(
    house: House, registry: Registry, tmp_path: Path
):
    made = OllamaStore(tmp_path / "made-store")
    weights = Gguf().write(tmp_path / "w")
    made.add("tiny:1b", weights, template="{{ .Prompt }}", system="Be brief.")
    registry.push(made, "tiny:1b", "house/tiny:1b")
    house.start(house.config(registries=[registry.url]))

    name = f"{registry.url}/house/tiny:1b"
    statuses = by_ollama(house, name)
    assert [one["status"] for one in (statuses[0], *statuses[-3:])] == [
        "pulling manifest",
        "verifying sha256 digest",
        "writing manifest",
        "success",
    ]
    assert {"digest", "total", "completed"} <= statuses[1].keys()
    plain = name.removeprefix("http://")
    assert listed(house) == ({plain}, {plain})
    assert answers(house, plain)
    assert answers(house, name)
    manifest = house.state / "ollama" / "manifests" / plain.replace("/tiny:", "/tiny/")
    assert manifest.read_bytes() == registry.manifest("house/tiny", "1b")
    assert by_ollama(house, name)[-1] == {"status": "success"}


def test_what_the_registry_has_anew_replaces_what_is_here(
    house: House, registry: Registry, tmp_path: Path
):
    made = OllamaStore(tmp_path / "made-store")
    house.start(house.config(registries=[registry.url]))
    name = f"{registry.url}/house/tiny:latest"
    for number in (1, 2):
        made.add("tiny", Gguf(metadata={"general.name": f"v{number}"}).write(tmp_path / "w"))
        registry.push(made, "tiny", "house/tiny")
        told = by_ollama(house, name)
    assert {"status": "removing unused layers"} in told
    weights = [one for one in (house.state / "ollama/blobs").iterdir() if one.stat().st_size > 4000]
    assert len(weights) == 1


def test_a_model_is_pushed_and_pulled_by_another_house(
    house: House, registry: Registry, tmp_path: Path
):
    file = house.add("mine")
    house.start(house.config(registries=[registry.url]))
    name = registry.url.removeprefix("http://") + "/house/mine:v1"
    asked = {"source": "mine", "destination": name}
    assert house.ask("POST", "/api/copy", asked, door="ollama").status == 200
    pushed = house.ask("POST", "/api/push", {"model": name}, door="ollama").text.splitlines()
    assert json.loads(pushed[-1]) == {"status": "success"}

    folder = tmp_path / "other"
    folder.mkdir()
    other = House(folder)
    try:
        other.start(other.config(registries=[registry.url]))
        assert pull(other, name)["state"] == "done"
        blobs = other.state / "ollama" / "blobs"
        assert file.read_bytes() in [one.read_bytes() for one in blobs.iterdir()]
    finally:
        other.stop()


def test_clients_of_ollama_find_a_file_of_the_hub_by_the_name_they_pulled(
    house: House, hub: Hub, tmp_path: Path
):
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": gguf(tmp_path)})
    start(house, hub)
    for name in (f"hf.co/{REPO}:Q4_K_M", f"{REPO}:Q4_K_M"):
        assert by_ollama(house, name)[-1] == {"status": "success"}
        assert answers(house, name)
    blobs = [one for one in (house.state / "ollama/blobs").iterdir() if one.stat().st_nlink > 1]
    assert [one.samefile(house.models / "tiny-Q4_K_M.gguf") for one in blobs] == [True]


def test_shards_and_the_projector_come_as_one(house: House, hub: Hub, tmp_path: Path):
    def shard(number: int) -> bytes:
        split = {"split.no": number, "split.count": 2, "split.tensors.count": 2}
        return gguf(tmp_path, metadata=split)

    eyes = gguf(tmp_path, architecture="clip")
    hub.add_repo(
        REPO,
        {
            "Q4_K_M/tiny-Q4_K_M-00001-of-00002.gguf": shard(0),
            "Q4_K_M/tiny-Q4_K_M-00002-of-00002.gguf": shard(1),
            "mmproj-F16.gguf": eyes,
        },
    )
    start(house, hub)
    assert pull(house, REPO)["models"] == ["tiny-q4_k_m"]
    assert below(house.models) == {
        "tiny-Q4_K_M-00001-of-00002.gguf",
        "tiny-Q4_K_M-00002-of-00002.gguf",
        "mmproj-tiny-F16.gguf",
    }
    removed = house.ask(
        "POST", "/api/paddock/remove", {"model": "tiny-q4_k_m", "files": True}
    ).json()
    assert len(removed["files"]) == 3
    assert below(house.models) == set()


def test_other_bytes_of_the_same_name_do_not_touch_the_owners_file(
    house: House, hub: Hub, tmp_path: Path
):
    mine = house.add("tiny-q4_k_m").rename(house.models / "tiny-Q4_K_M.gguf")
    before = mine.read_bytes()
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": gguf(tmp_path, metadata={"general.name": "other"})})
    start(house, hub)
    assert pull(house, REPO)["models"] == ["maker-tiny-q4_k_m"]
    assert mine.read_bytes() == before


def test_bytes_that_are_here_under_another_name_are_linked(house: House, hub: Hub, tmp_path: Path):
    mine = house.add("my-own-name", metadata={"general.name": "x" * (1 << 20)})
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": mine.read_bytes()})
    start(house, hub)
    assert pull(house, REPO)["state"] == "done"
    assert (house.models / "tiny-Q4_K_M.gguf").samefile(mine)
    assert sent(hub) == 0


# --- jobs ----------------------------------------------------------------------------------------


def test_a_killed_daemon_goes_on_with_its_pull(house: House, hub: Hub, tmp_path: Path):
    data = gguf(tmp_path, LARGE)
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": data})
    hub.switch(rate=1 << 20)
    start(house, hub)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(lambda: _tolerant(house, {"name": REPO}))
        state = house.until(lambda: under_way(house), "some of it is here")
        journal = house.models / ".tiny-Q4_K_M.gguf.part.json"
        house.until(lambda: "[[" in journal.read_text(), "and on the disk")
        house.signal(signal.SIGKILL)
        house.wait()
        asking.result()
    assert "tiny-Q4_K_M.gguf" not in below(house.models)
    came = sent(hub)
    hub.switch(rate=None)
    start(house, hub)
    last = house.ask("GET", f"{PULLS}/{state['id']}").text.splitlines()[-1]
    assert json.loads(last)["state"] == "done"
    assert (house.models / "tiny-Q4_K_M.gguf").read_bytes() == data
    assert sent(hub) - came < len(data)


def _tolerant(house: House, asked: dict[str, Any]) -> None:
    """A client that does not mind when the daemon dies."""
    data = json.dumps(asked).encode()
    request = urllib.request.Request(house.url + PULLS, data)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()
    except (OSError, HTTPException):
        pass


def test_a_stop_keeps_what_clients_of_ollama_pull_too(
    house: House, hub: Hub, tmp_path: Path, crowd: Crowd
):
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": gguf(tmp_path, LARGE)})
    hub.switch(rate=1 << 20)
    start(house, hub)
    crowd.came(Caller(house.url, "/api/pull", {"model": f"hf.co/{REPO}"})).until("completed")
    assert house.stop() == 0
    hub.switch(rate=None)
    start(house, hub)
    house.until(lambda: "tiny-q4_k_m" in listed(house)[0], "it is here")


def test_ten_pulls_of_the_same_are_one_transfer(house: House, hub: Hub, tmp_path: Path):
    data = gguf(tmp_path, 1 << 20)
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": data})
    hub.switch(rate=4 << 20)
    start(house, hub)
    names = (REPO, f"hf.co/{REPO}", f"{REPO}:Q4_K_M", f"{REPO}/tiny-Q4_K_M.gguf", f"{REPO}:q4_k_m")
    with ThreadPoolExecutor(10) as pool:
        ends = list(pool.map(lambda name: pull(house, name)["state"], names * 2))
    assert ends == ["done"] * 10
    assert sent(hub) == len(data)


def test_the_last_client_of_ollamas_that_leaves_ends_its_pull(
    house: House, hub: Hub, tmp_path: Path, crowd: Crowd
):
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": gguf(tmp_path, LARGE)})
    hub.switch(rate=1 << 20)
    start(house, hub)
    two = [
        crowd.came(Caller(house.url, "/api/pull", {"model": f"hf.co/{REPO}"})).until("completed")
        for _ in range(2)
    ]
    two[0].leave("rst")
    two[1].until('"completed":2')
    assert house.get(PULLS)["pulls"][0]["state"] == "pulling"
    two[1].leave("fin")
    house.until(lambda: house.get(PULLS)["pulls"][0]["state"] == "cancelled", "it has ended")
    house.until(lambda: not list((house.state / "pulls").glob("*.json")), "it is forgotten")


def test_paddocks_own_client_may_leave_and_come_back(
    house: House, hub: Hub, tmp_path: Path, crowd: Crowd
):
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": gguf(tmp_path, LARGE)})
    hub.switch(rate=2 << 20)
    start(house, hub)
    crowd.came(Caller(house.url, PULLS, {"name": REPO})).until('"pulling"').leave("rst")
    state = house.until(lambda: under_way(house), "it goes on")
    usage = house.get("/api/paddock/usage")
    assert {one["pull"] for one in usage["partial"]} == {state["id"]}
    assert house.ask("POST", "/api/paddock/usage/clean").json()["removed"] == []
    last = house.ask("GET", f"{PULLS}/{state['id']}").text.splitlines()[-1]
    assert json.loads(last)["state"] == "done"


def test_a_cancelled_pull_leaves_what_came_and_clean_removes_it(
    house: House, hub: Hub, tmp_path: Path, crowd: Crowd
):
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": gguf(tmp_path, LARGE)})
    hub.switch(rate=1 << 20)
    start(house, hub)
    caller = crowd.came(Caller(house.url, PULLS, {"name": REPO})).until('"pulling"')
    state = house.until(lambda: under_way(house), "some of it is here")
    ended = house.ask("DELETE", f"{PULLS}/{state['id']}").json()
    assert (ended["state"], ended["error"]["code"]) == ("cancelled", "cancelled")
    assert b'"cancelled"' in caller.finish().body
    assert any(name.endswith(".part") for name in below(house.models))
    assert house.ask("POST", "/api/paddock/usage/clean").json()["freed"] > 0
    assert below(house.models) == set()
    assert house.ask("DELETE", f"{PULLS}/p99").status == 404


def test_models_of_the_configuration_are_pulled_at_the_start(
    house: House, hub: Hub, tmp_path: Path
):
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": gguf(tmp_path, 1 << 20)})
    hub.switch(rate=1 << 20)
    start(house, hub, ollama={"loadModels": [f"hf.co/{REPO}:Q4_K_M"]})
    assert house.get("/api/paddock/status")["pending"] == [f"hf.co/{REPO}:Q4_K_M"]
    house.until(lambda: house.running() == ["tiny-q4_k_m"], "it is loaded")
    assert house.get("/api/paddock/status")["pending"] == []


def test_llama_cpps_router_pulls_and_tells_and_removes(
    house: House, hub: Hub, tmp_path: Path, crowd: Crowd
):
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": gguf(tmp_path, LARGE)})
    hub.switch(rate=4 << 20)
    start(house, hub)
    events = crowd.get("/models/sse")
    assert events.answer.status == 200
    asked = {"model": f"{REPO}:Q4_K_M"}
    assert house.ask("POST", "/models", asked).json() == {"success": True}
    told = events.until("download_finished").body.decode()
    assert '"event": "download_progress"' in told
    assert f"{hub.url}/{REPO}/resolve/" in told
    assert house.ask("DELETE", "/models?model=tiny-q4_k_m").json() == {"success": True}
    assert below(house.models) == set()


# --- removing ------------------------------------------------------------------------------------


def test_a_model_that_runs_is_removed_only_by_force(house: House):
    house.add("doomed")
    house.start()
    house.load("doomed")
    asked = {"model": "doomed", "files": True}
    refused = house.ask("POST", "/api/paddock/remove", asked)
    assert (refused.status, refused.json()["error"]["code"]) == (409, "model_in_use")
    told = house.ask("POST", "/api/paddock/remove", asked | {"dry_run": True}).json()
    assert (told["freed"] > 0, told["removed"]) == (True, False)
    done = house.ask("POST", "/api/paddock/remove", asked | {"force": True}).json()
    assert (done["freed"], done["removed"]) == (told["freed"], True)
    assert (house.running(), below(house.models)) == ([], set())


def test_a_file_of_the_owners_goes_only_when_that_is_said(house: House):
    file = house.add("mine")
    house.start()
    refused = house.ask("POST", "/api/paddock/remove", {"model": "mine"})
    assert (refused.status, refused.json()["error"]["param"]) == (400, "files")
    assert str(file) in refused.text
    assert file.exists()


def test_what_another_model_shares_stays(house: House, tmp_path: Path):
    store = OllamaStore(house.state / "ollama")
    weights = Gguf().write(tmp_path / "w")
    store.add("one", weights, system="1")
    store.add("two", weights, system="2")
    house.start()
    told = house.ask("POST", "/api/paddock/remove", {"model": "one"}).json()
    assert [kept["with"] for kept in told["shared"]] == [["two:latest"]]
    assert answers(house, "two")
    told = house.ask("POST", "/api/paddock/remove", {"model": "two", "force": True}).json()
    assert told["freed"] > weights.stat().st_size
    assert list((house.state / "ollama" / "blobs").iterdir()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "nobody", "a\0b", "x" * 5000])
def test_no_name_removes_anything_else(house: House, name: str):
    file = house.add("mine")
    house.start()
    assert house.ask("POST", "/api/paddock/remove", {"model": name}).status in {400, 404}
    assert file.exists()


# --- refusals ------------------------------------------------------------------------------------


def failed(house: House, name: str, **asked: Any) -> tuple[str, str]:
    """Code and message of a pull that fails; nothing of it has a final name."""
    before = {path for path in below(house.models) if not path.startswith(".")}
    answer = house.ask("POST", PULLS, {"name": name, **asked})
    error = (
        answer.json()["error"]
        if answer.status != 200
        else json.loads(answer.text.splitlines()[-1])["error"]
    )
    assert {path for path in below(house.models) if not path.startswith(".")} == before
    return error["code"], error["message"]


def test_a_quota_is_kept_with_its_numbers(house: House, hub: Hub, tmp_path: Path):
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": gguf(tmp_path, 1 << 20)})
    start(house, hub, pulls={"quota": "1MB"})
    code, message = failed(house, REPO)
    assert code == "over_quota"
    assert "1.0 MiB" in message or "1 MiB" in message
    plan = house.ask("POST", PULLS, {"name": REPO, "dry_run": True}).json()
    assert plan["quota"] == 1_000_000
    assert sent(hub) == 0


def test_a_private_repository_wants_a_token(house: House, hub: Hub, tmp_path: Path):
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": gguf(tmp_path)}, private=True)
    hub.switch(token="hf_good")
    token = tmp_path / "token"
    start(house, hub, {"HF_HOME": str(tmp_path / "none")}, pulls={"tokenFile": str(token)})
    code, _ = failed(house, REPO)
    assert code in {"needs_token", "not_there"}
    token.write_text("hf_good\n")
    assert pull(house, REPO)["state"] == "done"
    assert "hf_good" not in house.said
    assert all("authorization" not in request["headers"] for request in hub.requests("content"))


def test_a_gated_repository_says_what_to_do(house: House, hub: Hub, tmp_path: Path):
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": gguf(tmp_path)}, gated="manual")
    hub.switch(token="hf_good")
    start(house, hub, {"HF_HOME": str(tmp_path / "none")})
    answer = house.ask("POST", PULLS, {"name": REPO}).text.splitlines()[-1]
    error = json.loads(answer)["error"]
    assert error["code"] == "gated"
    assert REPO in error["message"]
    assert f"{hub.url}/{REPO}" in error["hint"]


def test_wrong_bytes_never_get_the_name(house: House, hub: Hub, tmp_path: Path):
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": gguf(tmp_path, 1 << 20)})
    hub.switch(flip_at=5000)
    start(house, hub)
    code, message = failed(house, REPO)
    assert (code, message.count("sha256") > 0) == ("wrong_bytes", True)
    hub.switch(flip_at=None)
    assert pull(house, REPO)["state"] == "done"


@pytest.mark.parametrize(
    "path",
    ["../evil-Q4_K_M.gguf", "/etc/evil-Q4_K_M.gguf", "a/../../evil-Q4_K_M.gguf", "a\0-Q4_K_M.gguf",
     "..\\evil-Q4_K_M.gguf"],
)  # fmt: skip
def test_hostile_names_write_nothing(house: House, hub: Hub, tmp_path: Path, path: str):
    hub.add_repo(REPO, {path: gguf(tmp_path)})
    start(house, hub)
    before = below(house.folder)
    code, _ = failed(house, REPO)
    assert code == "hub_broken"
    new = below(house.folder) - before
    assert not [name for name in new if "evil" in name]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("http://127.0.0.1:1/a/b:c", "address_refused"),
        ("https://169.254.169.254/a/b:c", "address_refused"),
        ("example.com/a/b:c", "address_refused"),
        ("../../etc/passwd", "invalid_name"),
        ("user/repo/../../x.gguf", "invalid_name"),
        ("a b", "invalid_name"),
        ("https://u:p@huggingface.co/a/b", "address_refused"),
    ],
)
def test_only_where_the_owner_lets_us(house: House, hub: Hub, name: str, code: str):
    start(house, hub)
    assert failed(house, name)[0] == code


def test_a_key_is_wanted_where_keys_are_used(house: House, hub: Hub):
    start(house, hub, apiKeys=["secret"])
    for method, path in (
        ("POST", PULLS), ("GET", PULLS), ("DELETE", f"{PULLS}/p1"), ("POST", "/models"),
        ("DELETE", "/models"), ("POST", "/api/paddock/remove"), ("GET", "/api/paddock/search"),
        ("GET", "/api/paddock/quants"), ("GET", "/api/paddock/usage"), ("POST", "/api/pull"),
        ("POST", "/api/paddock/usage/clean"), ("POST", "/api/push"), ("DELETE", "/api/delete"),
    ):  # fmt: skip
        assert house.ask(method, path, {}).status == 401


# --- a full disk ---------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_told_before_with_numbers_and_chats_go_on(
    house: House, hub: Hub, tmp_path: Path, small_disk: Path
):
    house.add("llama-a")
    hub.add_repo(REPO, {"tiny-Q4_K_M.gguf": gguf(tmp_path, 9 << 20)})
    hub.add_repo("maker/fits-GGUF", {"fits-Q4_K_M.gguf": gguf(tmp_path, 3 << 20)})
    start(house, hub, modelsDir=[str(small_disk), str(house.models)])
    code, message = failed(house, REPO)
    assert code == "no_room"
    assert "9.0 MiB" in message or "9 MiB" in message
    assert sent(hub) == 0
    assert house.chat("llama-a").status == 200
    assert pull(house, "maker/fits-GGUF")["state"] == "done"
    free = os.statvfs(small_disk).f_bfree
    house.ask("POST", "/api/paddock/remove", {"model": "fits-q4_k_m", "files": True})
    assert os.statvfs(small_disk).f_bfree > free


def test_a_disk_that_fills_up_midway(house: House, hub: Hub, tmp_path: Path, small_disk: Path):
    house.add("llama-a")
    files = {f"tiny-{quant}.gguf": gguf(tmp_path, 3 << 20) for quant in ("Q4_K_M", "Q8_0")}
    hub.add_repo(REPO, files)
    hub.switch(rate=1 << 20)
    start(house, hub, modelsDir=[str(small_disk), str(house.models)], pulls={"filesAtOnce": 1})
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(pull, house, REPO, all=True)
        house.until(lambda: under_way(house), "some of it is here")
        (small_disk / "other").write_bytes(b"x" * (4 << 20))
        state = asking.result()
    assert (state["state"], state["error"]["code"]) == ("failed", "no_room")
    assert house.chat("llama-a").status == 200
    (small_disk / "other").unlink()
    hub.switch(rate=None)
    assert pull(house, REPO, all=True)["state"] == "done"
