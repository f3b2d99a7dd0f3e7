"""The daemon started with llama-swap's flags, as a unit file has them."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from tests.fakes.house import House


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def entry(house: House, name: str) -> str:
    return json.dumps({"models": {name: {"cmd": house.command()}}})


def listed(house: House) -> list[str]:
    return [one["id"] for one in house.get("/v1/models")["data"]]


@pytest.fixture
def folder(house: House) -> Path:
    folder = house.folder / "conf.d"
    folder.mkdir()
    (folder / "10-one.yaml").write_text(entry(house, "one"))
    (folder / "20-two.yml").write_text(entry(house, "two"))
    (folder / "notes.txt").write_text("no: yaml: of ours")
    return folder


def test_a_unit_file_needs_only_another_program(house: House, folder: Path) -> None:
    house.add("llama-a")
    port = free_port()
    house.start(
        house.config(),
        "-config-dir",
        str(folder),
        "-listen",
        f"127.0.0.1:{port}",
        "-watch-config",
    )

    assert house.url == f"http://127.0.0.1:{port}"
    assert listed(house) == ["llama-a", "one", "two"]
    assert house.chat("two").status == 200


def test_without_groups_its_models_run_one_at_a_time(house: House, folder: Path) -> None:
    config = house.config()
    del config["maxLoadedModels"]
    house.start(config, "-config-dir", str(folder))

    for name in ("one", "two"):
        assert house.chat(name).status == 200
        assert list(house.running()) == [name]


def test_a_file_that_comes_into_the_folder_is_taken_in(house: House, folder: Path) -> None:
    house.start(house.config(), "-config-dir", str(folder), "-watch-config=true")
    (folder / "30-three.yaml").write_text(entry(house, "three"))

    house.until(lambda: "three" in listed(house), "the new file counts")


def test_without_watching_a_change_waits_for_a_signal(house: House, folder: Path) -> None:
    house.start(house.config(), "-config-dir", str(folder), "-watch-config=false")
    (folder / "10-one.yaml").unlink()
    assert "one" in listed(house)
    house.ask("POST", "/api/paddock/reload")

    house.until(lambda: listed(house) == ["two"], "the change counts")


def test_two_files_that_define_one_model_are_told(house: House, folder: Path) -> None:
    (folder / "30-again.yaml").write_text(entry(house, "one"))
    with pytest.raises(AssertionError, match="did not start") as ended:
        house.start(house.config(), "-config-dir", str(folder))

    said = str(ended.value)
    assert "10-one.yaml" in said
    assert "30-again.yaml" in said
    assert "models.one" in said
    assert "Traceback" not in said
