"""A real PostgreSQL for tests: Debian's program, in a temporary folder, on a socket of its own."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

FOLDERS = "/usr/lib/postgresql/*/bin"
OWNER = "paddock"
USER = "nobody"
"""As whom it runs where the tests are root's: it refuses to be."""

QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB")
"""Nothing here has to live through a power cut."""


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`, the newest there is."""
    found = sorted(Path("/").glob(FOLDERS.removeprefix("/")), key=lambda path: path.parent.name)
    return next((path for path in reversed(found) if (path / "initdb").exists()), None)


class Server:
    """A server that runs, and the databases in it."""

    def __init__(self, bin_folder: Path, socket: Path) -> None:
        self._bin = bin_folder
        self._socket = socket
        self._count = itertools.count(1)

    @contextmanager
    def database(self) -> Iterator[str]:
        """An empty database for the block; its URL."""
        name = f"test{next(self._count)}"
        self._tell(f"CREATE DATABASE {name}")
        try:
            yield f"postgresql://{OWNER}@/{name}?host={quote(str(self._socket), safe='')}"
        finally:
            self._tell(f"DROP DATABASE {name} WITH (FORCE)")

    def _tell(self, words: str) -> None:
        address = ("-h", str(self._socket), "-U", OWNER, "-d", "postgres")
        _run(self._bin / "psql", "-q", "-X", *address, "-c", words)


@contextmanager
def running(bin_folder: Path) -> Iterator[Server]:
    """A server for the block."""
    # The path of a socket must be short, and the server must be able to go there.
    folder = Path(mkdtemp(prefix="pg-"))
    data = folder / "data"
    try:
        if os.getuid() == 0:
            shutil.chown(folder, USER)
        words = ("--auth=trust", f"--username={OWNER}", "--encoding=UTF8", "--locale=C.UTF-8")
        _run(bin_folder / "initdb", "-D", data, "--no-sync", *words)
        options = " ".join(["-h ''", f"-k {folder}", *(f"-c {one}" for one in QUICK)])
        _run(bin_folder / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            yield Server(bin_folder, folder)
        finally:
            _run(bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(*words: str | Path) -> None:
    who = {"user": USER, "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        timeout=60,
        **who,  # type: ignore[call-overload]
    )
    if done.returncode:
        raise AssertionError(f"{Path(words[0]).name} failed:\n{done.stdout}")
