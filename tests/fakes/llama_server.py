#!/usr/bin/env python3
"""A llama-server without a model: the same flags, routes, shapes and manners, and fault switches.

Standard library only; starts in about 50 ms. Run it as `python llama_server.py -m FILE --port N`,
or name it in `engines.<name>.llamaServer` (it is executable). The model file must exist; what is in
it does not matter.

Answers are `t0 t1 t2 ...`, one token per chunk; embeddings are `[length of the input, 1, 0, 0]`,
and an input of more words than `--ubatch-size` is refused.

SWITCHES are NAME=VALUE pairs. Three ways to give them, the later ones win:
  * for the whole life of the program: flag `--fake NAME=VALUE` (repeat it), or environment
    `FAKE_NAME=VALUE`;
  * for one request: body field `"fake": {"name": value}`;
  * for one request: words `NAME=VALUE` after the word `fake` at the start of the last message or
    prompt: `fake tokens=3 tool=weather`. These survive every translation between dialects.

Of the program (flag or environment):
  load=S          seconds until ready; 503 meanwhile, and progress on the state channel
  steps=N         progress reports during the load (default 10)
  load_gate=PATH  stay loading until this file exists
  never_ready=1   503 for ever
  hang=1          take connections, never answer
  silent=1        never listen, just live
  die=KIND        die at the end of the load, with llama-server's own words: oom, vulkan, cuda,
                  arch, corrupt, missing, bind, abort, exit (uses code=N), signal (uses signal=N)
  crash_request=N die (exit `code`, default 1, or `signal`) when the N-th request arrives
  ignore_term=1   ignore SIGTERM
  grandchild=1    start a grandchild that holds stdout and stderr; its pid is in /fake/state
  chatter=N       print N lines at start
  memory=CPU:12.5,Vulkan0:64   print the buffers that it takes, in MiB, and its context
  devices=A;B     what `--list-devices` lists instead of one fake device, in llama.cpp's words
  stranger=1      answer 200 to everything whatever the key, as some other program would
Of a request (all three ways):
  tokens=N        tokens to say (default 8; max_tokens lowers it)
  tps=N           tokens per second (default 0: as fast as it goes)
  delay=S         seconds of prefill before the first token
  gate=PATH       stop before token `gate_at` (default 1) until this file exists
  crash_after=N   die after N tokens (code=N or signal=N)
  hang_after=N    say nothing more after N tokens
  rst_after=N     reset the connection after N tokens
  truncate_after=N  close in the middle of a chunk after N tokens
  half_after=N    close in the middle of the event that comes after N tokens
  end_after=N     end the stream cleanly after N tokens, without its last events
  error_after=N   an error event after N tokens
  bytewise=1      write every byte on its own
  big=N           make the first token N bytes long
  status=N        answer with this error status
  window=N        refuse a prompt of more than N words, as one that is longer than the context
  tool=NAME       call this tool with {"x": 1} instead of speaking
  reasoning=N     think N tokens first
  text=WORD       say WORD instead of t0 t1 ...
  read=PATH       say the text of this file, a few letters a token
  finish=REASON   finish_reason to report
  speed=N         tokens per second to report

GET /fake/state needs no key: {argv, env, pid, grandchild, requests: [{method, path, headers,
body}], seen, running, aborted, completed}. `aborted` counts requests whose client left before the
answer was complete and whose generation stopped for it. As in llama-server, a stream notices at its
next token, a non-streaming request only after a second in which no request got a token.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ClassVar

Json = dict[str, Any]

VERSION = "version: 0.6.0-fake (build 0, commit fake)\nbuilt with nothing for tests"

FLAGS = (
    ("-h,    --help, --usage", "", "print usage and exit"),
    ("--version", "", "show version and build info"),
    ("--list-devices", "", "print list of available devices and exit"),
    ("-t,    --threads", "N", "number of CPU threads to use during generation (default: -1)"),
    ("-c,    --ctx-size", "N", "size of the prompt context (default: 0, 0 = loaded from model)"),
    ("-n,    --predict, --n-predict", "N", "number of tokens to predict (default: -1)"),
    ("--temp, --temperature", "N", "temperature (default: 0.80)"),
    ("-b,    --batch-size", "N", "logical maximum batch size (default: 2048)"),
    ("-ub,   --ubatch-size", "N", "physical maximum batch size (default: 512)"),
    ("-fa,   --flash-attn", "[on|off|auto]", "set Flash Attention use"),
    ("-ctk,  --cache-type-k", "TYPE", "KV cache data type for K"),
    ("-ctv,  --cache-type-v", "TYPE", "KV cache data type for V"),
    ("-lm,   --load-mode", "MODE", "model loading mode (default: auto)"),
    ("-dev,  --device", "<dev1,dev2,..>", "comma-separated list of devices"),
    ("-ot,   --override-tensor", "<tensor name pattern>=<buffer type>,...", "override buffer type"),
    ("-cmoe, --cpu-moe", "", "keep all Mixture of Experts (MoE) weights in the CPU"),
    ("-ncmoe, --n-cpu-moe", "N", "keep the experts of the first N layers in the CPU"),
    ("-ngl,  --gpu-layers, --n-gpu-layers", "N", "max. number of layers to store in VRAM"),
    ("-mg,   --main-gpu", "INDEX", "the GPU to use for the model (default: 0)"),
    ("--lora", "FNAME", "path to LoRA adapter (use comma-separated values to load several)"),
    ("-sm,   --split-mode", "{none,layer,row,tensor}", "how to split the model"),
    ("-ts,   --tensor-split", "N0,N1,N2,...", "fraction of the model to offload to each GPU"),
    ("-fit,  --fit", "[on|off]", "whether to adjust unset arguments to fit in device memory"),
    ("--control-vector-layer-range", "START END", "layer range of the control vectors"),
    ("-m,    --model", "FNAME", "model path to load"),
    ("--log-colors", "[on|off|auto]", "Set colored logging"),
    ("-v,    --verbose, --log-verbose", "", "Set verbosity level to infinity"),
    ("-lv,   --verbosity, --log-verbosity", "N", "Set the verbosity threshold"),
    (
        "--draft, --draft-n, --draft-max",
        "N",
        "the argument has been removed. use --spec-draft-n-max",
    ),
    ("-cram, --cache-ram", "N", "set the maximum cache size in MiB (default: 8192)"),
    ("--kv-unified-per-slot", "N", "context limit per parallel slot (default: unset)"),
    ("-kvu,  --kv-unified, -no-kvu, --no-kv-unified", "", "use single unified KV buffer"),
    ("--pooling", "{none,mean,cls,last,rank}", "pooling type for embeddings"),
    ("-np,   --parallel", "N", "number of server slots (default: -1, -1 = auto)"),
    ("-mm,   --mmproj", "FILE", "path to a multimodal projector file"),
    ("-a,    --alias", "STRING", "set model name aliases, comma-separated"),
    ("--host", "HOST", "IP addresses to listen on"),
    ("--port", "PORT", "port to listen (default: 8080)"),
    ("--cors-origins", "ORIGINS", "comma-separated list of allowed origins for CORS"),
    ("--ui,  --webui, --no-ui, --no-webui", "", "whether to enable the Web UI"),
    ("--embedding, --embeddings", "", "restrict to only support embedding use case"),
    ("--rerank, --reranking", "", "enable reranking endpoint on server (default: disabled)"),
    ("--api-key", "KEY", "API key to use for authentication"),
    ("--jinja, --no-jinja", "", "whether to use jinja template engine for chat"),
    ("--chat-template", "JINJA_TEMPLATE", "set custom jinja chat template"),
    ("--metrics", "", "enable prometheus compatible metrics endpoint"),
    ("--slots, --no-slots", "", "expose slots monitoring endpoint (default: enabled)"),
    ("--slot-save-path", "PATH", "path to save slot kv cache (default: disabled)"),
    ("--fake", "NAME=VALUE", "a fault switch of this fake"),
)
"""Names, value, description: a part of llama-server's own flags."""

