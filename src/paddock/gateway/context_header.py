"""The context that a request asks for without a field for it: in a header, or after the model's
name as in `qwen3@32k`. Clients of OpenAI's API have no other way to say it."""

from __future__ import annotations

import re
from typing import Final

from paddock.errors import InvalidRequest
from paddock.gateway.routes import Call
from paddock.library.model import NOT_SAID, LoadOptions

HEADER: Final = "X-Paddock-Context"

_TOKENS: Final = r"([1-9][0-9]{0,9})([kK]?)"
_LONGEST: Final = 40


def options_of(call: Call) -> LoadOptions:
    """What the header of a request asks for. Raises InvalidRequest, naming the header."""
    said = call.request.headers.get(HEADER)
    if said is None:
        return NOT_SAID
    tokens = tokens_in(said.strip())
    if tokens is None:
        shown = said[:_LONGEST].encode("ascii", "replace").decode()
        raise InvalidRequest(
            f"{HEADER} is {shown!r}: a number of tokens is expected",
            param=HEADER,
            hint="write it as 32768 or 32k",
        )
    return LoadOptions(context=tokens)


def tokens_in(text: str) -> int | None:
    """Tokens from `32768` or `32k`; None when it is neither."""
    found = re.fullmatch(_TOKENS, text)
    if found is None:
        return None
    return int(found[1]) * (1024 if found[2] else 1)


def split_name(name: str) -> tuple[str, LoadOptions] | None:
    """A name without the context at its end, and that context; None where there is none."""
    plain, at, suffix = name.rpartition("@")
    if not at or not plain or (tokens := tokens_in(suffix.strip())) is None:
        return None
    return plain, LoadOptions(context=tokens)
