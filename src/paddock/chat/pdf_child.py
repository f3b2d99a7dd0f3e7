"""Reads the text of one PDF, in a process of its own: what a PDF can do to a parser stays here.

Started as `python -m paddock.chat.pdf_child FILE`. Writes a JSON object: `text`, or `error` with
one of `encrypted`, `no_text`, `broken`, `too_long`.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
from typing import Any, Final

MEMORY_BYTES: Final = 1 << 30
CPU_SECONDS: Final = 30
MOST_PAGES: Final = 5000
MOST_CHARACTERS: Final = 4 << 20


def main(path: str) -> None:
    """Say what is in the file."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable()
    try:
        told = read(path)
    except Exception:  # noqa: BLE001 - whatever a parser thinks of a hostile file
        told = {"error": "broken"}
    sys.stdout.write(json.dumps(told))


def read(path: str) -> dict[str, Any]:
    """The text with a mark before each page, or what is wrong."""
    from pypdf import PdfReader  # noqa: PLC0415 - within the limits

    reader = PdfReader(path)
    if reader.is_encrypted and not _opens_without_password(reader):
        return {"error": "encrypted"}
    pages = reader.pages
    if len(pages) > MOST_PAGES:
        return {"error": "too_long"}
    parts, size = [], 0
    for number, page in enumerate(pages, start=1):
        text = page.extract_text().strip()
        size += len(text)
        if size > MOST_CHARACTERS:
            return {"error": "too_long"}
        parts.append(f"[page {number}]\n{text}")
    return {"text": "\n\n".join(parts)} if size else {"error": "no_text"}


def _opens_without_password(reader: Any) -> bool:
    """Many are only locked against changes. What we have no cipher for counts as locked."""
    try:
        return bool(reader.decrypt(""))
    except Exception:  # noqa: BLE001 - see above
        return False


if __name__ == "__main__":
    main(sys.argv[1])
