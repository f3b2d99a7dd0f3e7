"""`llm` with `llm-ollama` as people run it: a command of its own that finds us by OLLAMA_HOST."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.house import House

TEXT = "t0 t1 t2 t3 t4 t5 t6 t7 "
TOOL = '''
def weather(x: int) -> str:
    """The weather of a place."""
    return f"sun in {x}"
'''


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a plain model, one that thinks and calls tools, and one for vectors."""
    house = House(tmp_path_factory.mktemp("llm"))
    house.add("plain")
    house.add(
        "clever", metadata={"tokenizer.chat_template": "{{ enable_thinking }} <think> {{ tools }}"}
    )
    house.add("embeds", architecture="bert")
    house.start(house.config(maxLoadedModels=4, drainTimeout=2))
    house.load("plain", "clever", "embeds")
    yield house
    house.stop()


class Llm:
    """`llm` with a user folder of its own."""

    def __init__(self, house: House, folder: Path) -> None:
        self._env = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ} | {
            "OLLAMA_HOST": house.ollama_url,
            "LLM_USER_PATH": str(folder),
            "HOME": str(folder),
        }

    def __call__(self, *words: str, piped: str | None = None) -> str:
        """What `llm words` prints; fails with its error."""
        ended = subprocess.run(
            [sys.executable, "-m", "llm", *words],
            env=self._env,
            input=piped,
            stdin=subprocess.DEVNULL if piped is None else None,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


@pytest.fixture
def llm(house: House, tmp_path: Path) -> Llm:
    return Llm(house, tmp_path)


def sent(house: House, model: str) -> Any:
    """The last chat that the engine was asked for."""
    requests = house.engine_state(model)["requests"]
    chats = [one for one in requests if one["path"] == "/v1/chat/completions"]
    return json.loads(chats[-1]["body"])


def test_it_knows_our_models_and_what_they_can_do(llm: Llm) -> None:
    rows = {line.split()[0]: line.split()[2:] for line in llm("ollama", "models").splitlines()[1:]}

    assert rows.keys() == {"plain:latest", "clever:latest", "embeds:latest"}
    assert "completion" in rows["plain:latest"]
    assert [word.strip(",") for word in rows["clever:latest"]] == [
        "completion", "thinking", "tools",
    ]  # fmt: skip
    assert rows["embeds:latest"] == ["embedding"]


def test_it_answers_a_prompt_a_pipe_and_both(llm: Llm, house: House) -> None:
    assert llm("-m", "ollama/plain", "hello") == f"{TEXT}\n"
    assert llm("-m", "ollama/plain", "--no-stream", piped="from a pipe") == f"{TEXT}\n"
    assert sent(house, "plain")["messages"][-1]["content"] == "from a pipe"
    llm("-m", "ollama/plain:latest", "and this", "-s", "be kind", piped="a pipe")
    told = sent(house, "plain")["messages"]
    assert [message["role"] for message in told] == ["system", "user"]
    assert told[-1]["content"] == "a pipe and this"


def test_it_is_told_the_tokens_and_goes_on_with_a_conversation(llm: Llm, house: House) -> None:
    llm("-m", "ollama/plain", "-o", "temperature", "0.5", "fake tokens=3")
    assert sent(house, "plain")["temperature"] == 0.5
    llm("-m", "ollama/plain", "-c", "and again")
    asked = sent(house, "plain")["messages"]
    assert [message["role"] for message in asked] == ["user", "assistant", "user"]
    (first, second) = json.loads(llm("logs", "-n", "2", "--json"))
    assert {first["output_tokens"], second["output_tokens"]} == {3, 8}
    assert first["input_tokens"]
    assert second["input_tokens"]


def test_it_asks_for_an_answer_of_a_schema(llm: Llm, house: House) -> None:
    llm("-m", "ollama/clever", "--schema", "name, age int", "a llama")

    schema = sent(house, "clever")["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["age"] == {"type": "integer"}


def test_it_calls_tools_and_tells_what_they_said(llm: Llm, house: House) -> None:
    said = llm("-m", "ollama/clever", "--functions", TOOL, "fake tool=weather")

    assert said == f"{TEXT}\n"
    told = sent(house, "clever")["messages"]
    assert any("sun in 1" in str(message["content"]) for message in told)


def test_it_embeds(llm: Llm) -> None:
    assert json.loads(llm("embed", "-m", "ollama/embeds", "-c", "hello")) == [5, 1, 0, 0]
