from pathlib import Path

import pytest

from paddock.config.load import load
from paddock.errors import ConfigError

ENV = {"HOME": "/home/ann"}


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        file = tmp_path / "config.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def problems(write):
    def problems(text, env=ENV, overrides=None):
        with pytest.raises(ConfigError) as caught:
            load(write(text), env, overrides or {})
        return caught.value.problems

    return problems


def test_without_a_file_the_defaults_hold():
    config = load(None, ENV, {})
    assert config.models_dir == [Path("/home/ann/.local/share/paddock/models")]
    assert config.state_dir == Path("/home/ann/.local/state/paddock")
    assert config.listen.openai is not None
    assert (config.listen.openai.host, config.listen.openai.port) == ("127.0.0.1", 8090)


def test_an_empty_file_is_the_defaults(write):
    assert load(write("# nothing\n"), ENV, {}) == load(None, ENV, {})


def test_a_key_with_nothing_after_it_is_the_default(write):
    text = "models:\napiKeys:\ndefaultTtl:\nlisten:\nmodelsDir:\nengines:\n  embedded:\n"
    config = load(write(text), ENV, {})
    assert config.engines["embedded"].llama_server is None
    assert config.model_copy(update={"engines": {}}) == load(None, ENV, {})


def test_null_switches_a_door_off(write):
    assert load(write("listen: {openai: null}\n"), ENV, {}).listen.openai is None


@pytest.mark.parametrize("text", ["modelsDir: /a", "modelsDir: [/a]"])
def test_models_dir_is_one_folder_or_a_list(write, text):
    assert load(write(text), ENV, {}).models_dir == [Path("/a")]


def test_relative_paths_start_at_the_files_folder_and_tilde_is_home(write, tmp_path):
    text = """
modelsDir: [models, ~/more, ../up, /abs, "~"]
stateDir: state
engines:
  near: {llamaServer: ./bin/llama-server}
  path: {llamaServer: llama-server}
"""
    config = load(write(text), ENV, {})
    assert config.models_dir == [
        tmp_path / "models",
        Path("/home/ann/more"),
        tmp_path / ".." / "up",
        Path("/abs"),
        Path("/home/ann"),
    ]
    assert config.state_dir == tmp_path / "state"
    assert config.engines["near"].llama_server == tmp_path / "bin" / "llama-server"
    assert config.engines["path"].llama_server == Path("llama-server")


def test_file_then_environment_then_flags(write):
    file = write("modelsDir: /file\nlogLevel: error\nlisten: {openai: {port: 1}}\n")
    assert load(file, ENV, {}).models_dir == [Path("/file")]
    env = ENV | {"PADDOCK_MODELS_DIR": "/env1:/env2", "PADDOCK_LOG_LEVEL": "warn"}
    assert load(file, env, {}).models_dir == [Path("/env1"), Path("/env2")]
    assert load(file, env, {}).log_level == "warn"
    flags = {"modelsDir": ["/flag"], "logLevel": "debug", "listen.openai.port": 2}
    config = load(file, env, flags)
    assert (config.models_dir, config.log_level) == ([Path("/flag")], "debug")
    assert config.listen.openai is not None
    assert config.listen.openai.port == 2


def test_a_relative_folder_in_the_environment_starts_at_the_current_folder(write):
    config = load(write(""), ENV | {"PADDOCK_MODELS_DIR": "here"}, {})
    assert config.models_dir == [Path.cwd() / "here"]


def test_the_state_folder_of_the_file_wins_over_systemds(write):
    env = ENV | {"STATE_DIRECTORY": "/var/lib/paddock"}
    assert load(None, env, {}).state_dir == Path("/var/lib/paddock")
    assert load(write("stateDir: /s"), env, {}).state_dir == Path("/s")


def test_a_flag_opens_a_door_that_the_file_closed(write):
    config = load(write("listen: {openai: null}"), ENV, {"listen.openai.port": 0})
    assert config.listen.openai is not None
    assert config.listen.openai.port == 0


