"""What names of files in GGUF repositories tell: model, quantization, shard, what it is for.

Publishers have habits, not rules. What a name cannot tell is left open here and decided with sizes
and sisters in `acquire/weights.py`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple


class Kind(StrEnum):
    """What a file is for, as its name tells."""

    MODEL = "model"
    MMPROJ = "mmproj"
    """A projector: the eyes or ears of a model."""
    MTP = "mtp"
    """Layers that predict more than one token ahead."""
    DRAFT = "draft"
    """A small model that drafts for a large one."""
    IMATRIX = "imatrix"
    """What a quantizer measured."""
    LORA = "lora"
    VOCABULARY = "vocab"
    BYTES = "bytes"
    """A piece of a file that was cut without regard to what is in it."""
    OTHER = "other"
    """No GGUF."""


class HubName(NamedTuple):
    """A path in a repository, taken apart."""

    path: str
    model: str
    """Without folder, quantization, shard and affixes; empty when nothing is left."""
    quant: str
    """In its usual spelling: `Q4_K_M`, `UD-Q4_K_XL`, `F16`; empty when no name tells."""
    kind: Kind
    shard: int = 0
    """From 1; 0: the file is whole."""
    shards: int = 0
    """How many there are; 0: the name does not tell."""

    @property
    def folder(self) -> str:
        """The folder it is in; empty at the top."""
        return self.path.rpartition("/")[0]

    @property
    def base(self) -> str:
        """The file's name without its folder."""
        return self.path.rpartition("/")[2]


SUFFIX: Final = ".gguf"
_LONGEST: Final = 1024
"""Characters of a path that are looked at: patterns over more could take long."""

_QUANT = re.compile(
    r"(?<![a-z0-9])(?P<recipe>UD-|i1-)?"
    r"(?P<name>(?:IQ|TQ|PQ|Q)[1-8](?:_(?:\d|KSS|KS|KT|KL|K|S|M|L|P|XXS|XXL|XS|XL|NL|R[48]|G\d+))*"
    r"|I2_S|BF16|FP?16|FP?32|MXFP[468](?:_MOE)?|NVFP4|FP8)(?![a-z0-9_])",
    re.IGNORECASE | re.ASCII,
)
_SHARD = re.compile(r"^(.+?)(?:-split)?-(\d{5})-of-(\d{5})$", re.DOTALL)
_PIECES: Final = (
    re.compile(r"\.gguf\.part(?P<number>\d{1,4})of(?P<total>\d{1,4})$", re.IGNORECASE | re.ASCII),
    re.compile(r"\.gguf-split-(?P<letter>[a-z])$", re.IGNORECASE | re.ASCII),
    re.compile(r"\.gguf\.(?P<letter>[a-z])$", re.IGNORECASE | re.ASCII),
    re.compile(r"-chunk-(?P<number>\d{3})-of-(?P<total>\d{3})\.gguf$", re.IGNORECASE | re.ASCII),
)
_IMATRIX = re.compile(r"^imatrix.*\.gguf$|[.-]imatrix\.gguf$", re.IGNORECASE | re.DOTALL)
_IMATRIX_ENDINGS: Final = (".imatrix", ".dat", ".gguf_file")
_DRAFTS = re.compile(r"(?<![a-z0-9])(?:dflash|eagle3|dspark|draft)(?![a-z0-9])", re.IGNORECASE)
_KINDS: Final = (
    (Kind.MMPROJ, re.compile(r"mmproj", re.IGNORECASE)),
    (Kind.MTP, re.compile(r"^mtp-", re.IGNORECASE)),
    (Kind.DRAFT, _DRAFTS),
    (Kind.LORA, re.compile(r"-lora(?![a-z0-9])", re.IGNORECASE)),
    (Kind.VOCABULARY, re.compile(r"^ggml-vocab-", re.IGNORECASE)),
)
_AFFIXES = re.compile(
    r"^mmproj(?:[-_.]|$)|[-_.]mmproj(?=$|[-_.])|^mtp-|[-_.]lora(?=$|[-_.])|^ggml-vocab-"
    r"|[-_.]imat(?:rix)?$|\.gguf[24]?(?=$|[-_.])|^imatrix(?:[-_.]|$)",
    re.IGNORECASE,
)
_EDGES: Final = " -_."
_SPELLED: Final = {"FP16": "F16", "FP32": "F32"}
_FOLDER_IS: Final = {"mtp": Kind.MTP}

