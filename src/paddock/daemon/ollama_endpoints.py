"""The endpoints of Ollama's dialect, and what each is made of. Imported when one is asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from paddock.daemon.parts import Parts, Serving
from paddock.gateway.ollama.answering import Answering
from paddock.gateway.ollama.blobs import Blobs
from paddock.gateway.ollama.chat import Chat
from paddock.gateway.ollama.compat import Compat, CompatModels
from paddock.gateway.ollama.create import Create
from paddock.gateway.ollama.create_request import Wanted
from paddock.gateway.ollama.embed import Embed
from paddock.gateway.ollama.fetching import Fetching
from paddock.gateway.ollama.generate import Generate
from paddock.gateway.ollama.listing import Tags
from paddock.gateway.ollama.names_endpoints import NamesEndpoints
from paddock.gateway.ollama.progress import Status
from paddock.gateway.ollama.pushing import Pushing
from paddock.gateway.ollama.quantizing import Quantizing
from paddock.gateway.ollama.running import Running
from paddock.gateway.ollama.show import Show
from paddock.gateway.ollama.transfer import Transfer
from paddock.gateway.routes import Route
from paddock.library.ollama_name import OllamaName


def ollama_endpoints(parts: Parts, serving: Serving) -> tuple[Route, ...]:
    """Ollama's own API, but for what `Root` answers."""
    return (
        *Tags(parts.current, parts.library, serving.names, serving.peers).routes(),
        *Running(parts.scheduler, parts.launcher, parts.library).routes(),
        *Show(parts.library, serving.names).routes(),
        *Blobs(parts.library).routes(),
        *_making(parts, serving),
        *_answers(parts, serving),
    )


def _answers(parts: Parts, serving: Serving) -> tuple[Route, ...]:
    """The endpoints whose answer comes from a model."""
    answering = _answering(parts, serving)
    return (
        *Chat(answering).routes(),
        *Generate(answering).routes(),
        *Embed(parts.current, serving.names, serving.forwarder).routes(),
    )


def _making(parts: Parts, serving: Serving) -> tuple[Route, ...]:
    """The endpoints that change what is in the store."""
    current, library, streams = parts.current, parts.library, parts.streams

    def name_it(name: OllamaName, model_id: str) -> AsyncGenerator[Status]:
        return create.made(Wanted(name, model_id))

    fetching = Fetching(parts.pulling.pulls, library, name_it, streams)
    pushing = Pushing(parts.pulling.hubs, library)
    transfer = Transfer(library, serving.names, streams, fetching, pushing)
    quantizing = Quantizing(parts.launcher.engines)
    create = Create(current, library, transfer, quantizing, streams)
    return (
        *transfer.routes(),
        *create.routes(),
        *NamesEndpoints(current, library, parts.scheduler, create).routes(),
    )


def openai_endpoints(parts: Parts, serving: Serving) -> tuple[Route, ...]:
    """OpenAI's API, as far as Ollama's door answers it in another way."""
    answering = _answering(parts, serving)
    return (*Compat(answering).routes(), *CompatModels(serving.listed).routes())


def _answering(parts: Parts, serving: Serving) -> Answering:
    return Answering(parts.current, serving.names, parts.scheduler, serving.forwarder)