def test_all_problems_come_at_once_in_file_order(problems):
    found = problems(
        """\
modelDir: /models
defaultTtl: soon
parallel: 0
listen:
  openai: {host: 0.0.0.0, prot: 1}
models:
  a: {proxy: "ftp://10.0.0.1:${PORT}", cmd: "x ${PORT}"}
""",
        overrides={"engine": "vulkan"},
    )
    assert [(problem.line, problem.key) for problem in found] == [
        (1, "modelDir"),
        (2, "defaultTtl"),
        (3, "parallel"),
        (5, "listen.openai.prot"),
        (5, "listen.openai.host"),
        (7, "models.a.proxy"),
        (0, "engine"),
    ]
    assert found[-1].file == "command line"
    assert found[0].file.endswith("config.yaml")


@pytest.mark.parametrize(
    ("text", "message", "suggestion"),
    [
        ("modelDir: x", "unknown key", "did you mean `modelsDir`?"),
        ("models_dir: x", "unknown key", "did you mean `modelsDir`?"),
        ("MODELSDIR: x", "unknown key", "did you mean `modelsDir`?"),
        ("listen: {web: {}}", "unknown key", "known here: openai"),
        ("parallel: many", "expected a whole number", "like `parallel: 2`"),
        ("parallel: 513", "must be at most 512", "like `parallel: 2`"),
        ("defaultTtl: 5 minutes", "a duration is seconds, or text like 30s, 5m or 1h30m", "5m"),
        ("defaultTtl: [1]", "expected a duration: seconds, or text like 30s, 5m or 1h30m", "5m"),
        ("defaultTtl: -1", "a duration cannot be negative or infinite", "like `defaultTtl: 5m`"),
        ("healthCheckTimeout: 0", "must be at least 1", ""),
        ("apiKeys: abc", "expected a list", "like `apiKeys: [text]`"),
        ("apiKeys: [123]", "expected text; put numbers in quotes", ""),
        ("models: [a]", "expected a mapping of `name: value` lines", ""),
        ("models: {a: 5}", "expected a mapping of `key: value` lines", ""),
        ("listen: 8090", "expected a mapping of `key: value` lines", ""),
        ("models: {a: {unlisted: maybe}}", "expected true or false", ""),
        (
            "logLevel: warning",
            "expected 'debug', 'info', 'warn' or 'error'",
            "did you mean `warn`?",
        ),
        ("stateDir: ''", "expected a path, but it is empty", "like `stateDir: /models`"),
        ("stateDir: [a]", "expected a path", ""),
        ('stateDir: "a\\0b"', "a path cannot hold a NUL character", ""),
    ],
)
def test_a_wrong_value_says_what_is_right(problems, text, message, suggestion):
    [problem] = problems(text)
    assert problem.message == message
    assert suggestion in problem.suggestion
    assert problem.line == 1


def test_a_wrong_key_in_the_environment_is_named(problems):
    [problem] = problems("", env=ENV | {"PADDOCK_LOG_LEVEL": "loud"})
    assert (problem.file, problem.line, problem.key) == ("PADDOCK_LOG_LEVEL", 0, "logLevel")


def test_a_finding_that_rests_on_a_refused_value_waits(problems):
    found = problems("listen: {openai: {host: 0.0.0.0}}\napiKeys: secret\n")
    assert [problem.key for problem in found] == ["apiKeys"]


def test_problems_never_show_a_key(problems):
    found = problems("apiKeys: [two words, 90210]\ndefaultTtl: x\n")
    assert not [problem for problem in found if "two words" in str(problem)]
    assert not [problem for problem in found if "90210" in str(problem)]


def test_a_missing_file_is_a_problem(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.yaml", ENV, {})


def test_what_a_required_key_is_missing_in_does_not_hide_other_faults(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(
        "peers: {p: {models: [x]}}\n"
        "selectors: {s: {strategy: best, targets: [m]}}\n"
        "models: {m: {cmd: 'x ${PORT}', env: [A]}}\n"
    )
    with pytest.raises(ConfigError) as refused:
        load(file, {"HOME": "/h"}, {})
    keys = [problem.key for problem in refused.value.problems]
    assert keys == ["peers.p.proxy", "selectors.s.strategy", "models.m.env[0]"]