_PATCHED = re.compile(
    r"(?:IQ\d_K(?:S|SS|T|L)?|.*_R[48]|I2_S|Q\d_K_P|PQ.*|Q4_0_[48]_[48]|IQ4_NL_[48]_[48]|Q6_0)$"
)


@lru_cache(maxsize=4096)
def parse(path: str) -> HubName:
    """Take a path of a repository apart. Never raises."""
    folder, _, base = path[-_LONGEST:].rpartition("/")
    parent = folder.rpartition("/")[2]
    if piece := _piece(base):
        stem, number, total = piece
        model, quant = _stem(stem, parent)
        return HubName(path, model, quant, Kind.BYTES, number, total)
    if _is_imatrix(base):
        model, _ = _stem(_without_ending(base), "")
        return HubName(path, model, "", Kind.IMATRIX)
    if not base.lower().endswith(SUFFIX):
        return HubName(path, "", "", Kind.OTHER)
    stem = base[: -len(SUFFIX)]
    shard = _SHARD.match(stem)
    kind = next((kind for kind, mark in _KINDS if mark.search(stem)), None)
    model, quant = _stem(shard[1] if shard else stem, parent)
    number, total = (int(shard[2]), int(shard[3])) if shard else (0, 0)
    kind = kind or _FOLDER_IS.get(parent.lower(), Kind.MODEL)
    return HubName(path, model, quant, kind, number, total)


def canonical(quant: str) -> str:
    """A quantization as it is usually written: `ud-q4_k_xl` is `UD-Q4_K_XL`, `i1-fp16` is `F16`."""
    upper = quant.upper().removeprefix("I1-")
    return _SPELLED.get(upper, upper)


def runs_elsewhere_only(quant: str) -> bool:
    """Whether only patched or past versions of llama.cpp load files of this quantization."""
    return _PATCHED.match(quant.removeprefix("UD-")) is not None


def _piece(base: str) -> tuple[str, int, int] | None:
    """The name of the whole, the number of this piece, and how many there are (0: not told)."""
    for pattern in _PIECES:
        if found := pattern.search(base):
            told = found.groupdict()
            letter = told.get("letter")
            number = ord(letter.lower()) - ord("a") + 1 if letter else int(told["number"])
            return base[: found.start()], number, int(told.get("total") or 0)
    return None


def _is_imatrix(base: str) -> bool:
    return base.lower().endswith(_IMATRIX_ENDINGS) or _IMATRIX.search(base) is not None


def _without_ending(base: str) -> str:
    lower = base.lower()
    endings = (SUFFIX, *_IMATRIX_ENDINGS)
    return next((base[: -len(end)] for end in endings if lower.endswith(end)), base)


def _stem(stem: str, parent: str) -> tuple[str, str]:
    """The model and the quantization in a name; the folder tells what the name does not."""
    found = _last(stem)
    quant = found or _last(parent)
    rest = _cut(stem, found) if found else stem
    model = _AFFIXES.sub("", rest).strip(_EDGES)
    return model, canonical(quant[0]) if quant else ""


def _last(text: str) -> re.Match[str] | None:
    """The last quantization that is told: `…-F32-Q2_K` was F32 once and is Q2_K."""
    return max(_QUANT.finditer(text), key=lambda match: match.start(), default=None)


def _cut(stem: str, found: re.Match[str]) -> str:
    """The name without its quantization, which may stand in the middle: `x_q4_0-it` is `x-it`."""
    before, after = stem[: found.start()], stem[found.end() :]
    return before.rstrip(_EDGES) + after
