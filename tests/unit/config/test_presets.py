import shlex
from pathlib import Path

import pytest

from paddock.config.load import load
from paddock.config.presets import Runner, parse_presets
from paddock.errors import ConfigError

ENV = {"HOME": "/home/ann"}
FILE = Path("/etc/llama/models.ini")


def models(text, runner=None):
    return parse_presets(text, FILE, runner or Runner(home=Path("/home/ann"))).values["models"]


def entry(*lines, runner=None):
    [found] = models("\n".join(["[m]", *lines]), runner).values()
    return found


def flags(*lines):
    """The words that a section's lines become, after those that every command has."""
    words = shlex.split(entry("model = /m.gguf", *lines)["cmd"])
    start = ["llama-server", "--host", "127.0.0.1", "--port", "${PORT}", "--model", "/m.gguf"]
    assert words[: len(start)] == start
    return words[len(start) :]


def problems(text):
    with pytest.raises(ConfigError) as caught:
        models(text)
    return [(one.line, one.key, one.message) for one in caught.value.problems]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ctx-size = 8192", ["--ctx-size", "8192"]),
        ("ctx_size = 8192", ["--ctx-size", "8192"]),
        ("c = 8192", ["--ctx-size", "8192"]),
        ("ngl = 99", ["--n-gpu-layers", "99"]),
        ("gpu-layers = 99", ["--n-gpu-layers", "99"]),
        ("n-gpu-layers = -1", ["--n-gpu-layers", "-1"]),
        ("temp = 0.7", ["--temp", "0.7"]),
        ("flash-attn = on", ["--flash-attn", "on"]),
        ("fa = 0", ["--flash-attn", "0"]),
        ("split-mode = none", ["--split-mode", "none"]),
        ("tensor-split = 1,2", ["--tensor-split", "1,2"]),
        ("chat-template-kwargs = {\"a\": true}", ["--chat-template-kwargs", '{"a": true}']),
        ("system-thing = two words", ["--system-thing", "two words"]),
        ("future-flag = 5", ["--future-flag", "5"]),
        ("empty-flag =", ["--empty-flag", ""]),
        ("jinja = true", ["--jinja"]),
        ("jinja = on", ["--jinja"]),
        ("jinja = 1", ["--jinja"]),
        ("jinja = ENABLED", ["--jinja"]),
        ("jinja =", ["--jinja"]),
        ("jinja = false", ["--no-jinja"]),
        ("jinja = off", ["--no-jinja"]),
        ("jinja = 0", ["--no-jinja"]),
        ("no-jinja = true", ["--no-jinja"]),
        ("no-jinja = 0", ["--jinja"]),
        ("mmap = 0", ["--no-mmap"]),
        ("no-mmap = 1", ["--no-mmap"]),
        ("cb = off", ["--no-cont-batching"]),
        ("nocb = on", ["--no-cont-batching"]),
        ("nocb = off", ["--cont-batching"]),
        ("kvu = true", ["--kv-unified"]),
        ("webui = false", ["--no-webui"]),
        ("metrics = true", ["--metrics"]),
        ("metrics = false", []),
        ("embedding = 1", ["--embedding"]),
        ("swa-full = off", []),
        ("no-host = 1", ["--no-host"]),
        ("no-host = 0", []),
        ("future-switch = true", ["--future-switch"]),
        ("future-switch = false", ["--no-future-switch"]),
        ("mmproj = /p.gguf", ["--mmproj", "/p.gguf"]),
        ("mm = p.gguf", ["--mmproj", "/etc/llama/p.gguf"]),
        ("model-draft = ~/d.gguf", ["--model-draft", "/home/ann/d.gguf"]),
        ("lora = rel.gguf", ["--lora", "rel.gguf"]),
        *((f"{key} = x", []) for key in (
            "host", "port", "api-key", "api-key-file", "ssl-key-file", "models-max", "models-dir",
            "LLAMA_ARG_HOST", "LLAMA_API_KEY", "version", "dedup-cache-models",
        )),
    ],
)  # fmt: skip
def test_a_key_is_a_flag(line, words):
    assert flags(line) == words


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("alias = a", {"aliases": ["a"]}),
        ("a = a, b,", {"aliases": ["a", "b"]}),
        ("LLAMA_ARG_ALIAS = a", {"aliases": ["a"]}),
        ("tags = x, y", {"metadata": {"tags": ["x", "y"]}}),
        ("stop-timeout = 30", {"unloadTimeout": 30}),
        ("sleep-idle-seconds = 300", {"ttl": 300}),
        ("sleep-idle-seconds = -1", {}),
        ("parallel = 4", {"concurrencyLimit": 4}),
        ("np = 4", {"concurrencyLimit": 4}),
        ("LLAMA_ARG_N_PARALLEL = 4", {"concurrencyLimit": 4}),
        ("parallel = -1", {}),
        ("LLAMA_ARG_CTX_SIZE = 4096", {"env": ["LLAMA_ARG_CTX_SIZE=4096"]}),
        ("load-on-startup = true", {}),
    ],
)
def test_what_paddock_has_keys_for(line, expected):
    found = entry("model = /m.gguf", line)
    assert {key: value for key, value in found.items() if key != "cmd"} == expected


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("/a/m.gguf", "/a/m.gguf"),
        ("m.gguf", "/etc/llama/m.gguf"),
        ("../m.gguf", "/etc/llama/../m.gguf"),
        ("~/m.gguf", "/home/ann/m.gguf"),
        ("/a b/m'.gguf", "/a b/m'.gguf"),
    ],
)
@pytest.mark.parametrize("key", ["model", "m", "LLAMA_ARG_MODEL"])
def test_the_models_file(key, name, path):
    assert shlex.split(entry(f"{key} = {name}")["cmd"])[-2:] == ["--model", path]


