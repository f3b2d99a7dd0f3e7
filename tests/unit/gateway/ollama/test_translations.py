"""Every translation of a child's stream, against golden files, with the stream cut at every byte.

`golden/NAME.sse` is what the child says, `golden/NAME.DIALECT` what the client hears. To write
those anew after a change that is meant: `PADDOCK_WRITE_GOLDEN=1 pytest THIS_FILE`, and look at the
diff.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from paddock.errors import UpstreamLost
from paddock.gateway.generation import (
    ChatReader,
    Generation,
    Piece,
    Reader,
    TextReader,
    ToolCall,
    Writer,
)
from paddock.gateway.ollama.chat_lines import ChatLines
from paddock.gateway.ollama.compat import Chunks
from paddock.gateway.ollama.final import Clock
from paddock.gateway.ollama.generate_lines import GenerateLines
from paddock.gateway.ollama.lines import Told
from paddock.gateway.ollama.splitting import Splitting
from paddock.gateway.ollama.thinking_text import ThinkingReader
from paddock.gateway.ollama.tool_text import Tags, ToolReader
from paddock.gateway.openai_chunks import OpenAIChunks
from paddock.gateway.sse import SseParser

GOLDEN = Path(__file__).parent / "golden"
STREAMS = sorted(GOLDEN.glob("*.sse"))
DIALECTS = (
    "chat.jsonl", "chat.json", "generate.jsonl", "generate.json",
    "openai", "openai.json", "compat", "compat.json",
)  # fmt: skip
VOLATILE = re.compile(
    rb'"(created_at|created|id|total_duration|load_duration)":("[^"]*"|[0-9]+)(,?)'
)


def reader_of(name: str) -> Reader:
    if name.startswith("chat"):
        return ChatReader()
    if name == "prompt_split":
        calls = ToolReader(Tags("<tool_call>", "</tool_call>"), {"get"})
        return TextReader(Splitting(ThinkingReader(), calls))
    return TextReader()


def writer_of(name: str, dialect: str) -> Writer:
    streams = not dialect.endswith(".json")
    if dialect.startswith("compat"):
        return Chunks("m", streams=streams, tells_usage=True)
    if dialect.startswith("openai"):
        return OpenAIChunks("m", "/v1/chat/completions", streams=streams, tells_usage=True)
    probabilities = 1 if "logprobs" in name else None
    told = Told("m", "/api/chat", Clock(), probabilities=probabilities)
    kind = ChatLines if dialect.startswith("chat") else GenerateLines
    return kind(told, streams=streams)


def translated(name: str, dialect: str, pieces: list[bytes]) -> bytes:
    """What the client hears, without what is never the same."""
    generation = Generation(reader_of(name), writer_of(name, dialect))
    parser = SseParser()
    out = b""
    for piece in pieces:
        out += b"".join(map(generation.feed, parser.feed(piece)))
    out += b"".join(map(generation.feed, parser.finish())) + generation.finish()
    return VOLATILE.sub(rb'"\1":0\3', out)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", STREAMS, ids=lambda path: path.stem)
def test_a_translation_is_the_golden_one_wherever_the_stream_is_cut(
    stream: Path, dialect: str
) -> None:
    data = stream.read_bytes()
    name = stream.stem
    golden = GOLDEN / f"{name}.{dialect}"
    whole = translated(name, dialect, [data])
    if os.environ.get("PADDOCK_WRITE_GOLDEN"):
        golden.write_bytes(whole)

    assert whole == golden.read_bytes()
    for cut in range(1, len(data), 1 if dialect == "chat.jsonl" else 7):
        assert translated(name, dialect, [data[:cut], data[cut:]]) == whole
    assert translated(name, dialect, [bytes((byte,)) for byte in data]) == whole


@pytest.mark.parametrize("stream", STREAMS, ids=lambda path: path.stem)
def test_a_stream_that_breaks_off_has_no_end(stream: Path) -> None:
    events = stream.read_bytes().split(b"\n\n")[:-1]
    for count in range(len(events)):
        with pytest.raises(UpstreamLost):
            translated(stream.stem, "chat.jsonl", [b"\n\n".join(events[:count]) + b"\n\n"])


@pytest.mark.parametrize("stream", STREAMS, ids=lambda path: path.stem)
def test_every_line_is_one_object_with_a_role(stream: Path) -> None:
    out = translated(stream.stem, "chat.jsonl", [stream.read_bytes()])

    lines: list[Any] = [json.loads(line) for line in out.removesuffix(b"\n").split(b"\n")]
    assert all(line["message"]["role"] == "assistant" for line in lines)
    assert [line["done"] for line in lines] == [*([False] * (len(lines) - 1)), True]


@pytest.mark.parametrize(
    "arguments",
    ['{"x": NaN}', '{"x": 1e999}', '{"x": "\\ud800"}', "\ud800", "[1]", '{"x":', "9" * 5000],
)
def test_arguments_that_are_no_json_to_a_client_are_an_empty_object(arguments: str) -> None:
    lines = ChatLines(Told("m", "/api/chat", Clock()), streams=True)
    told = json.loads(lines.add(Piece(calls=(ToolCall("f", arguments),))))

    assert told["message"]["tool_calls"][0]["function"]["arguments"] == {}
