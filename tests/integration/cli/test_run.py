"""`paddock run` with one prompt, in pipes and on a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

PNG = b"\x89PNG\r\n\x1a\n and more"


def test_a_prompt_is_answered_on_stdout(native):
    ended = native.run("run", "talker", "hello", "there")

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "w0 w1 w2 \n", "")
    assert native.asked("/api/generate") == [
        {"model": "talker", "prompt": "hello there", "stream": True}
    ]


@pytest.mark.parametrize(
    ("words", "stdin", "prompt"),
    [
        (("talker",), "from a pipe\n", "from a pipe\n"),
        (("talker", "sum up:"), "text", "text sum up:"),
    ],
)
def test_stdin_comes_before_the_prompt(native, words, stdin, prompt):
    ended = native.run("run", *words, stdin=stdin)

    assert ended.returncode == 0
    assert native.asked("/api/generate")[0]["prompt"] == prompt


def test_without_any_prompt_the_model_is_loaded(native):
    ended = native.run("run", "talker", "--keepalive", "1h")

    assert (ended.returncode, ended.stdout) == (0, "")
    assert native.asked("/api/generate") == [
        {"model": "talker", "keep_alive": "1h", "stream": False}
    ]


def test_flags_become_fields(native):
    schema = {"type": "object"}
    native.run(
        *("run", "--think", "talker", "hi", "--keepalive", "-1"),
        *("--format", json.dumps(schema), "--nowordwrap"),
    )
    native.run("run", "talker", "hi", "--think=false", "--format", "json", "--keepalive=0")
    first, second = native.asked("/api/generate")

    assert (first["think"], first["keep_alive"], first["format"]) == (True, -1, schema)
    assert (second["think"], second["keep_alive"], second["format"]) == (False, 0, "json")


def test_thinking_is_shown_or_hidden(native):
    shown = native.run("run", "talker", "fake think=2 words=1")
    hidden = native.run("run", "talker", "fake think=2 words=1", "--hidethinking")

    assert shown.stdout == "Thinking...\nh0 h1 \n...done thinking.\n\nw0 \n"
    assert hidden.stdout == "w0 \n"


def test_verbose_tells_counts_and_times_on_stderr(native):
    ended = native.run("run", "talker", "hi", "--verbose")

    assert ended.stdout == "w0 w1 w2 \n"
    assert ended.stderr.splitlines() == [
        "total duration:       2.5s",
        "load duration:        130.079ms",
        "prompt eval count:    26 token(s)",
        "prompt eval duration: 130ms",
        "prompt eval rate:     200.00 tokens/s",
        "eval count:           50 token(s)",
        "eval duration:        500ms",
        "eval rate:            100.00 tokens/s",
        "",
    ]


def test_what_was_left_out_is_told(native):
    ended = native.run("run", "talker", "fake truncated=2")

    assert ended.stderr == "note: the oldest messages did not fit into the context\n"


def test_a_model_that_embeds_prints_its_vector(native):
    ended = native.run("run", "embedder", "four")

    assert json.loads(ended.stdout) == [0.5, -0.25, 4.0]
    assert native.run("run", "embedder").returncode == 2


def test_a_missing_model_is_pulled(native):
    ended = native.run("run", "far-away", "hi")

    assert (ended.returncode, ended.stdout) == (0, "w0 w1 w2 \n")
    assert "pulling manifest" in ended.stderr


def test_a_model_that_cannot_be_pulled_is_an_error(native):
    ended = native.run("run", "nowhere", "hi")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "paddock: pull model manifest: file does not exist\n"


@pytest.mark.parametrize(
    ("switch", "told"),
    [
        ("error=it-broke", "it-broke"),
        ("cut=1", "ended before it was complete"),
        ("silent=1", "ended before it was complete"),
    ],
)
def test_an_answer_that_breaks_off_is_an_error(native, switch, told):
    ended = native.run("run", "talker", f"fake {switch}")

    assert ended.returncode == 1
    assert ended.stdout == "w0 \n"
    assert told in ended.stderr


def test_pictures_in_the_prompt_go_along(native):
    (native.home / "a cat.png").write_bytes(PNG)
    ended = native.run("run", "talker", "what is './a cat.png' and ./no.png?")

    asked = native.asked("/api/generate")[0]
    assert len(asked["images"]) == 1
    assert asked["prompt"] == "what is  and ./no.png?"
    assert "Added image 'a cat.png'" in ended.stderr


def test_a_file_that_is_no_picture_is_an_error(native):
    (native.home / "x.png").write_text("text")
    ended = native.run("run", "talker", "what is ./x.png")

    assert ended.returncode == 1
    assert "no JPEG, PNG, WebP or WAV" in ended.stderr


@pytest.mark.parametrize("text", ["soon", "[1]", "{"])
def test_a_format_that_is_none_is_a_wrong_call(native, text):
    assert native.run("run", "talker", "hi", "--format", text).returncode == 2


def test_a_terminal_gets_wrapped_words_and_nothing_that_steers_it(native):
    with native.terminal(
        "run", "talker", r"fake say=aaaa\x20bbbb\x20\x1b[31mcc\u202e", columns=12
    ) as it:
        assert it.end() == 0

    assert "aaaa bbbb\r\n\ufffd[31mcc\ufffd\r\n\r\n" in it.said
    assert "\x1b[31m" not in it.said


def test_ctrl_c_ends_the_answer_and_the_work_for_it(native, tmp_path: Path):
    with native.terminal("run", "talker", f"fake gate={tmp_path / 'gate'}") as it:
        it.until("w0")
        it.type("\x03")
        assert it.end() == 0

    native.until_aborted()
