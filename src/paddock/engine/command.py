"""The engine that is a command of the owner's: `models.<id>.cmd`, as llama-swap has it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from paddock.config.model_entry import ModelEntry
from paddock.engine.address import parse_url
from paddock.engine.engine import Launch
from paddock.engine.environment import inherited_environment, named_values
from paddock.engine.flags import normal, split
from paddock.engine.placed import Placed
from paddock.errors import ArgumentRefused
from paddock.library.model import Model

if TYPE_CHECKING:
    from paddock.hardware.listed import Listed

PORT = "${PORT}"
PID = "${PID}"

SLOTS = 10
"""Requests at once where the owner sets no `concurrencyLimit`: llama-swap's number."""

COMFYUI = "comfyui_auto"
"""The id of the model behind `/comfyui/`, as llama-swap has it."""
COMFYUI_SLOTS = 50
"""A page of ComfyUI asks for dozens of things at once, so its model takes at least so many."""

LLAMA_SERVERS = frozenset({"llama-server", "llama-server.exe"})
"""Programs that take a key from LLAMA_API_KEY."""


class Command:
    """Runs the owner's command, and speaks to it where `proxy` says."""

    name = "command"

    async def devices(self, *, fresh: bool = False) -> tuple[Listed, ...]:  # noqa: ARG002
        """None: what a command uses only its owner knows."""
        return ()

    async def launch(
        self,
        model: Model,
        *,
        port: int,
        key: str,
        placed: Placed | None = None,  # noqa: ARG002 - a command is the owner's from end to end
    ) -> Launch:
        """See `Engine.launch`.

        `key` goes to a llama-server that has none of its own; another program gets no key, for it
        may refuse one that it does not know.
        """
        settings = model.settings
        values = {PORT: str(port), "${MODEL_ID}": model.id}
        argv = words(settings.cmd, values, place=f"cmd of {model.id}")
        if not argv:
            raise ArgumentRefused(f"cmd of {model.id} is empty", hint="name the program to start")
        address = parse_url(filled(settings.proxy, values))
        owners = {name: filled(text, values) for name, text in named_values(settings.env).items()}
        own_key = given_key(argv) or owners.get("LLAMA_API_KEY", "")
        takes_ours = not own_key and any(PurePath(word).name in LLAMA_SERVERS for word in argv)
        ours = {"LLAMA_API_KEY": key} if takes_ours else {}
        check = filled(settings.check_endpoint, values)
        return Launch(
            argv=tuple(argv),
            env=inherited_environment(os.environ, ours, owners),
            address=address,
            key=key if takes_ours else own_key,
            check_path="" if check == "none" else f"/{check.lstrip('/')}",
            slots=command_slots(model),
            proves_key=False,
            owns_port=PORT in settings.proxy and address.is_local and not address.tls,
            timeouts=settings.timeouts,
        )


def words(cmd: str, values: Mapping[str, str], *, place: str) -> list[str]:
    """The words of a command, with `values` filled in: no value makes a new word.

    Raises ArgumentRefused when a quote is left open; `place` names the command then.
    """
    return [filled(word, values) for word in split(cmd, place=place)]


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with each name of `values` replaced by its value."""
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def given_key(argv: Sequence[str]) -> str:
    """The first key that the words give to the program; empty without one."""
    for word, following in zip(argv, (*argv[1:], ""), strict=True):
        name, equals, value = word.partition("=")
        if normal(name) == "--api-key":
            return (value if equals else following).split(",")[0]
    return ""


def wants_port(settings: ModelEntry) -> bool:
    """Whether a command must be given a port: otherwise it has one of its own."""
    return PORT in settings.cmd or PORT in settings.proxy


def command_slots(model: Model) -> int:
    """Requests that a command's model works on at once."""
    limit = model.settings.concurrency_limit or SLOTS
    return max(limit, COMFYUI_SLOTS) if model.id == COMFYUI else limit


def counts_websockets(model: Model) -> bool:
    """Whether a WebSocket to the model is a request that takes a slot and keeps it in memory."""
    return not (model.settings.compat.ignore_websockets or model.id == COMFYUI)