DEATHS: dict[str, tuple[tuple[str, ...], int]] = {
    "oom": (
        (
            "E ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 9999",
            "E alloc_tensor_range: failed to allocate CPU buffer of size 99999999",
            "E llama_init_from_model: failed to allocate buffer for kv cache",
        ),
        1,
    ),
    "vulkan": (
        (
            "E ggml_vulkan: Device memory allocation of size 4294967296 failed.",
            "E ggml_vulkan: vk::Device::allocateMemory: ErrorOutOfDeviceMemory",
        ),
        1,
    ),
    "cuda": (
        ("E ggml_cuda: allocating 9000 MiB on device 0: cudaMalloc failed: out of memory",),
        1,
    ),
    "arch": (
        ("E llama_model_load: error loading model: unknown model architecture: 'mamba9'",),
        1,
    ),
    "corrupt": (
        ("E tensor 'b' data is not within the file bounds, model is corrupted or incomplete",),
        1,
    ),
    "missing": (
        ("E failed to open GGUF file '/gone.gguf' (No such file or directory)",),
        1,
    ),
    "bind": (("E srv start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 1",), 1),
    "abort": (("/src/ggml.c:42: GGML_ASSERT(a == b) failed",), -6),
    "exit": ((), 1),
    "signal": ((), -11),
}  # fmt: skip


class Switches(dict[str, str]):
    """The fault switches that hold for one request, or for the program."""

    def number(self, name: str, default: float = -1.0) -> float:
        return float(self.get(name, default))

    def on(self, name: str) -> bool:
        return self.get(name, "0") not in {"0", "", "False", "false"}

    def plus(self, more: Json) -> Switches:
        return Switches({**self, **{name: str(value) for name, value in more.items()}})


def help_text() -> str:
    lines = ["----- common params -----", ""]
    for names, value, text in FLAGS:
        head = f"{names} {value}".rstrip()
        lines += [f"{head:<40}{text}"] if len(head) < 40 else [head, " " * 40 + text]
    return "\n".join(lines)


def parse_flags(argv: list[str]) -> tuple[dict[str, str], Switches]:
    """Values by a flag's last name, and the switches. Exits as llama-server does."""
    known = {}
    for names, value, _ in FLAGS:
        spellings = names.replace(",", " ").split()
        known.update(
            dict.fromkeys(spellings, (spellings, len(re.sub("<[^>]*>", "x", value).split())))
        )
    given: dict[str, str] = {}
    switches = Switches(
        {name[5:].lower(): text for name, text in os.environ.items() if name.startswith("FAKE_")}
    )
    words = iter(argv)
    for word in words:
        name = word.replace("_", "-") if word.startswith("--") else word
        if name not in known:
            die(f"error: invalid argument: {word}")
        spellings, arity = known[name]
        if "--draft" in spellings:
            die(f'error while handling argument "{word}": the argument has been removed.')
        values = [next(words, "") for _ in range(arity)]
        if name == "--fake":
            switch, _, text = values[0].partition("=")
            switches[switch] = text
        given[name if name.startswith("--no-") else spellings[-1]] = " ".join(values)
    return given, switches


def die(text: str, code: int = 1) -> None:
    print(text, file=sys.stderr, flush=True)
    os._exit(code)


def end_with(code: int) -> None:
    """End as the code says; negative: by that signal."""
    sys.stderr.flush()
    if code < 0:
        with contextlib.suppress(OSError):  # SIGKILL has no other way
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
        time.sleep(5)
    os._exit(code)


def crash(switches: Switches) -> None:
    number = int(switches.number("signal", 0))
    end_with(-number if number else int(switches.number("code", 1)))


# --- what it says --------------------------------------------------------------------------------


