from pathlib import Path

import pytest

from paddock.config.convert import convert
from paddock.config.document import read_document
from paddock.config.load import load
from paddock.config.outline import known_keys

EXAMPLE = Path(__file__).parents[3] / "examples" / "llama-swap.yaml"
ENV = {"HOME": "/home/ann"}

TOP = {
    "healthCheckTimeout", "logLevel", "logTimeFormat", "logToStdout", "logRequests", "store",
    "metricsMaxInMemory", "captureBuffer", "ui", "performance", "startPort", "sendLoadingState",
    "includeAliasesInList", "globalTTL", "unloadTimeout", "macros", "apiKeys", "hooks", "upstream",
    "profiles", "selectors", "routing", "peers", "models",
}  # fmt: skip
MODEL = {
    "cmd", "cmdStop", "proxy", "checkEndpoint", "ttl", "unloadTimeout", "env", "name",
    "description", "aliases", "unlisted", "useModelName", "filters", "macros", "metadata",
    "concurrencyLimit", "sendLoadingState", "timeouts", "compat", "capabilities",
}  # fmt: skip
PEER = {"proxy", "models", "apiKey", "filters", "timeouts"}
"""What llama-swap has where we have more."""


@pytest.fixture(scope="module")
def config():
    return load(EXAMPLE, ENV, {})


@pytest.fixture(scope="module")
def said():
    return read_document(EXAMPLE, ENV).values


def test_nothing_is_wrong_with_the_example(config):
    assert list(config.models) == ["small", "large", "contained", "embedder"]


def at(said, place):
    for step in place.split("."):
        said = said[step]
    return said


@pytest.mark.parametrize(
    "place",
    [
        "store", "ui", "ui.activity", "performance", "upstream", "hooks", "hooks.on_startup",
        "models.small.filters", "models.small.timeouts", "models.small.capabilities",
        "models.small.compat", "routing", "routing.router", "routing.router.settings",
        "routing.router.settings.groups.big", "routing.router.settings.matrix",
        "routing.scheduler", "routing.scheduler.settings", "routing.scheduler.settings.fifo",
        "selectors.crowd.settings", "profiles.night",
    ],
)  # fmt: skip
def test_every_key_of_a_section_is_shown(said, place):
    assert set(at(said, place)) == set(known_keys(tuple(place.split("."))))


def test_every_key_of_llama_swap_is_shown(said):
    assert not TOP - set(said)
    assert not MODEL - {key for entry in said["models"].values() for key in entry}
    assert not PEER - set(said["peers"]["workstation"])
    chosen = {key for selector in said["selectors"].values() for key in selector}
    assert chosen == set(known_keys(("selectors", "NAME")))


def test_what_the_example_says_is_what_is_read(config):
    small, large = config.models["small"], config.models["large"]
    server = "llama-server --host 127.0.0.1 --port ${PORT} --no-webui"
    assert small.cmd.splitlines() == [
        f"{server} --ctx-size 8192", "--model /home/ann/models/small.gguf", "--temp 0.7",
    ]  # fmt: skip
    assert large.cmd == f"{server} --ctx-size 32768 --model /home/ann/models/large.gguf"
    assert (large.ttl, large.send_loading_state) == (600, True)
    assert small.filters.set_params["temperature"] == 0.7
    assert list(small.filters.set_params_by_id) == ["small:precise", "small:wild"]
    assert small.metadata == {
        "context": 8192, "owner": "ann", "notes": ["fast", "temperature 0.7"],
    }  # fmt: skip
    assert small.capabilities.context == 8192
    assert config.models["contained"].cmd_stop == "docker stop contained"
    assert config.group_rules["little"].members == ["small", "embedder"]
    assert config.matrix_rules is None
    assert config.priorities == {"small": 10, "large": 5}


def test_the_example_can_be_imported(tmp_path):
    file = tmp_path / "imported.yaml"
    file.write_text(convert(EXAMPLE, ENV), encoding="utf-8")
    imported = load(file, ENV, {})
    assert imported.models == load(EXAMPLE, ENV, {}).models
