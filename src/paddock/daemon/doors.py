"""Opening and closing the listening ports."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from paddock.config.schema import Door as DoorConfig
from paddock.config.schema import Tls
from paddock.errors import PaddockError
from paddock.gateway.door import Door
from paddock.tasks import cancel_and_wait, spawn

if TYPE_CHECKING:
    from paddock.daemon.certificate import Certificate

CLOSE_SECONDS = 2.0
"""After the drain, how long connections get to write their last bytes."""


class DoorBusy(PaddockError):
    """A door's address cannot be listened on."""


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
            hint=f"stop that program, or set {key}.port (or --port) to another port",
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
