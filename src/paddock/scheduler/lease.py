"""The right to use an instance for one request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self

from paddock.scheduler.contract import InstanceT


class Lease(Generic[InstanceT]):
    """One slot of one instance, until `release()`. Also a context manager that releases.

    When the instance must go before the lease ends (its drain time is over, or it crashed), its
    connections end and their reader gets UpstreamLost; the lease is still released as usual.
    """

    __slots__ = (
        "_on_keep",
        "_on_release",
        "client",
        "ended",
        "instance",
        "loading",
        "queued",
        "since",
    )

    def __init__(
        self,
        instance: InstanceT,
        client: str,
        on_release: Callable[[Lease[Any]], None],
        since: float = 0.0,
        *,
        queued: float = 0.0,
        loading: float = 0.0,
        on_keep: Callable[[float | None, float | None], None] = lambda *_: None,
    ) -> None:
        self.instance = instance
        self.client = client
        self.since = since
        self.queued = queued
        """Seconds the request waited for room or for a slot."""
        self.loading = loading
        """Seconds the request waited while the instance got ready."""
        self.ended = False
        self._on_release = on_release
        self._on_keep = on_keep

    def keep_alive(self, seconds: float | None, *, default: float | None = None) -> None:
        """From now on the instance stays for `seconds` after its last request, until another says
        otherwise: `inf` for ever, 0 until its requests have ended, None as before.

        `default` is for an instance of which nobody has said it and that this lease is the first
        of; the owner's own `ttl` for the model goes before it.
        """
        self._on_keep(seconds, default)

    def release(self) -> None:
        """Give the slot back. Idempotent; never waits."""
        if not self.ended:
            self.ended = True
            self._on_release(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
