"""What the assemblers of all dialects share: reading an event, and knowing a broken stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from paddock.errors import InvalidRequest, UpstreamLost
from paddock.gateway.body import parse_value
from paddock.gateway.problems import Upstream
from paddock.gateway.sse import SseEvent

MISSHAPEN = (LookupError, TypeError, ValueError, AttributeError)
"""What handling an event raises when it lacks something, or has something else in its place."""


class Assembler(ABC):
    """Puts the answer of one streamed request together. Knows no connection."""

    def __init__(self) -> None:
        self._done = False
        """The event that ends a whole answer has come."""

    def feed(self, event: SseEvent) -> None:
        """Take the next event.

        Raises Upstream, with the engine's own status and error, when the event is an error, and
        UpstreamLost when it makes no sense.
        """
        value = read_event(event)
        try:
            self._take(value)
        except MISSHAPEN as error:
            raise UpstreamLost("the engine sent an event of another form than expected") from error

    def finish(self) -> Any:
        """The stream ended: the JSON value that the engine would have answered without streaming.

        Raises UpstreamLost when the stream ended before the answer did.
        """
        if not self._done:
            raise UpstreamLost("the engine ended its stream before its answer was whole")
        try:
            return self._whole()
        except MISSHAPEN as error:
            raise UpstreamLost("the engine sent an answer of another form than expected") from error

    @abstractmethod
    def _take(self, value: dict[str, Any]) -> None:
        """Take the next event's object. Sets `_done` at the last one."""

    @abstractmethod
    def _whole(self) -> Any:
        """The answer. Called once, when `_done`."""


def read_event(event: SseEvent) -> dict[str, Any]:
    """The object in an event. llama-server also sends `null`, which says nothing.

    Raises Upstream, with the engine's own status and error, when the event is an error, and
    UpstreamLost when it is not JSON.
    """
    try:
        value = parse_value(event.data)
    except InvalidRequest as error:
        raise UpstreamLost("the engine sent an event that is not JSON") from error
    if value is None:
        return {}
    if type(value) is not dict:
        raise UpstreamLost("the engine sent an event that is not a JSON object")
    refused = value.get("error") or (value if event.event == "error" else None)
    if refused is not None:
        raise _refusal(refused)
    return value


def _refusal(error: Any) -> Upstream:
    told = error if isinstance(error, dict) else {"message": str(error)}
    code = told.get("code")
    return Upstream(code if isinstance(code, int) and 400 <= code <= 599 else 500, told)
