"""`/v1/models`: everything that can be asked for by name, in OpenAI's shape.

With llama.cpp's `status`, what a GGUF's header tells in `meta`, and llama-swap's `architecture`,
`capabilities`, `supported_parameters` and `meta.llamaswap`, whose `type` says what an entry is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from paddock.config.current import Current
from paddock.config.model_entry import Capabilities
from paddock.config.routing import Selector
from paddock.engine.instance import Instance
from paddock.events import InstanceState
from paddock.gateway.naming import Names
from paddock.gateway.peer import VIA, PeerModel
from paddock.gateway.peers import Peers
from paddock.gateway.profiles import Profiles
from paddock.gateway.routes import Call, Route
from paddock.gateway.selectors import Candidate
from paddock.library.library import Library
from paddock.library.model import Model, Trait
from paddock.library.naming import lookup_key
from paddock.library.twins import running_id
from paddock.library.variant import context_of
from paddock.scheduler.scheduler import Scheduler
from paddock.scheduler.view import SchedulerView

Entry = dict[str, Any]

STATUS = {
    InstanceState.STARTING: "loading",
    InstanceState.READY: "loaded",
    InstanceState.STOPPING: "loaded",
}
"""llama.cpp's router words for our states; anything else is `unloaded`."""

OUTPUTS = {Trait.EMBEDDING: "embedding", Trait.RERANK: "score"}

TRAIT_WORDS = {Trait.TOOLS: "function_calling", Trait.RERANK: "reranker"}
"""llama-swap's words for traits, told besides ours."""

WAYS = {
    ("audio", "text"): "audio_transcriptions",
    ("text", "audio"): "audio_speech",
    ("text", "image"): "image_generation",
    ("image", "image"): "image_to_image",
}
"""llama-swap's words for what goes in and comes out."""

RENDERED = frozenset({"architecture", "capabilities", "supported_parameters", "context_length"})
"""Keys of `metadata` that are not told where the entry says the same."""


class ModelList:
    """Answers what can be asked for."""

    def __init__(
        self,
        current: Current,
        library: Library,
        scheduler: Scheduler[Instance],
        names: Names,
        profiles: Profiles,
        peers: Peers,
    ) -> None:
        self._current = current
        self._library = library
        self._scheduler = scheduler
        self._names = names
        self._profiles = profiles
        self._peers = peers
        self._since = int(datetime.now(UTC).timestamp())

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("GET", "/v1/models", self.models, asks=True),
            Route("GET", "/models", self.models, asks=True),
            Route("GET", "/v1/models/*", self.model, asks=True),
        )

    async def models(self, call: Call) -> web.Response:
        """Everything that is listed, by id. A Paddock that asks is not told of our peers' models:
        of two that ask each other, neither would ever be done.
        """
        data = self.entries(with_peers=VIA not in call.request.headers)
        return web.json_response({"object": "list", "data": data})

    async def model(self, call: Call) -> web.Response:
        """One entry, by any name that leads to it."""
        name = call.request.rel_url.path.removeprefix("/v1/models/")
        return web.json_response(self.entry(name))

    def entries(self, *, with_peers: bool) -> list[Entry]:
        """Everything that is listed, by id."""
        entries = self._all(with_peers=with_peers)
        return [entries[name] for name in sorted(entries)]

    def entry(self, name: str) -> Entry:
        """What `name` leads to. Raises UnknownModel with the nearest names."""
        entry = self._all(with_peers=True).get(name) or self._found(self._profiles.pinned(name))
        if entry is None:
            raise self._names.unknown(name)
        return entry

    def _found(self, name: str) -> Entry | None:
        """The entry of what `name` leads to, listed or not, as `Names.resolve` has it."""
        key = lookup_key(name)
        for selector in self._names.selectors():
            if lookup_key(selector[0]) == key:
                return self._selector(*selector)
        if model := self._library.catalog.find(name):
            return self._model(model, states(self._scheduler.snapshot()))
        offered = self._peers.find(name)
        return self._peer_model(offered) if offered else None

    def _all(self, *, with_peers: bool) -> dict[str, Entry]:
        """Of equal ids the one that a request would reach counts; but a pin hides no entry."""
        peers = self._peers.models() if with_peers else ()
        entries = {model.name: self._peer_model(model) for model in peers}
        entries |= {entry["id"]: entry for entry in self._here()}
        entries |= {entry["id"]: entry for entry in self._selectors()}
        pins = self._profiles.pins
        return {pin: self._pin(pin, to) for pin, to in pins.items() if to} | entries

    def _here(self) -> Iterator[Entry]:
        running = states(self._scheduler.snapshot())
        with_aliases = self._current.config.include_aliases_in_list
        for model in self._library.catalog.models.values():
            if model.settings.unlisted:
                continue
            yield self._model(model, running)
            for alias in model.aliases if with_aliases else ():
                yield self._model(model, running, alias=alias)

    def _selectors(self) -> Iterator[Entry]:
        for name, selector, candidates in self._names.selectors():
            if not selector.unlisted:
                yield self._selector(name, selector, candidates)

    # --- entries

    def _entry(self, name: str, title: str, status: Mapping[str, Any], **more: Any) -> Entry:
        about = {"id": name, "object": "model", "created": self._since, "owned_by": "paddock"}
        return {**about, "name": title, "status": status, **more}

    def _model(
        self, model: Model, running: Mapping[str, InstanceState], *, alias: str = ""
    ) -> Entry:
        settings = model.settings
        can = self._header(model) if model.path is not None else _declared(settings.capabilities)
        kind = {"type": "alias", "modelID": model.id} if alias else {"type": "model"}
        known = {"aliases": list(model.aliases)} if model.aliases and not alias else {}
        told = _metadata(settings.metadata, can) | kind | known
        entry = self._entry(
            alias or model.id,
            settings.name or model.header.name or model.id,
            {"value": _word(running.get(running_id(model)))},
            aliases=list(model.aliases),
        )
        if settings.description:
            entry["description"] = settings.description
        if model.modified:
            entry["created"] = int(model.modified)
        return entry | can | {"meta": _meta(model, can) | {"llamaswap": told}}

    def _header(self, model: Model) -> Entry:
        """What a GGUF's header tells of what the model can do."""
        words = {str(trait) for trait in model.traits}
        words |= {TRAIT_WORDS[trait] for trait in model.traits if trait in TRAIT_WORDS}
        can: Entry = {
            "architecture": modalities(model),
            "capabilities": dict.fromkeys(sorted(words), True),
            "context_length": self._context(model),
        }
        if Trait.TOOLS in model.traits:
            can["supported_parameters"] = ["tools", "tool_choice"]
        return can

    def _context(self, model: Model) -> int:
        return context_of(model, self._current.config.context_length)

    def _peer_model(self, model: PeerModel) -> Entry:
        peer = model.peer
        status = {
            "value": model.status or ("loaded" if peer.reachable else "unloaded"),
            "reachable": peer.reachable,
            "error": peer.error,
            "checked": peer.asked_at.isoformat() if peer.asked_at else None,
        }
        known = {"n_ctx": model.context_length} if model.context_length else {}
        meta = {**known, "llamaswap": {"type": "peer", "peerID": peer.id}}
        entry = self._entry(model.name, f"{peer.id}: {model.id}", status, meta=meta)
        if model.context_length:
            entry["context_length"] = model.context_length
        return entry

    def _selector(self, name: str, selector: Selector, candidates: list[Candidate]) -> Entry:
        looked_at = candidates[:1] if selector.strategy == "pin" else candidates
        status = "loaded" if any(one.active for one in looked_at) else "unloaded"
        told = {
            **selector.metadata,
            "type": "selector",
            "strategy": selector.strategy,
            "targets": selector.targets,
        }
        if selector.strategy == "spillover":
            told["spillover"] = selector.settings.spillover
        entry = self._entry(
            name, selector.name or name, {"value": status}, meta={"llamaswap": told}
        )
        return entry | ({"description": selector.description} if selector.description else {})

    def _pin(self, name: str, target: str) -> Entry:
        told = {"type": "profile", "profile": self._profiles.active, "target": target}
        found = self._found(target)
        status = found["status"] if found else {"value": "unloaded"}
        return self._entry(name, name, status, meta={"llamaswap": told})


