import json
import socket
import threading

import pytest

from paddock.cli.group import COMMANDS

INSTANCES = {
    "instances": [
        {
            "model": "llama-8b",
            "instance": "1",
            "state": "ready",
            "progress": None,
            "engine": "vulkan",
            "pid": 4711,
            "slots": 2,
            "active": 0,
            "idle_seconds": 75.0,
            "ttl": 300,
            "expires_in": 225.0,
            "load_seconds": 3.0,
            "size": 4 << 30,
            "context": 8192,
            "processor": "8/80 layers GPU",
            "memory": {"CPU": 1 << 29, "Vulkan1": 3 << 30, "Vulkan0": 5 << 30},
        },
        {
            "model": "qwen",
            "instance": "2",
            "state": "starting",
            "progress": 0.5,
            "engine": "embedded",
            "pid": None,
            "slots": 1,
            "active": 1,
            "idle_seconds": 0.0,
            "ttl": 0,
            "expires_in": None,
            "load_seconds": None,
            "size": 1 << 20,
            "context": 0,
            "processor": "",
        },
    ],
    "queue": [
        {
            "model": "gemma",
            "client": "key:00ff",
            "waited": 2.0,
            "position": 1,
            "priority": 3,
            "reason": "no room",
        }
    ],
    "failures": [
        {
            "model": "bad",
            "kind": "out_of_memory",
            "message": "out of memory\nmore lines",
            "hint": "",
            "retry_after": None,
        }
    ],
}
LIBRARY = {
    "models": [
        {
            "id": "llama-8b",
            "aliases": ["llama"],
            "name": "Llama",
            "path": "/m/llama-8b.gguf",
            "size": 4 << 30,
            "quantization": "Q4_K_M",
            "parameters": 8_030_000_000,
            "context_length": 131072,
            "architecture": "llama",
            "traits": ["chat", "tools"],
            "modified": 0,
            "state": "loaded",
        }
    ],
    "left_out": [{"path": "/m/\x1bbad.gguf", "reason": "not a GGUF"}],
}


RUNNING = {
    "models": [
        {
            "name": name,
            "model": name,
            "size": 5_000_000_000,
            "digest": "0123456789abcdef" * 4,
            "expires_at": "2318-01-02T03:04:05+01:00",
            "size_vram": on_gpu,
            "context_length": 8192,
        }
        for name, on_gpu in (("llama-8b:latest", 4_000_000_000), ("old:latest", 0))
    ]
}


def test_ps_shows_ollamas_columns_and_what_is_not_ready(daemon, run):
    daemon.json("GET /api/paddock/instances", INSTANCES)
    daemon.json("GET /api/ps", RUNNING)
    result = run("ps", "--host", daemon.address)
    lines = result.stdout.splitlines()
    assert [line.rstrip() for line in lines[:4]] == [
        "NAME               ID              SIZE      PROCESSOR          CONTEXT    UNTIL",
        "llama-8b:latest    0123456789ab    5.0 GB    8/80 layers GPU    8192       Forever",
        "old:latest         0123456789ab    5.0 GB    100% CPU           8192       Forever",
        "qwen                               1.0 MB                                  Loading... 50%",
    ]
    assert len({len(line) for line in lines[:4]}) == 1
    assert lines[0].endswith("    ")
    assert lines[5].split() == ["gemma", "key:00ff", "1", "3", "2.0s", "no", "room"]
    assert lines[7].split()[0] == "bad"


def test_ps_shows_those_that_begin_so(daemon, run):
    daemon.json("GET /api/paddock/instances", INSTANCES)
    daemon.json("GET /api/ps", RUNNING)
    result = run("ps", "OLD", "--host", daemon.address)
    assert [line.split()[0] for line in result.stdout.splitlines()[:2]] == ["NAME", "old:latest"]
    assert "llama-8b" not in result.stdout


def test_ps_of_an_ollama_is_its_list(daemon, run):
    daemon.json("GET /api/ps", RUNNING)
    result = run("ps", "--host", daemon.address)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 3)


