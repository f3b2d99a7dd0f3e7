"""A hub that speaks the routes of Hugging Face's that are used, with the faults that tests need.

As a program it listens on two ports: the hub, and the content host that it redirects to. Tests use
the class `Hub`, which starts it:

    with Hub(tmp_path) as hub:
        hub.add_repo("user/repo-GGUF", {"repo-Q4_K_M.gguf": b"…"})
        hub.switch(token="hf_good", page=2)

Switches, of all repositories:

    token         what a private or gated repository wants; a wrong one is refused everywhere
    granted       false: the token has no access to gated repositories yet
    page          entries of a page of the tree
    next_origin   the origin that `Link` names for the next page
    limited       [seconds, times]: 429, with `RateLimit` at the hub, `Retry-After` at the other
    fail          [[prefix of the path, status, times]]
    html          errors are pages
    renamed       {old id: new id}
    redirect      where every file is redirected to instead
    size_lie      bytes that the listing tells more than there are
    cut_at        bytes of an answer of the content host after which it ends
    stall_at      bytes of an answer after which it stalls
    cuts          how many answers are cut or stalled; without it all
    flip_at       the byte of the file that is wrong
    ignore_range  the content host answers with the whole file
    need_range    without `Range` it answers 400
    endless       it never ends
    expire        how many answers of the content host are 403, as of a signature that ran out
    new_etag      its ETag differs from answer to answer
    rate          bytes a second of each of its answers
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

Json = dict[str, Any]

LFS_FROM = 4096
"""Files of so many bytes, and all GGUFs, are kept beside git."""
PIECE = 64 << 10
LICENCE = "Access to model {id} is restricted. You must have access to it and be authenticated."


# --- in a test -----------------------------------------------------------------------------------


class Hub:
    """A hub in a process of its own, for as long as the block lasts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "hub"
        self.url = ""
        """What goes into `HF_ENDPOINT`."""
        self.content_url = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start it; returns when it listens."""
        self.folder.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-S", __file__, str(self.folder)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url, self.content_url = self._process.stdout.readline().split()
        return self

    def stop(self) -> None:
        """End it. Idempotent."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def add_repo(
        self, repo_id: str, files: Mapping[str, bytes | Path], **about: Any
    ) -> dict[str, str]:
        """Add a repository, or a new commit of one; gives the sha256 of each file.

        `about`: `gated` ("auto", "manual"), `private`, `commit`, `downloads`, `likes`, `gguf`
        ({"total", "architecture", "context_length"}), `tags`, `pipeline_tag`.
        """
        listed = [self._keep(path, data) for path, data in files.items()]
        self._tell("/_repo", {"id": repo_id, "files": listed, **about})
        return {file["path"]: file["sha256"] for file in listed}

    def switch(self, **switches: Any) -> None:
        """Set switches; None takes one back."""
        self._tell("/_switch", switches)

    def requests(self, server: str = "") -> list[Json]:
        """What was asked so far: `server` ("hub", "content"), `method`, `path`, `headers`, `sent`.

        `headers` are lower case, `sent` the bytes of the body that were answered.
        """
        with urllib.request.urlopen(f"{self.url}/_requests") as answer:
            asked: list[Json] = json.load(answer)
        return [request for request in asked if server in {"", request["server"]}]

    def forget(self) -> None:
        """Begin a new list of requests."""
        self._tell("/_forget", {})

    def _keep(self, path: str, data: bytes | Path) -> Json:
        """The entry of a file, whose bytes go below its digest: its name may be hostile."""
        whole = data if isinstance(data, bytes) else data.read_bytes()
        digest = sha256(whole).hexdigest()
        (self.folder / digest).write_bytes(whole)
        lfs = len(whole) >= LFS_FROM or path.endswith(".gguf")
        git = sha1(b"blob %d\0" % len(whole) + whole).hexdigest()
        return {"path": path, "size": len(whole), "sha256": digest, "oid": git, "lfs": lfs}

    def _tell(self, path: str, told: Json) -> None:
        asked = urllib.request.Request(f"{self.url}{path}", json.dumps(told).encode())
        urllib.request.urlopen(asked).close()


# --- the program ---------------------------------------------------------------------------------


