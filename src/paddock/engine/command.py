"""The engine that is a command of the owner's: `models.<id>.cmd`, as llama-swap has it."""

from __future__ import annotations

import os
from pathlib import Path

from paddock.engine.address import parse_url
from paddock.engine.engine import Launch
from paddock.engine.environment import child_environment, named_values
from paddock.engine.flags import split
from paddock.errors import ArgumentRefused
from paddock.library.model import Model

SLOTS = 10
"""Requests at once where the owner sets no `concurrencyLimit`: llama-swap's number."""


class Command:
    """Runs the owner's command, and speaks to it where `proxy` says."""

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
        address = parse_url(_filled(settings.proxy, values))
        owners = {name: _filled(text, values) for name, text in named_values(settings.env).items()}
        return Launch(
            argv=tuple(argv),
            env=child_environment(os.environ, self._config_home, {"LLAMA_API_KEY": key}, owners),
            address=address,
            key=key,
            check_path="" if settings.check_endpoint == "none" else settings.check_endpoint,
            slots=settings.concurrency_limit or SLOTS,
            proves_key=False,
            owns_port="${PORT}" in settings.cmd and address.is_local and not address.tls,
            timeouts=settings.timeouts,
        )


def words(cmd: str, *, place: str) -> list[str]:
    """The words of a command. Lines that start with `#` are dropped, `\\` joins lines."""
    lines = [line for line in cmd.splitlines() if not line.lstrip().startswith("#")]
    return split("\n".join(lines).replace("\\\n", " "), place=place)


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text
