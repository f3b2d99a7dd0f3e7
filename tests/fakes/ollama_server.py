#!/usr/bin/env python3
"""A daemon's native API without a daemon: fixed answers in Ollama's shapes, and fault switches.

Standard library only. Prints `listening on PORT` on stdout. Three models: `talker:latest` (thinks,
sees), `embedder:latest`, and what `/api/create`, `/api/copy` and `/api/pull` add. A name that
begins with `far` can be pulled; others cannot.

The answer to a prompt is `w0 w1 …`, one word per line. Words `NAME=VALUE` after `fake` at the start
of the prompt or of the last message are switches of that request:
  words=N     how many (default 3)
  say=TEXT    say this instead; \\xNN, \\n and so on are read as Python would
  think=N     think so many words first, unless `think` is false
  gate=PATH   after the first word, wait until this file exists
  error=TEXT  an error line after the first word
  cut=1       hang up in the middle of a line after the first word
  silent=1    end cleanly after the first word, without a last line
  truncated=N the last line says that so many messages did not fit

GET /fake/state: {"requests": [[method, path, body], …], "aborted": answers whose client left}
"""

from __future__ import annotations

import hashlib
import json
import select
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Json = dict[str, Any]
STATS = {
    "total_duration": 2_500_000_000,
    "load_duration": 130_079_000,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 130_000_000,
    "eval_count": 50,
    "eval_duration": 500_000_000,
}
LOCK = threading.Lock()
STATE: Json = {"requests": [], "aborted": 0}
BLOBS: set[str] = set()


def model(*capabilities: str, **more: Any) -> Json:
    """What `/api/show` tells."""
    return {
        "details": {"family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"},
        "model_info": {
            "general.architecture": "llama",
            "general.parameter_count": 3_212_749_888,
            "llama.context_length": 131072,
            "llama.embedding_length": 3072,
            "tokenizer.ggml.tokens": ["a", "b", "c", "d", "e", "f", "g"],
        },
        "tensors": [{"name": "output.weight", "type": "Q6_K", "shape": [3072, 128256]}],
        "capabilities": capabilities,
        "modified_at": "2026-01-02T03:04:05.678901234+02:00",
        "modelfile": "FROM talker:latest\n",
        "template": "{{ .Prompt }}",
        **more,
    }


MODELS: dict[str, Json] = {
    "talker:latest": model(
        *("completion", "vision", "thinking"),
        parameters="stop                           </s>\ntemperature                    0.5",
        system="You are terse.",
        license="LICENCE\nline two\nline three\nline four",
    ),
    "embedder:latest": model("embedding"),
}


