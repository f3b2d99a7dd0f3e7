"""The commands that show, make and remove models, as programs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

GGUF = b"GGUF and weights"
DIGEST = f"sha256:{hashlib.sha256(GGUF).hexdigest()}"


def test_show_tells_what_a_model_is(native):
    ended = native.run("show", "talker")

    assert ended.returncode == 0
    assert [line.rstrip() for line in ended.stdout.splitlines()] == [
        *("  Model", "    architecture        llama", "    parameters          3.2B"),
        *("    context length      131072", "    embedding length    3072"),
        *("    quantization        Q4_K_M", ""),
        *("  Capabilities", "    completion", "    vision", "    thinking", ""),
        *("  Parameters", "    stop           </s>", "    temperature    0.5", ""),
        *("  System", "    You are terse.", ""),
        *("  License", "    LICENCE", "    line two", "    ...", ""),
    ]


def test_show_verbose_adds_metadata_and_tensors(native):
    told = " ".join(native.run("show", "talker", "-v").stdout.split())

    assert "tokenizer.ggml.tokens [a, b, c, d, e, ...+2 more]" in told
    assert "output.weight Q6_K [3072, 128256]" in told
    assert native.asked("/api/show") == [{"model": "talker", "verbose": True}]


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("--license", "LICENCE\nline two\nline three\nline four\n"),
        ("--modelfile", "FROM talker:latest\n\n"),
        ("--system", "You are terse.\n"),
        ("--template", "{{ .Prompt }}\n"),
        (
            "--parameters",
            "stop                           </s>\ntemperature                    0.5\n",
        ),
    ],
)
def test_show_prints_one_part(native, part, text):
    assert native.run("show", "talker", part).stdout == text


def test_show_prints_one_part_at_a_time(native):
    ended = native.run("show", "talker", "--system", "--license")

    assert ended.returncode == 2
    assert "only one of --license, --modelfile" in ended.stderr


def test_show_as_json_is_the_answer(native):
    assert json.loads(native.run("show", "talker", "--json").stdout)["system"] == "You are terse."


@pytest.mark.parametrize("words", [("show", "x"), ("cp", "x", "y"), ("rm", "x")])
def test_an_unknown_model_is_an_error(native, words):
    ended = native.run(*words)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "not found" in ended.stderr


def test_cp_and_rm_say_what_they_did(native):
    copied = native.run("cp", "talker", "mine")
    removed = native.run("rm", "mine", "talker", "nothing", "embedder")

    assert (copied.returncode, copied.stdout) == (0, "copied 'talker' to 'mine'\n")
    assert removed.returncode == 1
    assert removed.stdout == "deleted 'mine'\ndeleted 'talker'\n"
    assert [asked["model"] for asked in native.asked("/api/delete")] == [
        "mine",
        "talker",
        "nothing",
    ]


def test_pull_tells_how_far_it_is_on_stderr(native):
    ended = native.run("pull", "far")

    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.splitlines() == [
        "pulling manifest",
        "pulling abababababab: 100% 2.0 KB",
        "success",
    ]
    assert native.asked("/api/pull") == [{"model": "far", "insecure": False, "stream": True}]


def test_pull_draws_bars_on_a_terminal(native):
    with native.terminal("pull", "far", columns=60) as it:
        assert it.end() == 0

    assert "pulling abababababab: 100% ▕" in it.said
    assert "▏ 2.0 KB" in it.said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("pull", "nowhere"), "pull model manifest: file does not exist\n"),
        (("push", "talker", "--insecure"), "cannot push\n  not here\n"),
    ],
)
def test_what_cannot_be_moved_is_an_error(native, words, told):
    ended = native.run(*words)

    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"paddock: {told}")


# --- create


def test_create_from_a_model(native):
    (native.home / "Modelfile").write_text(
        "FROM talker\nPARAMETER temperature 0.1\nPARAMETER stop a\nPARAMETER mirostat 1\n"
        'SYSTEM """Be\nnice."""\nMESSAGE user hi\nMESSAGE assistant ho\nLICENSE free\n'
    )
    ended = native.run("create", "mine", "-q", "q4_K_M")

    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.splitlines() == [
        "warning: (line 4): parameter 'mirostat' is deprecated and ignored",
        "parsing GGUF",
        "success",
    ]
    assert native.asked("/api/create") == [
        {
            "model": "mine",
            "from": "talker",
            "system": "Be\nnice.",
            "license": ["free"],
            "parameters": {"temperature": 0.1, "stop": ["a"]},
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "ho"},
            ],
            "quantize": "q4_K_M",
            "files": {},
            "adapters": {},
            "stream": True,
        }
    ]


def test_create_sends_files_that_the_daemon_has_not(native):
    folder = native.home / "sub"
    folder.mkdir()
    (folder / "m.gguf").write_bytes(GGUF)
    (folder / "lora.gguf").write_bytes(GGUF)
    (folder / "My.Modelfile").write_text("FROM ./m.gguf\nADAPTER lora.gguf\n")
    first = native.run("create", "mine", "-f", "sub/My.Modelfile")
    again = native.run("create", "mine", "-f", str(folder / "My.Modelfile"))

    assert (first.returncode, again.returncode) == (0, 0)
    assert "hashing m.gguf: 100% 16 B" in first.stderr
    assert native.asked(f"/api/blobs/{DIGEST}") == [{"size": len(GGUF)}]
    for asked in native.asked("/api/create"):
        assert asked["files"] == {"m.gguf": DIGEST}
        assert asked["adapters"] == {"lora.gguf": DIGEST}
        assert "from" not in asked


@pytest.mark.parametrize("text", ["FROM .", "FROM *.gguf", "FROM ./a.gguf\nFROM ./b.gguf"])
def test_create_from_folders_and_patterns(native, text):
    for name in ("b", "a"):
        (native.home / f"{name}.gguf").write_bytes(GGUF)
    ended = native.run("create", "mine", "-f", "-", stdin=text)

    assert ended.returncode == 0
    assert list(native.asked("/api/create")[0]["files"]) == ["a.gguf", "b.gguf"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SYSTEM x", "no FROM line"),
        ("FROM a\nFORM b", "(line 2): command must be one of"),
        ("FROM ./no.gguf", "there is no"),
        ("FROM text.gguf", "is no GGUF file"),
        ("FROM ./empty", "holds no .gguf file"),
        ("FROM ./tensors", "holds safetensors"),
        ("FROM no*.gguf", "matches no file"),
        ("FROM a\nFROM b", "names two models, a and b"),
        ("FROM a\nADAPTER ./no", "is no file"),
        ("FROM a\nDRAFT b", "draft models are not supported"),
        ("FROM talker\nSYSTEM bad", "template error: bad"),
    ],
)
def test_create_tells_what_is_wrong(native, text, told):
    (native.home / "text.gguf").write_text("no model")
    (native.home / "empty").mkdir()
    (native.home / "tensors").mkdir()
    (native.home / "tensors" / "x.safetensors").write_bytes(b"")
    ended = native.run("create", "mine", "-f", "-", stdin=text)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert told in ended.stderr


def test_create_without_a_modelfile_says_so(native):
    ended = native.run("create", "mine")

    assert ended.returncode == 1
    assert "the Modelfile Modelfile cannot be read" in ended.stderr


# --- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(native, shell):
    ended = native.run("completion", shell)

    assert ended.returncode == 0
    assert "_PADDOCK_COMPLETE" in ended.stdout


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("paddock sh", ["show"]),
        ("paddock show t", ["talker:latest"]),
        ("paddock show talker:l", ["latest"]),
        ("paddock show --li", ["--license"]),
        ("paddock stop ", ["talker:latest"]),
        ("paddock rm talker:latest e", ["embedder:latest"]),
        ("paddock run nothing-like-it", []),
    ],
)
def test_bash_completes(native, line, words):
    script = native.run("completion", "bash").stdout
    program = native.home / "paddock"
    program.write_text('#!/bin/sh\nexec "$PYTHON" -m paddock "$@"\n')
    program.chmod(0o755)
    asked = f'{script}\nCOMP_LINE="$1" COMP_POINT=${{#1}}\n_paddock_completion paddock\n'
    env = native.env(PATH=f"{native.home}:{os.environ['PATH']}", PYTHON=sys.executable)
    ended = subprocess.run(
        ["bash", "-c", f'{asked}printf "%s\\n" "${{COMPREPLY[@]}}"', "bash", line],
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
    )

    assert [word for word in ended.stdout.split("\n") if word] == words, ended.stderr
