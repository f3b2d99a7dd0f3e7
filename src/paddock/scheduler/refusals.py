"""The errors that requests get from the scheduler, in words for clients and owners."""

from __future__ import annotations

from paddock.errors import (
    EngineError,
    FailureKind,
    InstanceFailed,
    LineFull,
    ModelGone,
    NoMemory,
    QueueFull,
    ShuttingDown,
    WaitExpired,
)
from paddock.library.model import Model
from paddock.memory.placement import Plan
from paddock.scheduler.limits import Limits

RETRY_AFTER = 5.0
"""Seconds after which a client may try again when nothing better is known."""


def queue_full(limits: Limits, retry_after: float | None) -> QueueFull:
    return QueueFull(
        f"{limits.max_queue} requests wait already",
        hint="try again later; `maxQueue` sets how many may wait",
        retry_after=RETRY_AFTER if retry_after is None else retry_after,
    )


def line_full(model_id: str, limit: int, retry_after: float | None) -> LineFull:
    waiting = f"{limit} requests wait" if limit else "all its slots are in use and none may wait"
    return LineFull(
        f"{model_id} is full: {waiting}",
        hint="try again later; `queueLimit` sets how many may wait for one model",
        retry_after=RETRY_AFTER if retry_after is None else retry_after,
    )


def wait_expired(model_id: str, waited: float) -> WaitExpired:
    return WaitExpired(
        f"the request waited {waited:g} s for {model_id}",
        hint="try again later; `queueTimeout` sets how long requests may wait",
        retry_after=RETRY_AFTER,
    )


def removed(model_id: str) -> ModelGone:
    return ModelGone(
        f"{model_id} left the library while its request waited",
        hint="`paddock list` shows what there is",
    )


def unloaded(model_id: str) -> ModelGone:
    return ModelGone(
        f"{model_id} was unloaded by hand while its request waited",
        hint="ask again to load it",
        retry_after=RETRY_AFTER,
    )


def shutting_down() -> ShuttingDown:
    return ShuttingDown(
        "the daemon is stopping", hint="try again when it is back", retry_after=RETRY_AFTER
    )


def no_memory(model: Model, plan: Plan) -> NoMemory:
    """For a model that has no place on this machine, whoever leaves."""
    hint = f"what would help: {'; '.join(plan.helps)}" if plan.helps else ""
    return NoMemory(f"{model.id} does not fit: {plan.reason}", hint=hint)


def start_crashed(model: Model, reason: str) -> InstanceFailed:
    """For a start that ended in something no engine should raise."""
    return InstanceFailed(
        model.id,
        FailureKind.EXITED,
        f"{model.id} could not be started: {reason}",
        hint="the daemon's log tells more",
    )


def ended_by_itself(model: Model) -> InstanceFailed:
    """For a child that went without a failure and without being asked."""
    return InstanceFailed(model.id, FailureKind.EXITED, f"{model.id} ended without being asked to")


def again(error: EngineError) -> EngineError:
    """A copy to raise: one exception raised for two requests would carry both tracebacks."""
    return type(error)(error.message, hint=error.hint)


def failed(error: InstanceFailed, retry_after: float) -> InstanceFailed:
    """A copy to raise, with the time after which a retry makes sense."""
    return InstanceFailed(
        error.model,
        error.kind,
        error.message,
        hint=error.hint,
        output=error.output,
        retry_after=retry_after,
    )


def failed_for_good(error: InstanceFailed) -> InstanceFailed:
    """A copy to raise for what no retry heals; tells how the model is tried again all the same."""
    return InstanceFailed(
        error.model, error.kind, error.message, hint=_then_load(error), output=error.output
    )


def crash_loop(last: InstanceFailed, failures: int, window: float) -> InstanceFailed:
    """For a model that failed too often; tells what the child itself said."""
    return InstanceFailed(
        last.model,
        FailureKind.CRASH_LOOP,
        f"{last.model} failed {failures} times within {window:.0f} s and is not tried again; "
        f"the last time: {last.message}",
        hint=_then_load(last),
        output=last.output,
    )


def _then_load(error: InstanceFailed) -> str:
    advice = error.hint or "see its log"
    return f"{advice}; then `paddock load {error.model}`, or change its entry"
