"""The one place that takes a key out of a request, wherever the client put it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping

from paddock.errors import InvalidRequest, Unauthenticated

MAX_BYTES = 4096
"""Of one header's value, the scheme included."""


def key_from(headers: Mapping[str, str]) -> str | None:
    """The caller's key, from `Authorization: Bearer`, Basic's password, or `x-api-key`.

    None when there is none. Raises InvalidRequest when headers hold different keys, and
    Unauthenticated for what cannot be a key. A multi-mapping's repeated headers all count.
    """
    found = {key for key in _keys(headers) if key}
    if len(found) > 1:
        raise InvalidRequest(
            "the request carries two different keys",
            hint="send one: `Authorization: Bearer KEY`, or `x-api-key: KEY`",
        )
    return found.pop() if found else None


def _keys(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        match name.lower():
            case "authorization":
                yield _from_authorization(_clean(value))
            case "x-api-key":
                yield _clean(value).strip()


def _clean(value: str) -> str:
    if len(value) > MAX_BYTES or not value.isprintable():
        raise _unreadable()
    return value


def _from_authorization(value: str) -> str:
    scheme, _, credentials = value.strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return credentials.strip()
        case "basic":
            return _password(credentials.strip())
        case _:
            return ""  # another scheme is for somebody else, such as a proxy in front


def _password(credentials: str) -> str:
    try:
        decoded = base64.b64decode(credentials, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise _unreadable() from None
    _, colon, password = decoded.partition(":")
    if not colon:
        raise _unreadable()
    return _clean(password)


def _unreadable() -> Unauthenticated:
    return Unauthenticated("the key cannot be read", hint="send `Authorization: Bearer KEY`")
