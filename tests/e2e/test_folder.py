"""What happens in the models folder is what is served, without a restart."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.gguf_maker import F32_TENSOR, Gguf
from tests.fakes.house import House
from tests.fakes.wire import Wire

SOON = 3.0
"""Seconds for what takes about one: this machine is shared."""


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon that follows an empty folder. Ask for `folder`."""
    house = House(tmp_path_factory.mktemp("open"))
    house.start(house.config(rescanInterval=600, drainTimeout=2, contextLength=0))
    yield house
    house.stop()


@pytest.fixture
def folder(open_house: House) -> Iterator[House]:
    """The daemon, whose folder and memory are empty again after the test."""
    yield open_house
    for path in sorted(open_house.models.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    open_house.ask("GET", "/unload")
    open_house.until(lambda: listed(open_house) == set(), "the folder is empty")


def listed(house: House) -> set[str]:
    return {model["id"] for model in house.get("/v1/models")["data"]}


def a_model(house: House, **what: Any) -> Path:
    """A finished file outside of the folder, on the same disk."""
    return Gguf(**what).write(house.folder / "incoming.gguf")


def test_a_file_renamed_into_the_folder_answers_at_once(folder: House) -> None:
    incoming = a_model(folder)
    started = time.monotonic()

    incoming.rename(folder.models / "fresh.gguf")
    folder.until(lambda: "fresh" in listed(folder), "it is listed", patience=SOON)

    assert time.monotonic() - started < SOON
    assert folder.chat("fresh").status == 200


def test_a_file_copied_in_slowly_appears_when_it_is_complete(folder: House) -> None:
    data = a_model(folder, tensors=(("a.weight", F32_TENSOR, (64, 64)),)).read_bytes()
    piece = len(data) // 10 + 1
    with (folder.models / "slow.gguf").open("wb") as file:
        for start in range(0, len(data), piece):
            assert "slow" not in listed(folder)
            file.write(data[start : start + piece])
            file.flush()
            time.sleep(0.1)
    completed = time.monotonic()

    folder.until(lambda: "slow" in listed(folder), "it is listed", patience=SOON)

    assert time.monotonic() - completed < SOON
    assert folder.chat("slow").status == 200


def test_an_unfinished_file_is_told_with_the_reason(folder: House) -> None:
    data = a_model(folder).read_bytes()
    (folder.models / "cut.gguf").write_bytes(data[:-200])

    left_out = folder.until(
        lambda: folder.get("/api/paddock/library?all=1")["left_out"], "it is left out"
    )

    assert left_out[0]["path"].endswith("cut.gguf")
    assert left_out[0]["reason"]
    assert folder.chat("cut").status == 404


def test_a_file_in_a_new_folder_below_appears(folder: House) -> None:
    below = folder.models / "one" / "two"
    below.mkdir(parents=True)
    a_model(folder).rename(below / "Deep.gguf")

    folder.until(lambda: "deep" in listed(folder), "it is listed", patience=SOON)
    assert folder.chat("deep").status == 200


def test_a_removed_model_disappears_and_leaves_memory(folder: House) -> None:
    path = folder.add("gone")
    folder.until(lambda: "gone" in listed(folder), "it is listed")
    folder.chat("gone")

    path.unlink()

    folder.until(lambda: "gone" not in listed(folder), "it is gone", patience=SOON)
    folder.until(lambda: folder.running() == [], "it leaves memory", patience=SOON)
    assert folder.chat("gone").status == 404


def test_a_renamed_model_has_its_new_name(folder: House) -> None:
    path = folder.add("before")
    folder.until(lambda: "before" in listed(folder), "it is listed")

    path.rename(folder.models / "after.gguf")

    folder.until(lambda: listed(folder) == {"after"}, "it has its new name", patience=SOON)
    assert folder.chat("after").status == 200


def test_a_replaced_file_is_served_by_a_new_instance(folder: House) -> None:
    folder.add("swapped")
    folder.until(lambda: "swapped" in listed(folder), "it is listed")
    folder.chat("swapped")
    before = folder.engine_state("swapped")
    old = folder.get("/v1/models/swapped")["meta"]

    folder.add("swapped", metadata={"llama.context_length": 512})
    folder.until(
        lambda: folder.get("/v1/models/swapped")["context_length"] == 512,
        "the new file is known",
        patience=SOON,
    )
    assert folder.chat("swapped").status == 200
    after = folder.engine_state("swapped")

    assert after["pid"] != before["pid"]
    assert context_of(after) == 512 * 2
    assert context_of(before) == old["n_ctx_train"] * 2
    assert folder.running() == ["swapped"]


def context_of(state: Any) -> int:
    return int(state["argv"][state["argv"].index("--ctx-size") + 1])


def test_a_running_answer_ends_though_its_file_is_replaced(folder: House) -> None:
    folder.add("busy")
    folder.until(lambda: "busy" in listed(folder), "it is listed")
    gate = folder.folder / "gate"
    asked = b'{"model":"busy","prompt":"x","stream":true,"fake":{"gate":"%b"}}'
    with folder.wire() as wire:
        wire.ask("POST", "/v1/completions", body=asked % os.fsencode(gate))
        lines = wire.lines()
        next(lines)
        folder.add("busy", metadata={"llama.context_length": 512})
        folder.until(
            lambda: folder.get("/v1/models/busy")["context_length"] == 512, "the new file is known"
        )
        gate.touch()

        assert "data: [DONE]" in list(lines)


def test_shards_are_one_model_once_all_are_there(folder: House) -> None:
    parts = [f"Big-0000{n}-of-00002.gguf" for n in (1, 2)]
    split = {"split.count": 2}
    for number, name in enumerate(parts):
        a_model(folder, metadata={**split, "split.no": number}).rename(folder.models / name)
        if number == 0:
            folder.until(
                lambda: folder.get("/api/paddock/library?all=1")["left_out"], "it is incomplete"
            )
            assert listed(folder) == set()

    folder.until(lambda: listed(folder) == {"big"}, "it is one model", patience=SOON)
    assert folder.chat("big").status == 200


def test_the_routers_events_tell_that_the_library_changed(folder: House) -> None:
    with folder.wire() as wire:
        events = wire.ask("GET", "/models/sse").events()
        folder.until(lambda: wire_has_answer(wire), "the stream is open")
        folder.add("announced")

        assert next(events) == {"model": "*", "event": "models_reload"}


def wire_has_answer(wire: Wire) -> bool:
    return bool(select.select([wire.sock], [], [], 0)[0])


def test_many_files_at_once_all_appear(folder: House) -> None:
    for number in range(40):
        folder.add(f"m{number}")

    wanted = {f"m{number}" for number in range(40)}
    folder.until(lambda: listed(folder) == wanted, "all are listed", patience=10)


@pytest.mark.parametrize("name", ["with blank", "ünïcode", "--host=0.0.0.0", "$(touch x)", "a'b"])
def test_an_odd_file_name_is_only_a_name(folder: House, name: str) -> None:
    path = folder.add(name)
    found = folder.until(lambda: folder.get("/api/paddock/library")["models"], "it is known")

    state = folder.chat(found[0]["id"])

    assert state.status == 200
    argv = folder.get("/running")["running"][0]["cmd"]
    assert path.name.replace("'", "'\"'\"'") in argv
    assert not (folder.folder / "x").exists()
