"""What is remembered of loads, and when it is another load."""

import json
from dataclasses import replace

import pytest

from paddock.config.model_entry import ModelEntry, Timeouts
from paddock.engine.address import Address
from paddock.engine.buffers import Buffers, Parts
from paddock.engine.engine import Launch
from paddock.engine.learned import FILE, Learned, Taken
from paddock.engine.remembered import Remembered
from paddock.library.model import HeaderSummary, Model

MIB = 1 << 20
LINES = (
    "x: using device Vulkan0 (AMD Radeon (RADV)) (0000:C3:00.0) - 2048 MiB free",
    "x: Vulkan0 model buffer size = 8.50 MiB",
    "x: Vulkan0 KV buffer size = 1.00 MiB",
    "x: Vulkan_Host output buffer size = 0.50 MiB",
    "x: n_ctx_seq             = 256",
)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(b"weights")
    return Model("m", path, (path,), header=HeaderSummary(), settings=ModelEntry())


@pytest.fixture
def launch(model):
    return launch_of("/bin/sh", "--model", str(model.path), "--port", "4000", "--ctx-size", "512")


def launch_of(*argv, port=4000, env=None):
    return Launch(argv, env or {}, Address("127.0.0.1", port), "k", "/", 2, True, Timeouts())


def heard(*lines):
    buffers = Buffers()
    for line in lines:
        buffers.hear(line)
    return buffers


async def test_a_load_is_known_again_by_another_daemon(tmp_path, model, launch):
    learned = Learned(tmp_path / "cache")
    assert learned.find(model, launch) is None
    learned.note(model, launch, heard(*LINES), 1.5)
    await learned.aclose()
    found = Learned(tmp_path / "cache").find(model, launch)
    parts = {"Vulkan0": Parts(round(8.5 * MIB), MIB), "CPU": Parts(output=MIB // 2)}
    assert found == Taken(parts, 256, 2, 1.5)
    assert found.parts["Vulkan0"].total == round(9.5 * MIB)


async def test_the_port_and_the_name_make_no_other_load(tmp_path, model, launch):
    learned = Learned(tmp_path)
    learned.note(model, launch, heard(*LINES), 1)
    await learned.aclose()
    moved = [word.replace("4000", "5000") for word in (*launch.argv, "--alias", "other")]
    assert learned.find(replace(model, id="other"), launch_of(*moved, port=5000))


async def test_the_port_within_a_word_of_a_command_makes_no_other_load(tmp_path, model):
    learned = Learned(tmp_path)
    learned.note(model, launch_of("server", "--listen=:4000", port=4000), heard(*LINES), 1)
    await learned.aclose()
    assert learned.find(model, launch_of("server", "--listen=:5000", port=5000))


async def test_what_decides_makes_another_load(tmp_path, model, launch):
    learned = Learned(tmp_path)
    learned.note(model, launch, heard(*LINES), 1)
    await learned.aclose()
    longer = [word.replace("512", "1024") for word in launch.argv]
    assert learned.find(model, launch_of(*longer)) is None
    assert learned.find(model, launch_of(*launch.argv, "-ngl", "3")) is None
    hidden = {"GGML_VK_VISIBLE_DEVICES": "1", "HOME": "/x"}
    assert learned.find(model, launch_of(*launch.argv, env=hidden)) is None
    assert learned.find(model, launch_of(*launch.argv, env={"HOME": "/x"}))
    model.path.write_bytes(b"other weights")
    assert learned.find(model, launch) is None


async def test_an_engine_that_tells_nothing_teaches_nothing(tmp_path, model, launch):
    learned = Learned(tmp_path)
    learned.note(model, launch, heard(), 1)
    await learned.aclose()
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"form": 9, "entries": {}}',
        b'{"form": 1, "entries": []}',
        b"[" * 100_000,
    ],
)
def test_a_file_that_cannot_be_read_is_empty(tmp_path, content):
    file = tmp_path / "kept.json"
    file.write_bytes(content)
    kept = Remembered(file)
    assert kept.get("a") is None
    kept.put("a", 1)
    assert Remembered(file).get("a") == 1


@pytest.mark.parametrize("told", [1, {}, {"parts": {"a": ["x"]}}, {"parts": [], "context": 1}])
def test_what_makes_no_sense_was_not_learned(told):
    assert Taken.read(told) is None


def test_the_oldest_goes_and_the_file_is_whole(tmp_path):
    kept = Remembered(tmp_path / "kept.json", most=3)
    for number in range(5):
        kept.put(str(number), number)
    kept.put("2", "new")
    kept.put("5", 5)
    entries = json.loads((tmp_path / "kept.json").read_text())["entries"]
    assert entries == {"4": 4, "2": "new", "5": 5}
    assert [path.name for path in tmp_path.iterdir()] == ["kept.json"]


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(tmp_path):
    (tmp_path / "file").touch()
    kept = Remembered(tmp_path / "file" / "kept.json")
    kept.put("a", 1)
    assert kept.get("a") == 1
