"""Work that takes its time, told line by line: `{"status": …}` each, and `success` at its end."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from aiohttp import web

from paddock.errors import PaddockError
from paddock.gateway import problems
from paddock.gateway.body import dump_json
from paddock.gateway.event_stream import EventStreams
from paddock.gateway.routes import Call

log = logging.getLogger(__name__)

Status = dict[str, Any]
"""One line: `status`, and while bytes move `digest`, `total` and `completed`."""

LINES: Final = "application/x-ndjson"
SUCCESS: Final[Status] = {"status": "success"}


async def answer(
    call: Call, work: AsyncGenerator[Status], streams: EventStreams, *, stream: bool
) -> web.StreamResponse:
    """Do the work and tell how it goes; with `stream` off only the last status.

    What goes wrong before the first status is raised, and so an error with its own HTTP status;
    later it is the last line. Cancelling ends the work.
    """
    async with aclosing(work):
        status = await anext(work)
        if stream:
            return await streams.serve(call, _lines(call, status, work), LINES)
        async for later in work:
            status = later
    return web.json_response(status)


async def _lines(call: Call, first: Status, rest: AsyncIterator[Status]) -> AsyncIterator[bytes]:
    yield _line(first)
    try:
        async for status in rest:
            yield _line(status)
    except PaddockError as error:
        yield _line(problems.body_of(error, call.request.path))
    except Exception:
        log.exception("request %s failed", call.id)
        yield _line(problems.body_of(problems.Internal(), call.request.path))


def _line(told: Status) -> bytes:
    return dump_json(told) + b"\n"
