"""From a request that has ended to its row. Reads JSON: not for the loop's thread."""

from __future__ import annotations

import json
from datetime import datetime

from paddock.observe.answer import Answer
from paddock.observe.record import Ended
from paddock.observe.usage import Usage, usage_in
from paddock.storage.activity import Row

ERROR_CHARACTERS = 500


def row_of(ended: Ended) -> Row:
    """The row of a request, with all that its answer tells."""
    asked, answer = ended.asked, ended.answer
    usage = usage_in(answer.head, answer.tail, answer.encoding)
    return Row(
        time=milliseconds(ended.began),
        model=asked.model,
        requested=asked.requested or asked.model,
        path=asked.path,
        status=ended.status,
        content_type=answer.content_type,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        draft_tokens=usage.draft_tokens,
        accepted_tokens=usage.accepted_tokens,
        prompt_speed=usage.prompt_speed,
        generation_speed=usage.generation_speed or _seen_speed(ended, usage),
        duration=_ms(ended.duration),
        first_token=_first_token(ended, usage),
        queued=_ms(ended.queued),
        loading=_ms(ended.loading),
        bytes=answer.sent,
        client=asked.client,
        session=asked.session,
        remote=asked.remote,
        request_id=asked.request_id,
        cancelled=ended.cancelled,
        error=(ended.error or _told_error(ended.status, answer))[:ERROR_CHARACTERS],
        metadata=asked.metadata,
    )


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, as rows have their time."""
    return int(moment.timestamp() * 1000)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _first_token(ended: Ended, usage: Usage) -> float | None:
    """A whole answer comes at once: there the waits and the engine's work on the prompt count."""
    if ended.answer.events:
        return None if ended.first is None else _ms(ended.first)
    if usage.prompt_ms is None or not usage.output_tokens:
        return None
    return round(_ms(ended.queued + ended.loading) + usage.prompt_ms, 3)


def _seen_speed(ended: Ended, usage: Usage) -> float:
    """Tokens per second by our clock, where the engine tells only how many there were."""
    if not ended.answer.events or ended.first is None or usage.output_tokens < 2:
        return 0.0
    seconds = ended.duration - ended.first
    return round((usage.output_tokens - 1) / seconds, 3) if seconds > 0 else 0.0


def _told_error(status: int, answer: Answer) -> str:
    """The message in an engine's refusal."""
    if status < 400:
        return ""
    try:
        error = json.loads(answer.head)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, LookupError, TypeError, RecursionError):
        return answer.head[:ERROR_CHARACTERS].decode("utf-8", "replace")