def states(view: SchedulerView) -> dict[str, InstanceState]:
    """The state of each model that has an instance."""
    return {instance.model: instance.state for instance in view.instances}


def _word(state: InstanceState | None) -> str:
    return STATUS.get(state, "unloaded") if state else "unloaded"


def modalities(model: Model) -> dict[str, list[str] | str]:
    """What goes into a model and what comes out."""
    senses = ((Trait.VISION, "image"), (Trait.AUDIO, "audio"))
    inputs = ["text", *(word for trait, word in senses if trait in model.traits)]
    outputs = [word for trait, word in OUTPUTS.items() if trait in model.traits]
    return _architecture(inputs, outputs or ["text"])


def _architecture(inputs: list[str], outputs: list[str]) -> dict[str, list[str] | str]:
    told: dict[str, list[str] | str] = {}
    if inputs:
        told["input_modalities"] = inputs
    if outputs:
        told["output_modalities"] = outputs
    if inputs and outputs:
        told["modality"] = f"{'+'.join(inputs)}->{'+'.join(outputs)}"
    return told


def _declared(can: Capabilities) -> Entry:
    """What the owner says a model can do. Empty when the owner says nothing."""
    words = {word: True for (i, o), word in WAYS.items() if i in can.inputs and o in can.outputs}
    words |= {"vision": True} if "image" in can.inputs else {}
    words |= {"function_calling": True} if can.tools else {}
    words |= {"reranker": True} if can.reranker else {}
    told = {
        "architecture": _architecture(can.inputs, can.outputs),
        "capabilities": words,
        "supported_parameters": ["tools", "tool_choice"] if can.tools else [],
        "context_length": can.context,
    }
    return {key: value for key, value in told.items() if value}


def _metadata(metadata: Mapping[str, Any], rendered: Iterable[str]) -> Entry:
    """The owner's own, without what the entry tells better."""
    hidden = RENDERED if rendered else frozenset()
    return {key: value for key, value in metadata.items() if key not in hidden}


def _meta(model: Model, can: Mapping[str, Any]) -> Entry:
    header = model.header
    context = {"n_ctx": can["context_length"]} if can.get("context_length") else {}
    if model.path is None:
        return context
    return {
        **context,
        "n_ctx_train": header.context_length,
        "n_embd": header.embedding_length,
        "n_params": header.parameters,
        "n_vocab": header.vocabulary,
        "size": model.size,
        "ftype": header.quantization,
        "architecture": header.architecture,
    }
