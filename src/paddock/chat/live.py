"""`GET /api/live`: a page follows its user's feed, and goes on where it was after a lost line."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from paddock.chat.calls import ChatCall, ChatRoute, Who
from paddock.chat.feed import Feed, Feeds, Listener
from paddock.errors import PaddockError
from paddock.gateway import problems
from paddock.gateway.event_stream import EVENTS, EventStreams

MOST_STREAMS: Final = 20
"""Per user. More pages than that are no pages of a person."""

_SIGNED_OUT: Final = b"event: signed_out\ndata: {}\n\n"


class TooManyStreams(PaddockError):
    """A user has as many live streams as anybody may."""


problems.SHAPES[TooManyStreams] = problems.Shape(429, "rate_limit_error", "too_many_streams")


class Live:
    """The stream of events that every open page follows."""

    def __init__(self, *, feeds: Feeds, streams: EventStreams) -> None:
        self._feeds = feeds
        self._streams = streams

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        return (ChatRoute("GET", "/api/live", Who.PENDING, self.follow),)

    async def follow(self, chat: ChatCall) -> web.StreamResponse:
        """What happens to the user's chats and models, as it happens."""
        feed = self._feeds.of(chat.user.id)
        if len(feed.listeners) >= MOST_STREAMS:
            raise TooManyStreams(
                f"{MOST_STREAMS} pages are open already", hint="close one of the others"
            )
        heard = _number(chat.call.request.headers.get("Last-Event-ID", ""), self._feeds.epoch)
        listener = feed.join(chat.user, chat.session.id)
        try:
            return await self._streams.serve(
                chat.call, self._told(feed, listener, heard), EVENTS, is_framed=True
            )
        finally:
            feed.leave(listener)

    async def _told(self, feed: Feed, listener: Listener, heard: int) -> AsyncIterator[bytes]:
        """What is new, whenever something is. Who takes it too slowly hears a snapshot again."""
        while not listener.is_over:
            listener.rest()
            events = feed.since(heard)
            if events is None:
                events = self._feeds.snapshot(listener)
            heard = feed.last
            if events:
                yield events
            else:
                await listener.news()
        yield _SIGNED_OUT


def _number(last_event: str, epoch: str) -> int:
    """The number in a `Last-Event-ID` of this run; -1: none."""
    run, _, number = last_event.partition(".")
    return int(number) if run == epoch and re.fullmatch("[0-9]{1,15}", number) else -1
