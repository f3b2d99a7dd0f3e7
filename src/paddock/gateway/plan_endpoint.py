"""`/api/plan`: what of a model would go where, and why. It changes nothing.

Imported when it is first asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from paddock.engine.buffers import HOST, Parts
from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.engine.learned import Taken
from paddock.errors import InvalidRequest
from paddock.gateway import places
from paddock.gateway.naming import Names
from paddock.gateway.routes import Call, Route
from paddock.hardware.devices import Device
from paddock.library.model import Model
from paddock.library.twins import running_id
from paddock.memory.estimate import Estimate, Share
from paddock.memory.layout import homes
from paddock.memory.placement import Plan
from paddock.memory.question import Question
from paddock.memory.terms import CACHE_TYPES
from paddock.scheduler.look import placed
from paddock.scheduler.outlook import Outlook
from paddock.scheduler.scheduler import Scheduler
from paddock.scheduler.wishes import Wish

MOST_CONTEXT: Final = 1 << 24
MOST_SLOTS: Final = 512
LOAD_RATE: Final = 1 << 30
"""Bytes of weights in a second, where nothing is known: what a good disk reads."""
START_SECONDS: Final = 1.0
"""What a load takes beside reading."""


class PlanEndpoint:
    """Plans."""

    def __init__(self, names: Names, scheduler: Scheduler[Instance], launcher: Launcher) -> None:
        self._names, self._scheduler, self._launcher = names, scheduler, launcher

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("GET", "/api/plan", self.plan),)

    async def plan(self, call: Call) -> web.Response:
        """The plan for `?model=`, with `ctx`, `parallel` and `kv` if they are to be so."""
        query = dict(call.request.query)
        if not query.get("model"):
            raise InvalidRequest("model is missing", param="model", hint="ask /api/plan?model=NAME")
        model, wish = self._names.resolve_here(query["model"]), _wish(query)
        outlook = await self._scheduler.outlook(model, wish)
        if outlook is None:
            raise InvalidRequest("memory is not looked at here", param="model")
        return web.json_response(
            {
                "model": model.id,
                "engine": self._launcher.engines.choose(model).name,
                **_planned(model, outlook),
                "leave": [one._asdict() for one in outlook.leave],
                "needs": outlook.needs,
                "running": self._running(model),
            }
        )

    def _running(self, model: Model) -> dict[str, Any] | None:
        """Where it is now, if it is in memory."""
        views = self._scheduler.snapshot().instances
        mine = (one for one in views if one.model == running_id(model))
        for view in mine:
            if (instance := self._launcher.find(view.instance)) is not None:
                return {
                    "instance": view.instance,
                    "state": str(view.state),
                    "processor": places.processor(instance),
                    "context": places.context(instance) or view.context,
                    "parallel": instance.slots,
                    "memory": dict(places.memory(instance)),
                }
        return None


# --- what is asked -----------------------------------------------------------------------------


def _wish(query: Mapping[str, str]) -> Wish:
    kind = query.get("kv") or None
    if kind is not None and kind not in CACHE_TYPES:
        raise InvalidRequest(
            f"kv is {kind!r}: there is no such type", param="kv", hint=f"one of {_LISTED}"
        )
    return Wish(_number(query, "ctx", MOST_CONTEXT), _number(query, "parallel", MOST_SLOTS), kind)


_LISTED: Final = ", ".join(CACHE_TYPES)


def _number(query: Mapping[str, str], name: str, most: int) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or not text.isascii() or len(text) > 9 or not 1 <= int(text) <= most:
        raise InvalidRequest(
            f"{name} must be a whole number from 1 to {most}", param=name, hint="leave it out"
        )
    return int(text)


# --- what is told ------------------------------------------------------------------------------


def _planned(model: Model, outlook: Outlook) -> dict[str, Any]:
    if outlook.question is not None and outlook.plan is not None:
        return {
            **_told(outlook.question, outlook.plan),
            "devices": [
                _device(one, outlook.plan, len(outlook.question.shape.layers))
                for one in outlook.devices
            ],
            "host": {"free_bytes": outlook.host, **_host(outlook.plan)},
        }
    if outlook.taken is not None:
        return _last_time(model, outlook.taken)
    raise InvalidRequest(
        f"{model.id} is a command of the owner's and cannot be planned",
        param="model",
        hint="load it once: what it takes is remembered if it tells, as llama-server does",
    )


def _told(question: Question, plan: Plan) -> dict[str, Any]:
    shape, count = question.shape, len(question.shape.layers)
    chosen = placed(question, plan)
    known = question.seconds.get((plan.terms, plan.layout))
    return {
        "kind": plan.kind,
        "processor": chosen.processor if chosen.words else "",
        "reason": plan.reason,
        "helps": list(plan.helps),
        "context": plan.context,
        "parallel": plan.slots,
        "kv": plan.terms.keys,
        "trained_context": shape.context,
        "layers": count,
        "gpu_layers": min(plan.layout.gpu_layers, count + 1),
        "cpu_expert_layers": min(plan.layout.cpu_experts, count),
        "trusted": plan.estimate.trusted,
        "learned": known is not None,
        "doubts": _doubts(question, plan.estimate),
        "flags": list(chosen.words),
        "seconds": _expected(plan) if known is None else known,
        "seconds_estimated": known is None,
    }


def _expected(plan: Plan) -> float | None:
    """Seconds until it is loaded, by its size; None for what is not."""
    if plan.kind == "refused":
        return None
    parts = (*plan.estimate.devices.values(), plan.estimate.host)
    return round(START_SECONDS + sum(one.weights for one in parts) / LOAD_RATE, 1)


def _doubts(question: Question, numbers: Estimate) -> list[str]:
    bounded = "what GPUs need beside layers of the processor is at most this, and may be less"
    odd = f"no formula knows what {', '.join(question.odd)} changes"
    asked = (odd,) if question.odd and not question.known else ()
    return [*numbers.doubts, *((bounded,) if numbers.bounded else ()), *asked]


def _device(device: Device, plan: Plan, count: int) -> dict[str, Any]:
    return {
        "name": device.name,
        "description": device.description,
        "integrated": device.integrated,
        "total_bytes": device.total,
        "free_bytes": device.free,
        "layers": homes(plan.layout, count)[:-1].count(device.name),
        **_parts(plan.estimate.devices.get(device.name, Share())),
    }


def _host(plan: Plan) -> dict[str, Any]:
    numbers = plan.estimate
    cache = numbers.growth.prompt_cache if plan.cache is None else plan.cache
    return {
        **_parts(numbers.host),
        "may_grow": {
            "prompt_cache_bytes": cache,
            "checkpoint_bytes": numbers.growth.checkpoints,
            "repacked_bytes": numbers.growth.repacked,
        },
    }


def _parts(parts: Share) -> dict[str, int]:
    return {
        "weights_bytes": parts.weights,
        "kv_bytes": parts.kv,
        "compute_bytes": parts.compute,
        "outside_bytes": parts.outside,
        "needed_bytes": parts.total,
    }


def _last_time(model: Model, taken: Taken) -> dict[str, Any]:
    """Of a command: what it took the last time."""
    shares = {name: _parts(_share(part)) for name, part in taken.parts.items()}
    return {
        "kind": "command",
        "processor": "",
        "reason": f"{model.id} is a command of the owner's: "
        "it goes where it likes, and took this the last time.",
        "helps": [],
        "context": taken.context,
        "parallel": taken.slots,
        "learned": True,
        "doubts": [],
        "flags": [],
        "seconds": taken.seconds,
        "seconds_estimated": False,
        "devices": [{"name": name, **told} for name, told in shares.items() if name != HOST],
        "host": shares.get(HOST, _parts(Share())),
    }


def _share(parts: Parts) -> Share:
    return Share(parts.weights, parts.kv, parts.compute + parts.output)
