"""`paddock quants` and the endpoint behind it: a whole daemon, a hub, headers of real shapes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.architectures import ALL, F16, Q4_K, Q6_K, Q8_0
from tests.fakes.gguf_maker import Gguf
from tests.fakes.house import House
from tests.fakes.hub import Hub

from paddock.acquire.peek import MOST_BYTES

REPO = "maker/Tiny-GGUF"
NAMED = {"general.basename": "Tiny", "general.finetune": "Chat"}
FAKE_GPU = 2048 << 20
"""What the fake engine lists."""
TYPES = {"Q8_0": Q8_0, "Q4_K_M": Q4_K, "F16": F16}
FILE_TYPES = {"Q8_0": 7, "Q4_K_M": 15, "F16": 1}


def quantized(quant: str, name: str = "llama", **told: Any) -> Gguf:
    """A model of that shape with products in this type."""
    model = ALL[name]()
    tensors = [
        (tensor, TYPES[quant] if kind in {Q4_K, Q6_K} else kind, form)
        for tensor, kind, form in model.tensors
    ]
    metadata = {**model.metadata, "general.file_type": FILE_TYPES[quant], **NAMED, **told}
    return replace(model, tensors=tensors, metadata=metadata)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path) as hub:
        yield hub


@pytest.fixture
def open_house(house: House, hub: Hub) -> House:
    return house.start(house.config(pulls={"endpoint": hub.url}))


def offered(hub: Hub, folder: Path, *quants: str, **told: Any) -> None:
    """Put these quantizations into the repository."""
    files: dict[str, bytes | Path] = {
        f"Tiny-{quant}.gguf": quantized(quant, **told).write(folder / "made" / f"{quant}.gguf")
        for quant in quants
    }
    hub.add_repo(REPO, files, gguf={"architecture": "llama", "context_length": 32768})


def add(house: House, name: str, model: Gguf) -> None:
    model.write(house.folder / "made.gguf").rename(house.models / f"{name}.gguf")


def ask(house: House, name: str, query: str = "") -> Any:
    answer = house.ask("GET", f"/api/paddock/quants?name={name}{query}")
    assert answer.status == 200, answer.text
    return answer.json()


def by_quant(told: Any) -> dict[str, Any]:
    return {row["quant"]: row for row in told["rows"]}


def shown(house: House, name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "paddock", "quants", name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=os.environ | {"PADDOCK_HOST": house.url, "PADDOCK_API_KEY": ""},
        timeout=60,
    )


def cells(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


# --- models that are here


@pytest.fixture
def library(open_house: House) -> House:
    """Two quantizations of one model, a fine-tune of it, and models of other builds."""
    add(open_house, "tiny-q4_k_m", quantized("Q4_K_M"))
    add(open_house, "other-name", quantized("Q8_0"))
    add(open_house, "tiny-wild-q8_0", quantized("Q8_0", **{"general.finetune": "Wild"}))
    add(open_house, "qwen3-q8_0", quantized("Q8_0", "qwen3"))
    own = {"cmd": open_house.command(), "proxy": "http://127.0.0.1:${PORT}"}
    file = open_house.folder / "paddock.yaml"
    config = json.loads(file.read_text()) | {"models": {"mine": own}}
    file.write_text(json.dumps(config))
    assert open_house.ask("POST", "/api/paddock/reload").status == 200
    open_house.until(lambda: len(open_house.get("/v1/models")["data"]) == 5, "all are listed")
    return open_house


def test_the_quantizations_of_a_model_that_are_here(library: House) -> None:
    told = ask(library, "tiny-q4_k_m")
    rows = by_quant(told)
    assert told["local"] is True
    assert told["models"] == ["other-name", "tiny-q4_k_m"]
    assert [row["quant"] for row in told["rows"]] == ["Q8_0", "Q4_K_M"]
    assert {row["source"] for row in told["rows"]} == {"header"}
    assert (rows["Q8_0"]["fits"], rows["Q8_0"]["context_on_gpus"]) == ("1 GPU", 32768)
    assert rows["Q8_0"]["size"] > rows["Q4_K_M"]["size"] > 0
    assert rows["Q8_0"]["best"]
    assert rows["Q8_0"]["needs"] < FAKE_GPU
    assert rows["Q8_0"]["gpu_layers"] == rows["Q8_0"]["layers"] == 12
    assert library.running() == []


def test_the_command_prints_them(library: House) -> None:
    done = shown(library, "other-name")
    assert done.returncode == 0, done.stderr
    head, *rows = cells(done.stdout)
    assert head == "MODEL QUANT SIZE QUALITY FITS CONTEXT"
    assert rows[0].startswith("other-name Q8_0 ")
    assert rows[0].endswith("1 GPU 32768 on GPU best here")
    assert rows[1].startswith("tiny-q4_k_m Q4_K_M ")


def test_without_an_engine_drivers_tell_of_the_machine(house: House) -> None:
    add(house, "tiny-q4_k_m", quantized("Q4_K_M"))
    house.start(house.config(engines={"gone": {"llamaServer": str(house.folder / "nothing")}}))
    (row,) = ask(house, "tiny-q4_k_m")["rows"]
    assert row["place"] in {"one_gpu", "ram"}
    assert row["context_most"] == 32768


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "name"),
        ("?name=mine", 400, "command of the owner"),
        ("?name=tiny-q4", 404, "tiny-q4_k_m"),
        ("?name=maker/x&hub=2", 400, "hub"),
    ],
)
def test_questions_without_an_answer(library: House, query: str, status: int, words: str) -> None:
    answer = library.ask("GET", f"/api/paddock/quants{query}")
    assert answer.status == status
    assert words in answer.text


# --- a repository


def test_a_repository_is_told_by_the_header_of_one_file(
    open_house: House, hub: Hub, tmp_path: Path
) -> None:
    offered(hub, tmp_path, "Q8_0", "Q4_K_M", "F16")
    told = ask(open_house, REPO)
    rows = by_quant(told)
    sources = {quant: row["source"] for quant, row in rows.items()}
    assert sources == {"Q4_K_M": "header", "Q8_0": "scaled", "F16": "scaled"}
    assert {row["fits"] for row in rows.values()} == {"1 GPU"}
    assert rows["Q4_K_M"]["context_on_gpus"] == rows["Q4_K_M"]["context_most"] == 32768
    (content,) = hub.requests("content")
    assert content["headers"]["range"].startswith("bytes=0-")
    assert content["sent"] <= MOST_BYTES < rows["Q4_K_M"]["size"]
    # What was looked at once is at hand for a pull, which looks at nothing.
    again = ask(open_house, REPO, "&hub=1")
    assert by_quant(again) == rows
    assert len(hub.requests("content")) == 1
    done = shown(open_house, REPO)
    assert cells(done.stdout)[0] == "QUANT SIZE QUALITY FITS CONTEXT"
    assert all("1 GPU 32768 on GPU" in line for line in cells(done.stdout)[1:])
    assert "~" not in done.stdout


def test_what_is_here_of_the_same_model_spares_the_look(
    open_house: House, hub: Hub, tmp_path: Path
) -> None:
    offered(hub, tmp_path, "Q8_0", "Q4_K_M")
    add(open_house, "tiny-f16", quantized("F16"))
    open_house.until(lambda: open_house.get("/v1/models")["data"], "it is listed")
    assert {row["source"] for row in ask(open_house, REPO)["rows"]} == {"scaled"}
    assert hub.requests("content") == []


@pytest.mark.parametrize(
    "switches",
    [
        {"fail": [["/repos", 500, 9]]},
        {"cut_at": 100},
        {"redirect": "http://127.0.0.1:1/x"},
        {"flip_at": 2},
    ],
    ids=lambda switches: next(iter(switches)),
)
def test_without_a_header_sizes_have_to_do(
    open_house: House, hub: Hub, tmp_path: Path, switches: dict[str, Any]
) -> None:
    offered(hub, tmp_path, "Q8_0", "Q4_K_M")
    hub.switch(**switches)
    assert {row["source"] for row in ask(open_house, REPO)["rows"]} == {"guess"}
    done = shown(open_house, REPO)
    assert done.returncode == 0, done.stderr
    assert "~" in done.stdout


def test_a_chooser_asks_for_no_header(open_house: House, hub: Hub, tmp_path: Path) -> None:
    offered(hub, tmp_path, "Q8_0", "Q4_K_M")
    assert {row["source"] for row in ask(open_house, REPO, "&hub=1")["rows"]} == {"guess"}
    assert hub.requests("content") == []


def test_shards_are_looked_at_together(open_house: House, hub: Hub, tmp_path: Path) -> None:
    whole = quantized("Q8_0")
    half = len(whole.tensors) // 2
    parts = (whole.tensors[:half], whole.tensors[half:])
    files: dict[str, bytes | Path] = {}
    for number, tensors in enumerate(parts):
        told = {"split.no": number, "split.count": 2}
        shard = replace(whole, tensors=tensors, metadata={**whole.metadata, **told})
        name = f"Tiny-Q8_0-0000{number + 1}-of-00002.gguf"
        files[name] = shard.write(tmp_path / "made" / name)
    hub.add_repo(REPO, files)
    (row,) = ask(open_house, REPO)["rows"]
    assert (row["source"], row["layers"], row["context_most"]) == ("header", 12, 32768)
    assert len(hub.requests("content")) == 2


def test_a_model_tells_the_repository_that_it_came_from(
    open_house: House, hub: Hub, tmp_path: Path
) -> None:
    offered(hub, tmp_path, "Q8_0", "Q4_K_M")
    pull = open_house.ask("POST", "/api/paddock/pulls", {"name": REPO, "quant": "Q4_K_M"})
    assert json.loads(pull.text.splitlines()[-1])["state"] == "done", pull.text
    assert ask(open_house, "tiny-q4_k_m")["repository"] == REPO
    assert f"others: paddock quants {REPO}" in shown(open_house, "tiny-q4_k_m").stderr
