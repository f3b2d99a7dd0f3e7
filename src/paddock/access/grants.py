"""What the keys of accounts are good for: known by their digests, looked up without a wait."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from paddock.access.tokens import KEY_BEGINS, digest_of
from paddock.errors import AccessError, Forbidden, ModelNotAllowed
from paddock.storage.ids import now_ms


class KeysNotRead(AccessError):
    """The keys of accounts are not known yet. `retry_after`: seconds."""

    def __init__(self) -> None:
        super().__init__("the keys of accounts are not read yet", hint="ask again in a moment")
        self.retry_after = 1.0


@dataclass(frozen=True, slots=True)
class Grant:
    """What one key may do."""

    client: str
    """The public name of who holds it: `user:anna/laptop`."""
    key_id: str
    doors: frozenset[str] | None = None
    """None: all of them."""
    models: frozenset[str] | None = None
    """None: all of them."""
    expires: int | None = None
    """Milliseconds since 1970."""
    manages: bool = False
    """It is good for more than asking models: loading, removing, logs."""
    limit: Callable[[str], None] | None = None
    """Raises what its owner's limits say about a request for a model now."""

    def check_door(self, door: str) -> None:
        """Raises Forbidden at a door that the key is not for."""
        if self.doors is not None and door not in self.doors:
            raise Forbidden(
                f"this key is not for the {door} door",
                hint=f"it is for {', '.join(sorted(self.doors)) or 'none'}",
            )

    def check_managing(self) -> None:
        """Raises Forbidden where the key is for asking models only."""
        if not self.manages:
            raise Forbidden("this key is for asking models only", hint="use the key of an admin")

    def check_model(self, model: str) -> None:
        """Raises ModelNotAllowed, or what the owner's limits say."""
        if not self.has_model(model):
            raise ModelNotAllowed(model)
        if self.limit is not None:
            self.limit(model)

    def has_model(self, model: str) -> bool:
        """Whether the key is for a model, by its id."""
        return self.models is None or model in self.models


class Grants:
    """The keys of all accounts, replaced as a whole when one changes. Loop thread only."""

    def __init__(self) -> None:
        self._by_digest: Mapping[str, Grant] | None = None
        self.used: dict[str, int] = {}
        """When which key, by id, was used last."""

    def replace(self, by_digest: Mapping[str, Grant]) -> None:
        """From now on there are these."""
        self._by_digest = by_digest

    def find(self, key: str) -> Grant | None:
        """What a key is good for; None: it is not of an account, or expired."""
        if not key.startswith(KEY_BEGINS) or not self._by_digest:
            return None
        # A digest tells nothing by how long it takes to find: nobody can make one to his liking.
        grant = self._by_digest.get(digest_of(key))
        now = now_ms()
        if grant is None or (grant.expires is not None and grant.expires <= now):
            return None
        self.used[grant.key_id] = now
        return grant

    def check_read(self, key: str | None) -> None:
        """Raises KeysNotRead where a key may be one that is not known yet."""
        if self._by_digest is None and key is not None and key.startswith(KEY_BEGINS):
            raise KeysNotRead
