"""The paths of `paddock user` and `paddock key`. Light: the doors know them from the start."""

from __future__ import annotations

from typing import Final

USERS: Final = "/api/paddock/users"
KEYS: Final = "/api/paddock/keys"
PATHS: Final = (USERS, f"{USERS}/*", KEYS, f"{KEYS}/*")
