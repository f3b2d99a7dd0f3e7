"""`/api/show`: everything that is known of one model."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiohttp import web

from paddock.errors import InvalidManifest, LibraryError
from paddock.gateway.body import dump_json, parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.naming import Names
from paddock.gateway.ollama import fields
from paddock.gateway.ollama.details import (
    NO_DETAILS,
    capabilities,
    details,
    local_time,
    told_name,
)
from paddock.gateway.peer import PeerModel
from paddock.gateway.routes import Call, Route
from paddock.library.gguf_lists import ALL, FullHeader, read_lists
from paddock.library.library import Library
from paddock.library.model import Model, Recipe
from paddock.library.store import Store

BODY_BYTES: Final = 1 << 20
SHORT: Final = 5
"""Longer arrays are told as null, unless everything is asked for."""
PLAIN_TEMPLATE: Final = "{{ .Prompt }}"
"""What Ollama tells of a model without any template."""
_HIDDEN: Final = frozenset({"general.name", "tokenizer.chat_template"})
_COPILOT: Final = "GitHubCopilotChat/"


class _Asked(NamedTuple):
    """What a request wants to see."""

    name: str
    verbose: bool
    system: str
    options: Mapping[str, Any]
    by_copilot: bool


class Show:
    """Answers what a model is."""

    def __init__(self, library: Library, names: Names) -> None:
        self._library = library
        self._names = names

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("POST", "/api/show", self.show),)

    async def show(self, call: Call) -> web.Response:
        """One model, by any name that leads to it."""
        body = await parse_json_async(await sent_body(call.request, BODY_BYTES))
        asked = _Asked(
            name=fields.asked_name(body, "model", "name"),
            verbose=fields.truth(body, "verbose"),
            system=fields.text(body, "system"),
            options=fields.mapping(body, "options"),
            by_copilot=call.request.headers.get("User-Agent", "").startswith(_COPILOT),
        )
        model = self._names.resolve(asked.name).model
        told = (
            dump_json(_elsewhere(model))
            if isinstance(model, PeerModel)
            else await asyncio.to_thread(self._told, model, asked)
        )
        return web.Response(body=told, content_type="application/json", charset="utf-8")

    def _told(self, model: Model, asked: _Asked) -> bytes:
        """Blocking: reads headers, and with `verbose` a vocabulary."""
        longest = ALL if asked.verbose else SHORT
        full = _read(model.path, longest) if model.path else None
        recipe = model.recipe or Recipe()
        system = asked.system or recipe.system
        parameters = {**recipe.parameters, **asked.options}
        licenses = _licenses(self._library.store, model) if model.recipe else ()
        info = _info(full, longest) if full else {}
        if asked.by_copilot:  # it shows this as the model's name
            info["general.basename"] = asked.name
        told: dict[str, Any] = {
            "license": "\n".join(licenses),
            "modelfile": written(model, licenses),
            "parameters": parameter_lines(parameters),
            "template": recipe.template or _jinja(full) or PLAIN_TEMPLATE,
            "system": system,
            "renderer": recipe.renderer,
            "parser": recipe.parser,
            "details": details(model),
            "messages": [said._asdict() for said in recipe.messages],
            "model_info": info,
            "projector_info": _projector_info(model, longest),
            "tensors": _tensors(full),
            "capabilities": capabilities(model),
            "modified_at": local_time(model.modified),
            "requires": recipe.requires,
        }
        return dump_json({key: value for key, value in told.items() if value or key in _ALWAYS})


_ALWAYS: Final = frozenset({"details", "model_info", "capabilities", "modified_at"})
"""What is told even when it is empty: clients read it without a look."""


def _read(path: Path, longest: int) -> FullHeader:
    try:
        return read_lists(Path(os.path.realpath(path)), longest)
    except OSError as error:
        raise LibraryError(f"{path} cannot be read: {error.strerror}") from error


def _licenses(store: Store, model: Model) -> tuple[str, ...]:
    """The texts of the licenses; none where one cannot be read. Blocking."""
    with suppress(InvalidManifest):
        return store.licenses(model.id)
    return ()


def _jinja(full: FullHeader | None) -> str:
    return full.header.chat_template if full else ""


def _info(full: FullHeader, longest: int) -> dict[str, Any]:
    """All metadata but what is told elsewhere; an array that is too long is None."""
    header = full.header
    told: dict[str, Any] = {"general.parameter_count": header.summary().parameters}
    told |= {key: _value(value, longest) for key, value in header.metadata.items()}
    told |= {key: full.texts.get(key) for key in header.arrays}
    return {key: told[key] for key in sorted(told) if key not in _HIDDEN}


def _value(value: Any, longest: int) -> Any:
    if isinstance(value, tuple):
        return [_finite(one) for one in value] if len(value) <= longest else None
    return _finite(value)


def _finite(value: Any) -> Any:
    """JSON has no word for the numbers that are none, and a file may hold them."""
    is_number = not isinstance(value, float) or abs(value) < float("inf")
    return value if is_number else None


def _projector_info(model: Model, longest: int) -> dict[str, Any]:
    return _info(_read(model.projector, longest), longest) if model.projector else {}


def _tensors(full: FullHeader | None) -> list[dict[str, Any]]:
    if full is None:
        return []
    return [
        {"name": tensor.name, "type": tensor.form.type, "shape": tensor.form.shape}
        for tensor in full.header.tensors
    ]


def parameter_lines(parameters: Mapping[str, Any]) -> str:
    """`temperature                    0.7`, a line for each value, texts in quotes."""
    return "\n".join(
        f"{name:<30} {_quoted(value)}"
        for name, values in parameters.items()
        for value in (values if isinstance(values, list | tuple) else (values,))
    )


def _quoted(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return dump_json(value).decode()


def written(model: Model, licenses: tuple[str, ...]) -> str:
    """The Modelfile that makes this model anew."""
    from paddock.library.modelfile import Modelfile, write  # noqa: PLC0415 - rarely asked for

    recipe = model.recipe or Recipe()
    files = (*model.shards[:1], *((model.projector,) if model.projector else ()))
    text = write(
        Modelfile(
            froms=tuple(map(str, files)) or (model.id,),
            parameters=recipe.parameters,
            template=recipe.template,
            system=recipe.system,
            adapters=tuple(map(str, model.adapters)),
            licenses=licenses,
            messages=recipe.messages,
            renderer=recipe.renderer,
            parser=recipe.parser,
            requires=recipe.requires,
        )
    )
    return (
        f"# To make another model of this one, begin with:\n# FROM {told_name(model.id)}\n\n{text}"
    )


def _elsewhere(model: PeerModel) -> dict[str, Any]:
    """What is known here of a peer's model."""
    context = {"general.context_length": model.context_length} if model.context_length else {}
    return {
        "modelfile": f"# {model.name} is a model of the peer {model.peer.id}\n",
        "details": dict(NO_DETAILS),
        "model_info": context,
        "capabilities": ["completion"],
        "modified_at": local_time(0),
    }