def test_what_holds_for_all_comes_first_and_the_section_wins():
    text = """
version = 1
[*]
c = 4096
jinja = true
LLAMA_ARG_THREADS = 4
[a]
model = /a.gguf
ctx-size = 8192
LLAMA_ARG_THREADS = 8
[b]
model = /b.gguf
no-jinja = true
"""
    found = models(text)
    assert found["a"]["cmd"].splitlines()[1:] == ["--ctx-size 8192", "--jinja", "--model /a.gguf"]
    assert found["a"]["env"] == ["LLAMA_ARG_THREADS=8"]
    assert found["b"]["cmd"].splitlines()[1:] == [
        "--ctx-size 4096", "--jinja", "--model /b.gguf", "--no-jinja",
    ]  # fmt: skip
    assert found["b"]["env"] == ["LLAMA_ARG_THREADS=4"]
    assert list(found) == ["a", "b"]


def test_the_section_for_all_may_stand_anywhere():
    assert "--temp 1" in models("[a]\nmodel = /a.gguf\n[*]\ntemp = 1\n")["a"]["cmd"]


def test_without_a_file_the_section_changes_a_discovered_model():
    assert models("[*]\nc = 5\n[qwen3-8b]\ntemp = 0.5\nalias = q\njinja = on\n") == {
        "qwen3-8b": {"args": "--ctx-size 5 --temp 0.5 --jinja", "aliases": ["q"]}
    }
    assert models("[qwen3-8b]\n") == {"qwen3-8b": {}}


def test_the_engine_that_is_ours_runs_them():
    runner = Runner("/opt/my llama/server", "--verbose", ("A=1",))
    found = entry("model = /m.gguf", "LLAMA_ARG_X = 2", runner=runner)
    assert found["cmd"].splitlines() == [
        "'/opt/my llama/server' --host 127.0.0.1 --port ${PORT}", "--verbose", "--model /m.gguf",
    ]  # fmt: skip
    assert found["env"] == ["A=1", "LLAMA_ARG_X=2"]


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        ("[a]\nhf-repo = x/y", 2, "a.hf-repo", "models cannot be fetched yet"),
        ("[a]\nhf = x/y", 2, "a.hf-repo", "models cannot be fetched yet"),
        ("[a]\nLLAMA_ARG_HF_REPO = x/y", 2, "a.hf-repo", "models cannot be fetched yet"),
        ("[a]\nmodel-url = http://x", 2, "a.model-url", "models cannot be fetched yet"),
        ("[a]\ndocker-repo = x", 2, "a.docker-repo", "models cannot be fetched yet"),
        ("[u/r:Q8]\nc = 1", 1, "u/r:Q8", "names a model of Hugging Face's cache"),
        ("c = 1\n[a]\nmodel = /m", 1, "c", "stands before the first section"),
    ],
)
def test_what_cannot_be(text, line, key, message):
    [found] = problems(text)
    assert found[:2] == (line, key)
    assert message in found[2]


