"""Opening and closing the listening ports."""

from __future__ import annotations

import asyncio
import errno
import logging
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from paddock.config.schema import Config, Listen, Tls
from paddock.config.schema import Door as DoorConfig
from paddock.errors import PaddockError
from paddock.gateway.door import Door
from paddock.tasks import cancel_and_wait, spawn

if TYPE_CHECKING:
    from paddock.daemon.certificate import Certificate

log = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0
"""After the drain, how long connections get to write their last bytes."""


class DoorBusy(PaddockError):
    """A door's address cannot be listened on."""


class Wanted(NamedTuple):
    """A door that is to be open."""

    name: str
    config: DoorConfig
    is_said: bool
    """The owner wrote something about it: the daemon does not start without it."""


def wanted_doors(config: Config) -> list[Wanted]:
    """The doors that are to be open.

    One that the owner said nothing about keeps out of the others' way: it takes a free port where
    they do, and gives way to one that has its port.
    """
    listen = config.listen
    named = {"openai": listen.openai, "ollama": listen.ollama, "chat": listen.chat}
    known: dict[str, DoorConfig | None] = dict(named)
    said = [Wanted(n, door, True) for n, door in known.items() if door and _must_open(listen, n)]
    taken = {door.config.port for door in said}
    rest = [(n, door) for n, door in known.items() if door and not _must_open(listen, n)]
    free = [Wanted(n, _free(door) if 0 in taken else door, False) for n, door in rest]
    return said + [door for door in free if not door.config.port or door.config.port not in taken]


def _must_open(listen: Listen, name: str) -> bool:
    return name == "openai" or listen.is_said(name)


def _free(door: DoorConfig) -> DoorConfig:
    return door.model_copy(update={"port": 0})


class OpenDoor:
    """A door that listens."""

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        runner: web.ServerRunner,
        certificate: Certificate | None,
    ) -> None:
        self.name = name
        self.host = host
        self.port = port
        """The real port, also when 0 was asked for."""
        self._runner = runner
        self._scheme = "https" if certificate else "http"
        self._following = (
            [spawn(certificate.follow(), name=f"certificate of {name}")] if certificate else []
        )

    @property
    def url(self) -> str:
        """The address to tell people. One that listens everywhere is reached on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        return f"{self._scheme}://{host}:{self.port}"

    async def aclose(self) -> None:
        """Stop listening and close every connection. Idempotent."""
        await cancel_and_wait(self._following)
        await self._runner.cleanup()


def _certificate(door: str, files: Tls) -> Certificate:
    from paddock.daemon.certificate import Certificate  # noqa: PLC0415 - few doors have one

    return Certificate(door, files)


async def open_or_warn(wanted: Wanted, door: Door) -> OpenDoor | None:
    """Listen; None, with a warning, when it cannot and the owner did not ask for it.

    Raises as `open_door`.
    """
    try:
        return await open_door(wanted.name, wanted.config, door)
    except DoorBusy as error:
        if wanted.is_said:
            raise
        log.warning("%s; the others are open. To have it: %s", error.message, error.hint)
        return None


async def open_door(name: str, config: DoorConfig, door: Door) -> OpenDoor:
    """Listen. Raises DoorBusy or CertificateUnusable with what to do about it."""
    certificate = await asyncio.to_thread(_certificate, name, config.tls) if config.tls else None
    runner = web.ServerRunner(door.server(), shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    context = certificate.context if certificate else None
    site = web.TCPSite(runner, config.host, config.port, ssl_context=context)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise _busy(name, config, error) from error
    port = next((address[1] for address in runner.addresses), config.port)
    return OpenDoor(name, config.host, port, runner, certificate)


def _busy(name: str, config: DoorConfig, error: OSError) -> DoorBusy:
    where = f"{config.host}:{config.port}"
    key = f"listen.{name}"
    if error.errno == errno.EADDRINUSE:
        holder = _holder(config.port)
        return DoorBusy(
            f"the {name} door cannot open: {where} is in use{holder}",
            hint=f"stop that program, or set {key}.port{_FLAGS[name]} to another port",
        )
    if error.errno == errno.EACCES:
        return DoorBusy(
            f"the {name} door cannot open: no right to listen on {where}",
            hint=f"set {key}.port to one above 1023",
        )
    return DoorBusy(
        f"the {name} door cannot open {where}: {error.strerror or error}",
        hint=f"set {key}.host to an address of this machine",
    )


_FLAGS = {"openai": " (or --port)", "ollama": " (or OLLAMA_HOST)", "chat": ""}
"""What sets a door's address besides the file."""


def _holder(port: int) -> str:
    """Who listens on a port, in brackets; empty where the system does not tell."""
    inodes = {inode for inode, local in _listeners() if local == port}
    for fd in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = str(fd.readlink())
        except OSError:
            continue
        if target.removeprefix("socket:[").removesuffix("]") in inodes:
            name = (fd.parents[1] / "comm").read_text().strip()
            return f" (by {name}, process {fd.parts[2]})"
    return ""


def _listeners() -> list[tuple[str, int]]:
    """Socket inode and local port of every listening TCP socket."""
    found = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        rows = (line.split() for line in lines)
        found += [(row[9], int(row[1].rpartition(":")[2], 16)) for row in rows if row[3] == "0A"]
    return found
