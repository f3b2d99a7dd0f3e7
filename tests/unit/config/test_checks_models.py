import pytest

PORT = "${PORT}"


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ({"cmd": "server"}, "cmd"),
        ({"cmd": "server", "proxy": "http://nas:${PORT}"}, "cmd"),
        ({"cmd": "server --port ${PORT} 'x"}, "cmd"),
        ({"cmd": 'server --port ${PORT} "'}, "cmd"),
        ({"cmd": "server ${PORT} # don't"}, "cmd"),
        ({"cmd": "# only ${PORT}\n   # this"}, "cmd"),
        ({"cmd": "   ${PORT}'"}, "cmd"),
        ({"cmdStop": "docker stop 'x"}, "cmdStop"),
        ({"cmdStop": "# nothing"}, "cmdStop"),
        ({"cmd": "x ${PORT}", "proxy": "ftp://127.0.0.1:${PORT}"}, "proxy"),
        ({"cmd": "x ${PORT}", "proxy": "127.0.0.1:${PORT}"}, "proxy"),
        ({"cmd": "x ${PORT}", "proxy": "http://:${PORT}"}, "proxy"),
        ({"cmd": "x ${PORT}", "proxy": ""}, "proxy"),
        ({"cmd": "x", "proxy": "http://127.0.0.1:99999"}, "proxy"),
        ({"cmd": "x", "proxy": "http://127.0.0.1:port"}, "proxy"),
        ({"cmd": "x", "proxy": "http://[::1"}, "proxy"),
        ({"cmd": "x", "proxy": "http://ann:secret@nas"}, "proxy"),
        ({"cmd": "x", "proxy": "http://nas/?a=1"}, "proxy"),
        ({"cmd": "x", "proxy": "http://nas/#a"}, "proxy"),
        ({"checkEndpoint": "http://nas/health"}, "checkEndpoint"),
        ({"env": ["A=1", "B"]}, "env[1]"),
        ({"env": ["=1"]}, "env[0]"),
        ({"env": [""]}, "env[0]"),
        ({"env": ["A=\0"]}, "env[0]"),
        ({"args": "--x 'y"}, "args"),
        ({"capabilities": {"in": ["text", "smell"]}}, "capabilities.in[1]"),
        ({"capabilities": {"out": ["Text"]}}, "capabilities.out[0]"),
    ],
)
def test_a_model_entry_that_cannot_work(faults, model, key):
    assert list(faults(models={"m": model})) == [f"models.m.{key}"]


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"cmd": "server --port ${PORT}"},
        {"cmd": "server --port ${PORT}", "proxy": "http://127.0.0.1:8999"},
        {"cmd": "server", "proxy": "http://localhost:9000"},
        {"cmd": "server", "proxy": "http://[::1]:9000/"},
        {"cmd": "server", "proxy": "https://nas.lan"},
        {"cmd": "server", "proxy": "http://10.0.0.9:8000/base/path"},
        {"cmd": "docker run -p ${PORT}:80 x", "proxy": "http://10.0.0.9:${PORT}"},
        {"cmd": "s ${PORT}", "checkEndpoint": "none", "env": ["A=", "B=x=y"]},
        {"cmd": "s ${PORT}", "checkEndpoint": "/v1/models?x=1"},
        {"cmd": "s ${PORT}", "checkEndpoint": "health"},
        {"cmd": "# don't\nserver \\\n  --port ${PORT}\n  # it's\n  --x 'two\nlines'"},
        {"cmd": "s ${PORT}", "cmdStop": "docker stop m"},
        {"cmd": "s ${PORT}", "cmdStop": "kill -9 ${PID}"},
        {"cmd": "s ${PORT}", "cmdStop": "# by hand\nstop"},
        {"args": "# don't\n--flash-attn on"},
        {"capabilities": {"in": ["text", "audio", "image"], "out": ["text"], "tools": True}},
    ],
)
def test_a_model_entry_that_works(faults, model):
    assert faults(models={"m": model}) == {}


@pytest.mark.parametrize(
    ("model", "part"),
    [
        ({"cmd": "server"}, "add ${PORT} to the command"),
        ({"cmd": "s", "proxy": "nas"}, "like `proxy: http://127.0.0.1:${PORT}`"),
        ({"capabilities": {"in": ["images"]}}, "did you mean `image`?"),
        ({"capabilities": {"in": ["smell"]}}, "known: text, audio, image"),
    ],
)
def test_what_to_do_is_said(faults, model, part):
    [fault] = faults(models={"m": model}).values()
    assert part in fault.suggestion


def test_a_password_in_a_url_is_not_shown(faults):
    [fault] = faults(models={"m": {"cmd": "x", "proxy": "http://ann:hunter2@[nas"}}).values()
    assert "hunter2" not in fault.message + fault.suggestion
