"""A faster start of the daemon: most of it is importing what the daemon needs."""

from __future__ import annotations

import gc
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_PLUGINS: Final = "PYDANTIC_DISABLE_PLUGINS"


@contextmanager
def hastened_imports() -> Iterator[None]:
    """Import without what only costs time: what is imported stays, and nothing of it is rubbish."""
    gc.disable()
    try:
        with _no_default_trust(), _no_plugins():
            yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _no_plugins() -> Iterator[None]:
    """Pydantic would look through every installed package for plugins; we have none.

    What it is told so with is taken back: commands of the owner's get our whole environment.
    """
    if _PLUGINS in os.environ:
        yield
        return
    os.environ[_PLUGINS] = "__all__"
    try:
        yield
    finally:
        del os.environ[_PLUGINS]


@contextmanager
def _no_default_trust() -> Iterator[None]:
    """aiohttp reads the system's root certificates when it is imported, a tenth of the start.

    Here its contexts trust nobody, so a client that brings no context of its own cannot reach
    anything over TLS. Whoever talks to the world makes its context when it first does.
    """
    inherited = ssl.SSLContext.set_default_verify_paths
    ssl.SSLContext.set_default_verify_paths = _trust_nobody  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        ssl.SSLContext.set_default_verify_paths = inherited  # type: ignore[method-assign]


def _trust_nobody(_: ssl.SSLContext) -> None:
    """Takes the place of what reads the roots."""
