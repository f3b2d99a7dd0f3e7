"""The engine that is a command of the owner's: `models.<id>.cmd`, as llama-swap has it."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from urllib.parse import urlsplit

from paddock.engine.engine import Launch
from paddock.engine.environment import child_environment, named_values
from paddock.engine.flags import split
from paddock.errors import ArgumentRefused
from paddock.library.model import Model

SLOTS = 10
"""Requests at once where the owner sets no `concurrencyLimit`: llama-swap's number."""


class Command:
    """Runs the owner's command. It must listen on loopback, in plain HTTP."""

    name = "command"

    def __init__(self, state_dir: Path) -> None:
        self._config_home = state_dir / "child-config"

    async def launch(self, model: Model, *, port: int, key: str) -> Launch:
        """See `Engine.launch`. The key is in the command's LLAMA_API_KEY, and sent to it."""
        settings = model.settings
        values = {"${PORT}": str(port), "${MODEL_ID}": model.id}
        argv = [_filled(word, values) for word in words(settings.cmd, place=f"cmd of {model.id}")]
        if not argv:
            raise ArgumentRefused(f"cmd of {model.id} is empty", hint="name the program to start")
        host, at = address(_filled(settings.proxy, values))
        owners = {name: _filled(text, values) for name, text in named_values(settings.env).items()}
        return Launch(
            argv=tuple(argv),
            env=child_environment(os.environ, self._config_home, {"LLAMA_API_KEY": key}, owners),
            host=host,
            port=at,
            key=key,
            check_path="" if settings.check_endpoint == "none" else settings.check_endpoint,
            slots=settings.concurrency_limit or SLOTS,
            proves_key=False,
        )


def words(cmd: str, *, place: str) -> list[str]:
    """The words of a command. Lines that start with `#` are dropped, `\\` joins lines."""
    lines = [line for line in cmd.splitlines() if not line.lstrip().startswith("#")]
    return split("\n".join(lines).replace("\\\n", " "), place=place)


def address(proxy: str) -> tuple[str, int]:
    """Host and port of `proxy`. Raises ArgumentRefused unless it is loopback and plain HTTP."""
    try:
        url = urlsplit(proxy)
        host, port = url.hostname or "", url.port or 80
    except ValueError as error:
        raise ArgumentRefused(f"proxy {proxy!r} cannot be read: {error}") from None
    if url.scheme != "http" or url.path.strip("/") or url.query:
        raise ArgumentRefused(
            f"proxy {proxy!r} is not an http address of this machine",
            hint="write it as http://127.0.0.1:${PORT}",
        )
    if not _is_loopback(host):
        raise ArgumentRefused(
            f"proxy {proxy!r} is not on this machine", hint="let cmd listen on 127.0.0.1"
        )
    return host, port


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text
