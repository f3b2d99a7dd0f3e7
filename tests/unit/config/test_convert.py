from pathlib import Path

import pytest

from paddock.config.convert import convert
from paddock.config.load import load
from paddock.errors import ConfigError

ENV = {"HOME": "/home/ann"}


@pytest.fixture
def converted(tmp_path):
    """What a file becomes: its notes, and the rest."""

    def converted(text, name="config.yaml", env=ENV):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        found = convert(file, env)
        head, _, body = found.partition("\n\n")
        _, _, changed = head.partition("# What was changed:\n")
        notes = [line.removeprefix("# - ") for line in changed.splitlines()]
        (tmp_path / "paddock.yaml").write_text(found, encoding="utf-8")
        return notes, body, tmp_path / "paddock.yaml"

    return converted


PLAIN = """\
# my llamas
macros:
  "llama": >   # one line
    llama-server
    --port ${PORT}

models:
  'a':
    # the first
    cmd: |
      # a comment
      ${llama} \\
        -m "/m/a.gguf"
    aliases: [x, "y"]   # two
    ttl: 0x10
  b: {cmd: "${llama}", unlisted: yes please}
"""


def test_what_needs_no_change_is_printed_as_it_is(converted):
    text = PLAIN.replace("yes please", "true")
    notes, body, file = converted(text)
    assert (notes, body) == ([], text)
    assert list(load(file, ENV, {}).models) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "note", "body"),
    [
        (
            "models: {}\nlogRequests: true\n",
            "line 2: logRequests is left out: every request is recorded",
            "models: {}\n",
        ),
        (
            "unloadTimeout: 0\nmodels: {}\n",
            "line 1: unloadTimeout is left out: 0 means the default",
            "models: {}\n",
        ),
        (
            "models:\n  a:\n    filters:\n      strip_params: x, y\n      setParams: {a: 1}\n",
            "line 4: models.a.filters.strip_params is written `stripParams` now",
            "models:\n  a:\n    filters:\n      stripParams: x, y\n      setParams: {a: 1}\n",
        ),
        (
            "models:\n  a:\n    filters:\n      strip_params: x\n      stripParams: y\n",
            "line 4: models.a.filters.strip_params is written `stripParams` now",
            "models:\n  a:\n    filters:\n      stripParams: y\n",
        ),
        (
            "peers:\n  p:\n    proxy: http://h\n    filters: {strip_params: x}\n",
            "line 4: peers.p.filters.strip_params is written `stripParams` now",
            "peers:\n  p:\n    proxy: http://h\n    filters: {stripParams: x}\n",
        ),
        (
            "modles: {}\nmodels: {}\n",
            "line 1: modles is left out: llama-swap passed over it, too",
            "models: {}\n",
        ),
        (
            "models:\n  a:\n    name: n\n    gpu: {id: 1}\n",
            "line 4: models.a.gpu is left out: llama-swap passed over it, too",
            "models:\n  a:\n    name: n\n",
        ),
        (
            "groups:\n  g:\n    members: [a]\n    weight: 1\n",
            "line 4: groups.g.weight is left out: llama-swap passed over it, too",
            "groups:\n  g:\n    members: [a]\n",
        ),
    ],
)
def test_a_change_is_told_with_its_line(converted, text, note, body):
    notes, found, file = converted(text)
    assert (notes, found) == ([note], body)
    load(file, ENV, {})


def test_changes_are_told_in_their_order(converted):
    notes, _, file = converted("a: 1\nlogRequests: true\nb: 2\nunloadTimeout: 0\n")
    assert [note.partition(":")[0] for note in notes] == ["line 1", "line 2", "line 3", "line 4"]
    assert load(file, ENV, {}) == load(None, ENV, {})


def test_keys_that_hold_anchors_stay(converted):
    text = "x-all: &all\n  ttl: 5\nmodels:\n  a:\n    <<: *all\n    name: n\n"
    notes, body, file = converted(text)
    assert (notes, body) == ([], text)
    assert load(file, ENV, {}).models["a"].ttl == 5


