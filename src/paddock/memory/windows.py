"""Which layers look at the last few tokens only, and at how many: by architecture.

llama.cpp's own rules: an array in the header, or every so many layers a full one, or nothing at all
however the header speaks.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from paddock.library.header import Header


class Pattern(NamedTuple):
    """Of each `period` layers one is full: the last, or the first."""

    period: int
    window: int = 0
    """Tokens where the header does not tell."""
    full_first: bool = False


PATTERNS: Final = {
    "gemma2": Pattern(2, 4096),
    "gemma3": Pattern(6),
    "gemma3n": Pattern(5),
    "gemma-embedding": Pattern(6),
    "gpt-oss": Pattern(2),
    "cohere2": Pattern(4),
    "exaone4": Pattern(4),
    "olmo2": Pattern(4),
    "llama4": Pattern(4, 8192),
    "smallthinker": Pattern(4, full_first=True),
    "modern-bert": Pattern(3, full_first=True),
}
"""All other architectures have a window only where an array tells the layers."""


def window_of(header: Header) -> int:
    """Tokens that a layer with a window looks at; 0: no layer has one."""
    told = header.of_model("attention.sliding_window")
    pattern = PATTERNS.get(header.architecture)
    if pattern is None:
        return told if _array(header) else 0
    return told or pattern.window


def is_window(header: Header, layer: int, count: int) -> bool:
    """Whether the layer is one of those."""
    if not window_of(header):
        return False
    array = _array(header)
    if array:
        return layer < len(array) and bool(array[layer])
    pattern = PATTERNS.get(header.architecture)
    if pattern is None or layer >= count:
        return False
    full = 0 if pattern.full_first else pattern.period - 1
    return layer % pattern.period != full


def _array(header: Header) -> tuple[int | float | bool, ...]:
    value = header.metadata.get(f"{header.architecture}.attention.sliding_window_pattern")
    return value if isinstance(value, tuple) else ()