def pack(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def event(value: object) -> bytes:
    return b"data: " + pack(value) + b"\n\n"


def named_event(kind: str, value: Json) -> bytes:
    return f"event: {kind}\n".encode() + event({"type": kind, **value})


def text_of(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def prompt_of(body: Json) -> str:
    for key in ("messages", "input"):
        items = body.get(key)
        if isinstance(items, list) and items and isinstance(items[-1], dict):
            return text_of(items[-1].get("content"))
    for key in ("prompt", "input", "content", "query"):
        if isinstance(body.get(key), str):
            return str(body[key])
    return ""


def words_of(body: Json) -> int:
    """Words of everything that a request wants worked through."""
    items = body.get("messages")
    if isinstance(items, list):
        return sum(len(text_of(item.get("content")).split()) for item in items)
    prompt = body.get("prompt")
    if isinstance(prompt, list):
        return sum(1 if isinstance(part, int) else len(part.split()) for part in prompt)
    return len(prompt_of(body).split())


def switches_of(base: Switches, body: Json) -> Switches:
    prompt = prompt_of(body)
    words = prompt.split()
    spoken: Json = {}
    if words[:1] == ["fake"]:
        spoken = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    fake = body.get("fake")
    return base.plus(fake if isinstance(fake, dict) else {}).plus(spoken)


def pieces_of(path: str) -> list[str]:
    if not path:
        return []
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    return [text[at : at + 16] for at in range(0, len(text), 16)]


class Reply:
    """One generation: what a request asks for, and its shapes in the dialect of its route."""

    def __init__(self, alias: str, body: Json, switches: Switches) -> None:
        self.alias = alias
        self.body = body
        self.switches = switches
        self.id = f"chatcmpl-{os.urandom(8).hex()}"
        self.tool = switches.get("tool", "")
        self.thoughts = int(switches.number("reasoning", 0))
        asked = next(
            (
                int(body[key])
                for key in ("max_tokens", "max_completion_tokens", "n_predict", "max_output_tokens")
                if isinstance(body.get(key), int) and body[key] > 0
            ),
            1 << 30,
        )
        self.pieces = pieces_of(switches.get("read", ""))
        wanted = len(self.pieces) or int(switches.number("tokens", 8))
        self.tokens = 2 if self.tool else min(wanted, asked) + self.thoughts
        cut = not self.tool and asked < wanted
        self.finish = switches.get(
            "finish", "tool_calls" if self.tool else "length" if cut else "stop"
        )
        self.prompt_tokens = max(1, len(prompt_of(body).split()))

    def kind(self, index: int) -> str:
        if index < self.thoughts:
            return "reasoning"
        return "tool" if self.tool else "text"

    def word(self, index: int) -> str:
        if self.tool:
            return '{"x":' if index == self.thoughts else "1}"
        if index == 0 and (big := int(self.switches.number("big", 0))):
            return "x" * big
        if self.pieces and index >= self.thoughts:
            return self.pieces[index - self.thoughts]
        return f"{self.switches.get('text', f't{abs(index - self.thoughts)}')} "

    def joined(self, kind: str) -> str:
        return "".join(self.word(i) for i in range(self.tokens) if self.kind(i) == kind)

    @property
    def usage(self) -> Json:
        return {
            "completion_tokens": self.tokens,
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": self.tokens + self.prompt_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
        }

    @property
    def timings(self) -> Json:
        speed = self.switches.number("speed", 0)
        return {
            "cache_n": 0,
            "prompt_n": self.prompt_tokens,
            "prompt_ms": 1.5,
            "prompt_per_token_ms": 1.5,
            "prompt_per_second": 666.7,
            "predicted_n": self.tokens,
            "predicted_ms": 1000 * self.tokens / speed if speed else 10.0,
            "predicted_per_token_ms": 1.25,
            "predicted_per_second": speed or 800.0,
        }

    # In each dialect: the events before, of each token, and after; and the whole answer at once.

    def before(self) -> bytes:
        return b""

    def token(self, index: int) -> bytes:
        raise NotImplementedError

    def after(self) -> bytes:
        raise NotImplementedError

    def whole(self) -> Json:
        raise NotImplementedError

    def error(self) -> bytes:
        return event({"error": {"code": 500, "message": "fake error", "type": "server_error"}})


class Chat(Reply):
    def __init__(self, alias: str, body: Json, switches: Switches) -> None:
        super().__init__(alias, body, switches)
        self.choices = max(1, int(body.get("n") or 1))
        self.common = {
            "created": int(time.time()),
            "id": self.id,
            "model": alias,
            "system_fingerprint": "b0-fake",
        }
        self.tool_id = f"call_{os.urandom(6).hex()}"
        tail = pack({**self.common, "object": "chat.completion.chunk"})[1:]
        self._end = b"]," + tail + b"\n\n"

    def _chunk(self, choice: int, delta: bytes, finish: bytes = b"null") -> bytes:
        head = b'data: {"choices":[{"finish_reason":%b,"index":%d,"delta":%b}'
        return head % (finish, choice, delta) + self._end

    def before(self) -> bytes:
        delta = b'{"role":"assistant","content":null}'
        return b"".join(self._chunk(choice, delta) for choice in range(self.choices))

    def token(self, index: int) -> bytes:
        delta = pack(self._delta(index))
        return b"".join(self._chunk(choice, delta) for choice in range(self.choices))

    def _delta(self, index: int) -> Json:
        kind, word = self.kind(index), self.word(index)
        if kind == "tool":
            first = {"id": self.tool_id, "type": "function"} if index == self.thoughts else {}
            name = {"name": self.tool} if first else {}
            return {"tool_calls": [{"index": 0, **first, "function": {**name, "arguments": word}}]}
        return {"reasoning_content" if kind == "reasoning" else "content": word}

    def after(self) -> bytes:
        finish = pack(self.finish)
        with_usage = bool((self.body.get("stream_options") or {}).get("include_usage"))
        chunk = {**self.common, "object": "chat.completion.chunk"}
        parts = []
        for choice in range(self.choices):
            finishing = self._chunk(choice, b"{}", finish)
            if not with_usage:
                finishing = finishing[:-3] + b',"timings":' + pack(self.timings) + b"}\n\n"
            parts.append(finishing)
            if with_usage:
                last = {"choices": [], **chunk, "usage": self.usage, "timings": self.timings}
                parts.append(event(last))
        return b"".join(parts) + b"data: [DONE]\n\n"

    def whole(self) -> Json:
        message: Json = {"role": "assistant", "content": self.joined("text")}
        if self.thoughts:
            message["reasoning_content"] = self.joined("reasoning")
        if self.tool:
            function = {"name": self.tool, "arguments": self.joined("tool")}
            message["tool_calls"] = [{"type": "function", "function": function, "id": self.tool_id}]
        choices = [
            {"finish_reason": self.finish, "index": choice, "message": message}
            for choice in range(self.choices)
        ]
        about = {**self.common, "object": "chat.completion", "usage": self.usage}
        return {"choices": choices, **about, "timings": self.timings}


class Completion(Reply):
    """/v1/completions: OpenAI's shape."""

    @property
    def common(self) -> Json:
        return {
            "created": int(time.time()),
            "model": self.alias,
            "system_fingerprint": "b0-fake",
            "object": "text_completion",
            "id": self.id,
        }

    def _choice(self, text: str, finish: str | None) -> Json:
        return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}

    def token(self, index: int) -> bytes:
        return event({"choices": [self._choice(self.word(index), None)], **self.common})

    def after(self) -> bytes:
        last = {"choices": [self._choice("", self.finish)], **self.common}
        about = {"usage": self.usage, "timings": self.timings}
        return event({**last, **about}) + b"data: [DONE]\n\n"

    def whole(self) -> Json:
        text = self.joined("reasoning") + self.joined("text") + self.joined("tool")
        choices = [self._choice(text, self.finish)]
        return {"choices": choices, **self.common, "usage": self.usage, "timings": self.timings}


class Native(Reply):
    """/completion and /infill: llama.cpp's own shape, without a [DONE]."""

    def token(self, index: int) -> bytes:
        return event(
            {
                "index": 0,
                "content": self.word(index),
                "tokens": [index],
                "stop": False,
                "id_slot": -1,
                "tokens_predicted": index + 1,
                "tokens_evaluated": self.prompt_tokens,
            }
        )

    def _last(self, content: str) -> Json:
        return {
            "index": 0,
            "content": content,
            "tokens": [],
            "id_slot": 0,
            "stop": True,
            "model": self.alias,
            "tokens_predicted": self.tokens,
            "tokens_evaluated": self.prompt_tokens,
            "generation_settings": {"stream": bool(self.body.get("stream"))},
            "prompt": prompt_of(self.body),
            "has_new_line": False,
            "truncated": False,
            "stop_type": "limit" if self.finish == "length" else "eos",
            "stopping_word": "",
            "tokens_cached": self.tokens + self.prompt_tokens,
            "timings": self.timings,
        }

    def after(self) -> bytes:
        return event(self._last(""))

    def whole(self) -> Json:
        return self._last(self.joined("reasoning") + self.joined("text") + self.joined("tool"))


class Responses(Reply):
    def _items(self) -> list[Json]:
        items: list[Json] = []
        if self.thoughts:
            content = [{"type": "reasoning_text", "text": self.joined("reasoning")}]
            items.append({"id": "rs_1", "type": "reasoning", "summary": [], "content": content})
        if self.tool:
            call = {"name": self.tool, "arguments": self.joined("tool"), "call_id": "fc_1"}
            items.append({"type": "function_call", "status": "completed", "id": "fc_1", **call})
        else:
            part = {"type": "output_text", "annotations": [], "logprobs": [],
                    "text": self.joined("text")}  # fmt: skip
            items.append({"type": "message", "status": "completed", "id": "msg_1",
                          "role": "assistant", "content": [part]})  # fmt: skip
        return items

    def _response(self, status: str, output: list[Json]) -> Json:
        return {
            "id": f"resp_{self.id}",
            "object": "response",
            "created_at": int(time.time()),
            "status": status,
            "model": self.alias,
            "output": output,
        }

    def before(self) -> bytes:
        started = {"response": self._response("in_progress", [])}
        return named_event("response.created", started) + named_event(
            "response.in_progress", started
        )

    def token(self, index: int) -> bytes:
        kind = {
            "reasoning": ("response.reasoning_text.delta", "rs_1"),
            "tool": ("response.function_call_arguments.delta", "fc_1"),
            "text": ("response.output_text.delta", "msg_1"),
        }[self.kind(index)]
        opening = b""
        if index in {0, self.thoughts}:
            item = self._items()[0 if index == 0 else -1]
            blank = {"status": "in_progress", "content": [], "arguments": ""}
            added = {name: blank.get(name, value) for name, value in item.items()}
            opening = named_event("response.output_item.added", {"item": added})
        return opening + named_event(kind[0], {"item_id": kind[1], "delta": self.word(index)})

    def after(self) -> bytes:
        done = [named_event("response.output_item.done", {"item": item}) for item in self._items()]
        whole = {"response": self.whole()}
        return b"".join(done) + named_event("response.completed", whole)

    def whole(self) -> Json:
        usage = {
            "input_tokens": self.prompt_tokens,
            "output_tokens": self.tokens,
            "total_tokens": self.prompt_tokens + self.tokens,
            "input_tokens_details": {"cached_tokens": 0},
        }
        return {**self._response("completed", self._items()), "usage": usage}


class Messages(Reply):
    """Anthropic's Messages."""

    STOPS: ClassVar = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}

    def _message(self, content: list[Json], output_tokens: int, stop: str | None) -> Json:
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "content": content,
            "model": self.alias,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {"input_tokens": self.prompt_tokens, "output_tokens": output_tokens},
        }

    def before(self) -> bytes:
        return named_event("message_start", {"message": self._message([], 0, None)})

    def token(self, index: int) -> bytes:
        kind, word = self.kind(index), self.word(index)
        block, blank, delta = {
            "reasoning": (0, {"type": "thinking", "thinking": ""},
                          {"type": "thinking_delta", "thinking": word}),
            "tool": (min(self.thoughts, 1),
                     {"type": "tool_use", "id": "toolu_1", "name": self.tool, "input": {}},
                     {"type": "input_json_delta", "partial_json": word}),
            "text": (min(self.thoughts, 1), {"type": "text", "text": ""},
                     {"type": "text_delta", "text": word}),
        }[kind]  # fmt: skip
        start = {"index": block, "content_block": blank}
        opening = named_event("content_block_start", start) if index in {0, self.thoughts} else b""
        return opening + named_event("content_block_delta", {"index": block, "delta": delta})

    def after(self) -> bytes:
        blocks = len(self.whole()["content"])
        stops = [named_event("content_block_stop", {"index": block}) for block in range(blocks)]
        delta = {"stop_reason": self._stop, "stop_sequence": None}
        end = named_event(
            "message_delta", {"delta": delta, "usage": {"output_tokens": self.tokens}}
        )
        return b"".join(stops) + end + named_event("message_stop", {})

    @property
    def _stop(self) -> str:
        return self.STOPS.get(self.finish, self.finish)

    def whole(self) -> Json:
        content: list[Json] = []
        if self.thoughts:
            thinking = self.joined("reasoning")
            content.append({"type": "thinking", "thinking": thinking, "signature": ""})
        if self.tool:
            call = {"id": "toolu_1", "name": self.tool, "input": json.loads(self.joined("tool"))}
            content.append({"type": "tool_use", **call})
        else:
            content.append({"type": "text", "text": self.joined("text")})
        return self._message(content, self.tokens, self._stop)

    def error(self) -> bytes:
        fault = {"code": 500, "message": "fake error", "type": "server_error"}
        return b"event: error\n" + event(fault)


