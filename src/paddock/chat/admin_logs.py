"""Logs for admins: the daemon's or a model's, once or as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from paddock.chat.calls import ChatCall, ChatRoute, Session, Who
from paddock.chat.room import COOKIE, SessionFinder
from paddock.config.current import Current
from paddock.engine.launcher import Launcher
from paddock.engine.output import Output
from paddock.gateway.body import dump_json
from paddock.gateway.event_stream import EVENTS, EventStreams
from paddock.gateway.log_endpoints import lines_of
from paddock.library.library import Library
from paddock.library.twins import running_id
from paddock.observe.logs import Logs
from paddock.storage.users import Role


class AdminLogs:
    """Shows logs, without the owner's secrets."""

    def __init__(
        self,
        *,
        current: Current,
        library: Library,
        launcher: Launcher,
        logs: Logs,
        streams: EventStreams,
        sessions: SessionFinder,
    ) -> None:
        self._current, self._library, self._launcher = current, library, launcher
        self._own, self._streams, self._sessions = logs.daemon.lines, streams, sessions

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        return (ChatRoute("GET", "/api/admin/logs", Who.ADMIN, self.logs),)

    async def logs(self, chat: ChatCall) -> web.StreamResponse:
        """What is kept of a model's log or, without `model`, of the daemon's; with `follow` and
        what comes, as events of JSON texts.
        """
        model = chat.query.get("model", "")
        output = self._output(model) if model else None
        if chat.query.get("follow", "") in {"", "0"}:
            text = self._own.history() if output is None else "\n".join((*output.tail(), ""))
            text = self._current.masking.text(text)
            return web.Response(text=text, headers={"Cache-Control": "no-store"})
        lines = lines_of(output, history=True) if output is not None else self._own.follow()
        return await self._streams.serve(chat.call, self._followed(chat, lines), EVENTS)

    def _output(self, model: str) -> Output:
        return self._launcher.output(running_id(self._library.resolve(model)))

    async def _followed(self, chat: ChatCall, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The lines, as long as who follows them is an admin."""
        cookie = chat.call.request.cookies[COOKIE]
        async for text in lines:
            if not _is_admin(await self._sessions.find(cookie)):
                return
            yield dump_json(self._current.masking.text(text.decode("utf-8", "replace")))


def _is_admin(session: Session | None) -> bool:
    return session is not None and session.user.role is Role.ADMIN
