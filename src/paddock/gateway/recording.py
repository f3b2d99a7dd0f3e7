"""Puts a request to a model into the journal: who asks, for what, and with which answer."""

from __future__ import annotations

from paddock.config.current import Current
from paddock.gateway.forward import Ask
from paddock.gateway.naming import Target
from paddock.gateway.openai import EITHER_PATHS, FORM_PATHS, JSON_TARGETS
from paddock.gateway.relay import COPY_BYTES, Relay
from paddock.gateway.routes import Call
from paddock.observe.captures import WITHOUT_REQUEST
from paddock.observe.journal import Journal
from paddock.observe.record import Asked, Record

NOT_KEPT = frozenset({"/tokenize", "/detokenize", "/apply-template"})
"""No tokens are generated or worked through there: they would only fill the list."""

KEPT = frozenset((*JSON_TARGETS.values(), *FORM_PATHS, *EITHER_PATHS)) - NOT_KEPT
"""Paths, as models know them, whose requests get a row."""

SESSION_CHARACTERS = 200
NAME_CHARACTERS = 256
"""Of the name that was asked for: blanks around a known one make it as long as a client likes."""


class Recorder:
    """Records requests."""

    def __init__(self, journal: Journal, current: Current) -> None:
        self._journal = journal
        self._current = current

    def begin(self, call: Call, target: Target, ask: Ask, relay: Relay) -> Record:
        """The record of a request that begins now; `relay` will answer it."""
        asked = self._asked(call, target, ask)
        if asked.is_kept and self._journal.captures.wanted and _is_captured(asked.path, ask.body):
            asked.body = ask.body
            relay.copy = []
        return self._journal.record(asked, relay.report)

    def _asked(self, call: Call, target: Target, ask: Ask) -> Asked:
        request = call.request
        path = ask.target.partition("?")[0]
        return Asked(
            model=target.id,
            path=path if request.path.startswith("/upstream/") else request.path,
            method=request.method,
            requested=(target.selector or target.name)[:NAME_CHARACTERS],
            request_id=call.id,
            client=call.client,
            session=self._session(call),
            remote=request.remote or "",
            headers=request.headers,
            metadata=self._metadata(target),
            is_kept=request.method == "POST" and path in KEPT,
        )

    def _session(self, call: Call) -> str:
        headers = call.request.headers
        for name in self._current.config.ui.activity.session_id:
            if told := headers.get(name):
                return told[:SESSION_CHARACTERS]
        return ""

    def _metadata(self, target: Target) -> dict[str, str]:
        found = {"selector": target.selector} if target.selector else {}
        priority = self._current.config.priorities.get(target.model.id)
        return found | {"fifo_priority": str(priority)} if priority is not None else found


def _is_captured(path: str, body: bytes) -> bool:
    """Large bodies are not: packing them would take long."""
    return len(body) <= COPY_BYTES or path in WITHOUT_REQUEST
