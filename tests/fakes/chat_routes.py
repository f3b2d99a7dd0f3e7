"""The routes of the chat, as a daemon of this configuration is composed."""

from __future__ import annotations

import asyncio
import tempfile
from functools import cache
from pathlib import Path

from paddock.chat.calls import ChatRoute
from paddock.config.source import Source
from paddock.daemon.compose import composed
from paddock.observe.logs import Logs


@cache
def chat_routes() -> tuple[ChatRoute, ...]:
    """Every route below `/api` at the chat's door."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_table(Path(folder)))


async def _table(folder: Path) -> tuple[ChatRoute, ...]:
    (folder / "models").mkdir()
    config = folder / "paddock.yaml"
    doors = "{openai: {port: 0}, ollama: null, chat: {port: 0}}"
    config.write_text(f"modelsDir: models\nstateDir: state\nlisten: {doors}\n")
    source = Source(config, {})
    async with composed(source.load(), source, Logs()) as daemon:
        assert daemon.chatting is not None
        return (await daemon.chatting.opened()).routes
