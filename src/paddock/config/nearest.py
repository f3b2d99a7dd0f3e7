"""The word that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, or "". Case, `_` and `-` make no difference."""
    plain = {_plain(candidate): candidate for candidate in known}
    close = difflib.get_close_matches(_plain(word), plain, 1, 0.6)
    return plain[close[0]] if close else ""


def _plain(word: str) -> str:
    return word.casefold().replace("_", "").replace("-", "")