def test_ps_long_shows_what_runs_who_waits_and_what_failed(daemon, run):
    daemon.json("GET /api/paddock/instances", INSTANCES)
    result = run("ps", "--long", "--host", daemon.address)
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert (
        lines[1] == "llama-8b ready vulkan 8/80 layers GPU 8192 0/2 1m 15s 3m 45s 4.0 GiB 4711 "
        "Vulkan0 5.0 GiB, Vulkan1 3.0 GiB, CPU 512 MiB"
    )
    assert lines[2] == "qwen starting 50% embedded 1/1 1 MiB"
    assert lines[4] == "gemma key:00ff 1 3 2.0s no room"
    assert lines[6] == "bad out_of_memory out of memory"


def test_ps_of_an_idle_daemon_says_so_on_stderr(daemon, run):
    daemon.json("GET /api/paddock/instances", {"instances": [], "queue": [], "failures": []})
    daemon.json("GET /api/ps", {"models": []})
    result = run("ps", PADDOCK_HOST=daemon.address)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no model is in memory" in result.stderr


def test_list_shows_models_and_what_was_left_out(daemon, run):
    daemon.json("GET /api/paddock/library?all=1", LIBRARY)
    result = run("list", "--all", OLLAMA_HOST=f"http://{daemon.address}")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[1] == "llama-8b, llama 4.0 GiB 8.0B Q4_K_M 131072 loaded chat tools"
    assert lines[3] == "/m/\ufffdbad.gguf not a GGUF"


TAGS = {
    "models": [
        {
            "name": name,
            "digest": "0123456789abcdef" * 4,
            "size": size,
            "modified_at": "2020-01-02T03:04:05.678901234+02:00",
        }
        for name, size in (
            ("llama3.2:3b", 2_019_393_189),
            ("a/b:latest", 0),
            ("\x1bz", 986_000_000),
        )
    ]
}


@pytest.mark.parametrize("name", ["list", "ls"])
def test_list_shows_ollamas_columns(daemon, run, name):
    daemon.json("GET /api/tags", TAGS)
    lines = run(name, "--host", daemon.address).stdout.splitlines()
    assert lines[0].startswith("NAME           ID              SIZE      MODIFIED")
    assert lines[1].startswith("llama3.2:3b    0123456789ab    2.0 GB    ")
    assert lines[1].rstrip().endswith(" years ago")
    assert lines[2].startswith("a/b:latest     0123456789ab    -         ")
    assert lines[3].startswith("\ufffdz             0123456789ab    986 MB    ")


def test_list_shows_those_that_begin_so(daemon, run):
    daemon.json("GET /api/tags", TAGS)
    daemon.json("GET /api/paddock/library", LIBRARY)
    assert len(run("list", "LLAMA", "--host", daemon.address).stdout.splitlines()) == 2
    assert "llama-8b, llama" in run("list", "-l", "LLAMA", "--host", daemon.address).stdout
    assert "llama-8b" not in run("list", "-l", "x", "--host", daemon.address).stdout
    nothing = run("list", "x", "--host", daemon.address)
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "begins so" in nothing.stderr


def test_an_empty_library_says_what_to_do(daemon, run):
    daemon.json("GET /api/tags", {"models": []})
    result = run("list", "--host", daemon.address)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "copy a GGUF" in result.stderr


@pytest.mark.parametrize(
    ("command", "request_line", "answer"),
    [
        (["ps"], "GET /api/paddock/instances", INSTANCES),
        (["list"], "GET /api/paddock/library", LIBRARY),
        (["load", "m"], "POST /api/paddock/load", {"model": "m", "state": "loaded"}),
    ],
)
def test_json_is_the_daemons_own(daemon, run, command, request_line, answer):
    daemon.json(request_line, answer)
    result = run(*command, "--json", "--host", daemon.address)
    assert json.loads(result.stdout) == answer


