"""Debian's `docker-registry` for tests: a real OCI registry on loopback, with a folder of its own.

with Registry(tmp_path) as registry:
    store = OllamaStore(tmp_path / "made")
    store.add("tiny", gguf)
    registry.push(store, "tiny")        # now at http://127.0.0.1:PORT/library/tiny:latest
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError, URLError

import pytest
from tests.fakes.ollama_store import OllamaStore

ROOT = Path(__file__).parents[2]
PLACES = (ROOT / ".venv/debian/usr/bin", Path("/usr/bin"))
MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
PATIENCE = 20.0
_LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")


def program() -> str:
    """The path of `docker-registry`. The test is skipped where there is none."""
    asked = os.environ.get("PADDOCK_TEST_DOCKER_REGISTRY") or shutil.which("docker-registry")
    found = asked or next(
        (
            str(place / "docker-registry")
            for place in PLACES
            if (place / "docker-registry").exists()
        ),
        None,
    )
    if found is None:
        pytest.skip("no docker-registry here: scripts/test-packages brings it")
    return found


class Registry:
    """A registry that lives as long as the block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "registry"
        self.url = ""
        """Its origin, `http://127.0.0.1:PORT`."""
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._listens = threading.Event()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`, as it stands in names."""
        return self.url.removeprefix("http://")

    def start(self) -> Self:
        """Start it on a free port; returns when it answers."""
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "config.yml"
        config.write_text(json.dumps(self._config()))
        self._process = subprocess.Popen(
            [program(), "serve", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.defpath, "OTEL_TRACES_EXPORTER": "none"},
        )
        self._reader = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._reader.start()
        assert self._listens.wait(PATIENCE), "docker-registry did not start"
        assert self.url, "docker-registry ended"
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, "docker-registry does not answer"
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """End it. Idempotent."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._reader is not None:
            self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process = None

    def _config(self) -> dict[str, Any]:
        return {
            "version": 0.1,
            "log": {"level": "info"},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "data")},
                "delete": {"enabled": True},
            },
            "http": {"addr": "127.0.0.1:0"},
        }

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            if not self.url and (found := _LISTENING.search(line)):
                self.url = f"http://127.0.0.1:{found[1]}"
                self._listens.set()
        self._listens.set()

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "/v2/")[0] == 200
        except URLError:
            return False

    # --- what it holds ---------------------------------------------------------------------------

    def push(self, store: OllamaStore, name: str, to: str = "") -> str:
        """Give it a model of a store as `to`, or under its name; gives `namespace/model:tag`."""
        manifest = store.manifest_path(name).read_bytes()
        told = json.loads(manifest)
        front, _, tag = (to or name).partition(":")
        repository = front if "/" in front else f"library/{front}"
        for layer in (*told["layers"], told["config"]):
            self.add_blob(repository, store.blob_path(layer["digest"]).read_bytes())
        self.add_manifest(repository, tag or "latest", manifest)
        return f"{repository}:{tag or 'latest'}"

    def add_blob(self, repository: str, data: bytes) -> str:
        """Upload these bytes; gives their digest."""
        digest = f"sha256:{sha256(data).hexdigest()}"
        if self.ask("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == 200:
            return digest
        status, headers, _ = self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        assert status == 202, status
        where = headers["Location"].removeprefix(self.url)
        status, _, body = self.ask("PUT", f"{where}&digest={digest}", data)
        assert status == 201, body
        return digest

    def add_manifest(
        self, repository: str, tag: str, manifest: bytes, media_type: str = MANIFEST_TYPE
    ) -> None:
        """Put a manifest whose blobs are there."""
        status, _, body = self.ask(
            "PUT", f"/v2/{repository}/manifests/{tag}", manifest, {"Content-Type": media_type}
        )
        assert status == 201, body

    def manifest(self, repository: str, tag: str = "latest") -> bytes:
        """The bytes of a manifest that it has."""
        status, _, body = self.ask(
            "GET", f"/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFEST_TYPE}
        )
        assert status == 200, body
        return body

    def blob(self, repository: str, digest: str) -> bytes | None:
        """The bytes of a blob; None: it has none of it."""
        status, _, body = self.ask("GET", f"/v2/{repository}/blobs/{digest}")
        return body if status == 200 else None

    def blob_file(self, digest: str) -> Path:
        """Where it keeps a blob, for tests that damage it."""
        hex_ = digest.removeprefix("sha256:")
        return self.folder / "data/docker/registry/v2/blobs/sha256" / hex_[:2] / hex_ / "data"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, bytes]:
        """Status, headers and body of a plain request."""
        # A registry reads the body of a form itself, and a form is what urllib calls every body.
        told = {"Content-Type": "application/octet-stream"} | (headers or {})
        asked = urllib.request.Request(self.url + path, body, told, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
                return answer.status, answer.headers, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.headers, error.read()
