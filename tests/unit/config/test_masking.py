import pytest

from paddock.config.current import Current
from paddock.config.load import load
from paddock.config.masking import (
    MASK,
    Masking,
    masked_flags,
    secrets_among,
    secrets_in,
    sounds_secret,
)
from paddock.config.schema import Config
from paddock.config.show import as_yaml_text

ENV = {
    "HOME": "/home/ann",
    "MY_API_KEY": "canary-one",
    "DB_PASSWORD": "canary two",
    "HF_TOKEN": "can'ary",
    "PLACE": "/srv/models",
}


@pytest.mark.parametrize("name", ["HF_TOKEN", "ApiKey", "db-password", "AWS_SECRET", "credentials"])
def test_names_of_secrets(name):
    assert sounds_secret(name)


@pytest.mark.parametrize("name", ["HOME", "PORT", "MODEL_DIR", "threads", ""])
def test_names_of_others(name):
    assert not sounds_secret(name)


@pytest.mark.parametrize(
    ("secrets", "text", "shown"),
    [
        ([], "anything", "anything"),
        (["s3cr3t"], "--key s3cr3t", f"--key {MASK}"),
        (["s3cr3t"], "a=s3cr3t,b=s3cr3t", f"a={MASK},b={MASK}"),
        (["long", "longer"], "longer long", f"{MASK} {MASK}"),
        (["abc"], "abc", "abc"),
        (["four score"], "score", MASK),
        (["it's"], "it's", MASK),
        ([".*+?"], "x.*+?y", f"x{MASK}y"),
    ],
)
def test_texts_with_secrets(secrets, text, shown):
    assert Masking(secrets).text(text) == shown


def test_all_texts_of_a_value_and_none_of_its_keys():
    told = Masking(["secret"]).value({"secret": ["a secret", {"x": "secret"}, 1, None, True]})
    assert told == {"secret": [f"a {MASK}", {"x": MASK}, 1, None, True]}


def test_macros_that_are_no_text_are_no_secrets():
    assert secrets_among({"max_tokens": 8192, "api_key": "x", "other": "y"}) == {"x"}


@pytest.mark.parametrize(
    "lines",
    [
        "cmd: run --key ${env.MY_API_KEY} ${PORT}",
        "cmd: run --key '${env.DB_PASSWORD}' ${PORT}",
        "cmd: run ${PORT}\n    cmdStop: end ${env.MY_API_KEY}",
        "cmd: run ${PORT}\n    env: ['DSN=x:${env.MY_API_KEY}@y']",
        "cmd: run ${PORT}\n    macros: {k: '${env.MY_API_KEY}'}",
        "cmd: run ${PORT}\n    metadata: {deep: [{er: '${env.HF_TOKEN}'}]}",
        "args: --chat-template ${env.MY_API_KEY}",
        "cmd: run ${mine} ${PORT}",
        "cmd: run ${own_token} ${PORT}\n    macros: {own_token: canary-three}",
    ],
)
def test_a_secret_of_the_environment_is_not_shown_wherever_it_is_put(tmp_path, lines):
    file = tmp_path / "c.yaml"
    file.write_text(f"macros: {{mine: '${{env.MY_API_KEY}}'}}\nmodels:\n  m:\n    {lines}\n")
    config = load(file, ENV, {})
    text = as_yaml_text(config)
    assert "canary" not in text
    assert "can'ary" not in text
    assert MASK in text


def test_secrets_of_every_file_are_hidden(tmp_path):
    for number, name in enumerate(("MY_API_KEY", "DB_PASSWORD")):
        line = f"models: {{m{number}: {{cmd: 'run {number} ${{env.{name}}} ${{PORT}}'}}}}"
        (tmp_path / f"{number}.yaml").write_text(line)
    text = as_yaml_text(load(None, ENV, {}, config_dir=tmp_path))
    assert "run 0" in text
    assert "run 1" in text
    assert "canary" not in text


def test_other_variables_are_shown(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("models: {m: {cmd: 'run -m ${env.PLACE}/x.gguf ${PORT}'}}")
    assert "/srv/models/x.gguf" in as_yaml_text(load(file, ENV, {}))


def test_what_is_no_longer_configured_stays_hidden():
    old, new = Config(), Config()
    old.hide(frozenset({"canary"}))
    current = Current(old)
    current.replace(new, (), ())
    assert current.masking.text("--key canary") == f"--key {MASK}"


@pytest.mark.parametrize(
    ("command", "secrets"),
    [
        ("llama-server --api-key canary -m x", {"canary"}),
        ("llama-server --api-key=canary", {"canary"}),
        ("llama-server --api_key canary", {"canary"}),
        ("docker run x\n  --api-key 'one,two'", {"one", "two"}),
        ('x -hft "canary" --hf-token other', {"canary", "other"}),
        ("x --api-key-file /etc/keys --max-tokens 4096 --key", set()),
        ("x --not--api-key canary", set()),
    ],
)
def test_keys_in_a_command_are_found(command, secrets):
    assert secrets_in(command) == secrets


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("error: invalid argument: --apikey=canary", f"error: invalid argument: --apikey={MASK}"),
        ("unexpected '--auth-token=canary' found", f"unexpected '--auth-token={MASK} found"),
        ("-key=canary -c=4096", f"-key={MASK} -c=4096"),
        ("n_tokens=5, --ctx-size=4096 --key", "n_tokens=5, --ctx-size=4096 --key"),
        ("-----=key=5", "-----=key=5"),
    ],
)
def test_values_of_flags_whose_names_sound_secret_are_hidden_in_what_is_said(line, shown):
    assert masked_flags(line) == shown


def test_a_key_in_a_command_is_not_shown():
    config = Config.model_validate(
        {"models": {"m": {"cmd": "llama-server --api-key canary --port ${PORT}"}}}
    )

    assert "canary" not in as_yaml_text(config)
    assert config.masking.text("--api-key canary") == f"--api-key {MASK}"
