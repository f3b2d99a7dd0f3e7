from pathlib import Path

import pytest

from paddock.config.load import load
from paddock.config.outline import json_schema, schema_at
from paddock.config.sources import sources
from paddock.errors import ConfigError

ENV = {"HOME": "/home/ann"}


@pytest.fixture
def house(tmp_path):
    """Writes files below `tmp_path` by name; gives `tmp_path`."""

    def house(**files):
        for name, text in files.items():
            file = tmp_path / name.replace("__", "/").replace("_y", ".y")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return tmp_path

    return house


def refused(file, folder):
    with pytest.raises(ConfigError) as caught:
        load(file, ENV, {}, folder)
    return caught.value.problems


def test_a_folders_files_are_added_to_the_file(house):
    at = house(
        main_yaml="models: {a: {}}\napiKeys: [k0]\n",
        d__2_yml="models: {c: {}}\napiKeys: [k2]\n",
        d__1_yaml="models: {b: {}}\napiKeys: [k1]\n",
    )
    config = load(at / "main.yaml", ENV, {}, at / "d")
    assert list(config.models) == ["a", "b", "c"]
    assert [key.get_secret_value() for key in config.api_keys] == ["k0", "k1", "k2"]


def test_a_folder_alone_is_enough(house):
    at = house(d__1_yaml="modelsDir: here\n", d__2_yaml="stateDir: there\n")
    config = load(None, ENV, {}, at / "d")
    assert (config.models_dir, config.state_dir) == ([at / "d" / "here"], at / "d" / "there")


@pytest.mark.parametrize(
    "name", ["x.txt", "x.yaml.bak", "yaml", "inner__x_yaml", "X.YAML", "x.json"]
)
def test_other_files_of_the_folder_are_passed_by(house, name):
    at = house(d__1_yaml="parallel: 3\n")
    other = at / "d" / name.replace("__", "/").replace("_y", ".y")
    other.parent.mkdir(exist_ok=True)
    other.write_text("parallel: 4\n")
    assert load(None, ENV, {}, at / "d").parallel == 3


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}\n"])
def test_empty_sources_are_right(house, text):
    at = house(d__1_yaml=text, main_yaml=text)
    assert load(at / "main.yaml", ENV, {}, at / "d") == load(None, ENV, {})


def test_a_folder_without_files_is_right(tmp_path):
    assert load(None, ENV, {}, tmp_path) == load(None, ENV, {})


def test_relative_paths_start_at_the_file_they_are_written_in(house):
    at = house(
        main_yaml="modelsDir: [one, /abs, ~/home]\nengines: {a: {llamaServer: bin/s}}\n",
        d__1_yaml="modelsDir: [two]\nstateDir: state\nstore: {path: db}\npresets: []\n"
        "listen: {openai: {tls: {cert: c.pem, key: /k.pem}}}\n"
        "engines: {b: {llamaServer: bin/s}, c: {llamaServer: llama-server}}\n",
    )
    config = load(at / "main.yaml", ENV, {}, at / "d")
    assert config.models_dir == [at / "one", Path("/abs"), Path("/home/ann/home"), at / "d" / "two"]
    assert config.state_dir == at / "d" / "state"
    assert config.store.path == at / "d" / "db"
    assert config.listen.openai is not None
    assert config.listen.openai.tls is not None
    assert config.listen.openai.tls.cert == at / "d" / "c.pem"
    assert config.listen.openai.tls.key == Path("/k.pem")
    assert config.engines["a"].llama_server == at / "bin" / "s"
    assert config.engines["b"].llama_server == at / "d" / "bin" / "s"
    assert config.engines["c"].llama_server == Path("llama-server")


def test_one_models_folder_as_text_starts_at_its_file(house):
    at = house(main_yaml="", d__1_yaml="modelsDir: two\n")
    assert load(at / "main.yaml", ENV, {}, at / "d").models_dir == [at / "d" / "two"]


def test_every_path_of_the_schema_is_known_to_start_at_its_file(house):
    """A new path in the schema must be added to the sources' table."""
    paths = {place for place in _path_places(()) if place}
    said = {
        "modelsDir", "stateDir", "presets", "store.path", "engines.*.llamaServer",
        "listen.openai.tls.cert", "listen.openai.tls.key",
        "listen.ollama.tls.cert", "listen.ollama.tls.key", "ollama.models", "pulls.tokenFile",
        "listen.chat.tls.cert", "listen.chat.tls.key",
    }  # fmt: skip
    assert {".".join(place) for place in paths} == said


def _path_places(place):
    node = schema_at(place)
    choices = [node, node.get("items", {}), *node.get("anyOf", ())]
    if any(choice.get("format") == "path" for choice in choices):
        yield tuple("*" if step == "NAME" else step for step in place)
    named = isinstance(node.get("additionalProperties"), dict)
    for key in [*node.get("properties", ()), *(["NAME"] if named else [])]:
        if len(place) < 6:
            yield from _path_places((*place, key))


def test_the_schema_has_paths():
    assert '"format": "path"' in str(json_schema()).replace("'", '"')


def test_the_file_in_the_folder_would_be_read_twice(house):
    at = house(d__1_yaml="")
    (at / "link.yaml").symlink_to(at / "d" / "1.yaml")
    for file in (at / "d" / "1.yaml", at / "d" / ".." / "d" / "1.yaml", at / "link.yaml"):
        [problem] = refused(file, at / "d")
        assert "would be read twice" in problem.message


def test_a_folder_that_is_not_there_is_told(tmp_path):
    [problem] = refused(None, tmp_path / "none")
    assert str(problem) == (
        f"{tmp_path}/none: this folder cannot be read: no such file or directory"
        " (name another with --config-dir)"
    )


def test_contradictions_and_other_problems_come_in_one_run_by_file(house):
    at = house(
        main_yaml="parallel: 0\nlogLevel: info\nmodels: {m: {}}\n",
        d__1_yaml="logLevel: warn\nmodels: {m: {}, n: {cmd: '${nope}'}}\n",
        d__2_yaml="modelDir: x\n",
    )
    found = refused(at / "main.yaml", at / "d")
    assert [(Path(one.file).name, one.line, one.key) for one in found] == [
        ("main.yaml", 1, "parallel"),
        ("1.yaml", 1, "logLevel"),
        ("1.yaml", 2, "models.n.cmd"),
        ("1.yaml", 2, "models.m"),
        ("2.yaml", 1, "modelDir"),
    ]


def test_all_files_that_cannot_be_read_are_told(house):
    at = house(main_yaml="a: [", d__1_yaml="b: {", d__2_yaml="${env.NONE}: 1")
    names = [Path(one.file).name for one in refused(at / "main.yaml", at / "d")]
    assert names == ["main.yaml", "1.yaml", "2.yaml"]


def test_macros_of_one_file_serve_the_others(house):
    at = house(d__1_yaml="macros: {a: x}\n", d__2_yaml="models: {m: {name: '${a}'}}\n")
    assert load(None, ENV, {}, at / "d").models["m"].name == "x"


def test_the_files_to_watch(house):
    at = house(main_yaml="", d__1_yaml="", d__2_yml="", d__3_txt="")
    config = load(at / "main.yaml", ENV, {}, at / "d")
    expected = (at / "main.yaml", at / "d" / "1.yaml", at / "d" / "2.yml")
    assert sources(at / "main.yaml", at / "d", config) == expected
    assert sources(None, None, config) == ()
    assert sources(None, at / "gone", config) == ()
