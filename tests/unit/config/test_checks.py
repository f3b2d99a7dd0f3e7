import pytest

from paddock.config.checks import check, is_loopback
from paddock.config.document import dotted
from paddock.config.schema import Config


def faults(**said):
    return {dotted(fault.place): fault for fault in check(Config.model_validate(said))}


def openai(**door):
    return {"openai": door}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback(host, expected):
    assert is_loopback(host) is expected


def test_the_defaults_are_right():
    assert faults() == {}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "nas-01"])
def test_an_open_door_without_keys_is_refused_and_both_ways_out_are_told(host):
    fault = faults(listen=openai(host=host))["listen.openai.host"]
    assert "apiKeys" in fault.suggestion
    assert "auth: none" in fault.suggestion


@pytest.mark.parametrize(
    "said",
    [
        {"listen": openai(host="0.0.0.0", auth="none")},
        {"listen": openai(host="0.0.0.0"), "apiKeys": ["k"]},
        {"listen": openai(host="127.0.0.1")},
        {"listen": {"openai": None}},
    ],
)
def test_a_guarded_local_or_closed_door_is_right(said):
    assert faults(**said) == {}


@pytest.mark.parametrize("host", ["", "[::1]", "127.0.0.1:8090", "http://x", "a b", "*"])
def test_a_door_needs_a_plain_address(host):
    assert (
        "is not an address"
        in faults(apiKeys=["k"], listen=openai(host=host))["listen.openai.host"].message
    )


@pytest.mark.parametrize("name", ["llama-server", "embedded", "mine"])
def test_known_engines(name):
    assert faults(engines={"mine": {}}, engine=name, models={"m": {"engine": name}}) == {}


def test_an_unknown_engine_is_told_with_the_nearest():
    found = faults(engines={"vulkan": {}}, engine="vulcan", models={"m": {"engine": "zzz"}})
    assert found["engine"].suggestion == "did you mean `vulkan`?"
    assert found["models.m.engine"].suggestion == "known: vulkan, llama-server, embedded"


@pytest.mark.parametrize("key", ["", " ", "a b", "a\nb", "schlüssel", "k" * 5000])
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(key):
    fault = faults(apiKeys=["good", key])["apiKeys[1]"]
    assert not key.strip() or key not in fault.message + fault.suggestion


@pytest.mark.parametrize(
    ("models", "place"),
    [
        ({"a": {"aliases": ["b"]}, "b": {}}, "models.a.aliases[0]"),
        ({"a": {"aliases": ["x"]}, "b": {"aliases": ["X"]}}, "models.b.aliases[0]"),
        ({"a": {"aliases": [" "]}}, "models.a.aliases[0]"),
        ({"": {}}, "models."),
    ],
)
def test_names_that_collide_or_are_empty(models, place):
    assert list(faults(models=models)) == [place]


def test_a_model_may_repeat_its_own_name():
    assert faults(models={"a": {"aliases": ["a", "x", "x"]}}) == {}


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ({"cmd": "server"}, "cmd"),
        ({"cmd": "server --port ${PORT} 'x"}, "cmd"),
        ({"cmd": "x ${PORT}", "proxy": "http://10.0.0.9:${PORT}"}, "proxy"),
        ({"cmd": "x ${PORT}", "proxy": "https://127.0.0.1:${PORT}"}, "proxy"),
        ({"cmd": "x", "proxy": "http://127.0.0.1:99999"}, "proxy"),
        ({"cmd": "x", "proxy": "http://[::1"}, "proxy"),
        ({"checkEndpoint": "health"}, "checkEndpoint"),
        ({"env": ["A=1", "B"]}, "env[1]"),
        ({"env": ["=1"]}, "env[0]"),
        ({"args": "--x 'y"}, "args"),
    ],
)
def test_a_model_entry_that_cannot_work(model, key):
    assert list(faults(models={"m": model})) == [f"models.m.{key}"]


@pytest.mark.parametrize(
    "model",
    [
        {"cmd": "server --port ${PORT}"},
        {"cmd": "server", "proxy": "http://localhost:9000"},
        {"cmd": "server", "proxy": "http://[::1]:9000/"},
        {"cmd": "s ${PORT}", "checkEndpoint": "none", "env": ["A=", "B=x=y"]},
        {"args": "--flash-attn on # don't"},
    ],
)
def test_a_model_entry_that_works(model):
    assert faults(models={"m": model}) == {}


@pytest.mark.parametrize("host", ["http://nas", "nas:8090", "*", "*.", "a..b", "", "-x"])
def test_an_allowed_host_is_only_a_name(host):
    assert list(faults(allowedHosts=[host])) == ["allowedHosts[0]"]


@pytest.mark.parametrize("host", ["nas", "nas.example.lan", "*.example.lan", "10.0.0.1", "fd00::1"])
def test_allowed_hosts(host):
    assert faults(allowedHosts=[host]) == {}


@pytest.mark.parametrize("origin", ["*", "nas", "https://nas/", "https://", "null", "https://a b"])
def test_an_allowed_origin_is_scheme_host_and_port(origin):
    assert list(faults(allowedOrigins=[origin])) == ["allowedOrigins[0]"]


@pytest.mark.parametrize("origin", ["https://nas", "http://nas.lan:3000", "http://[::1]:1"])
def test_allowed_origins(origin):
    assert faults(allowedOrigins=[origin]) == {}


@pytest.mark.parametrize("key", ["defaultModelArgs"])
def test_flags_must_split_into_words(key):
    assert list(faults(**{key: '--x "y'})) == [key]
    assert list(faults(engines={"e": {"args": "'"}})) == ["engines.e.args"]
