"""What a person is told once the doors are open."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from paddock import __version__
from paddock.daemon.compose import Daemon
from paddock.library.model import Model, Trait

DEFAULT_PORT: Final = 8090
"""Where the commands look for a daemon."""

SPEAKS = {
    "openai": "OpenAI's API, Anthropic's Messages, llama-swap's endpoints",
    "ollama": "Ollama's API, and OpenAI's",
    "chat": "the chat, in a browser",
}


def greeting(daemon: Daemon) -> str:
    """The open doors, and a line to paste that works with the first model there is."""
    lines = [f"Paddock {__version__}: {_count(daemon)}.", ""]
    lines += [f"  {door.name:<8} {door.url:<28} {SPEAKS[door.name]}" for door in daemon.doors]
    if examples := _examples(daemon):
        lines += ["", "Try it:", "", *(f"  {example}" for example in examples)]
    if folders := daemon.parts.current.config.models_dir:
        lines += ["", f"A GGUF copied into {folders[0]} is a model at once. Ctrl-C stops."]
    return "\n".join(lines) + "\n"


def _count(daemon: Daemon) -> str:
    count = len(daemon.parts.library.catalog.models)
    return "1 model" if count == 1 else f"{count} models"


def _examples(daemon: Daemon) -> tuple[str, ...]:
    """A request, and a conversation on the terminal."""
    door = next((door for door in daemon.doors if door.name == "openai"), None)
    chatty = (m for m in daemon.parts.library.catalog.models.values() if Trait.CHAT in m.traits)
    model = next(chatty, None)
    if door is None or model is None:
        return ()
    config = daemon.parts.current.config
    by_accounts = config.listen.openai is not None and config.listen.openai.auth == "accounts"
    locked = by_accounts or bool(config.api_keys)
    key = " -H 'Authorization: Bearer YOUR-KEY'" if locked else ""
    request = f"curl -N {door.url}/v1/chat/completions{key} -d '{_body(model)}'"
    host = "" if door.url == f"http://127.0.0.1:{DEFAULT_PORT}" else f" --host {door.url}"
    key = "PADDOCK_API_KEY=YOUR-KEY " if locked else ""
    return request, f"{key}{_program()} run{host} {shlex.quote(model.id)}"


def _program() -> str:
    """How to call us: as it was done, where that is no name on PATH."""
    called = Path(sys.argv[0])
    if called.name != "paddock" or shutil.which("paddock") == str(called.absolute()):
        return "paddock"
    return shlex.quote(str(called))


def _body(model: Model) -> str:
    asked = {
        "model": model.id,
        "stream": True,
        "max_tokens": 60,
        "messages": [{"role": "user", "content": "Why do llamas hum?"}],
    }
    return json.dumps(asked)
