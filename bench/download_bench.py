"""The downloader against `curl -o` on loopback, which verifies nothing and flushes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from tests.fakes.certificate import Certificate, make_certificate

from bench.figure import Figure
from paddock.acquire.download import Downloader, Wanted
from paddock.acquire.web import Policy
from paddock.library.digest import Digest

SIZE = 1 << 30
ROUNDS = 5
TICK = 0.002


def measure() -> list[Figure]:
    """The share of curl's speed, plain and by TLS; memory; how late another loop is meanwhile."""
    with TemporaryDirectory(prefix="paddock-bench-") as name:
        folder = Path(name)
        file, digest = _make(folder / "served")
        plain = _compare(folder, file, digest, None)
        tls = _compare(folder, file, digest, make_certificate(folder))
    return [*_figures("plain", plain), *_figures("TLS", tls)]


def _make(folder: Path) -> tuple[Path, str]:
    folder.mkdir()
    file = folder / "model.gguf"
    with file.open("wb") as opened:
        for _ in range(SIZE >> 20):
            opened.write(os.urandom(1 << 20))
        os.fsync(opened.fileno())  # or the disk would be busy with it while we measure
    with file.open("rb") as opened:
        return file, file_digest(opened, "sha256").hexdigest()


def _figures(kind: str, seen: list[dict[str, float]]) -> list[Figure]:
    ours, curl, safe = (min(one[key] for one in seen) for key in ("seconds", "curl", "safe"))
    late = min(seen, key=lambda one: one["late"])
    return [
        Figure(f"download, {kind}: speed, curl's is 1", curl / ours, "", limit=0.9, at_least=True),
        Figure(f"download, {kind}: speed, that of curl and a flush is 1", safe / ours, ""),
        Figure(f"download, {kind}", SIZE / ours / 1e6, "MB/s", direct=SIZE / curl / 1e6),
        Figure(
            f"download, {kind}: memory, with the process that hashes",
            max(one["memory"] for one in seen), "MB", limit=150,
        ),
        Figure(f"download, {kind}: lateness of another loop, p99", late["late"], "ms"),
    ]  # fmt: skip


def _compare(
    folder: Path, file: Path, digest: str, certificate: Certificate | None
) -> list[dict[str, float]]:
    seen = []
    with _serving(file.parent, certificate) as origin:
        trusted = dict(os.environ) | (
            {"SSL_CERT_FILE": str(certificate.cert)} if certificate else {}
        )
        for _ in range(ROUNDS):
            one = _ours(f"{origin}/{file.name}", digest, folder / "ours", trusted)
            one |= _curl(f"{origin}/{file.name}", folder / "curl", certificate)
            seen.append(one)
    return seen


@contextmanager
def _serving(folder: Path, certificate: Certificate | None) -> Iterator[str]:
    asked = ["--tls", str(certificate.cert), str(certificate.key)] if certificate else []
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.content_server", str(folder), "--workers=4", *asked],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
        server.communicate()


def _curl(url: str, target: Path, certificate: Certificate | None) -> dict[str, float]:
    """Seconds until curl is done, and until its bytes are safe from a power cut, as ours are."""
    trusted = ["--cacert", str(certificate.cert)] if certificate else []
    start = time.perf_counter()
    subprocess.run(["curl", "-sf", *trusted, "-o", target, url], check=True)
    curl = time.perf_counter() - start
    with target.open("rb") as file:
        os.fsync(file.fileno())
    safe = time.perf_counter() - start
    target.unlink()
    return {"curl": curl, "safe": safe}


def _ours(url: str, digest: str, target: Path, environment: dict[str, str]) -> dict[str, float]:
    """In a process of its own, so that its memory is that of a download and nothing else."""
    command = [sys.executable, "-m", "bench.download_bench", url, digest, str(target)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True)
    target.unlink()
    told: dict[str, float] = json.loads(done.stdout)
    return told


async def _download(url: str, digest: str, target: Path) -> dict[str, float]:
    late: list[float] = []
    ticking = asyncio.create_task(_tick(late))

    async def headers() -> dict[str, str]:
        return {}

    downloader = Downloader(Policy.of((url.rpartition("/")[0],)))
    start = time.perf_counter()
    wanted = Wanted("bench", SIZE, Digest(digest), "", url, target, headers)
    await downloader.fetch(wanted, lambda _: None)
    seconds = time.perf_counter() - start
    ticking.cancel()
    await downloader.aclose()
    return {
        "seconds": seconds,
        "late": quantiles(late, n=100)[98] * 1000,
        "memory": (_most_held() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1000,
    }


def _most_held() -> int:
    """KiB that this process held at most. What `getrusage` tells begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


async def _tick(late: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK
        await asyncio.sleep(TICK)
        late.append(loop.time() - due)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_download(sys.argv[1], sys.argv[2], Path(sys.argv[3])))))