def full(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def switches(text: str) -> dict[str, str]:
    first, *words = text.split() or [""]
    if first != "fake":
        return {}
    return dict(word.split("=", 1) for word in words if "=" in word)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/fake/state":
            with LOCK:
                self.answer(200, STATE)
        elif self.path == "/api/tags":
            self.answer(200, {"models": [listed(name) for name in MODELS]})
        elif self.path == "/api/ps":
            running = {"expires_at": "2318-01-01T00:00:00Z", "size_vram": 0, "context_length": 4096}
            self.answer(200, {"models": [listed("talker:latest") | running]})
        else:
            self.text(404, "404 page not found")

    def do_HEAD(self) -> None:
        digest = self.path.rpartition("/")[2]
        self.text(200 if digest in BLOBS else 404, "")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.path.startswith("/api/blobs/"):
            self.blob(body)
            return
        asked = json.loads(body or b"{}")
        with LOCK:
            STATE["requests"].append([self.command, self.path, asked])
        endpoint = getattr(self, f"on_{self.path.removeprefix('/api/')}", None)
        if endpoint is None:
            self.text(404, "404 page not found")
        else:
            endpoint(asked)

    do_DELETE = do_POST  # noqa: N815 - http.server's name

    # --- inference

    def on_chat(self, asked: Json) -> None:
        messages = asked.get("messages") or [{}]
        self.speak(asked, messages[-1].get("content", ""), lambda t: {"message": said(**t)})

    def on_generate(self, asked: Json) -> None:
        if not asked.get("prompt"):
            loaded = {"model": asked["model"], "response": "", "done": True, "done_reason": "load"}
            self.found(asked, loaded)
            return
        self.speak(asked, asked["prompt"], lambda t: t)

    def on_embed(self, asked: Json) -> None:
        self.found(asked, {"embeddings": [[0.5, -0.25, float(len(asked["input"]))]]})

    def speak(self, asked: Json, prompt: str, shape: Any) -> None:
        if full(asked["model"]) not in MODELS:
            self.unknown(asked)
            return
        given = switches(prompt)
        self.begin()
        try:
            for told in self.lines(asked, given, shape):
                self.line(told)
        except OSError:
            with LOCK:
                STATE["aborted"] += 1
            self.close_connection = True
            return
        self.end()

    def lines(self, asked: Json, given: dict[str, str], shape: Any) -> Iterator[Json]:
        common = {"model": asked["model"], "created_at": "2026-01-02T03:04:05Z", "done": False}
        if asked.get("think") is not False:
            for number in range(int(given.get("think", 0))):
                yield common | shape({"thinking": f"h{number} "})
        text = given.get("say", "").encode().decode("unicode_escape")
        words = [text] if text else [f"w{n} " for n in range(int(given.get("words", 3)))]
        for number, word in enumerate(words):
            yield common | shape({"response": word})
            if number == 0:
                yield from self.after_the_first(given)
                if "silent" in given:
                    return
        last = {"done": True, "done_reason": "stop", **STATS, **shape({"response": ""})}
        yield (
            common | last | ({"truncated": int(given["truncated"])} if "truncated" in given else {})
        )

    def after_the_first(self, given: dict[str, str]) -> Iterator[Json]:
        gate = given.get("gate")
        while gate and not Path(gate).exists():
            if select.select([self.connection], [], [], 0)[0]:
                raise ConnectionError  # the client left: it sends nothing else
            time.sleep(0.01)
        if "error" in given:
            yield {"error": given["error"]}
        if "cut" in given:
            self.wfile.write(b'40\r\n{"response": "x')
            raise ConnectionError

    # --- models

    def on_show(self, asked: Json) -> None:
        self.found(asked, MODELS.get(full(asked["model"]), {}))

    def on_pull(self, asked: Json) -> None:
        name = full(asked["model"])
        if not name.startswith("far") and name not in MODELS:
            self.answer(404, {"error": "pull model manifest: file does not exist"})
            return
        digest = f"sha256:{'ab' * 32}"
        bars = [
            {"status": "pulling abababababab", "digest": digest, "total": 2000, "completed": done}
            for done in (0, 1000, 2000)
        ]
        MODELS[name] = MODELS["talker:latest"]
        self.statuses([{"status": "pulling manifest"}, *bars, {"status": "success"}])

    def on_push(self, asked: Json) -> None:
        self.answer(400, {"error": "cannot push", "hint": "not here"})

    def on_create(self, asked: Json) -> None:
        if asked.get("system") == "bad":
            self.answer(400, {"error": "template error: bad"})
            return
        base = MODELS.get(full(asked.get("from") or "talker"), MODELS["talker:latest"])
        told = {name: asked[name] for name in ("system", "messages") if asked.get(name)}
        MODELS[full(asked["model"])] = {**base, **told}
        if asked.get("stream"):
            self.statuses([{"status": "parsing GGUF"}, {"status": "success"}])
        else:
            self.answer(200, {"status": "success"})

    def on_copy(self, asked: Json) -> None:
        found = MODELS.get(full(asked["source"]))
        if found is None:
            self.answer(404, {"error": f'model "{asked["source"]}" not found'})
            return
        MODELS[full(asked["destination"])] = found
        self.text(200, "")

    def on_delete(self, asked: Json) -> None:
        if MODELS.pop(full(asked["model"]), None) is None:
            self.answer(404, {"error": f'model "{asked["model"]}" not found'})
            return
        self.text(200, "")

    def blob(self, body: bytes) -> None:
        digest = self.path.rpartition("/")[2]
        if f"sha256:{hashlib.sha256(body).hexdigest()}" != digest:
            self.answer(400, {"error": "digest mismatch"})
            return
        with LOCK:
            STATE["requests"].append([self.command, self.path, {"size": len(body)}])
        BLOBS.add(digest)
        self.text(201, "")

    # --- answering

    def found(self, asked: Json, told: Json) -> None:
        if full(asked["model"]) in MODELS:
            self.answer(200, told)
        else:
            self.unknown(asked)

    def unknown(self, asked: Json) -> None:
        self.answer(404, {"error": f"model '{asked['model']}' not found"})

    def statuses(self, told: list[Json]) -> None:
        self.begin()
        for one in told:
            self.line(one)
        self.end()

    def answer(self, status: int, told: Json) -> None:
        self.whole(status, "application/json; charset=utf-8", json.dumps(told).encode())

    def text(self, status: int, told: str) -> None:
        self.whole(status, "text/plain", told.encode())

    def whole(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def line(self, told: Json) -> None:
        data = json.dumps(told).encode() + b"\n"
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def said(response: str = "", thinking: str = "") -> Json:
    message = {"role": "assistant", "content": response}
    return message | ({"thinking": thinking} if thinking else {})


def listed(name: str) -> Json:
    return {
        "name": name,
        "model": name,
        "modified_at": "2026-01-02T03:04:05.678901234+02:00",
        "size": 2_019_393_189,
        "digest": hashlib.sha256(name.encode()).hexdigest(),
        "details": MODELS[name]["details"],
    }


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"listening on {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
