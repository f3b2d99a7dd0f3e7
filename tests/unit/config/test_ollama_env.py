"""Ollama's environment variables: what they say, and that the file and the flags keep their say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paddock.config.load import load
from paddock.config.ollama_env import NO_LIMIT_SECONDS, bind_address, settings
from paddock.config.schema import Config
from paddock.errors import ConfigError


def config_of(tmp_path: Path, file: Any = None, **env: str) -> Config:
    written = tmp_path / "config.yaml"
    written.write_text(json.dumps(file or {}))
    return load(written, {"HOME": str(tmp_path), **env}, {})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("nas", ("nas", 11434)),
        ("nas:80", ("nas", 80)),
        ("192.168.1.2", ("192.168.1.2", 11434)),
        (":1234", ("127.0.0.1", 1234)),
        ("0.0.0.0", ("0.0.0.0", 11434)),
        ("http://nas", ("nas", 80)),
        ("https://nas", ("nas", 443)),
        ("http://nas:1/path", ("nas", 1)),
        ("[::1]:8", ("::1", 8)),
        ("[::1]", ("::1", 11434)),
        ("::1", ("::1", 11434)),
        ("nas:66000", ("nas", 11434)),
        ("nas:x", ("nas", 11434)),
        ("nas:0", ("nas", 0)),
        ("/", ("127.0.0.1", 11434)),
    ],
)
def test_a_host_is_read_as_ollama_reads_it(text, address):
    assert bind_address(text) == address


def test_every_variable_has_its_key(tmp_path):
    config = config_of(
        tmp_path,
        OLLAMA_HOST="127.0.0.1:0",
        OLLAMA_MODELS="/srv/ollama",
        OLLAMA_KEEP_ALIVE="10",
        OLLAMA_CONTEXT_LENGTH="16384",
        OLLAMA_MAX_LOADED_MODELS="3",
        OLLAMA_NUM_PARALLEL="4",
        OLLAMA_MAX_QUEUE="9",
        OLLAMA_ORIGINS="http://a.lan, https://*.b.lan",
        OLLAMA_LOAD_TIMEOUT="10m",
        OLLAMA_FLASH_ATTENTION="1",
        OLLAMA_KV_CACHE_TYPE="q8_0",
        OLLAMA_GO_TEMPLATE="false",
        OLLAMA_DEBUG="1",
    )
    assert config.listen.ollama is not None
    assert (config.listen.ollama.host, config.listen.ollama.port) == ("127.0.0.1", 0)
    assert config.store_dir == Path("/srv/ollama")
    assert config.ollama.keep_alive == 10
    assert (config.context_length, config.max_loaded_models) == (16384, 3)
    assert (config.parallel, config.max_queue) == (4, 9)
    assert config.ollama.origins == ["http://a.lan", "https://*.b.lan"]
    assert config.health_check_timeout == 600
    assert config.ollama.go_template == "never"
    assert config.log_level == "debug"
    assert config.default_model_args == (
        "--no-webui --flash-attn on --cache-type-k q8_0 --cache-type-v q8_0"
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300), ("0", 0), ("-1", -1), ("-1m", -1), ("30", 30), ("1h30m", 5400)],
)
def test_a_time_in_memory(tmp_path, text, seconds):
    assert config_of(tmp_path, OLLAMA_KEEP_ALIVE=text).ollama.keep_alive == seconds
    assert config_of(tmp_path, {"ollama": {"keepAlive": text}}).ollama.keep_alive == seconds


@pytest.mark.parametrize("name", ["MAX_LOADED_MODELS", "NUM_PARALLEL", "CONTEXT_LENGTH"])
def test_zero_is_automatic(tmp_path, name):
    assert config_of(tmp_path, **{f"OLLAMA_{name}": "0"}) == config_of(tmp_path)


@pytest.mark.parametrize("text", ["0", "-1", "0s", "-5m"])
def test_a_load_without_limit(tmp_path, text):
    config = config_of(tmp_path, OLLAMA_LOAD_TIMEOUT=text)
    assert config.health_check_timeout == NO_LIMIT_SECONDS


def test_quotes_and_blanks_around_a_value_are_none_of_it(tmp_path):
    assert config_of(tmp_path, OLLAMA_NUM_PARALLEL=" '7' ").parallel == 7
    assert config_of(tmp_path, OLLAMA_NUM_PARALLEL='""') == config_of(tmp_path)


def test_what_means_nothing_here_is_passed_over(tmp_path):
    odd = {"OLLAMA_KV_CACHE_TYPE": "f8", "OLLAMA_NOHISTORY": "1", "OLLAMA_SCHED_SPREAD": "1"}
    assert config_of(tmp_path, **odd) == config_of(tmp_path)
    assert settings({"PATH": "/bin", "HOME": "/"}, "") == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OLLAMA_NUM_PARALLEL", "many"),
        ("OLLAMA_KEEP_ALIVE", "soon"),
        ("OLLAMA_ORIGINS", "not an origin"),
        ("OLLAMA_HOST", "0.0.0.0"),
    ],
)
def test_a_wrong_value_is_told_under_its_variables_name(tmp_path, name, value):
    with pytest.raises(ConfigError) as raised:
        config_of(tmp_path, **{name: value})
    assert str(raised.value.problems[0]).startswith(f"{name}: ")


def test_it_opens_no_door_that_the_file_switches_off(tmp_path):
    config = config_of(tmp_path, {"listen": {"ollama": None}}, OLLAMA_HOST="127.0.0.1:5")
    assert config.listen.ollama is None


def test_it_wins_over_the_file_and_keeps_the_rest_of_it(tmp_path):
    said = {"listen": {"ollama": {"auth": "none", "port": 1}}, "defaultModelArgs": "--jinja"}
    config = config_of(tmp_path, said, OLLAMA_HOST=":2", OLLAMA_FLASH_ATTENTION="0")
    assert config.listen.ollama is not None
    assert (config.listen.ollama.port, config.listen.ollama.auth) == (2, "none")
    assert config.default_model_args == "--jinja --flash-attn off"


def test_the_store_is_in_the_state_folder_unless_said(tmp_path):
    assert config_of(tmp_path, {"stateDir": "s"}).store_dir == tmp_path / "s" / "ollama"
    assert config_of(tmp_path, {"ollama": {"models": "m"}}).store_dir == tmp_path / "m"
