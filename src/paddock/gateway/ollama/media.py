"""Pictures and sounds in a request's `images`: base64 in, known by their first bytes."""

from __future__ import annotations

import base64
import binascii
import re
import string
from typing import Any, Final

from paddock.errors import InvalidRequest

MAX_MEDIA: Final = 256
"""In one request: an engine takes each apart before it answers anybody."""
HEAD_CHARACTERS: Final = 64
"""Enough base64 to know what it is."""

_PICTURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
)
_ALPHABET: Final = (string.ascii_letters + string.digits + "+/").encode()
_PIECE: Final = 1 << 20
"""Characters that are looked at in one go: a few milliseconds."""
_DATA_URL: Final = re.compile(r"data:[a-z0-9.+/-]{0,64};base64,", re.IGNORECASE)


def parts(images: Any, field: str) -> list[dict[str, Any]]:
    """The entries of `images` as parts of an OpenAI message. Raises InvalidRequest, naming one."""
    if images is None:
        return []
    if not isinstance(images, list):
        raise InvalidRequest(f"`{field}` must be an array of base64 texts", param=field)
    if len(images) > MAX_MEDIA:
        raise InvalidRequest(f"`{field}` has more than {MAX_MEDIA} entries", param=field)
    return [_part(image, f"{field}[{number}]") for number, image in enumerate(images)]


def is_sound(part: dict[str, Any]) -> bool:
    """Whether a part of a message is something to hear."""
    return part.get("type") == "input_audio"


def data_of(part: dict[str, Any]) -> str:
    """The base64 of a part that `parts` made."""
    if is_sound(part):
        return str(part["input_audio"]["data"])
    return str(part["image_url"]["url"]).partition(",")[2]


def _part(image: Any, field: str) -> dict[str, Any]:
    if not isinstance(image, str) or not image:
        raise InvalidRequest(f"`{field}` must be base64 text", param=field)
    data = _DATA_URL.sub("", image, count=1) if image.startswith(("data:", "DATA:")) else image
    if "\n" in data:  # as mail has it, and some encoders by themselves
        data = data.replace("\r", "").replace("\n", "")
    if not _is_base64(data):
        raise InvalidRequest(f"`{field}` is not base64", param=field)
    kind = _kind(_head(data), field)
    if kind in {"wav", "mp3", "flac"}:
        return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{data}"}}


def _is_base64(text: str) -> bool:
    """Piece by piece: an expression over a whole picture would hold the interpreter for seconds."""
    if len(text) % 4 or not text.isascii():
        return False
    end = len(text.rstrip("=")) if text.endswith("=") else len(text)
    return len(text) - end <= 2 and not any(
        text[start : min(start + _PIECE, end)].encode().translate(None, _ALPHABET)
        for start in range(0, end, _PIECE)
    )


def _head(data: str) -> bytes:
    try:
        return base64.b64decode(data[:HEAD_CHARACTERS])
    except binascii.Error:
        return b""


def _kind(head: bytes, field: str) -> str:
    for magic, kind in _PICTURES:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    if head.startswith(b"ID3") or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
        return "mp3"
    if head.startswith(b"fLaC"):
        return "flac"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        raise InvalidRequest(
            f"`{field}` is a WebP picture, which the engine cannot read",
            param=field,
            hint="send it as PNG or JPEG",
        )
    raise InvalidRequest(
        f"`{field}` is no picture or sound that is known here",
        param=field,
        hint="PNG, JPEG, GIF and BMP pictures are, and WAV, MP3 and FLAC sounds",
    )
