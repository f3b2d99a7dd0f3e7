"""The text of a PDF, read by a child process with little memory and little time."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from paddock.errors import InvalidRequest

PATIENCE_SECONDS: Final = 60.0
AT_ONCE: Final = 2

_WRONG: Final = {
    "encrypted": ("this PDF is locked with a password", "save a copy of it without one"),
    "no_text": (
        "there is no text in this PDF: its pages are pictures",
        "scan it with text recognition (OCR), or attach the pages as images",
    ),
    "too_long": ("this PDF has more text than any model reads", "attach the part that matters"),
    "broken": ("this PDF cannot be read", "print it into a new PDF, or attach its text"),
}


class PdfReader:
    """Reads PDFs, a few at a time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def text(self, path: Path) -> str:
        """All its text, with a mark before each page. Raises InvalidRequest, which says why not."""
        async with self._turns:
            told = await _ask(path)
        text = told.get("text")
        if isinstance(text, str):
            return text
        message, hint = _WRONG.get(str(told.get("error")), _WRONG["broken"])
        raise InvalidRequest(message, hint=hint)


async def _ask(path: Path) -> dict[str, object]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "paddock.chat.pdf_child", str(path)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.defpath, "LANG": "C.UTF-8"},
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            said, _ = await child.communicate()
        found = json.loads(said)
    except (TimeoutError, ValueError):  # too slow, or it died without a word
        found = {}
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    return found if isinstance(found, dict) else {}
