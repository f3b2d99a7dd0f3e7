"""A real engine and its answers: each asked for as a client would, and as we do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from paddock.gateway.assemble import plan
from paddock.gateway.problems import Upstream
from paddock.gateway.sse import SseParser

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

STEADY: dict[str, Any] = {"temperature": 0, "seed": 1, "cache_prompt": False}
"""What makes two answers the same."""
NOISE: dict[str, Any] = {
    "timings_per_token": True,
    "return_progress": True,
    "stream_options": {},
    "stream": False,
}
"""What changes a stream, and must not change the answer made of it."""
THOUGHT = 'root ::= "<think>\\n" "so" "\\n</think>\\n\\n" "好"'
UNICODE = 'root ::= "é日😀"'
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}


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


def same_answer(engine: Engine, route: str, body: dict[str, Any]) -> Any:
    """The answer that both ways give. Fails where they differ."""
    wanted_status, wanted = engine.direct(route, body)
    status, answer = engine.assembled(route, body)
    assert (wanted_status, status) == (200, 200), wanted
    assert comparable(answer) == comparable(wanted), (answer, wanted)
    return answer


def check_refusal(engine: Engine, route: str, body: dict[str, Any]) -> None:
    """Fails when this is not refused, or in other words than the engine's own."""
    wanted = engine.direct(route, body)
    told = engine.assembled(route, body)
    assert wanted[0] >= 400, wanted
    assert told == wanted, (told, wanted)


def assemble_broken(engine: Engine, route: str, body: dict[str, Any]) -> None:
    """Assemble the answer from a stream whose last event did not come."""
    assembly = plan(route, body)
    assert assembly is not None
    _, data = engine.post(route, assembly.body)
    last_event = data.rstrip().rindex(b"\n\n")
    for event in SseParser().feed(data[:last_event]):
        assembly.assembler.feed(event)
    assembly.assembler.finish()


@contextmanager
def real_engine(program: Sequence[str], model: str, folder: Path) -> Iterator[Engine]:
    """Run this program, llama-server or what takes its flags, until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = ["--host", "127.0.0.1", "--port", str(port), "-t", "1", "--poll", "0", "-cram", "0"]
    flags += ["-np", "2", "--no-kv-unified", "-c", "2048", "--chat-template", TEMPLATE]
    log = folder / "log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [*program, "-m", model, *flags],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={"PATH": os.environ["PATH"], "HOME": str(log.parent), "GGML_NO_BACKTRACE": "1"},
        )
    try:
        yield _ready(Engine(f"http://127.0.0.1:{port}"), child, log)
    finally:
        child.kill()
        child.communicate()


def _ready(engine: Engine, child: subprocess.Popen[bytes], log: Path) -> Engine:
    deadline = time.monotonic() + 120
    while not engine.is_ready():
        if child.poll() is not None or time.monotonic() > deadline:
            pytest.fail(log.read_text(errors="replace")[-3000:])
        time.sleep(0.1)
    return engine
