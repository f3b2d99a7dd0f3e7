"""What the bytes of a file are: never what its name or its sender says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from paddock.storage.files import Kind

HEAD_BYTES: Final = 1024

_IMAGES: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
)
_BOMS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_NO_TEXT: Final = re.compile("[\0-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
"""Control characters that texts do not have. ESC is not among them: logs are colourful."""


@dataclass(frozen=True, slots=True)
class Sort:
    """What a file is."""

    kind: Kind
    media_type: str


def sort_of(head: bytes) -> Sort:
    """What a file is that begins like this. A text is only what is nothing else: see `read_text`.

    SVG and HTML are texts here: nobody shows them as what they are.
    """
    for pattern, media_type in _IMAGES:
        if pattern.match(head):
            return Sort("image", media_type)
    if b"%PDF-" in head[:HEAD_BYTES]:
        return Sort("pdf", "application/pdf")
    return Sort("text", "text/plain")


def read_text(data: bytes) -> str | None:
    """The text that these bytes are, with lines that end in LF; None: they are no text."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _decoded(data, encoding)
    text = _decoded(data, "utf-8")
    return _decoded(data, "latin-1") if text is None else text


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    if _NO_TEXT.search(text):
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")