GENERATE: dict[str, type[Reply]] = {
    "/v1/chat/completions": Chat,
    "/chat/completions": Chat,
    "/v1/completions": Completion,
    "/completions": Native,
    "/completion": Native,
    "/infill": Native,
    "/v1/responses": Responses,
    "/responses": Responses,
    "/v1/messages": Messages,
    "/messages": Messages,
}


# --- HTTP ----------------------------------------------------------------------------------------

REASONS = {200: "OK", 101: "Switching Protocols", 204: "No Content", 400: "Bad Request",
           401: "Unauthorized", 404: "Not Found", 500: "Internal Server Error",
           501: "Not Implemented", 503: "Service Unavailable"}  # fmt: skip


class Request:
    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        self.method = method
        self.target = target
        self.path = target.partition("?")[0]
        self.headers = headers
        self.body = body

    def json(self) -> Json:
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as problem:
            raise Refusal(400, "invalid_request_error", f"parse error: {problem}") from None
        return value if isinstance(value, dict) else {}


class Refusal(Exception):
    def __init__(self, status: int, kind: str, message: str, **more: int) -> None:
        super().__init__(message)
        self.status = status
        self.body = pack({"error": {"code": status, "message": message, "type": kind, **more}})


class Connection(asyncio.Protocol):
    """Speaks HTTP/1.1 with one client; hands requests to the server one by one."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffer = b""
        self.served = 0
        self.running: asyncio.Task[None] | None = None
        self.streaming = False
        self.tunnel: Callable[[bytes], None] | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections.add(self)
        self._rest()

    def _rest(self) -> None:
        self.idle = asyncio.get_running_loop().call_later(5, self.transport.close)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self)
        self.writable.set()
        if self.idle:
            self.idle.cancel()
        if self.running:
            self.server.left(self)

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        if self.tunnel:
            self.tunnel(data)
            return
        self.buffer += data
        if self.running is None:
            self._next()

    def _next(self) -> None:
        if self.server.switches.on("hang"):
            return
        request = self._parse()
        if request is None:
            return
        if self.idle:
            self.idle.cancel()
        self.served += 1
        quick = self.server.quick(request)
        if quick is not None:
            self.answer(*quick)
            self._done()
            return
        self.running = asyncio.create_task(self.server.serve(self, request))
        self.running.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None] | None = None) -> None:
        self.running = None
        self.streaming = False
        if task and not task.cancelled() and task.exception():
            self.transport.abort()
        if self.transport.is_closing() or self.tunnel:
            return
        if self.served >= 100:
            self.transport.close()
            return
        self._rest()
        if self.buffer:
            self._next()

    def _parse(self) -> Request | None:
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("expect"):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            whole = self._unchunk(rest)
        else:
            length = int(headers.get("content-length", 0))
            whole = (rest[:length], rest[length:]) if len(rest) >= length else None
        if whole is None:
            return None
        body, self.buffer = whole
        return Request(method, target, headers, body)

    @staticmethod
    def _unchunk(data: bytes) -> tuple[bytes, bytes] | None:
        body = b""
        while True:
            line, found, data = data.partition(b"\r\n")
            if not found:
                return None
            size = int(line.split(b";")[0], 16)
            if len(data) < size + 2:
                return None
            body += data[:size]
            data = data[size + 2 :]
            if size == 0:
                return body, data

    def answer(
        self, status: int, body: bytes, kind: str = "application/json; charset=utf-8"
    ) -> None:
        keep = "keep-alive" if self.served < 100 else "close"
        head = (
            f"HTTP/1.1 {status} {REASONS.get(status, 'Odd')}\r\nServer: llama.cpp\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: {keep}\r\n\r\n"
        )
        self.transport.write(head.encode() + body)

    def begin_stream(self) -> None:
        keep = "keep-alive" if self.served < 100 else "close"
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nContent-Type: text/event-stream\r\n"
            b"X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\nConnection: "
            + keep.encode()
            + b"\r\n\r\n"
        )

    async def chunk(self, data: bytes, bytewise: bool = False) -> None:
        framed = b"%x\r\n%b\r\n" % (len(data), data) if data else b"0\r\n\r\n"
        if bytewise:
            for byte in framed:
                self.transport.write(bytes((byte,)))
                await asyncio.sleep(0)
        else:
            self.transport.write(framed)
        if not self.writable.is_set():
            await self.writable.wait()

    def reset(self) -> None:
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


# --- the server ----------------------------------------------------------------------------------


class Server:
    def __init__(self, flags: dict[str, str], switches: Switches, argv: list[str]) -> None:
        self.flags = flags
        self.switches = switches
        self.argv = argv
        path = flags.get("--model", "")
        self.alias = min((flags.get("--alias") or path).split(","))
        keys = ",".join((os.environ.get("LLAMA_API_KEY", ""), flags.get("--api-key", "")))
        self.keys = {key for key in keys.split(",") if key}
        self.slots = max(1, int(flags.get("--parallel") or 4))
        self.free = asyncio.Semaphore(self.slots)
        self.ready = False
        self.connections: set[Connection] = set()
        self.requests: deque[Json] = deque(maxlen=200)
        self.seen = self.running = self.aborted = self.completed = 0
        self.last_result = 0.0
        self.grandchild = 0
        self.terms = 0

    # Which requests get an answer without a generation.

    def quick(self, request: Request) -> tuple[int, bytes] | None:
        """The answer to what needs no waiting, or None."""
        path = request.path
        if path == "/fake/state":
            return 200, pack(self.state())
        if self.switches.on("stranger"):
            return 200, b'{"status":"ok"}'
        try:
            self._admit(request)
            handler = QUICK.get(path)
            return None if handler is None else (200, pack(handler(self, request)))
        except Refusal as refusal:
            return refusal.status, refusal.body

    def _admit(self, request: Request) -> None:
        public = request.path in {"/health", "/v1/health"}
        if not self.ready:
            raise Refusal(503, "unavailable_error", "Loading model")
        if self.keys and not public and not self._knows(request.headers):
            raise Refusal(401, "authentication_error", "Invalid API Key")
        if public:
            return
        self.seen += 1
        self.requests.append(
            {
                "method": request.method,
                "path": request.target,
                "headers": request.headers,
                "body": request.body[:100_000].decode("utf-8", "replace"),
            }
        )
        if self.seen == self.switches.number("crash_request"):
            crash(self.switches)

    def _knows(self, headers: dict[str, str]) -> bool:
        given = headers.get("authorization", headers.get("x-api-key", ""))
        return given.removeprefix("Bearer ") in self.keys

    def state(self) -> Json:
        return {
            "argv": self.argv,
            "env": dict(os.environ),
            "pid": os.getpid(),
            "grandchild": self.grandchild,
            "requests": list(self.requests),
            "seen": self.seen,
            "running": self.running,
            "aborted": self.aborted,
            "completed": self.completed,
        }

    # Generating.

    async def serve(self, connection: Connection, request: Request) -> None:
        try:
            if request.path == "/ws":
                connection.tunnel = accept_websocket(connection, request)
                return
            shape = GENERATE.get(request.path)
            if shape is None:
                raise Refusal(404, "not_found_error", "File Not Found")
            if request.method != "POST":
                raise Refusal(404, "not_found_error", "File Not Found")
            body = request.json()
            reply = shape(self.alias, body, switches_of(self.switches, body))
            if status := int(reply.switches.number("status", 0)):
                raise Refusal(status, "server_error", "fake status")
            window, words = int(reply.switches.number("window", 0)), words_of(body)
            if 0 < window < words:
                raise Refusal(
                    400,
                    "exceed_context_size_error",
                    "the request exceeds the available context size",
                    n_prompt_tokens=words,
                    n_ctx=window,
                )
            await self._generate(connection, reply, stream=bool(body.get("stream")))
        except Refusal as refusal:
            connection.answer(refusal.status, refusal.body)

    async def _generate(self, connection: Connection, reply: Reply, *, stream: bool) -> None:
        connection.streaming = stream
        self.running += 1
        try:
            async with self.free:
                await asyncio.sleep(max(0.0, reply.switches.number("delay", 0)))
                if stream:
                    await self._stream(connection, reply)
                else:
                    await self._whole(connection, reply)
            self.completed += 1
        except asyncio.CancelledError:
            self.aborted += 1
            raise
        finally:
            self.running -= 1

    async def _stream(self, connection: Connection, reply: Reply) -> None:
        bytewise = reply.switches.on("bytewise")
        connection.begin_stream()
        if before := reply.before():
            await connection.chunk(before, bytewise)
        async for index in self._tokens(connection, reply):
            await connection.chunk(reply.token(index), bytewise)
        if connection.transport.is_closing():
            return
        if not reply.switches.on("ended"):
            await connection.chunk(reply.after(), bytewise)
        await connection.chunk(b"", bytewise)

    async def _whole(self, connection: Connection, reply: Reply) -> None:
        async for _ in self._tokens(connection, reply):
            pass
        if not connection.transport.is_closing():
            connection.answer(200, pack(reply.whole()))

    async def _tokens(self, connection: Connection, reply: Reply) -> AsyncIterator[int]:
        """The numbers of the tokens to say, each when its time has come."""
        switches = reply.switches
        pace = 1 / switches.number("tps", 0) if switches.number("tps", 0) > 0 else 0.0
        loop = asyncio.get_running_loop()
        due = loop.time()
        for index in range(reply.tokens):
            if await self._fault(connection, reply, index):
                return
            if pace:
                due += pace
                await asyncio.sleep(due - loop.time())
            elif index % 16 == 15:
                await asyncio.sleep(0)
            if connection.streaming:
                self.last_result = loop.time()
            yield index
        await self._fault(connection, reply, reply.tokens)

    async def _fault(self, connection: Connection, reply: Reply, index: int) -> bool:
        """Do what the switches want before token `index`. True: no more tokens."""
        switches = reply.switches
        if "gate" in switches and index == switches.number("gate_at", 1):
            await file_exists(switches["gate"])
        for name, act in FAULTS.items():
            if index == switches.number(name):
                await act(connection, reply)
                return True
        return False

    def left(self, connection: Connection) -> None:
        """A client left. A stream stops at once, another request only in a quiet server."""
        if connection.streaming and connection.running:
            connection.running.cancel()
        elif connection.running:
            watcher = asyncio.create_task(self._notice(connection, connection.running))
            connection.running.add_done_callback(lambda _: watcher.cancel())

    async def _notice(self, connection: Connection, task: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time()
        while loop.time() - max(self.last_result, since) < 1:
            await asyncio.sleep(0.05)
        task.cancel()

    # Living.

    async def live(self) -> None:
        loop = asyncio.get_running_loop()
        for term in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(term, self.term)
        if self.switches.on("grandchild"):
            command = ["sleep", "600"]
            self.grandchild = subprocess.Popen(command, stdin=subprocess.DEVNULL).pid
        for number in range(int(self.switches.number("chatter", 0))):
            print(f"chatter {number}", file=sys.stderr)
        self._tell_memory()
        if not self.switches.on("silent"):
            await self._listen()
        await self._load()
        if "LLAMA_SERVER_ROUTER_PORT" in os.environ:
            await loop.run_in_executor(None, read_to_end)
            os._exit(1)
        await asyncio.Event().wait()

    def _tell_memory(self) -> None:
        """In llama-server's words at `-lv 4`."""
        told = self.switches.get("memory", "")
        for number, pair in enumerate(filter(None, told.split(","))):
            device, _, size = pair.partition(":")
            print(
                f"0.00.18{number}.801 I load_tensors:   {device} model buffer size = {size} MiB",
                f"0.00.18{number}.802 I llama_kv_cache:    {device} KV buffer size =     1.00 MiB",
                sep="\n",
                file=sys.stderr,
            )
        if told:
            context = int(self.flags.get("--ctx-size") or 4096) // self.slots
            print(
                f"0.00.189.473 I llama_context: n_ctx_seq             = {context}", file=sys.stderr
            )

    async def _listen(self) -> None:
        host, port = self.flags.get("--host") or "127.0.0.1", int(self.flags.get("--port") or 8080)
        loop = asyncio.get_running_loop()
        try:
            self.listener = await loop.create_server(
                lambda: Connection(self), host, port, backlog=1024
            )
        except OSError:
            line = f"E srv start: couldn't bind HTTP server socket, hostname: {host}, port: {port}"
            die(line)
        log(f"listening on http://{host}:{port}")

    async def _load(self) -> None:
        log(f"loading model '{self.flags.get('--model')}'")
        seconds, steps = self.switches.number("load", 0), int(self.switches.number("steps", 10))
        if seconds > 0:
            for step in range(steps):
                tell("loading", {"stages": ["text_model"], "current": "text_model",
                                 "value": step / steps})  # fmt: skip
                await asyncio.sleep(seconds / steps)
        if gate := self.switches.get("load_gate"):
            await file_exists(gate)
        self._die_if_told()
        if self.switches.on("never_ready"):
            await asyncio.Event().wait()
        self.ready = True
        log("model loaded")
        tell("ready", {"id": self.alias})

    def _die_if_told(self) -> None:
        path = self.flags.get("--model", "")
        if path and not os.path.exists(path):
            log(f"failed to open GGUF file '{path}' (No such file or directory)")
            die("E srv init: exiting due to model loading error")
        if kind := self.switches.get("die"):
            lines, code = DEATHS[kind]
            for line in lines:
                print(line, file=sys.stderr, flush=True)
            given = int(self.switches.number("code", code))
            end_with(-int(self.switches.number("signal", 11)) if kind == "signal" else given)

    def term(self) -> None:
        """Close the listener and wait for the clients; the second time end at once."""
        if self.switches.on("ignore_term"):
            return
        self.terms += 1
        if self.terms > 1:
            os._exit(1)
        if hasattr(self, "listener"):
            self.listener.close()
        self.leaving = asyncio.create_task(self._leave())

    async def _leave(self) -> None:
        while self.ready and any(connection.running for connection in self.connections):
            await asyncio.sleep(0.01)
        os._exit(0)


