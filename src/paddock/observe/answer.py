"""What the gateway tells of an answer once it has ended."""

from __future__ import annotations

from dataclasses import dataclass

KEPT_BYTES = 64 << 10
"""Of an answer's beginning and of its end, to look for its tokens in."""


@dataclass(slots=True)  # made for every request: frozen costs more than the rest of it
class Answer:
    """What went to the client. Not to be changed."""

    status: int = 0
    """0: nothing was answered."""
    content_type: str = ""
    encoding: bytes = b""
    """Content-Encoding."""
    events: bool = False
    """It is a stream of events."""
    first_at: float | None = None
    """Time of its first piece, as `time.perf_counter` tells it; None: there was none."""
    sent: int = 0
    """Bytes of its body."""
    head: bytes = b""
    tail: bytes = b""
    """What follows the head, or the end of that."""
    copy: list[bytes] | None = None
    """All of it as it went over the wire, where that was asked for."""
    stalled: bool = False
    """It was cut because its client read nothing for too long."""
    failure: str = ""
    """What its client was told when it had begun and could not go on."""
