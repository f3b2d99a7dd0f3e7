"""Ollama's environment variables, as far as they mean something here, by the keys they set.

The values are read as Ollama reads them; what is wrong with one is told under its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

PREFIX: Final = "OLLAMA_"

DEFAULT_PORT: Final = 11434

NO_LIMIT_SECONDS: Final = 10 * 365 * 86400
"""What "no limit" is here: ten years."""

Setting = tuple[str, Any]
"""A dotted key and its value."""


def settings(env: Mapping[str, str], model_args: str) -> dict[str, list[Setting]]:
    """What each variable that is set says: name to keys and values, ready for the schema.

    A value that cannot be read is given as it is: the schema refuses it and says why.
    `model_args` is what `defaultModelArgs` is without them: some of them add flags to it.
    """
    given = {name: _plain(value) for name, value in env.items() if name.startswith(PREFIX)}
    given = {name: text for name, text in given.items() if text}
    told = {name: _MEANINGS[name](text) for name, text in given.items() if name in _MEANINGS}
    flags = {name: _FLAGS[name](text) for name, text in given.items() if name in _FLAGS}
    if any(flags.values()):
        added = " ".join([model_args, *filter(None, flags.values())]).strip()
        told[next(name for name in flags if flags[name])] = [("defaultModelArgs", added)]
    return told


def bind_address(text: str) -> tuple[str, int]:
    """Host and port of an `OLLAMA_HOST`: `nas`, `nas:80`, `:80`, `[::1]:80`, `http://nas/path`.

    A scheme brings its own port; a port that is none is the default, as Ollama has it.
    """
    scheme, found, rest = text.partition("://")
    port = {"http": 80, "https": 443}.get(scheme, DEFAULT_PORT) if found else DEFAULT_PORT
    place = (rest if found else text).partition("/")[0]
    host, colon, number = place.rpartition(":")
    if not colon or number.endswith("]") or (":" in host and not host.startswith("[")):
        host, number = place, ""
    if number.isascii() and number.isdigit() and int(number[:6]) <= 65535:
        port = int(number)
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", port


def _plain(text: str) -> str:
    return text.strip().strip("\"'")


def _host(text: str) -> list[Setting]:
    host, port = bind_address(text)
    return [("listen.ollama.host", host), ("listen.ollama.port", port)]


def _models(text: str) -> list[Setting]:
    """Like a flag's, a relative path starts at the current folder."""
    return [("ollama.models", text if text.startswith("~") else str(Path(text).absolute()))]


def _origins(text: str) -> list[Setting]:
    return [("ollama.origins", [part.strip() for part in text.split(",") if part.strip()])]


def _keep_alive(text: str) -> list[Setting]:
    return [("ollama.keepAlive", text)]


def _load_timeout(text: str) -> list[Setting]:
    """Zero, and everything below it, is no limit."""
    without_end = text.startswith("-") or not text.strip("0hmsu.")
    return [("healthCheckTimeout", NO_LIMIT_SECONDS if without_end else text)]


def _number(key: str) -> Callable[[str], list[Setting]]:
    """A number; 0 is Ollama's word for "choose yourself", and then nothing is said."""
    return lambda text: [(key, text)] if text.strip("0") else []


def _go_template(text: str) -> list[Setting]:
    return [("ollama.goTemplate", "always" if _is_true(text) else "never")]


def _debug(text: str) -> list[Setting]:
    return [("logLevel", "debug")] if _is_true(text) else []


def _is_true(text: str) -> bool:
    """As Go reads it; what is no boolean counts as true."""
    return text not in {"0", "f", "F", "false", "FALSE", "False"}


def _flash_attention(text: str) -> str:
    return f"--flash-attn {'on' if _is_true(text) else 'off'}"


def _cache_type(text: str) -> str:
    """Another type says nothing, as it does to Ollama."""
    return f"--cache-type-k {text} --cache-type-v {text}" if text in CACHE_TYPES else ""


CACHE_TYPES: Final = ("f16", "q8_0", "q4_0")

_FLAGS: Final[Mapping[str, Callable[[str], str]]] = {
    "OLLAMA_FLASH_ATTENTION": _flash_attention,
    "OLLAMA_KV_CACHE_TYPE": _cache_type,
}

_MEANINGS: Final[Mapping[str, Callable[[str], list[Setting]]]] = {
    "OLLAMA_HOST": _host,
    "OLLAMA_ORIGINS": _origins,
    "OLLAMA_MODELS": _models,
    "OLLAMA_KEEP_ALIVE": _keep_alive,
    "OLLAMA_LOAD_TIMEOUT": _load_timeout,
    "OLLAMA_MAX_LOADED_MODELS": _number("maxLoadedModels"),
    "OLLAMA_NUM_PARALLEL": _number("parallel"),
    "OLLAMA_MAX_QUEUE": _number("maxQueue"),
    "OLLAMA_CONTEXT_LENGTH": _number("contextLength"),
    "OLLAMA_GO_TEMPLATE": _go_template,
    "OLLAMA_DEBUG": _debug,
}