@pytest.mark.parametrize(
    "text",
    [
        "apiKeys: [${env.KEY}]\n",
        'apiKeys: ["${env.KEY}", x]\n',
        "apiKeys:\n  - ${env.KEY}\n",
        "# ${env.KEY}\napiKeys: []\n",
        "models:\n  a:\n    cmd: |\n      s ${PORT}\n      ${env.KEY}\n",
    ],
)
@pytest.mark.parametrize("env", [ENV, {**ENV, "KEY": "secret"}])
def test_environment_variables_stay_references(converted, text, env):
    notes, body, _ = converted(text, env=env)
    assert (notes, body) == ([], text)


def test_filters_that_are_merged_keep_their_old_word(converted):
    text = (
        "models:\n  a:\n    filters: &all {strip_params: x}\n"
        "  b:\n    filters:\n      <<: *all\n      setParams: {y: 2}\n"
    )
    notes, body, file = converted(text)
    assert (notes, body) == ([], text)
    assert load(file, ENV, {}).models["b"].filters.strip_params == ["x"]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("models:\n  a: &a\n    gpu: 1\n  b:\n    <<: *a\n", ["models.b.gpu"]),
        ("x-all: &all\n  gpu: 1\nmodels:\n  a:\n    <<: *all\n", ["models.a.gpu"]),
        ("models:\n  1:\n    gpu: 1\n", ["models.1.gpu"]),
        ('models:\n  "${env.KEY}":\n    gpu: 1\n', ["models.x.gpu"]),
        ("1: 2\n", ["1"]),
    ],
)
def test_an_unknown_key_that_cannot_be_taken_out_is_for_the_owner(tmp_path, text, keys):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="unknown key") as caught:
        convert(file, ENV)
    assert [problem.key for problem in caught.value.problems] == keys


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_becomes_one(converted, text):
    _, body, file = converted(text)
    assert load(file, ENV, {}) == load(None, ENV, {}), body


def test_what_nobody_can_guess_is_for_the_owner(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("gone: 1\nmodels:\n  a: {cmd: '${nope}'}\n  b: {ttl: soon}\nstartPort: 1\n")
    with pytest.raises(ConfigError) as caught:
        convert(file, ENV)
    assert [(one.file, one.line, one.key) for one in caught.value.problems] == [
        (str(file), 3, "models.a.cmd"),
        (str(file), 4, "models.b.ttl"),
        (str(file), 5, "startPort"),
    ]


@pytest.mark.parametrize(
    ("name", "text"), [("c.yaml", "a: ["), ("c.ini", "what"), ("c.yaml", "- x")]
)
def test_what_cannot_be_read_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError):
        convert(tmp_path / name, ENV)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        convert(tmp_path / "none.ini", ENV)


def test_presets_become_models(converted):
    text = """
version = 1
[*]
c = 4096
host = 0.0.0.0
[my model]
model = /m/a.gguf
jinja = true
alias = one
load-on-startup = true
[qwen3-8b]
temp = 0.5
api-key = secret
"""
    notes, body, file = converted(text, "models.ini")
    assert notes == [
        "line 5: host of [*] is left out, for Paddock sees to it",
        "line 13: api-key of [qwen3-8b] is left out, for Paddock sees to it",
    ]
    assert "secret" not in body
    config = load(file, ENV, {})
    assert body.startswith("models:\n  my model:\n    cmd: |\n      llama-server --host 127.0.0.1")
    assert config.models["my model"].cmd.splitlines()[1:] == [
        "--ctx-size 4096", "--model /m/a.gguf", "--jinja",
    ]  # fmt: skip
    assert config.models["my model"].aliases == ["one"]
    assert config.models["qwen3-8b"].args == "--ctx-size 4096 --temp 0.5"
    assert config.hooks.on_startup.preload == ["my model"]


def test_presets_that_cannot_be_are_refused_with_their_lines(tmp_path):
    file = Path(tmp_path / "models.ini")
    file.write_text("[a]\nmodel = /a\nstop-timeout = soon\n[b]\nmodel = /b\nalias = a\n")
    with pytest.raises(ConfigError) as caught:
        convert(file, ENV)
    assert [(one.line, one.key) for one in caught.value.problems] == [
        (1, "models.a.unloadTimeout"),
        (4, "models.b.aliases[0]"),
    ]
