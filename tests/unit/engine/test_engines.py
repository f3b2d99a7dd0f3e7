from pathlib import Path

import pytest

from paddock.config.current import Current
from paddock.config.model_entry import ModelEntry
from paddock.config.schema import Config, EngineEntry
from paddock.engine.engines import Engines
from paddock.errors import EngineMissing
from paddock.library.model import Model

SERVER = EngineEntry(llama_server=Path("/opt/llama-server"))
TWO = {"vulkan": SERVER, "small": EngineEntry()}


def chosen(tmp_path, config, **settings):
    model = Model(id="m", path=Path("/m.gguf"), settings=ModelEntry(**settings))
    return Engines(Current(config), tmp_path).choose(model).name


@pytest.mark.parametrize(
    ("config", "settings", "name"),
    [
        (Config(engines=TWO, engine="small"), {"engine": "vulkan"}, "vulkan"),
        (Config(engines=TWO, engine="small"), {}, "small"),
        (Config(engines=TWO), {}, "vulkan"),
        (Config(engines=TWO), {"engine": "embedded"}, "embedded"),
        (Config(engines=TWO, engine="small"), {"cmd": "run"}, "command"),
    ],
)
def test_the_nearest_choice_wins(tmp_path, config, settings, name):
    assert chosen(tmp_path, config, **settings) == name


def test_llama_server_on_path_is_preferred(tmp_path, monkeypatch):
    program = tmp_path / "llama-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chosen(tmp_path, Config()) == "llama-server"


def test_without_one_the_embedded_engine_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chosen(tmp_path, Config()) == "embedded"


def test_an_unknown_engine_is_named_with_the_nearest(tmp_path):
    with pytest.raises(EngineMissing, match="'vulcan'; did you mean 'vulkan'") as missing:
        chosen(tmp_path, Config(engines=TWO), engine="vulcan")
    assert "vulkan, small, llama-server, embedded" in missing.value.hint


def test_an_engine_is_made_once(tmp_path):
    engines = Engines(Current(Config(engines=TWO)), tmp_path)
    assert engines.named("vulkan") is engines.named("vulkan")
