"""`/api/plan`: what of a model would go where, and why. It changes nothing.

Imported when it is first asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from aiohttp import web

from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.engine import devices as engine_devices
from paddock.engine.engine import Engine
from paddock.engine.launcher import Launcher
from paddock.errors import InvalidRequest, NotObserved
from paddock.gateway.naming import Names
from paddock.gateway.routes import Call, Route
from paddock.hardware.devices import Device
from paddock.hardware.ram import RamReader
from paddock.library.model import Model, Trait
from paddock.library.variant import context_of
from paddock.memory.estimate import Estimate, Share
from paddock.memory.flags import flags
from paddock.memory.layout import homes
from paddock.memory.placement import LEAST, Fixed, Plan, place
from paddock.memory.shape import Shape
from paddock.memory.shapes import Shapes
from paddock.memory.terms import CACHE_TYPES, Terms

MOST_CONTEXT: Final = 1 << 24
MOST_SLOTS: Final = 512
ASK_SECONDS: Final = 10.0
"""How long an engine may take to list its devices."""
NOT_YET: Final = (
    "Models are not placed by this plan yet: llama-server still decides where their layers go."
)


WEIGHING: Final = frozenset(
    {
        *("-ngl", "--gpu-layers", "--n-gpu-layers", "-ts", "--tensor-split", "-sm", "--split-mode"),
        *("-dev", "--device", "-mg", "--main-gpu", "-ot", "--override-tensor", "-nkvo"),
        *("-cmoe", "--cpu-moe", "-ncmoe", "--n-cpu-moe", "--no-kv-offload", "--swa-full"),
        *("-c", "--ctx-size", "-np", "--parallel", "-kvu", "--kv-unified", "-fa", "--flash-attn"),
        *("-ctk", "--cache-type-k", "-ctv", "--cache-type-v", "-b", "--batch-size"),
        *("-ub", "--ubatch-size", "-md", "--model-draft", "--lora", "--mmproj"),
    }
)
"""Flags of the owner's that change how much memory a model takes, or where."""


class _Wish(NamedTuple):
    terms: Terms
    fixed: Fixed


class PlanEndpoint:
    """Plans."""

    def __init__(self, current: Current, names: Names, launcher: Launcher) -> None:
        self._current, self._names, self._launcher = current, names, launcher
        self._shapes = Shapes()

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("GET", "/api/plan", self.plan),)

    async def plan(self, call: Call) -> web.Response:
        """The plan for `?model=`, with `ctx`, `parallel` and `kv` if they are to be so."""
        query = dict(call.request.query)
        if not query.get("model"):
            raise InvalidRequest("model is missing", param="model", hint="ask /api/plan?model=NAME")
        model = self._names.resolve_here(query["model"])
        if model.path is None:
            raise InvalidRequest(
                f"{model.id} is a command of the owner's and cannot be planned",
                param="model",
                hint="ask for a model that is a GGUF file",
            )
        wish = _wish(model, self._current.config, query)
        shape = await self._shape(model)
        engine = self._launcher.engines.choose(model)
        devices = self._left(engine.name, await _listed(engine))
        ram = await asyncio.to_thread(RamReader().read)
        plan = place(shape, wish.terms, devices, ram.free, wish.fixed)
        told = {
            "model": model.id,
            "engine": engine.name,
            **_told(plan, shape),
            "devices": [_device(one, plan, shape) for one in devices],
            "host": {"free_bytes": ram.free, **_host(plan.estimate)},
            "notes": [*_notes(model, self._current.config), NOT_YET],
        }
        return web.json_response(told)

    async def _shape(self, model: Model) -> Shape:
        if (known := self._shapes.known(model)) is not None:
            return known
        shape = await asyncio.to_thread(self._shapes.read, model)
        self._shapes.keep(model, shape)
        return shape

    def _left(self, engine: str, devices: tuple[Device, ...]) -> tuple[Device, ...]:
        """The devices with what our own children hold taken off, where no driver counts it."""
        living = [one for one in self._launcher.living() if one.engine == engine]
        claimed = {
            device.name: sum(one.memory.get(device.name, 0) for one in living) for device in devices
        }
        return tuple(replace(one, free=one.left(claimed[one.name])) for one in devices)