class State:
    """What both servers share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repos: dict[str, Json] = {}
        """By id; `commits`: files by commit."""
        self.switches: Json = {}
        self.requests: list[Json] = []
        self.signed: dict[str, str] = {}
        """Digests by the raw address of their content."""
        self.content_url = ""
        self.answers = 0
        self.lock = threading.Lock()

    def add(self, told: Json) -> None:
        files = told.pop("files")
        text = json.dumps([told, files, len(self.repos)], sort_keys=True)
        commit = told.pop("commit", None) or sha1(text.encode()).hexdigest()
        repo = self.repos.setdefault(told["id"], {"commits": {}})
        repo.update(told)
        repo["commits"][commit] = files
        repo["main"] = commit

    def take(self, name: str) -> Any:
        """A switch whose last part counts how often it works; None when it is used up or off."""
        with self.lock:
            value = self.switches.get(name)
            if not value:
                return None
            if isinstance(value, int):
                self.switches[name] = value - 1
                return value
            if len(value) > 1 and value[-1] <= 0:
                return None
            self.switches[name] = [*value[:-1], value[-1] - 1] if len(value) > 1 else value
            return value


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State
    server_name = ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Not on the terminal: `requests` has it."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        self.seen: Json = {
            "server": self.server_name,
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "sent": 0,
        }
        if not self.path.startswith("/_"):
            self.state.requests.append(self.seen)
        return True

    def answer(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value: Any, headers: Mapping[str, str] | None = None) -> None:
        told = {"Content-Type": "application/json", **(headers or {})}
        self.answer(200, json.dumps(value).encode(), told)

    def refuse(
        self, status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        more = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        html = self.state.switches.get("html")
        body = f"<html><b>{message}</b></html>" if html else json.dumps({"error": message})
        self.answer(status, body.encode(), more | dict(headers or {}))

    def failing(self) -> bool:
        """Whether a switch made this request fail."""
        for rule in self.state.switches.get("fail") or []:
            if self.path.startswith(rule[0]) and rule[2] > 0:
                rule[2] -= 1
                self.refuse(rule[1], "Something went wrong")
                return True
        return False


class HubHandler(Handler):
    server_name = "hub"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = json.loads(body) if self.path.startswith("/_") else {}
        if self.path == "/_repo":
            self.state.add(told)
        elif self.path == "/_switch":
            self.state.switches.update(told)
        elif self.path == "/_forget":
            self.state.requests.clear()
        else:
            self.refuse(404, "no such route")
            return
        self.json({})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path == "/_requests":
            self.json(self.state.requests)
            return
        if self.failing() or self.limited():
            return
        path = urlsplit(self.path).path
        for pattern, route in ROUTES:
            if found := re.fullmatch(pattern, path):
                getattr(self, route)(*(unquote(part or "") for part in found.groups()))
                return
        self.refuse(404, "Sorry, we can't find the page you are looking for.")

    def limited(self) -> bool:
        if not (limit := self.state.take("limited")):
            return False
        told = {"RateLimit": f'"api";r=0;t={limit[0]}'}
        told["RateLimit-Policy"] = '"fixed window";"api";q=500;w=300'
        self.refuse(429, "We had to rate limit you", headers=told)
        return True

    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)

    # --- who may ---------------------------------------------------------------------------------

    def repo(self, repo_id: str, *, bytes_too: bool = False) -> Json | None:
        """The repository, or None once it was refused. `bytes_too`: not only what it lists."""
        new = (self.state.switches.get("renamed") or {}).get(repo_id)
        if new:
            moved = self.path.replace(quote(repo_id), quote(new), 1)
            self.answer(307, b"", {"Location": moved})
            return None
        token, sent = self.state.switches.get("token"), self.headers.get("Authorization", "")
        if token and sent and sent != f"Bearer {token}":
            self.refuse(401, "Invalid credentials in Authorization header")
            return None
        known, found = bool(token and sent), self.state.repos.get(repo_id)
        if found is None or (found.get("private") and not known):
            if known:
                self.refuse(404, "Repository not found", "RepoNotFound")
            else:
                self.refuse(401, "Repository not found", "RepoNotFound")
            return None
        if found.get("disabled"):
            self.refuse(403, "Access to this resource is disabled.")
            return None
        if bytes_too and found.get("gated") and not self.granted(found, known=known):
            return None
        return found

    def granted(self, repo: Json, *, known: bool) -> bool:
        if known and self.state.switches.get("granted", True):
            return True
        self.refuse(403 if known else 401, LICENCE.format(id=repo["id"]), "GatedRepo")
        return False

    def files(self, repo: Json, revision: str) -> tuple[str, list[Json]] | None:
        commit = repo["main"] if revision in {"", "main"} else revision
        if commit not in repo["commits"]:
            self.refuse(404, "Invalid rev id: " + revision, "RevisionNotFound")
            return None
        return commit, repo["commits"][commit]

    # --- what it lists ---------------------------------------------------------------------------

    def whoami(self) -> None:
        self.json({"name": "somebody", "auth": {"accessToken": {"role": "read"}}})

    def info(self, repo_id: str, revision: str) -> None:
        if (repo := self.repo(repo_id)) and (found := self.files(repo, revision)):
            self.json(self.told(repo, *found))

    def told(self, repo: Json, commit: str, files: list[Json]) -> Json:
        return {
            "_id": "0",
            "id": repo["id"],
            "modelId": repo["id"],
            "author": repo["id"].partition("/")[0],
            "sha": commit,
            "gated": repo.get("gated") or False,
            "private": bool(repo.get("private")),
            "disabled": False,
            "downloads": repo.get("downloads", 0),
            "likes": repo.get("likes", 0),
            "trendingScore": repo.get("trendingScore", 0),
            "lastModified": "2026-08-01T10:00:00.000Z",
            "createdAt": "2026-07-01T10:00:00.000Z",
            "tags": repo.get("tags", ["gguf"]),
            "pipeline_tag": repo.get("pipeline_tag", "text-generation"),
            "gguf": repo.get("gguf", {}),
            "siblings": [self.sibling(file) for file in files],
        }

    def sibling(self, file: Json) -> Json:
        told = {"rfilename": file["path"], "size": self.size(file), "blobId": file["oid"]}
        if file["lfs"]:
            told["lfs"] = {"sha256": file["sha256"], "size": self.size(file), "pointerSize": 134}
        return told

    def size(self, file: Json) -> int:
        return int(file["size"] + (self.state.switches.get("size_lie") or 0))

    def tree(self, repo_id: str, revision: str, below: str) -> None:
        if not (repo := self.repo(repo_id)) or not (found := self.files(repo, revision)):
            return
        files = [file for file in found[1] if file["path"].startswith(below)]
        start = int(self.query().get("cursor", ["0"])[0])
        page = self.state.switches.get("page") or 1000
        told = [self.entry(file) for file in files[start : start + page]]
        headers = {}
        if start + page < len(files):
            origin = self.state.switches.get("next_origin") or f"http://{self.headers['Host']}"
            bare = re.sub(r"[?&]cursor=\d+", "", self.path)
            mark = "&" if "?" in bare else "?"
            headers["Link"] = f'<{origin}{bare}{mark}cursor={start + page}>; rel="next"'
        self.json(told, headers)

    def entry(self, file: Json) -> Json:
        told = {
            "type": "file",
            "oid": file["oid"],
            "size": self.size(file),
            "path": file["path"],
        }
        if file["lfs"]:
            told["lfs"] = {"oid": file["sha256"], "size": self.size(file), "pointerSize": 134}
        return told

    def refs(self, repo_id: str) -> None:
        if repo := self.repo(repo_id):
            main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo["main"]}
            self.json({"branches": [main], "tags": [], "converts": []})

    def search(self) -> None:
        query = self.query()
        words = query.get("search", [""])[0].lower().split()
        order = query.get("sort", ["downloads"])[0]
        found = [
            self.told(repo, repo["main"], repo["commits"][repo["main"]])
            for repo in self.state.repos.values()
            if not repo.get("private") and all(word in repo["id"].lower() for word in words)
        ]
        found.sort(key=lambda told: told.get(order) or 0, reverse=True)
        self.json(found[: int(query.get("limit", ["20"])[0])])

    # --- its bytes -------------------------------------------------------------------------------

    def resolve(self, repo_id: str, revision: str, path: str) -> None:
        repo = self.repo(repo_id, bytes_too=True)
        if not repo or not (found := self.files(repo, revision)):
            return
        commit, files = found
        file = next((file for file in files if file["path"] == path), None)
        if file is None:
            self.refuse(404, "Entry not found", "EntryNotFound", {"X-Repo-Commit": commit})
            return
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        headers["RateLimit"] = '"resolvers";r=2999;t=228'
        if not file["lfs"]:
            data = (self.state.folder / file["sha256"]).read_bytes()
            self.answer(200, data, headers | {"ETag": f'"{file["oid"]}"'})
            return
        headers |= {"X-Linked-Size": str(self.size(file)), "ETag": '"not-the-digest"'}
        headers["X-Linked-ETag"] = f'"{file["sha256"]}"'
        self.answer(302, b"Found", headers | {"Location": self.signed(file["sha256"], path)})

    def signed(self, digest: str, path: str) -> str:
        """Where the bytes are, for whoever sends the signature as it stands here."""
        if redirect := self.state.switches.get("redirect"):
            return str(redirect)
        name = quote(path.rpartition("/")[2], safe="")
        where = f"/repos%2Fxet/{digest}?X-Amz-Expires=3600&name=%27{name}%27&a=%7E%2Fb"
        where += f"&X-Amz-Signature={secrets.token_hex(16)}"
        self.state.signed[where] = digest
        return self.state.content_url + where


ROUTES = (
    (r"/api/whoami-v2", "whoami"),
    (r"/api/models", "search"),
    (r"/api/models/([^/]+/[^/]+)/refs", "refs"),
    (r"/api/models/([^/]+/[^/]+)/tree/([^/]+)(?:/(.*))?", "tree"),
    (r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", "info"),
    (r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", "resolve"),
)


class ContentHandler(Handler):
    server_name = "content"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        digest = self.state.signed.get(self.path)
        if self.failing():
            return
        if digest is None:
            self.refuse(403, "SignatureDoesNotMatch")
        elif "authorization" in self.seen["headers"] or "cookie" in self.seen["headers"]:
            self.refuse(400, "Only one auth mechanism allowed")
        elif self.state.take("expire"):
            self.refuse(403, "Request has expired")
        elif limit := self.state.take("limited"):
            self.refuse(429, "SlowDown", headers={"Retry-After": str(limit[0])})
        else:
            self.content(self.state.folder / digest)

    def content(self, file: Path) -> None:
        switches, size = self.state.switches, file.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None and switches.get("need_range"):
            self.refuse(400, "Range required")
            return
        self.state.answers += 1
        headers = {"Accept-Ranges": "bytes", "ETag": f'"{file.name}"'}
        if switches.get("new_etag"):
            headers["ETag"] = f'"{self.state.answers}"'
        start, end, status = 0, size, 200
        if asked and not switches.get("ignore_range"):
            start, status = int(asked[1]), 206
            end = min(size, int(asked[2]) + 1) if asked[2] else size
            if start >= size:
                self.answer(416, b"", {"Content-Range": f"bytes */{size}"})
                return
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if not switches.get("endless"):
            self.send_header("Content-Length", str(end - start))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.send(file, start, end)

    def send(self, file: Path, start: int, end: int) -> None:
        switches = self.state.switches
        stop = self.fault("cut_at", "stall_at")
        flip, rate = switches.get("flip_at"), switches.get("rate")
        with file.open("rb") as data:
            data.seek(start)
            while start < end and self.seen["sent"] < stop:
                piece = bytearray(data.read(min(PIECE, end - start, stop - self.seen["sent"])))
                if flip is not None and start <= flip < start + len(piece):
                    piece[flip - start] ^= 1
                self.wfile.write(piece)
                start += len(piece)
                self.seen["sent"] += len(piece)
                if rate:
                    time.sleep(len(piece) / rate)
        while switches.get("endless"):
            self.wfile.write(b"x" * PIECE)
            self.seen["sent"] += PIECE
        if start < end:
            self.close_connection = True
            if switches.get("stall_at") is not None:
                time.sleep(3600)

    def fault(self, *names: str) -> int:
        """After how many bytes this answer goes wrong."""
        places = [self.state.switches[name] for name in names if self.state.switches.get(name)]
        if not places:
            return sys.maxsize
        if "cuts" in self.state.switches and not self.state.take("cuts"):
            return sys.maxsize
        return int(min(places))


def main() -> None:
    """Serve until killed, or orphaned."""
    state = State(Path(sys.argv[1]))
    servers = []
    for kind in (HubHandler, ContentHandler):
        handler = type(kind.__name__, (kind,), {"state": state})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    hub, content = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    state.content_url = content
    print(hub, content, flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)


if __name__ == "__main__":
    main()
