"""Requests that run and that have ended: llama-swap's activity, in-flight and capture endpoints."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import web

from paddock.errors import UnknownId
from paddock.gateway.inflight import Inflight, rfc3339
from paddock.gateway.routes import Call, Route
from paddock.observe.captures import shown
from paddock.observe.journal import Journal

if TYPE_CHECKING:
    from paddock.observe.histogram import Histogram
    from paddock.storage.activity import Row


class ActivityEndpoints:
    """Shows what was asked of models, and ends what still runs."""

    def __init__(self, journal: Journal, inflight: Inflight) -> None:
        self._journal = journal
        self._inflight = inflight

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("GET", "/api/metrics/activity", self.activity),
            Route("GET", "/api/metrics/stats", self.stats),
            Route("GET", "/api/inflight", self.inflight),
            Route("POST", "/api/inflight/*", self.cancel),
            Route("GET", "/api/captures/*", self.capture),
        )

    async def activity(self, call: Call) -> web.Response:
        """A page of past requests."""
        from paddock.gateway.activity_query import activity_query  # noqa: PLC0415 - as it is rare

        query = activity_query(call.request.query)
        await self._journal.settle()
        page = await self._journal.activity.page(query)
        captures = self._journal.captures
        return web.json_response(
            {
                "data": [_row(row, has_capture=row.id in captures) for row in page.rows],
                "page": query.page,
                "limit": query.limit,
                "total": page.total,
                "total_pages": math.ceil(page.total / query.limit),
            }
        )

    async def stats(self, call: Call) -> web.Response:
        """Sums over all past requests, and distributions over the newest."""
        await self._journal.settle()
        stats = await self._journal.activity.stats(call.request.query.get("model", "").strip())
        totals, shapes = stats.totals, stats.distributions
        return web.json_response(
            {
                "total_requests": totals.requests,
                "total_input_tokens": totals.input_tokens,
                "total_output_tokens": totals.output_tokens,
                "total_cache_tokens": totals.cached_tokens,
                "prompt_histogram": _histogram(shapes["prompt_speed"]),
                "gen_histogram": _histogram(shapes["generation_speed"]),
                "ttft_histogram": _histogram(shapes["first_token"]),
                "queue_histogram": _histogram(shapes["queued"]),
                "load_histogram": _histogram(shapes["loading"]),
            }
        )

    async def inflight(self, call: Call) -> web.Response:  # noqa: ARG002
        """The requests that run."""
        entries = self._inflight.all()
        return web.json_response({"total": len(entries), "requests": entries})

    async def cancel(self, call: Call) -> web.Response:
        """End a request that runs: its client gets an error, its model stops generating."""
        number = unquote(call.rest).removesuffix("/cancel")
        if not call.rest.endswith("/cancel") or not self._journal.cancel(number):
            raise UnknownId(
                f"no request {number!r} is running", hint="`GET /api/inflight` lists those that are"
            )
        return web.json_response({"msg": "ok"})

    async def capture(self, call: Call) -> web.Response:
        """A request and its answer as they were."""
        text = call.rest
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 17 else 0
        await self._journal.settle()
        capture = self._journal.captures.get(number)
        if capture is None:
            raise UnknownId(
                f"there is no capture {text!r}",
                hint="`has_capture` in `GET /api/metrics/activity` says which requests have one; "
                "`captureBuffer` is how many megabytes of them are kept",
            )
        return web.json_response(await asyncio.to_thread(shown, number, capture))


def _row(row: Row, *, has_capture: bool) -> dict[str, Any]:
    """A past request in llama-swap's words, and with ours for what it does not tell."""
    told = {
        "id": row.id,
        "timestamp": rfc3339(datetime.fromtimestamp(row.time / 1000, UTC)),
        "model": row.model,
        "requested_model": row.requested,
        "req_path": row.path,
        "resp_content_type": row.content_type,
        "resp_status_code": row.status,
        "tokens": {
            "cache_tokens": row.cached_tokens,
            "draft_tokens": row.draft_tokens,
            "draft_acc_tokens": row.accepted_tokens,
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "prompt_per_second": row.prompt_speed or -1,
            "tokens_per_second": row.generation_speed or -1,
        },
        "duration_ms": round(row.duration),
        "ttft_ms": row.first_token,
        "queue_ms": row.queued,
        "load_ms": row.loading,
        "resp_bytes": row.bytes,
        "client": row.client,
        "session_id": row.session,
        "remote_ip": row.remote,
        "request_id": row.request_id,
        "cancel_reason": row.cancelled,
        "has_capture": has_capture,
    }
    told |= {"error_msg": row.error} if row.error else {}
    return told | ({"metadata": dict(row.metadata)} if row.metadata else {})


def _histogram(shape: Histogram | None) -> dict[str, Any] | None:
    if shape is None:
        return None
    return {
        "bins": shape.bars,
        "min": shape.low,
        "max": shape.high,
        "binSize": shape.width,
        "p50": shape.p50,
        "p95": shape.p95,
        "p99": shape.p99,
    }
