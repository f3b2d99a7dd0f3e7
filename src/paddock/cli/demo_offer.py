"""A model for the demo that can chat, when Hugging Face answers and a person can be asked."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

import click

from paddock.cli.choose import can_choose

_REPOSITORY: Final = "Qwen/Qwen2.5-0.5B-Instruct-GGUF"
_FILE: Final = "qwen2.5-0.5b-instruct-q4_k_m.gguf"
NAME: Final = f"hf.co/{_REPOSITORY}:Q4_K_M"
_ABOUT: Final = "Qwen2.5 0.5B Instruct, 0.5 GB, Apache-2.0"

_SECONDS: Final = 1.0
"""Nobody waits longer for a hub that may not be there."""
_YES: Final = frozenset({"1", "true", "yes", "on"})


def accepted(endpoint: str, folder: Path, env: Mapping[str, str] = os.environ) -> str:
    """The name of the model to bring in, or empty: nobody is asked, or they do not want it.

    `endpoint` is the hub's address, `folder` where the model would lie. Never waits for a hub
    longer than a second, and for nobody who is not there.
    """
    if not can_choose() or env.get("HF_HUB_OFFLINE", "").lower() in _YES:
        return ""
    if (folder / _FILE).exists() or not _answers(
        f"{endpoint.rstrip('/')}/api/models/{_REPOSITORY}"
    ):
        return ""
    click.echo(f"Hugging Face answers. It has a small model that can chat: {_ABOUT}.", err=True)
    wanted = click.confirm("Bring it in?", default=True, err=True)
    return NAME if wanted else ""


def _answers(address: str) -> bool:
    """Whether something is there. In a thread, for looking a name up knows no time limit."""
    if not address.startswith(("https://", "http://")):
        return False
    found: list[bool] = []
    asking = threading.Thread(target=_ask, args=(address, found), daemon=True)
    asking.start()
    asking.join(_SECONDS)
    return bool(found)


def _ask(address: str, found: list[bool]) -> None:
    try:
        with urlopen(Request(address), timeout=_SECONDS) as answer:  # noqa: S310 - looked at above
            found.append(answer.status == 200)
    except (OSError, HTTPException, ValueError):
        return
