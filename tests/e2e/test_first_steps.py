"""What a newcomer does: one model, one question, streamed and whole."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.house import PATIENCE, House


def test_a_model_in_the_folder_answers_a_streamed_chat(house: House) -> None:
    house.add("llama-a")
    house.start()

    events = house.chat("llama-a", stream=True).events()

    assert events[-1] == "[DONE]"
    assert len(events) > 3


def test_a_model_in_the_folder_answers_a_whole_chat(house: House) -> None:
    house.add("llama-a")
    house.start()

    answer = house.chat("llama-a")

    assert answer.status == 200
    assert answer.json()["choices"][0]["message"]["content"].startswith("t0 t1")
    assert answer.json()["model"] == "llama-a"


def test_stopping_the_daemon_ends_with_success(house: House) -> None:
    house.add("llama-a")
    house.start()
    house.chat("llama-a")

    assert house.stop() == 0


def test_the_lines_that_the_greeting_offers_work_as_they_are(house: House) -> None:
    house.add("llama-a")
    house.start()
    offered = house.said.partition("Try it:")[2].strip().splitlines()
    request, conversation = (shlex.split(line) for line in offered[:2])

    assert "t0 t1" in output(*conversation, "hello")
    if not shutil.which("curl"):
        pytest.skip("no curl here")
    assert "[DONE]" in output(*request)


def output(*words: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [shutil.which(words[0], path=path) or words[0], *words[1:]],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout
