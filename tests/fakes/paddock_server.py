#!/usr/bin/env python3
"""The fake of `ollama_server.py` with Paddock's endpoints of pulls, and no hub behind them.

Run it with `-m`, from above `tests`. `user/repo` has three quantizations, `user/two` two models in
one. A pull ends at once, but:
  far/slow    stays in the middle until POST /fake/go, or until it is cancelled
  far/wrong   fails
  far/cut     the daemon hangs up in the middle
  near…       404, as a name that no hub knows
Names have a control character in them where a hub's would be untrusted (`/api/paddock/search`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes import ollama_server
from tests.fakes.ollama_server import LOCK, MODELS, STATE, Json, full

SIZE = 4_000_000_000
ROWS = [
    {
        "quant": quant,
        "model": "repo",
        "files": [f"repo-{quant.lower()}.gguf"],
        "size": size,
        "words": words,
        "fits": fits,
        "place": place,
        "context_on_gpus": on_gpus,
        "context_most": most,
        "source": source,
        "best": quant == "Q4_K_M",
        "warning": "",
    }
    for quant, size, words, fits, place, on_gpus, most, source in (
        ("Q8_0", 2 * SIZE, "as good as the original", "no", "nowhere", 0, 0, "scaled"),
        ("Q4_K_M", SIZE, "the usual choice", "1 GPU", "one_gpu", 8192, 32768, "header"),
        ("Q2_K", SIZE // 2, "last resort", "1 GPU", "one_gpu", 32768, 32768, "guess"),
    )
]
OFFER = {
    "name": "user/repo",
    "repository": "user/repo",
    "models": ["repo"],
    "note": "best here",
    "rows": ROWS,
}
TWO = [dict(ROWS[1]), ROWS[1] | {"model": "\x1bsmall", "files": ["small/s-q4_k_m.gguf"]}]
TWO_MODELS = OFFER | {"models": ["repo", "\x1bsmall"], "rows": TWO}
FOUND = [
    {
        "name": "user/re\x1bpo",
        "known": True,
        "downloads": 120_000,
        "likes": 300,
        "parameters": 8_000_000_000,
        "gated": True,
        "updated": "2026-01-02T03:04:05Z",
        "fits": "1 GPU",
        "quants": [{"quant": row["quant"], "size": row["size"]} for row in ROWS],
    }
]
REMOVED = {
    "freed": SIZE,
    "files": [{"path": "/m/x.gguf", "size": SIZE}],
    "shared": [{"path": "/s/sha256-1", "size": 1429, "with": ["other:1b"]}],
}
USAGE = {
    "models": [{"name": "talker:latest", "size": SIZE + 1429, "unique": SIZE, "shared": 1429}],
    "partial": [{"path": "/m/.y.gguf.part", "size": 1000, "pull": "p7"}],
    "leftovers": [{"path": "/s/sha256-2", "size": 12, "why": "no model needs it"}],
    "folders": [{"path": "/m", "used": SIZE, "free": 10 * SIZE, "quota": None}],
}


class Pull:
    """A job, and how far it is."""

    def __init__(self, identity: str, asked: Json) -> None:
        self.name = asked["name"] + (f":{asked['quant']}" if "quant" in asked else "")
        self.id = identity
        self.changed = threading.Condition()
        note = "" if "quant" in asked else "Q4_K_M: the best that fits"
        self.told: list[Json] = []
        self.tell("planning", note=note, files=[], models=[], error=None)
        self.go = threading.Event()
        self.cancelled = False
        if not self.name.startswith(("far/slow", "far/cut")):
            self.go.set()
        threading.Thread(target=self.work, daemon=True).start()

    @property
    def state(self) -> Json:
        return self.told[-1]

    def work(self) -> None:
        self.tell("pulling", 0)
        self.tell("pulling", SIZE // 2)
        self.go.wait(60)
        if self.cancelled:
            why = {"message": f"{self.name}: cancelled", "hint": "", "code": "cancelled"}
            self.tell("cancelled", SIZE // 2, error=why)
        elif self.name.startswith("far/wrong"):
            why = {"message": "the bytes are wrong", "hint": "try again", "code": "wrong_bytes"}
            self.tell("failed", SIZE, error=why)
        else:
            models = [full(self.name.rpartition("/")[2])]
            MODELS[models[0]] = MODELS["talker:latest"]
            self.tell("done", SIZE, models=models)

    def tell(self, state: str, completed: int = 0, **more: Any) -> None:
        before = self.told[-1] if self.told else {}
        file = {"path": "repo-q4_k_m.gguf", "total": SIZE, "completed": completed}
        told = {"id": self.id, "name": self.name, "state": state, "files": [file]}
        with self.changed:
            self.told.append({**before, **told, "rate": 5e7, "left_seconds": 75.0, **more})
            self.changed.notify_all()

    def states(self) -> Iterator[Json]:
        """From now to its end."""
        seen = max(len(self.told) - 1, 0)
        while True:
            with self.changed:
                while len(self.told) <= seen:
                    self.changed.wait(60)
                state = self.told[seen]
            seen += 1
            yield state
            if self.name.startswith("far/cut"):
                raise ConnectionError
            if state["state"] in {"done", "failed", "cancelled"}:
                return


PULLS: dict[str, Pull] = {}


class Handler(ollama_server.Handler):
    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        parts = urlsplit(self.path)
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path == "/api/paddock/quants":
            if asked["name"] == "user/repo":
                self.answer(200, OFFER)
            elif asked["name"].endswith("user/two"):
                self.answer(200, TWO_MODELS | {"repository": "user/two"})
            else:
                self.answer(400, {"error": {"message": "is no repository"}})
        elif parts.path == "/api/paddock/search":
            with LOCK:
                STATE["requests"].append(["GET", parts.path, asked])
            self.answer(200, {"results": FOUND if asked["q"] != "nothing" else []})
        elif parts.path == "/api/paddock/usage":
            self.answer(200, USAGE)
        elif parts.path == "/api/paddock/pulls":
            self.answer(200, {"pulls": [pull.state for pull in PULLS.values()]})
        elif pull := self.pull():
            self.told(pull)
        elif parts.path.startswith("/api/paddock/pulls/"):
            self.answer(404, {"error": {"message": "no such pull"}})
        else:
            super().do_GET()

    def do_POST(self) -> None:  # noqa: N802 - http.server's name
        if not self.path.startswith(("/api/paddock/", "/fake/go")):
            super().do_POST()
            return
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        with LOCK:
            STATE["requests"].append([self.command, self.path, asked])
        if self.command == "DELETE":
            self.cancel()
        elif self.path == "/fake/go":
            for pull in PULLS.values():
                pull.go.set()
            self.answer(200, {})
        elif self.path == "/api/paddock/pulls":
            self.begin_pull(asked)
        elif self.path == "/api/paddock/remove":
            self.remove(asked)
        else:
            self.answer(200, {"removed": USAGE["leftovers"], "freed": 12})

    do_DELETE = do_POST  # noqa: N815 - http.server's name

    def pull(self) -> Pull | None:
        return PULLS.get(self.path.removeprefix("/api/paddock/pulls/"))

    def begin_pull(self, asked: Json) -> None:
        if asked["name"].startswith("near"):
            self.answer(404, {"error": {"message": "no hub knows it", "hint": "search"}})
        elif asked.get("dry_run"):
            self.answer(200, plan(asked["name"]))
        else:
            with LOCK:
                same = [one for one in PULLS.values() if one.state["name"] == asked["name"]]
                pull = same[0] if same else Pull(f"p{len(PULLS) + 1}", asked)
                PULLS[pull.state["id"]] = pull
            self.told(pull)

    def told(self, pull: Pull) -> None:
        self.begin()
        try:
            for state in pull.states():
                self.line(state)
            self.end()
        except OSError:
            with LOCK:
                STATE["aborted"] += 1
            self.close_connection = True

    def cancel(self) -> None:
        pull = self.pull()
        if pull is None:
            self.answer(404, {"error": {"message": "no such pull"}})
            return
        pull.cancelled = True
        pull.go.set()
        self.answer(200, list(pull.states())[-1])

    def remove(self, asked: Json) -> None:
        if full(asked["model"]) not in MODELS:
            self.unknown(asked)
            return
        if asked["model"] == "talker" and not asked.get("force"):
            self.answer(409, {"error": {"message": "talker is running", "hint": "use --force"}})
            return
        if not asked.get("dry_run"):
            del MODELS[full(asked["model"])]
        self.answer(200, {"model": full(asked["model"])} | REMOVED)


def plan(name: str) -> Any:
    file = {"path": "repo-q4_k_m.gguf", "size": SIZE, "target": "/m/repo-q4_k_m.gguf"}
    return {
        "name": f"{name}:Q4_K_M",
        "note": "Q4_K_M: the best that fits",
        "quota": None,
        "total": SIZE,
        "fetch": SIZE,
        "free": 10 * SIZE,
        "left": 9 * SIZE,
        "files": [file | {"how": "fetch"}],
    }


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"listening on {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
