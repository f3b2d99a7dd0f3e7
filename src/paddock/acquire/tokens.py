"""The token for Hugging Face: where owners keep it, read anew for every pull."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from paddock.config.paths import home

log = logging.getLogger(__name__)

_VARIABLES: Final = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_MOST_BYTES: Final = 4096


def hub_token(file: Path | None, env: Mapping[str, str]) -> str:
    """The token, or empty. `file` is the owner's `pulls.tokenFile`. Blocking; never raises."""
    if file is not None:
        return _read(file, asked_for=True)
    for variable in _VARIABLES:
        if token := _clean(env.get(variable, "")):
            return token
    return _read(_usual_file(env), asked_for=False)


def _usual_file(env: Mapping[str, str]) -> Path:
    """Where Hugging Face's own tools keep it."""
    if path := env.get("HF_TOKEN_PATH"):
        return Path(path)
    if folder := env.get("HF_HOME"):
        return Path(folder, "token")
    cache = env.get("XDG_CACHE_HOME", "")
    base = Path(cache) if cache.startswith("/") else home(env) / ".cache"
    return base / "huggingface" / "token"


def _read(file: Path, *, asked_for: bool) -> str:
    try:
        with file.open("rb") as opened:
            return _clean(opened.read(_MOST_BYTES).decode("ascii", "replace"))
    except OSError as error:
        if asked_for:
            log.warning("pulls.tokenFile, %s, cannot be read: %s", file, error.strerror)
        return ""


def _clean(text: str) -> str:
    """A token is printable ASCII on one line; anything else would be a header of its own."""
    token = text.strip()
    return token if token.isascii() and token.isprintable() and " " not in token else ""