async def _listed(engine: Engine) -> tuple[Device, ...]:
    try:
        async with asyncio.timeout(ASK_SECONDS):
            return await engine_devices.devices(engine)
    except TimeoutError:
        raise NotObserved(
            f"{engine.name} did not list its devices in {ASK_SECONDS:.0f} s", hint="ask again soon"
        ) from None


def _wish(model: Model, config: Config, query: Mapping[str, str]) -> _Wish:
    """What is wanted: what the request says, else what the owner does."""
    context = _number(query, "ctx", MOST_CONTEXT)
    slots = _number(query, "parallel", MOST_SLOTS)
    kind = query.get("kv") or "f16"
    if kind not in CACHE_TYPES:
        raise InvalidRequest(
            f"kv is {kind!r}: there is no such type", param="kv", hint=f"one of {_LISTED}"
        )
    embeds = bool({Trait.EMBEDDING, Trait.RERANK} & model.traits)
    wanted = context or context_of(model, config.context_length) or LEAST
    batch = wanted if embeds else (model.options.batch or 0)
    terms = Terms(
        wanted,
        slots or model.settings.parallel or config.parallel,
        keys=kind,
        values=kind,
        embedding=embeds,
    )
    if batch:
        terms = replace(terms, batch=batch, ubatch=batch)
    said = model.options.context is not None or model.settings.context_length is not None
    return _Wish(terms, Fixed(bool(context) or said, bool(slots or model.settings.parallel)))


_LISTED: Final = ", ".join(CACHE_TYPES)


def _number(query: Mapping[str, str], name: str, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return 0
    if not text.isdecimal() or not text.isascii() or len(text) > 9 or not 1 <= int(text) <= most:
        raise InvalidRequest(
            f"{name} must be a whole number from 1 to {most}", param=name, hint="leave it out"
        )
    return int(text)


def _told(plan: Plan, shape: Shape) -> dict[str, Any]:
    count = len(shape.layers)
    return {
        "kind": plan.kind,
        "reason": plan.reason,
        "helps": list(plan.helps),
        "context": plan.context,
        "parallel": plan.slots,
        "kv": plan.terms.keys,
        "trained_context": shape.context,
        "layers": count,
        "gpu_layers": min(plan.layout.gpu_layers, count + 1),
        "cpu_expert_layers": plan.layout.cpu_experts,
        "trusted": plan.estimate.trusted,
        "doubts": _doubts(plan.estimate),
        "flags": flags(plan, shape),
    }


def _doubts(numbers: Estimate) -> list[str]:
    bounded = "what GPUs need beside layers of the processor is at most this, and may be less"
    return [*numbers.doubts, *((bounded,) if numbers.bounded else ())]


def _device(device: Device, plan: Plan, shape: Shape) -> dict[str, Any]:
    placed = homes(plan.layout, len(shape.layers))[:-1]
    return {
        "name": device.name,
        "description": device.description,
        "integrated": device.integrated,
        "total_bytes": device.total,
        "free_bytes": device.free,
        "layers": placed.count(device.name),
        **_parts(plan.estimate.devices.get(device.name, Share())),
    }


def _host(numbers: Estimate) -> dict[str, Any]:
    return {
        **_parts(numbers.host),
        "may_grow": {
            "prompt_cache_bytes": numbers.growth.prompt_cache,
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


def _notes(model: Model, config: Config) -> list[str]:
    """What the plan does not know of."""
    name = model.settings.engine or config.engine or next(iter(config.engines), "")
    entry = config.engines.get(name)
    own = (entry.args if entry else "", config.default_model_args, model.settings.args)
    given = {word.replace("_", "-") for text in own for word in text.split()}
    if taken := sorted(given & WEIGHING):
        return [f"Flags of the configuration are not part of the plan: {', '.join(taken)}."]
    return []