def test_all_of_it_is_told():
    assert [line for line, *_ in problems("x = 1\n[a]\nhf = 1\n[b/c]\n[d]\nhf = 2\n")] == [
        1,
        3,
        4,
        6,
    ]


@pytest.fixture
def house(tmp_path):
    def house(config, presets):
        (tmp_path / "models.ini").write_text(presets, encoding="utf-8")
        file = tmp_path / "config.yaml"
        file.write_text(config, encoding="utf-8")
        return file

    return house


def refused(file):
    with pytest.raises(ConfigError) as caught:
        load(file, ENV, {})
    return [(Path(one.file).name, one.line, one.key) for one in caught.value.problems]


def test_presets_are_read_with_the_config(house, tmp_path):
    file = house(
        "presets: [models.ini]\nmodels: {own: {}}\nhooks: {on_startup: {preload: [own]}}\n"
        "engines: {mine: {llamaServer: bin/llama, env: {A: '1'}}}\nmacros: {x: 1}\n",
        "[a]\nmodel = a.gguf\nload-on-startup = yes\n[b]\nmodel = b.gguf\nload-on-startup = on\n"
        "chat-template = ${x}\n",
    )
    config = load(file, ENV, {})
    assert list(config.models) == ["own", "a", "b"]
    assert config.hooks.on_startup.preload == ["own", "b"]
    words = shlex.split(config.models["b"].cmd)
    assert words[0] == str(tmp_path / "bin" / "llama")
    assert words[-4:] == ["--model", str(tmp_path / "b.gguf"), "--chat-template", "${x}"]
    assert config.models["a"].env == ["A=1"]


@pytest.mark.parametrize(
    ("engines", "program"),
    [
        ("", "llama-server"),
        ("engines: {a: {llamaServer: /a}, b: {llamaServer: /b}}", "/a"),
        ("engines: {a: {llamaServer: /a}, b: {llamaServer: /b}}\nengine: b", "/b"),
        ("engines: {a: {llamaServer: llama-x}}", "llama-x"),
        ("engines: {a: {}}", "llama-server"),
        ("engine: embedded", "llama-server"),
    ],
)
def test_the_default_engine_runs_presets(house, engines, program):
    config = load(house(f"presets: [models.ini]\n{engines}\n", "[a]\nmodel = /m\n"), ENV, {})
    assert shlex.split(config.models["a"].cmd)[0] == program


def test_problems_have_the_line_in_the_presets_file(house):
    file = house(
        "presets: [models.ini, none.ini]\nmodels: {a: {}}\nparallel: 0\n",
        "[a]\nmodel = /a\n[b]\nmodel = /b\nstop-timeout = soon\n[c]\nmodel = /c\nalias = b\n",
    )
    assert refused(file) == [
        ("config.yaml", 1, "presets[1]"),
        ("config.yaml", 3, "parallel"),
        ("models.ini", 1, "models.a"),
        ("models.ini", 3, "models.b.unloadTimeout"),
        ("models.ini", 6, "models.c.aliases[0]"),
    ]


@pytest.mark.parametrize("presets", ["5", "[5]", "x", "{a: b}", '[""]', '["a\\0"]', "[[a]]"])
def test_presets_of_the_wrong_type_are_refused(house, presets):
    assert {key.partition("[")[0] for _, _, key in refused(house(f"presets: {presets}\n", ""))} == {
        "presets"
    }


def test_no_presets_are_right(house):
    assert load(house("presets:\n", ""), ENV, {}).models == {}
    assert load(house("presets: [models.ini]\n", "; nothing\n"), ENV, {}).models == {}
