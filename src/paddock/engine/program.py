"""What a llama-server program says of itself: its version, its flags, and the devices it sees."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paddock.engine.asking import ask
from paddock.engine.devices import LIST, parse_devices
from paddock.engine.flags import FlagTable, parse_help
from paddock.errors import EngineMissing

if TYPE_CHECKING:
    from paddock.hardware.listed import Listed

_VERSION = re.compile(r"version: *(.+)")


@dataclass(frozen=True, slots=True)
class _Answers:
    """What is kept on disk: valid for as long as the program's files are the same."""

    stamp: str
    version: str
    help: str


class Program:
    """A llama-server program. Asked once; asked again when its files change."""

    def __init__(self, where: Path, env: Mapping[str, str], cache: Path) -> None:
        """`where` is a path, or a name to look up on PATH. `cache` is a folder."""
        self._where = where.expanduser()
        self.env = env
        """What it is run with."""
        self._cache = cache
        self._asking = asyncio.Lock()
        self._answers: _Answers | None = None
        self._flags: FlagTable | None = None
        self._devices: tuple[str, tuple[Listed, ...]] | None = None

    def path(self) -> Path:
        """Where the program is now. Raises EngineMissing. Blocking: use a thread."""
        found = shutil.which(self._where, path=self.env.get("PATH"))
        if found is None:
            raise EngineMissing(
                f"there is no program {self._where}",
                hint="set engines.<name>.llamaServer to the path of a llama-server",
            )
        return Path(found).absolute()

    async def version(self) -> str:
        """The version it reports; empty if it does not tell. Raises EngineMissing."""
        return (await self._known()).version

    async def flags(self) -> FlagTable:
        """The flags it knows. Raises EngineMissing."""
        await self._known()
        return self._flags or FlagTable("", ())

    async def devices(self, *, fresh: bool = False) -> tuple[Listed, ...]:
        """The devices it can use. Raises EngineMissing.

        With `fresh` as they are now, else as when it was first asked; its files are looked at. Not
        kept on disk: a card or a driver may come and go between two starts.
        """
        async with self._asking:
            path = await asyncio.to_thread(self.path)
            stamp = await asyncio.to_thread(program_stamp, path)
            if fresh or self._devices is None or self._devices[0] != stamp:
                self._devices = stamp, parse_devices(await ask([str(path), LIST], self.env))
            return self._devices[1]

    async def _known(self) -> _Answers:
        async with self._asking:
            path = await asyncio.to_thread(self.path)
            stamp = await asyncio.to_thread(program_stamp, path)
            if self._answers is None or self._answers.stamp != stamp:
                file = self._cache / f"{hashlib.sha256(bytes(path)).hexdigest()[:16]}.json"
                answers = await asyncio.to_thread(_load, file, stamp)
                if answers is None:
                    answers = await self._ask_all(path, stamp)
                    await asyncio.to_thread(_save, file, answers)
                self._flags = parse_help(path.name, answers.help)
                self._answers = answers
            return self._answers

    async def _ask_all(self, path: Path, stamp: str) -> _Answers:
        version = _VERSION.search(await ask([str(path), "--version"], self.env))
        text = await ask([str(path), "--help"], self.env)
        if parse_help(path.name, text).find("--port") is None:
            raise EngineMissing(
                f"{path} does not look like a llama-server",
                hint="its --help lists no --port; check engines.<name>.llamaServer",
            )
        return _Answers(stamp, version.group(1) if version else "", text)


def program_stamp(path: Path) -> str:
    """Changes when the program, or a library beside it, is replaced."""
    files = [path.resolve(), *sorted(path.resolve().parent.glob("lib*llama*"))]
    marks = []
    for file in files:
        with suppress(OSError):
            status = file.stat()
            marks.append(f"{file} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()


def _load(file: Path, stamp: str) -> _Answers | None:
    try:
        answers = _Answers(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return answers if answers.stamp == stamp else None


def _save(file: Path, answers: _Answers) -> None:
    with suppress(OSError):  # a cache that cannot be written is no reason not to run
        file.parent.mkdir(0o700, parents=True, exist_ok=True)
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(answers)), "utf-8")
        fresh.replace(file)
