"""Whether a key is one of the owner's, without telling by time how close it came."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from hashlib import sha256

from paddock.errors import Unauthenticated

ANYONE = "anyone"
"""The client's name where no key is asked for."""


class KeyRing:
    """The keys of a door. Holds digests only; the keys themselves are not kept."""

    def __init__(self, keys: Iterable[str], *, is_locked: bool = False) -> None:
        """`is_locked`: without keys nobody comes in, instead of everybody."""
        self._is_locked = is_locked
        self._digests = tuple(dict.fromkeys(_digest(key) for key in keys))

    @property
    def open(self) -> bool:
        """No keys: everybody may come in."""
        return not (self._digests or self._is_locked)

    def client(self, key: str | None) -> str:
        """A stable name for whoever holds `key`, fit for logs and queues: `key:1f0c22ab`.

        Raises Unauthenticated for a wrong or a missing key.
        """
        if self.open:
            return ANYONE
        if key is None:
            raise Unauthenticated("a key is needed", hint="send `Authorization: Bearer KEY`")
        digest = _digest(key)
        known = False
        for candidate in self._digests:  # all of them, so that the time tells nothing
            known |= hmac.compare_digest(candidate, digest)
        if not known:
            raise Unauthenticated("this key is not known", hint="ask the owner for one")
        return f"key:{digest.hex()[:8]}"


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
