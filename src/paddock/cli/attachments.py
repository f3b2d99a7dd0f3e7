"""Pictures and sounds whose paths stand in a prompt."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import NamedTuple

from paddock.errors import PaddockError

MAX_BYTES = 100 << 20

_ENDINGS = r"\.(?:jpe?g|png|webp|wav)"
_PATHS = re.compile(
    rf"""(?<![^\s])(?:
        '(?P<single>[^'\n]+{_ENDINGS})'
      | "(?P<double>[^"\n]+{_ENDINGS})"
      | (?P<bare>(?:~|\.{{1,2}})?/(?:\\.|[^\s\\])*?{_ENDINGS})
    )(?=$|[\s.,;:!?)])""",
    re.IGNORECASE | re.VERBOSE,
)
"""In quotes as a terminal's drag and drop writes them, or from a `/`, `./` or `~/` on."""

_KINDS = (
    ("image", re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP", re.DOTALL)),
    ("audio", re.compile(rb"RIFF....WAVE", re.DOTALL)),
)


class BadAttachment(PaddockError):
    """A file that a prompt names cannot be attached."""


class Attachment(NamedTuple):
    """A file that goes along with a prompt."""

    path: str
    kind: str
    """`image` or `audio`."""
    data: bytes

    @property
    def encoded(self) -> str:
        """As the API takes it."""
        return base64.b64encode(self.data).decode()


def attached(prompt: str) -> tuple[str, list[Attachment]]:
    """The prompt without the paths of pictures and sounds that are there, and those.

    A path that leads to no file stays in the text. Raises BadAttachment.
    """
    found: list[Attachment] = []

    def take(match: re.Match[str]) -> str:
        quoted = match["single"] or match["double"]
        path = Path(quoted or re.sub(r"\\(.)", r"\1", match["bare"])).expanduser()
        if not path.is_file():
            return match[0]
        found.append(_read(path))
        return ""

    text = _PATHS.sub(take, prompt)
    return (text.strip(), found) if found else (prompt, found)


def _read(path: Path) -> Attachment:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadAttachment(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise BadAttachment(f"{path} is larger than {MAX_BYTES >> 20} MiB")
    kind = next((name for name, magic in _KINDS if magic.match(data)), "")
    if not kind:
        raise BadAttachment(f"{path} is not what its name says: no JPEG, PNG, WebP or WAV")
    return Attachment(str(path), kind, data)
