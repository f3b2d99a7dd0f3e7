"""`paddock run` as a conversation on a real terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ENTERED = "\x1b[?2004l"
"""What readline writes when a line is finished: behind it is the answer, not what was typed."""

PASTE = "\x1b[200~{}\x1b[201~"


@pytest.fixture
def talk(native):
    """A conversation whose first prompt is there."""
    with native.terminal("run", "talker") as it:
        it.until("Send a message")
        it.until(">>> ")
        yield it


def leave(it):
    it.type("/bye\r")
    assert it.end() == 0


def test_messages_make_a_history(native, talk):
    talk.type("one\r")
    talk.until("w0 w1 w2")
    talk.until(">>> ")
    talk.type("two\r")
    talk.until("w2")
    talk.until(">>> ")
    leave(talk)

    assert [
        [(m["role"], m["content"]) for m in asked["messages"]]
        for asked in native.asked("/api/chat")
    ] == [
        [("user", "one")],
        [("user", "one"), ("assistant", "w0 w1 w2 "), ("user", "two")],
    ]


def test_ctrl_d_leaves(talk):
    talk.type("\x04")
    assert talk.end() == 0


def test_ctrl_c_at_the_prompt_tells_how_to_leave(talk):
    talk.interrupt()
    talk.until("Use Ctrl + d or /bye to exit.")
    talk.until(">>> ")
    leave(talk)


def test_ctrl_c_stops_the_answer_and_what_came_is_kept(native, talk, tmp_path: Path):
    gate = tmp_path / "gate"
    talk.type(f"fake gate={gate} words=2\r")
    talk.until(ENTERED)
    talk.until("w0")
    talk.type("\x03")
    talk.until(">>> ")
    talk.type("again\r")
    talk.until("w2")
    talk.until(">>> ")
    leave(talk)

    native.until_aborted()
    contents = [m["content"] for m in native.asked("/api/chat")[1]["messages"]]
    assert contents == [f"fake gate={gate} words=2", "w0 ", "again"]


def test_an_error_does_not_end_the_conversation(native, talk):
    talk.type("fake error=it-broke\r")
    talk.until("Error: it-broke")
    talk.until(">>> ")
    talk.type("again\r")
    talk.until("w2")
    leave(talk)


def test_three_quotes_make_a_block(native, talk):
    talk.type('"""first\r')
    talk.until("... ")
    talk.type("/bye\r")
    talk.until("... ")
    talk.type('last"""\r')
    talk.until("w2")
    talk.until(">>> ")
    leave(talk)

    assert native.asked("/api/chat")[0]["messages"][0]["content"] == "first\n/bye\nlast"


def test_what_is_pasted_is_one_message(native, talk):
    talk.type(PASTE.format("one\r/bye\rthree"))
    talk.type("\r")
    talk.until("w2")
    talk.until(">>> ")
    leave(talk)

    content = native.asked("/api/chat")[0]["messages"][0]["content"]
    assert content.split() == ["one", "/bye", "three"]


