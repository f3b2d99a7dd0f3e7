import pytest

from paddock.config.model_entry import ModelEntry
from paddock.engine.address import Address
from paddock.engine.command import SLOTS, Command, counts_websockets, wants_port, words
from paddock.errors import ArgumentRefused
from paddock.library.model import Model


def launch(*, name="my model; id", **settings):
    model = Model(id=name, settings=ModelEntry(**settings))
    return Command().launch(model, port=4711, key="secret")


@pytest.mark.parametrize(
    ("cmd", "argv"),
    [
        ("a b c", ["a", "b", "c"]),
        ("a \\\n  b \\\n  c", ["a", "b", "c"]),
        ("a\n  --b 'c d'\n", ["a", "--b", "c d"]),
        ("# about\na b\n  # more\n c", ["a", "b", "c"]),
        ("a \\\n# hidden\n b", ["a", "b"]),
        ("a \\ \t\n b", ["a", "b"]),
        ("a \\\r\n b\r\n", ["a", "b"]),
        ("a # b", ["a", "#", "b"]),
        ("sh -c 'first\nsecond  '", ["sh", "-c", "first\nsecond  "]),
        ("a '#b' c#d", ["a", "#b", "c#d"]),
        ("a; rm -rf / && $(b) `c` > d", ["a;", "rm", "-rf", "/", "&&", "$(b)", "`c`", ">", "d"]),
    ],
)
def test_a_command_is_words_and_never_a_shell_line(cmd, argv):
    assert words(cmd, {}, place="cmd") == argv


async def test_port_and_id_are_filled_in_without_making_new_words():
    made = await launch(cmd="run --port ${PORT} --name ${MODEL_ID}", env=["P=${PORT}"])
    assert made.argv == ("run", "--port", "4711", "--name", "my model; id")
    assert made.env["P"] == "4711"
    assert made.address == Address("127.0.0.1", 4711)


@pytest.mark.parametrize(
    ("cmd", "env", "sent", "told"),
    [
        ("llama-server", [], "secret", "secret"),
        ("/opt/llama.cpp/llama-server -m x", [], "secret", "secret"),
        ("numactl -N 0 /opt/llama-server -m x", [], "secret", "secret"),
        ("llama-server --api-key mine", [], "mine", None),
        ("llama-server --api-key=mine,other", [], "mine", None),
        ("llama-server --api_key mine", [], "mine", None),
        ("llama-server --api-key-file f", [], "secret", "secret"),
        ("llama-server", ["LLAMA_API_KEY=mine"], "mine", "mine"),
        ("vllm serve m", [], "", None),
        ("vllm serve m --api-key mine", [], "mine", None),
        ("run --api-key", [], "", None),
        ("docker run llama.cpp:server", [], "", None),
        ("sh -c 'llama-server -m x'", [], "", None),
    ],
)
async def test_only_who_knows_a_key_is_sent_one(monkeypatch, cmd, env, sent, told):
    monkeypatch.delenv("LLAMA_API_KEY", raising=False)
    made = await launch(cmd=cmd, env=env)
    assert made.key == sent
    assert made.env.get("LLAMA_API_KEY") == told
    assert "secret" not in made.argv
    assert not made.proves_key


@pytest.mark.parametrize(
    ("settings", "owns"),
    [
        ({"cmd": "run ${PORT}"}, True),
        ({"cmd": "run ${PORT}", "proxy": "http://[::1]:${PORT}/api"}, True),
        ({"cmd": "run ${PORT}", "proxy": "https://127.0.0.1:${PORT}"}, False),
        ({"cmd": "run ${PORT}", "proxy": "http://container:${PORT}"}, False),
        ({"cmd": "run ${PORT}", "proxy": "http://127.0.0.1:9000"}, False),
        ({"cmd": "run", "proxy": "http://127.0.0.1:9000"}, False),
    ],
)
async def test_a_child_must_own_only_the_port_it_was_given(settings, owns):
    assert (await launch(**settings)).owns_port is owns


@pytest.mark.parametrize(
    ("settings", "wants"),
    [
        ({"cmd": "run ${PORT}"}, True),
        ({"cmd": "run"}, True),
        ({"cmd": "run ${PORT}", "proxy": "http://127.0.0.1:9000"}, True),
        ({"cmd": "run", "proxy": "http://127.0.0.1:9000"}, False),
    ],
)
def test_a_port_is_for_commands_that_name_it(settings, wants):
    assert wants_port(ModelEntry(**settings)) is wants


async def test_the_proxy_may_be_anywhere():
    made = await launch(cmd="run ${PORT}", proxy="https://box.example:${PORT}/v/")
    assert str(made.address) == "https://box.example:4711/v"


async def test_a_proxy_that_is_no_url_is_refused():
    with pytest.raises(ArgumentRefused, match="not an http"):
        await launch(cmd="run", proxy="ws://x")


async def test_a_command_has_the_environment_of_the_daemon_and_none_of_its_settings(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "the owner's")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/me/.config")
    monkeypatch.setenv("PADDOCK_API_KEYS", "secret")
    made = await launch(cmd="run", env=["HF_TOKEN=his other", "X=1"])
    assert made.env["HF_TOKEN"] == "his other"
    assert made.env["X"] == "1"
    assert made.env["XDG_CONFIG_HOME"] == "/home/me/.config"
    assert not any(name.startswith("PADDOCK_") for name in made.env)


@pytest.mark.parametrize(
    ("name", "settings", "slots", "counts"),
    [
        ("m", {}, 10, True),
        ("m", {"concurrency_limit": 3}, 3, True),
        ("m", {"compat": {"ignoreWebsockets": True}}, 10, False),
        ("comfyui_auto", {}, 50, False),
        ("comfyui_auto", {"concurrency_limit": 3}, 50, False),
        ("comfyui_auto", {"concurrency_limit": 80}, 80, False),
    ],
)
async def test_comfyui_has_room_for_its_page(name, settings, slots, counts):
    assert (await launch(name=name, cmd="run", **settings)).slots == slots
    model = Model(id=name, settings=ModelEntry(cmd="run", **settings))
    assert counts_websockets(model) is counts


@pytest.mark.parametrize(
    ("settings", "check", "slots"),
    [
        ({}, "/health", SLOTS),
        ({"check_endpoint": "/ready", "concurrency_limit": 3}, "/ready", 3),
        ({"check_endpoint": "none"}, "", SLOTS),
        ({"check_endpoint": "ready?port=${PORT}"}, "/ready?port=4711", SLOTS),
    ],
)
async def test_check_and_slots_are_the_owners(settings, check, slots):
    made = await launch(cmd="run", **settings)
    assert (made.check_path, made.slots) == (check, slots)


@pytest.mark.parametrize("cmd", ["# only a comment", "   ", "run 'open"])
async def test_a_command_that_is_none_is_refused(cmd):
    with pytest.raises(ArgumentRefused, match="cmd of my model"):
        await launch(cmd=cmd)