def log(text: str) -> None:
    print(f"0.00.001.000 I srv  fake: {text}", file=sys.stderr, flush=True)


def tell(state: str, payload: Json) -> None:
    if "LLAMA_SERVER_ROUTER_PORT" in os.environ:
        line = pack({"state": state, "payload": payload}).decode()
        print(f"cmd_child_to_router:state:{line}", flush=True)


def read_to_end() -> None:
    while os.read(0, 4096):
        pass


async def file_exists(path: str) -> None:
    while not os.path.exists(path):
        await asyncio.sleep(0.01)


# --- faults in the middle of an answer -----------------------------------------------------------


async def _crash(connection: Connection, reply: Reply) -> None:
    await asyncio.sleep(0.02)  # what was written leaves first
    crash(reply.switches)


async def _hang(connection: Connection, reply: Reply) -> None:
    await asyncio.Event().wait()


async def _reset(connection: Connection, reply: Reply) -> None:
    await asyncio.sleep(0.02)
    connection.reset()


async def _truncate(connection: Connection, reply: Reply) -> None:
    connection.transport.write(b'ff\r\ndata: {"cho')
    connection.transport.close()


async def _half(connection: Connection, reply: Reply) -> None:
    data = reply.token(int(reply.switches.number("half_after")))
    connection.transport.write(b"%x\r\n%b" % (len(data), data[: len(data) // 2]))
    await asyncio.sleep(0.02)
    connection.transport.close()


async def _end(connection: Connection, reply: Reply) -> None:
    reply.switches["ended"] = "1"


async def _error(connection: Connection, reply: Reply) -> None:
    if connection.streaming:
        await connection.chunk(reply.error())
    reply.switches["ended"] = "1"


FAULTS: dict[str, Callable[[Connection, Reply], Awaitable[None]]] = {
    "crash_after": _crash,
    "hang_after": _hang,
    "rst_after": _reset,
    "truncate_after": _truncate,
    "half_after": _half,
    "end_after": _end,
    "error_after": _error,
}


# --- routes without a generation -----------------------------------------------------------------


def _models(server: Server, request: Request) -> Json:
    context = int(server.flags.get("--ctx-size") or 0) // server.slots or 4096
    meta = {"n_ctx": context, "n_ctx_train": 4096, "n_vocab": 32000, "n_embd": 4, "n_params": 1000}
    about = {"object": "model", "created": int(time.time()), "owned_by": "llamacpp"}
    return {"object": "list", "data": [{"id": server.alias, "aliases": [], **about, "meta": meta}]}


def _embeddings(server: Server, request: Request) -> Json:
    body = request.json()
    given = body.get("input", body.get("content", ""))
    inputs = given if isinstance(given, list) else [given]
    batch = int(server.flags.get("--ubatch-size") or 0)
    for number in (len(str(text).split()) for text in inputs):
        if batch and number > batch:
            raise Refusal(
                500,
                "server_error",
                f"input ({number} tokens) is too large to process. increase the physical batch "
                f"size (current batch size: {batch})",
            )
    vectors: list[Any] = [[float(len(str(text))), 1.0, 0.0, 0.0] for text in inputs]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack("<4f", *row)).decode() for row in vectors]
    data = [
        {"object": "embedding", "index": index, "embedding": row}
        for index, row in enumerate(vectors)
    ]
    tokens = sum(len(str(text).split()) for text in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"model": body.get("model"), "object": "list", "usage": usage, "data": data}


def _rerank(server: Server, request: Request) -> Json:
    body = request.json()
    documents = body.get("documents") or body.get("texts") or []
    results = [
        {"index": index, "relevance_score": -float(index)} for index in range(len(documents))
    ]
    usage = {"prompt_tokens": len(documents), "total_tokens": len(documents)}
    shown = results[: body.get("top_n") or len(results)]
    return {"model": server.alias, "object": "list", "usage": usage, "results": shown}


WORDS: list[str] = []
"""Each word is a token, in the order they were first asked about."""


def _tokenize(server: Server, request: Request) -> Json:
    words = str(request.json().get("content", "")).split()
    WORDS.extend(word for word in dict.fromkeys(words) if word not in WORDS)
    return {"tokens": [WORDS.index(word) for word in words]}


def _detokenize(server: Server, request: Request) -> Json:
    tokens = request.json().get("tokens", [])
    return {"content": " ".join(WORDS[t] if t < len(WORDS) else f"t{t}" for t in tokens)}


def _template(server: Server, request: Request) -> Json:
    messages = request.json().get("messages") or []
    return {"prompt": "\n".join(text_of(message.get("content")) for message in messages)}


def _count(server: Server, request: Request) -> Json:
    return {"input_tokens": max(1, len(prompt_of(request.json()).split()))}


def _props(server: Server, request: Request) -> Json:
    return {"total_slots": server.slots, "model_alias": server.alias, "chat_template": "",
            "model_path": server.flags.get("--model", ""), "build_info": "b0-fake",
            "modalities": {"vision": False, "audio": False}}  # fmt: skip


def _slots(server: Server, request: Request) -> list[Json]:
    busy = min(server.running, server.slots)
    return [
        {"id": index, "n_ctx": 4096, "is_processing": index < busy} for index in range(server.slots)
    ]


def _transcribe(server: Server, request: Request) -> Json:
    return {"text": f"heard {len(request.body)} bytes"}


def _image(server: Server, request: Request) -> Json:
    return {"created": int(time.time()), "data": [{"b64_json": "aW1hZ2U="}]}


def _echo(server: Server, request: Request) -> Json:
    return {"method": request.method, "path": request.target, "headers": request.headers,
            "body": request.body.decode("utf-8", "replace"), "alias": server.alias}  # fmt: skip


ECHOES = (
    "/echo",
    "/v1/audio/voices",
    "/v1/images/edits",
    "/v1/tasks/run",
    "/sdapi/v1/txt2img",
    "/sdapi/v1/img2img",
    "/sdapi/v1/loras",
)
"""Routes of servers of pictures and speech: they answer what they were asked."""

QUICK: dict[str, Callable[[Server, Request], Any]] = {
    "/health": lambda server, request: {"status": "ok"},
    "/v1/health": lambda server, request: {"status": "ok"},
    "/models": _models,
    "/v1/models": _models,
    "/v1/embeddings": _embeddings,
    "/embeddings": _embeddings,
    "/embedding": _embeddings,
    "/v1/rerank": _rerank,
    "/rerank": _rerank,
    "/v1/reranking": _rerank,
    "/reranking": _rerank,
    "/tokenize": _tokenize,
    "/detokenize": _detokenize,
    "/apply-template": _template,
    "/v1/messages/count_tokens": _count,
    "/v1/chat/completions/input_tokens": _count,
    "/v1/responses/input_tokens": _count,
    "/props": _props,
    "/slots": _slots,
    "/metrics": lambda server, request: {"llamacpp:requests_processing": server.running},
    "/v1/audio/transcriptions": _transcribe,
    "/v1/audio/speech": lambda server, request: {"audio": "RIFF"},
    "/v1/images/generations": _image,
    "/messages/count_tokens": _count,
    **dict.fromkeys(ECHOES, _echo),
}


# --- a WebSocket that echoes ---------------------------------------------------------------------

WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 §1.3."""


def accept_websocket(connection: Connection, request: Request) -> Callable[[bytes], None]:
    key = request.headers.get("sec-websocket-key", "") + WEBSOCKET_GUID
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    connection.transport.write(
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ).encode()
    )
    waiting = bytearray()

    def echo(data: bytes) -> None:
        waiting.extend(data)
        while (frame := take_frame(waiting)) is not None:
            opcode, payload = frame
            size = len(payload)
            head = bytes((0x80 | (0xA if opcode == 9 else opcode),))
            head += bytes((size,)) if size < 126 else b"\x7e" + struct.pack(">H", size)
            connection.transport.write(head + payload)
            if opcode == 8:
                connection.transport.close()

    return echo


def take_frame(data: bytearray) -> tuple[int, bytes] | None:
    """The first whole frame of at most 64 KiB, taken from `data`."""
    if len(data) < 2:
        return None
    size, start = data[1] & 0x7F, 2
    if size == 126:
        size, start = int.from_bytes(data[2:4], "big"), 4
    if len(data) < start + 4 + size:
        return None
    mask = data[start : start + 4]
    masked = data[start + 4 : start + 4 + size]
    opcode = data[0] & 0x0F
    del data[: start + 4 + size]
    return opcode, bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))


def main(argv: list[str]) -> None:
    flags, switches = parse_flags(argv)
    if "--usage" in flags:
        print(help_text())
    elif "--version" in flags:
        print(VERSION, file=sys.stderr)
    elif "--list-devices" in flags:
        listed = switches.get("devices", "Fake0: a fake device (2048 MiB, 2000 MiB free)")
        print("Available devices:", *listed.split(";"), sep="\n  ")
    elif flags.get("--port") == "0":
        print("a fake knows of no memory that it could tell", file=sys.stderr)
    else:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(Server(flags, switches, argv).live())


if __name__ == "__main__":
    main(sys.argv[1:])
