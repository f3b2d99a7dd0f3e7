"""From file names to ids, and from what people type to ids.

An id is safe wherever it goes: letters, digits and `. _ + -`, never empty, never beginning with a
dot or a dash, so it is no path, no flag and no tag.
"""

from __future__ import annotations

import heapq
import re
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final, NamedTuple

SUFFIX: Final = ".gguf"

_SHARD = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})$", re.DOTALL)
_QUANTIZATION = re.compile(
    r"(?<![a-z0-9])(?:ud-|i1-)?"
    r"(?:(?:iq|tq|q)\d(?:_(?:\d|k|s|m|l|xxs|xs|xl|xxl|nl))*|bf16|fp?16|fp?32|mxfp4(?:_moe)?|nvfp4)"
    r"(?![a-z0-9])"
)
_NOT_ALNUM = re.compile(r"[\W_]+")
_DASHES = re.compile(r"-{2,}")
_LONGEST_NAME: Final = 200
_NEAREST: Final = 3
_COMPARED: Final = 16
_SHARED_PAIRS: Final = 0.6
"""Part of the asked name's pairs of letters that a name must have to be offered."""


_remembered = lru_cache(maxsize=8192)
"""Every look at the folders asks the same names again."""


class ShardName(NamedTuple):
    """A file name taken apart: `big-00002-of-00003.gguf` is shard 2 of 3 of `big`."""

    stem: str
    number: int
    total: int


def is_gguf_name(name: str) -> bool:
    """Whether a file of this name claims to be a GGUF."""
    return name.lower().endswith(SUFFIX)


@_remembered
def shard_name(file_name: str) -> ShardName:
    """The parts of a GGUF's file name; a file on its own is shard 1 of 1."""
    stem = file_name[: -len(SUFFIX)] if is_gguf_name(file_name) else file_name
    match = _SHARD.match(stem)
    if match is None:
        return ShardName(stem, 1, 1)
    return ShardName(match["stem"], int(match["number"]), int(match["total"]))


@_remembered
def model_id(file_name: str) -> str:
    """The id of the model in a file of this name; "" when nothing safe remains of it.

    Lower case, without `.gguf` and the shard's number; every run of other characters becomes `-`.
    """
    stem = shard_name(file_name).stem
    lower = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", stem).lower())
    words = "".join(c if c.isalnum() or c in "._+-" else "-" for c in lower)
    return _DASHES.sub("-", words).strip("-").lstrip(".-")


def has_unshowable(name: str) -> bool:
    """Whether a name has control characters or bytes that are not text."""
    return any(unicodedata.category(c) in {"Cc", "Cs"} for c in name)


def showable(path: str) -> str:
    """The path with everything that a terminal or JSON cannot show written as an escape."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in path
    )


def lookup_key(name: str) -> str:
    """What two names have in common that mean the same model: case and `:latest` do not count."""
    return name.strip().casefold().removesuffix(":latest")


def short_key(name: str) -> str:
    """The lookup key without a scheme, and what Ollama fills in by itself: host and namespace."""
    plain = lookup_key(name).removeprefix("https://").removeprefix("http://")
    return plain.removeprefix("registry.ollama.ai/").removeprefix("library/")


@_remembered
def family(file_name: str) -> str:
    """The letters and digits of a name without quantization and `mmproj`: `gemma34bit`."""
    stem = shard_name(file_name).stem.lower().replace("mmproj", "")
    return _NOT_ALNUM.sub("", _QUANTIZATION.sub("", stem))


def nearest(name: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """Up to three candidates that `name` was probably meant to be, the likeliest first.

    Takes some ms for a thousand candidates: pairs of letters choose a few, difflib orders those.
    """
    wanted = lookup_key(name[:_LONGEST_NAME])
    pairs = {wanted[n : n + 2] for n in range(len(wanted) - 1)}
    shared = (
        (sum(map(candidate.lower().__contains__, pairs)), candidate) for candidate in candidates
    )
    enough = max(1, len(pairs) * _SHARED_PAIRS)
    close = heapq.nlargest(_COMPARED, (pair for pair in shared if pair[0] >= enough))
    matcher = SequenceMatcher(b=wanted, autojunk=False)
    ranked = []
    for count, candidate in close:
        matcher.set_seq1(candidate.lower())
        ranked.append((-count, -matcher.ratio(), candidate))
    return tuple(candidate for *_, candidate in sorted(ranked)[:_NEAREST])
