"""The requests that run, as the API tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from paddock.engine.instance import Instance
from paddock.events import InstanceState
from paddock.observe.captures import without_secrets
from paddock.observe.journal import Journal
from paddock.observe.record import Record
from paddock.scheduler.scheduler import Scheduler


class Inflight:
    """Shows the requests that run, each with how far it is.

    `phase`: `queued`, `loading` (its model starts), `prefill` (the engine has it and has told
    nothing yet), `streaming`.
    """

    def __init__(self, journal: Journal, scheduler: Scheduler[Instance]) -> None:
        self._journal = journal
        self._scheduler = scheduler

    def all(self) -> list[dict[str, Any]]:
        """Every request that runs, in order of arrival."""
        loading = self._loading()
        return [_entry(record, loading) for record in self._journal.running()]

    def one(self, record: Record) -> dict[str, Any]:
        """One of them."""
        return _entry(record, self._loading() if record.granted_at is None else frozenset())

    def _loading(self) -> frozenset[str]:
        """The ids of the requests whose model starts: it may run under another of its names."""
        view = self._scheduler.snapshot()
        starting = {one.model for one in view.instances if one.state is InstanceState.STARTING}
        return frozenset(one.request for one in view.waiting if one.model in starting)


def _entry(record: Record, loading: frozenset[str]) -> dict[str, Any]:
    asked, answer = record.asked, record.report()
    entry = {
        "id": record.id,
        "timestamp": rfc3339(record.began),
        "model": asked.model,
        "requested_model": asked.requested,
        "req_path": asked.path,
        "method": asked.method,
        "req_headers": without_secrets(asked.headers.items()),
        "remote_ip": asked.remote,
        "resp_headers": {"Content-Type": answer.content_type} if answer.content_type else {},
        "resp_bytes": answer.sent,
        "elapsed_ms": round(record.elapsed * 1000),
        "phase": _phase(record, began=answer.first_at is not None, loading=loading),
        "client": asked.client,
        "session_id": asked.session,
        "request_id": asked.request_id,
    }
    return entry | ({"metadata": dict(asked.metadata)} if asked.metadata else {})


def _phase(record: Record, *, began: bool, loading: frozenset[str]) -> str:
    if began:
        return "streaming"
    if record.granted_at is not None:
        return "prefill"
    return "loading" if record.asked.request_id in loading else "queued"


def rfc3339(moment: datetime) -> str:
    """A moment in UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