def test_set_save_and_load(native, talk):
    for line, told in (
        ("/set system Be nice.", "Set system message."),
        ("/set parameter temperature 0.1", "Set parameter 'temperature' to '0.1'"),
        ("/set parameter stop a b", "Set parameter 'stop' to 'a, b'"),
        ("/set parameter temprature 1", "did you mean temperature?"),
        ("/set format json", "Set format to 'json' mode."),
        ("/set noformat", "Disabled format."),
        ("/set think high", "Set 'think' mode"),
        ("/set verbose", "Set 'verbose' mode."),
    ):
        talk.type(f"{line}\r")
        talk.until(told)
        talk.until(">>> ")
    talk.type("hello\r")
    talk.until("eval rate:")
    talk.until(">>> ")
    talk.type("/save mine\r")
    talk.until("Created new model 'mine'")
    talk.type("/load mine\r")
    talk.until("Loading model 'mine'")
    talk.until(">>> hello")
    talk.until("w0 w1 w2")
    talk.until(">>> ")
    talk.type("on\r")
    talk.until("w2")
    talk.until(">>> ")
    leave(talk)

    first, second = native.asked("/api/chat")
    assert first["messages"][0] == {"role": "system", "content": "Be nice."}
    assert first["options"] == {"temperature": 0.1, "stop": ["a", "b"]}
    assert first["think"] == "high"
    assert native.asked("/api/create") == [
        {
            "model": "mine",
            "from": "talker",
            "system": "Be nice.",
            "parameters": {"temperature": 0.1, "stop": ["a", "b"]},
            "messages": [
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": "w0 w1 w2 "},
            ],
            "stream": False,
        }
    ]
    assert second["model"] == "mine"
    assert [m["content"] for m in second["messages"]] == ["on"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/?", "Commands:"),
        ("/? shortcuts", "Ctrl-G"),
        ("/set", "/set parameter"),
        ("/set wrong", "Unknown command '/set wrong'"),
        ("/wrong", "Unknown command '/wrong'"),
        ("/show", "/show template"),
        ("/show info", "architecture"),
        ("/show system", "You are terse."),
        ("/show parameters", "temperature                    0.5"),
        ("/show modelfile", "FROM talker"),
        ("/list", "embedder:latest"),
        ("/load nowhere", "couldn't find model 'nowhere'"),
        ("/load", "Usage:"),
        ("/save", "Usage:"),
        ("/clear", "Cleared session context"),
        ("/set nohistory", "Set 'nohistory' mode."),
        ("/set think absurd", "The levels are"),
    ],
)
def test_commands_answer(talk, line, told):
    talk.type(f"{line}\r")
    talk.until(told)
    talk.until(">>> ")
    leave(talk)


def test_tab_completes_commands_and_names(talk):
    talk.type("/loa\temb\t\r")
    talk.until("Loading model 'embedder:latest'")
    leave(talk)


def test_what_was_typed_is_there_again_next_time(native, talk):
    talk.type('"""a\r')
    talk.until("... ")
    talk.type('b"""\r')
    talk.until("w2")
    talk.until(">>> ")
    leave(talk)
    history = native.home / ".local/state/paddock/history"

    assert [json.loads(line) for line in history.read_text().splitlines()] == ["a\nb", "/bye"]
    assert history.stat().st_mode & 0o777 == 0o600
    with native.terminal("run", "talker") as it:
        it.until(">>> ")
        it.type("\x1b[A\x1b[A\r")
        it.until("w2")
        it.until(">>> ")
        it.type("\x04")
        it.end()
    assert native.asked("/api/chat")[-1]["messages"][0]["content"] == "a\nb"


def test_no_history_is_kept_where_the_environment_forbids_it(native):
    with native.terminal("run", "talker", OLLAMA_NOHISTORY="1") as it:
        it.until(">>> ")
        it.type("hi\r")
        it.until("w2")
        it.until(">>> ")
        it.type("\x04")
        it.end()

    assert not (native.home / ".local").exists()


def test_ctrl_g_goes_on_in_an_editor(native):
    editor = native.home / "editor"
    editor.write_text('#!/bin/sh\nprintf " and more" >> "$1"\n')
    editor.chmod(0o755)
    with native.terminal("run", "talker", EDITOR=str(editor)) as it:
        it.until(">>> ")
        it.type("begun\x07")
        it.until("begun and more")
        it.type(" here\r")
        it.until("w2")
        it.until(">>> ")
        it.type("\x04")
        it.end()

    assert native.asked("/api/chat")[0]["messages"][0]["content"] == "begun and more here"


def test_the_answer_cannot_steer_the_terminal(talk):
    talk.type("fake say=\\x1b]0;title\\x07\\x9bx\r")
    talk.until("\ufffd]0;title\ufffd\ufffdx")
    leave(talk)


def test_a_picture_goes_along(native, talk):
    picture = native.home / "cat.jpg"
    picture.write_bytes(b"\xff\xd8\xff\xe0 and so on")
    talk.type(f"{picture} what is it?\r")
    talk.until("Added image")
    talk.until("w2")
    talk.until(">>> ")
    leave(talk)

    (message,) = native.asked("/api/chat")[0]["messages"]
    assert message["content"] == "what is it?"
    assert len(message["images"]) == 1
