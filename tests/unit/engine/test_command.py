from pathlib import Path

import pytest

from paddock.config.model_entry import ModelEntry
from paddock.engine.address import Address
from paddock.engine.command import SLOTS, Command, words
from paddock.errors import ArgumentRefused
from paddock.library.model import Model


def launch(tmp_path, **settings):
    model = Model(id="my model; id", settings=ModelEntry(**settings))
    return Command(tmp_path).launch(model, port=4711, key="secret")


@pytest.mark.parametrize(
    ("cmd", "argv"),
    [
        ("a b c", ["a", "b", "c"]),
        ("a \\\n  b \\\n  c", ["a", "b", "c"]),
        ("a\n  --b 'c d'\n", ["a", "--b", "c d"]),
        ("# about\na b\n  # more\n c", ["a", "b", "c"]),
        ("a \\\n# hidden\n b", ["a", "b"]),
        ("a '#b' c#d", ["a", "#b", "c#d"]),
        ("a; rm -rf / && $(b) `c` > d", ["a;", "rm", "-rf", "/", "&&", "$(b)", "`c`", ">", "d"]),
    ],
)
def test_a_command_is_words_and_never_a_shell_line(cmd, argv):
    assert words(cmd, place="cmd") == argv


async def test_port_and_id_are_filled_in_without_making_new_words(tmp_path):
    made = await launch(tmp_path, cmd="run --port ${PORT} --name ${MODEL_ID}", env=["P=${PORT}"])
    assert made.argv == ("run", "--port", "4711", "--name", "my model; id")
    assert made.env["P"] == "4711"
    assert made.address == Address("127.0.0.1", 4711)


async def test_the_key_is_in_the_environment_and_not_in_the_arguments(tmp_path):
    made = await launch(tmp_path, cmd="run")
    assert made.env["LLAMA_API_KEY"] == made.key == "secret"
    assert not made.proves_key


@pytest.mark.parametrize(
    ("settings", "check", "slots"),
    [
        ({}, "/health", SLOTS),
        ({"check_endpoint": "/ready", "concurrency_limit": 3}, "/ready", 3),
        ({"check_endpoint": "none"}, "", SLOTS),
    ],
)
async def test_check_and_slots_are_the_owners(tmp_path, settings, check, slots):
    made = await launch(tmp_path, cmd="run", **settings)
    assert (made.check_path, made.slots) == (check, slots)


@pytest.mark.parametrize("cmd", ["# only a comment", "   ", "run 'open"])
async def test_a_command_that_is_none_is_refused(tmp_path, cmd):
    with pytest.raises(ArgumentRefused, match="cmd of my model"):
        await launch(tmp_path, cmd=cmd)


async def test_config_home_is_ours(tmp_path):
    made = await launch(tmp_path, cmd="run")
    assert Path(made.env["XDG_CONFIG_HOME"]).parent == tmp_path