def test_load_waits_and_tells_how_long_it_took(daemon, run):
    daemon.json("POST /api/paddock/load", {"model": "m", "state": "loaded", "load_seconds": 3.2})
    result = run("load", "m-alias", "--host", daemon.address)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "m is ready" in result.stderr
    assert "3.2s" in result.stderr
    assert json.loads(daemon.asked[0][3]) == {"model": "m-alias"}


@pytest.mark.parametrize(
    ("args", "path"),
    [
        (["--all"], "/api/models/unload"),
        (["a"], "/api/models/unload/a"),
        (["org/a b:q4"], "/api/models/unload/org/a%20b%3Aq4"),
    ],
)
def test_stop(daemon, run, args, path):
    daemon.text(f"POST {path}", "OK")
    assert run("stop", *args, "--host", daemon.address).exit_code == 0
    assert [asked[:2] for asked in daemon.asked] == [("POST", path)]


def test_a_model_that_cannot_be_stopped_is_told(daemon, run):
    error = {"message": "model 'x' not found; did you mean 'xy'?", "type": "t"}
    daemon.json("POST /api/models/unload/x", {"error": error}, status=404)
    stderr = failed(run("stop", "x", "--host", daemon.address))
    assert stderr == (
        "paddock: couldn't find model \"x\" to stop\n  model 'x' not found; did you mean 'xy'?\n"
    )


@pytest.mark.parametrize(
    "args", [["stop"], ["stop", "a", "--all"], ["load"], ["nope"], ["ps", "-x"]]
)
def test_a_wrong_call_exits_with_2(run, args):
    result = run(*args)
    assert result.exit_code == 2
    assert "Usage" in result.stderr


@pytest.mark.parametrize(
    ("args", "path"),
    [
        ([], "/logs/paddock"),
        (["-f"], "/logs/stream/paddock"),
        (["a/b"], "/logs/a/b"),
        (["m", "--follow"], "/logs/stream/m"),
    ],
)
def test_logs(daemon, run, args, path):
    daemon.text(f"GET {path}", "one\n\x1b[31mzwö\n")
    result = run("logs", *args, "--host", daemon.address)
    assert result.stdout == "one\n\ufffd[31mzwö\n"


def test_the_key_is_sent(daemon, run):
    daemon.json("GET /api/paddock/instances", INSTANCES)
    run("ps", "--host", daemon.address, PADDOCK_API_KEY="k1")
    assert daemon.asked[0][2]["Authorization"] == "Bearer k1"


def failed(result):
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Traceback" not in result.output
    return result.stderr


@pytest.mark.parametrize(
    "command",
    [
        *(["ps"], ["list"], ["load", "m"], ["stop", "m"], ["logs"], ["run", "m", "hi"]),
        *(["show", "m"], ["cp", "a", "b"], ["rm", "a"], ["pull", "a"], ["push", "a"]),
    ],
)
def test_without_a_daemon_the_error_says_how_to_start_one(run, command):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    stderr = failed(run(*command, "--host", f"127.0.0.1:{port}"))
    assert f"no Paddock answers at http://127.0.0.1:{port}" in stderr
    assert "paddock serve" in stderr


def test_an_unknown_host_is_told(run):
    assert "no Paddock answers" in failed(run("ps", "--host", "no-such-host.invalid"))


def test_an_address_that_is_none_is_told(run):
    assert "PADDOCK_HOST is not an address" in failed(run("ps", PADDOCK_HOST="ftp://x"))


def test_an_error_of_the_daemon_is_printed_with_its_hint(daemon, run):
    error = {"message": "model 'x' not found", "type": "t", "hint": "look at `paddock list`"}
    daemon.json("POST /api/paddock/load", {"error": error}, status=404)
    stderr = failed(run("load", "x", "--host", daemon.address))
    assert stderr == "paddock: model 'x' not found\n  look at `paddock list`\n"


def test_what_an_error_says_cannot_steer_the_terminal(daemon, run):
    error = {"message": "model '\x1b[2J' not found", "hint": "no \x1b]0;title\x07"}
    daemon.json("POST /api/paddock/load", {"error": error}, status=404)
    stderr = failed(run("load", "x", "--host", daemon.address))
    assert stderr == "paddock: model '\ufffd[2J' not found\n  no \ufffd]0;title\ufffd\n"


