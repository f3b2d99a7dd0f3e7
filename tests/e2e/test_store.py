"""Models of a store as Ollama writes it, in a whole daemon: listed, asked, and run once."""

import os

import pytest
from tests.fakes.gguf_maker import Gguf
from tests.fakes.ollama_store import OllamaStore


@pytest.fixture
def ollama(house):
    return OllamaStore(house.state / "ollama")


@pytest.fixture
def gguf(tmp_path):
    return Gguf().write(tmp_path / "pulled")


def names(house):
    return {one["id"] for one in house.get("/v1/models")["data"]}


def test_what_is_pulled_while_we_run_is_listed_and_answers(house, ollama, gguf):
    house.start()
    ollama.add("hf.co/User/Repo:Q4_K_M", gguf)
    house.until(lambda: "hf.co/User/Repo:Q4_K_M" in names(house), "it is listed")
    assert house.chat("hf.co/user/repo:q4_k_m").status == 200
    assert house.running() == ["hf.co/User/Repo:Q4_K_M"]
    ollama.manifest_path("hf.co/User/Repo:Q4_K_M").unlink()
    house.until(lambda: names(house) == set(), "it is gone")
    assert house.chat("hf.co/user/repo:q4_k_m").status == 404


def test_one_file_by_three_names_runs_once(house, ollama):
    file = house.add("mine")
    ollama.add("yours:1b", file)
    ollama.add("yours:2b", file, system="Be brief.")
    (blob,) = (b for b in (ollama.root / "blobs").iterdir() if b.stat().st_size > 5000)
    blob.unlink()
    os.link(file, blob)
    house.start(house.config(maxLoadedModels=4))
    assert names(house) == {"mine", "yours:1b", "yours:2b"}
    for name in ("yours:1b", "mine", "library/YOURS:2b"):
        assert house.chat(name).status == 200
    assert house.running() == ["mine"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_store_of_another_user_is_used_and_not_changed(house, ollama, gguf):
    ollama.add("theirs", gguf)
    for path in (ollama.root, *ollama.root.rglob("*")):
        os.chown(path, 54321, 54321)
    before = sorted(ollama.root.rglob("*"))
    house.start()
    assert house.chat("theirs").status == 200
    refused = house.ask("DELETE", "/api/delete", {"model": "theirs"}, door="ollama")
    assert refused.status >= 400
    assert "belongs to another user" in refused.json()["error"]
    assert sorted(ollama.root.rglob("*")) == before
    assert house.chat("theirs").status == 200


def test_what_cannot_run_is_left_out_with_its_reason(house, ollama, tmp_path):
    ollama.add("gpt-oss:20b", Gguf(architecture="gptoss").write(tmp_path / "oss"))
    ollama.write("broken", b"no json")
    house.start()
    assert names(house) == set()
    left = house.get("/api/paddock/library?all=1")["left_out"]
    reasons = {one["path"].rsplit("/", 2)[-2]: one["reason"] for one in left}
    assert "only Ollama's own llama.cpp loads" in reasons["gpt-oss"]
    assert "not JSON" in reasons["broken"]
