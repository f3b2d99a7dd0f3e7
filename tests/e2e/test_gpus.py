"""`gpus:`, `/api/paddock/gpus` and `paddock gpu`: what is kept free of a GPU, and pausing one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from tests.fakes.architectures import ALL
from tests.fakes.house import House

LISTED = (
    "Vulkan0: RX 7900 XTX (16384 MiB, 16000 MiB free);Vulkan1: RX 6800 (8192 MiB, 8000 MiB free)"
)
PATH = "/api/paddock/gpus"
GIB = 1 << 30


def start(house: House, **gpus: Any) -> House:
    engine = {"llamaServer": str(house.engine), "env": {"FAKE_DEVICES": LISTED}}
    return house.start(house.config(engines={"fake": engine}, gpus=gpus))


def kept(house: House) -> dict[str, Any]:
    """What is kept free, by the name of the GPU."""
    return {one["name"]: one["kept"] for one in house.get(PATH)["gpus"]}


def paddock(house: House, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "paddock", "gpu", *words, "--host", house.url],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    return done


def test_what_the_configuration_keeps_free(house: House) -> None:
    start(house, **{"rx 6800": {"reserve": "2GiB"}, "Vulkan0": {"reserve": "25%"}})
    told = house.get(PATH)
    assert [one["engine"] for one in told["gpus"]] == ["fake", "fake"]
    assert (told["paused"], told["next_change"], told["problems"]) == ([], None, [])
    first, second = (one["kept"] for one in told["gpus"])
    assert (first["bytes"], second["bytes"]) == (4 * GIB, 2 * GIB)
    assert second["why"] == "2.0 GiB of Vulkan1 are kept free (gpus.rx 6800)"
    assert not second["leaves"]


def test_a_change_of_the_configuration_counts_at_once(house: House) -> None:
    start(house)
    assert kept(house) == {"Vulkan0": None, "Vulkan1": None}
    file = house.folder / "paddock.yaml"
    file.write_text(
        json.dumps(json.loads(file.read_text()) | {"gpus": {"7900": {"reserve": "all"}}})
    )
    assert house.ask("POST", "/api/paddock/reload").status == 200
    assert kept(house)["Vulkan0"]["leaves"]
    house.until(lambda: "the reservation gpus.7900 holds" in house.said, "the log tells it")


def test_a_rule_for_a_gpu_that_is_not_there_is_told_and_stops_nothing(house: House) -> None:
    start(house, CUDA0={"reserve": "all"}, RX={"reserve": "all"})
    (first, second) = house.get(PATH)["problems"]
    assert first.startswith("gpus.CUDA0 names no GPU, so nothing is kept free: there are Vulkan0 (")
    assert second.startswith("gpus.RX is said of Vulkan0 and Vulkan1, so nothing")
    house.get(PATH)
    house.until(lambda: first in house.said, "the log tells it")
    assert house.said.count(first) == 1
    assert house.get("/api/paddock/status")["gpus"] == [first, second]


def test_a_pause_survives_a_restart_and_is_ended(house: House) -> None:
    start(house)
    answer = house.ask("POST", f"{PATH}/rx%206800/pause", {"keep_running": True})
    assert answer.json() == {
        "gpu": "Vulkan1",
        "names": ["Vulkan1"],
        "paused": {"until": None, "keep_running": True},
    }
    house.stop()
    start(house)
    assert house.get(PATH)["paused"] == [{"gpu": "Vulkan1", "until": None, "keep_running": True}]
    found = kept(house)["Vulkan1"]
    assert (found["bytes"], found["why"], found["leaves"]) == (8 * GIB, "Vulkan1 is paused", False)
    assert house.get("/api/paddock/status")["gpus"] == ["Vulkan1 is paused"]

    assert house.ask("POST", f"{PATH}/vulkan1/resume").json()["paused"] is None
    assert kept(house)["Vulkan1"] is None
    house.stop()
    start(house)
    assert house.get(PATH)["paused"] == []


def test_a_pause_ends_by_itself(house: House) -> None:
    start(house)
    house.ask("POST", f"{PATH}/Vulkan0/pause", {"seconds": 0.05})
    house.until(lambda: "Vulkan0 is no longer paused" in house.said, "the log tells it")
    assert "Vulkan0 is paused" in house.said
    assert kept(house)["Vulkan0"] is None


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("Vulkan7/pause", {}, 404, "there are Vulkan0 (RX 7900 XTX), Vulkan1 (RX 6800)"),
        ("RX/pause", {}, 404, "or more than one"),
        ("Vulkan7/resume", {}, 404, "names no GPU"),
        ("Vulkan0/halt", {}, 404, "is not an endpoint"),
        ("Vulkan0/pause", {"seconds": 0}, 400, "`seconds` must be a number above 0"),
        ("Vulkan0/pause", {"seconds": True}, 400, "`seconds` must be"),
        ("Vulkan0/pause", {"seconds": 1e300}, 400, "`seconds` must be"),
        ("Vulkan0/pause", {"keep_running": "yes"}, 400, "keep_running"),
        ("Vulkan0/pause", [], 400, "must be a JSON object"),
    ],
)
def test_what_is_refused(two_gpus: House, path: str, body: Any, status: int, words: str) -> None:
    answer = two_gpus.ask("POST", f"{PATH}/{path}", body)
    assert (answer.status, words in answer.text) == (status, True), answer.text


@pytest.fixture(scope="module")
def two_gpus(tmp_path_factory: pytest.TempPathFactory) -> Any:
    house = start(House(tmp_path_factory.mktemp("gpus")))
    yield house
    house.stop()


def test_a_file_of_pauses_that_cannot_be_read_is_told(house: House) -> None:
    house.state.mkdir()
    (house.state / "gpus.json").write_text("{")
    start(house)
    assert "cannot be read, so no GPU is paused" in house.said
    assert house.get(PATH)["paused"] == []


def test_the_command_lists_pauses_and_resumes(house: House) -> None:
    start(house, **{"6800": {"reserve": "2GiB"}})
    told = paddock(house).stdout
    assert "2.0 GiB of Vulkan1 are kept free (gpus.6800)" in told
    assert paddock(house, "pause", "7900").stderr == "Vulkan0 is paused, until you resume it\n"
    assert "Vulkan1 is paused until " in paddock(house, "pause", "Vulkan1", "--for", "2h").stderr
    listed = json.loads(paddock(house, "--json").stdout)
    assert [one["kept"]["leaves"] for one in listed["gpus"]] == [True, True]
    assert listed["next_change"] is not None
    assert paddock(house, "resume", "7900").stderr == "Vulkan0 is not paused\n"
    assert paddock(house, "resume", "--all").stderr == "Vulkan1 is not paused\n"
    assert house.get(PATH)["paused"] == []


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["pause", "Vulkan7"], 1, "'Vulkan7' names no GPU"),
        (["pause", "Vulkan0", "--for", "soon"], 2, "a duration is seconds"),
        (["resume"], 2, "name a GPU, or --all"),
        (["resume", "Vulkan0", "--all"], 2, "name a GPU, or --all"),
    ],
)
def test_what_the_command_refuses(two_gpus: House, words: list[str], code: int, told: str) -> None:
    assert told in paddock(two_gpus, *words, code=code).stderr


def test_a_model_leaves_a_paused_gpu_and_comes_back_on_another(house: House) -> None:
    ALL["llama"]().write(house.folder / "made.gguf").rename(house.models / "llama.gguf")
    start(house)
    house.load("llama")
    assert "fits whole on Vulkan1" in house.said
    house.ask("POST", f"{PATH}/Vulkan1/pause")
    house.until(lambda: house.running() == [], "the model has left")
    house.load("llama")
    assert "fits whole on Vulkan0" in house.said