def test_status_is_one_screen(daemon, run):
    problem = {"text": "/c.yaml:1: ttk: unknown key", "file": "/c.yaml", "line": 1}
    status = {
        "version": "1.2",
        "pid": 7,
        "started_at": "2026-01-02T03:04:05+00:00",
        "uptime": 75.0,
        "doors": [{"name": "openai", "url": "http://127.0.0.1:8090"}],
        "config": {
            "files": ["/c.yaml"],
            "loaded_at": "2026-01-02T03:04:05+00:00",
            "refused": {"at": "2026-01-02T03:05:00+00:00", "problems": [problem]},
            "needs_restart": ["store.path"],
        },
        "engine": {"default": "", "problem": "no engine; install one", "known": []},
        "models": {"count": 3, "left_out": 1},
        "pending": ["llama3.2:3b"],
        "running": [{"model": "a", "state": "ready", "active": 1, "slots": 2}],
        "waiting": 1,
        "failures": [{"model": "\x1bb", "kind": "crash", "message": "it ended"}],
        "warnings": [],
    }
    daemon.json("GET /api/paddock/status", status)
    result = run("status", "--host", daemon.address)
    assert (
        result.stdout
        == """\
Paddock 1.2, process 7, up 1m 15s
doors     openai   http://127.0.0.1:8090
config    /c.yaml, read 2026-01-02T03:04:05+00:00
          NOT TAKEN IN: the change seen 2026-01-02T03:05:00+00:00 has errors:
            /c.yaml:1: ttk: unknown key
          counts after a restart: store.path
engine    no engine; install one
models    3, 1 file left out (`paddock list --all`)
pending   llama3.2:3b is being brought in
running   a (ready, 1/2 busy)
waiting   1 request
failed    \ufffdb: it ended
"""
    )


def test_reload_tells_what_changed_and_what_has_to_wait(daemon, run):
    outcome = {
        "changes": [
            {"key": "models.a.ttl", "kind": "changed"},
            {"key": "peers.p", "kind": "added"},
        ],
        "needs_restart": ["store.path"],
        "models": {"added": ["\x1bnew"], "removed": [], "replaced": [], "refreshed": ["a"]},
    }
    daemon.json("POST /api/paddock/reload", outcome)
    result = run("reload", "--host", daemon.address)
    assert result.stdout.splitlines() == [
        "~ models.a.ttl",
        "+ peers.p",
        "new models: \ufffdnew",
        "run on with their new settings: a",
        "counts after a restart: store.path",
    ]
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_missing_key_is_told_as_a_client_can_mend_it(daemon, run):
    error = {"message": "a key is needed", "hint": "send a header"}
    daemon.json("GET /api/paddock/instances", {"error": error}, status=401)
    assert "PADDOCK_API_KEY" in failed(run("ps", "--host", daemon.address))


def test_a_missing_key_is_told_in_ollamas_dialect_too(daemon, run):
    daemon.json("POST /api/show", {"error": "a key is needed"}, status=401)
    assert "PADDOCK_API_KEY" in failed(run("show", "m", "--host", daemon.address))


@pytest.mark.parametrize("status", [200, 404, 500])
def test_another_server_is_told_apart(daemon, run, status):
    daemon.text("GET /api/paddock/instances", "Ollama is running", status=status)
    assert "is not a Paddock" in failed(run("ps", "--host", daemon.address))


def test_what_is_not_http_is_told(run):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-OpenSSH_9\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        stderr = failed(run("ps", "--host", f"127.0.0.1:{server.getsockname()[1]}"))
        thread.join()
    assert "no Paddock answers" in stderr


def test_version_and_help(run):
    assert run("--version").stdout.startswith("paddock ")
    page = run("--help").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in page
        assert run(name, "-h").exit_code == 0
    assert run("start", "-h").stdout == run("serve", "-h").stdout.replace(" serve ", " start ")
