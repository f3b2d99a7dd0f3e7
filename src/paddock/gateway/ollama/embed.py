"""`/api/embed` and the older `/api/embeddings`: vectors of texts, as the child makes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiohttp import web

from paddock.config.current import Current
from paddock.engine.arguments import context_per_request
from paddock.engine.instance import Instance
from paddock.errors import InvalidRequest, PaddockError, UnknownModel, UpstreamLost
from paddock.gateway import inquiry
from paddock.gateway.body import by_size, dump_json, parse_json
from paddock.gateway.forward import Ask, Forwarder
from paddock.gateway.naming import Names, Target
from paddock.gateway.ollama import fields, keep_alive, options
from paddock.gateway.ollama.final import Clock
from paddock.gateway.ollama.wishes import read_body
from paddock.gateway.problems import Upstream
from paddock.gateway.routes import Call, Route
from paddock.gateway.sse import SseEvent
from paddock.gateway.translated import Translator
from paddock.library.model import LoadOptions, Model, Trait

TARGET: Final = "/v1/embeddings"
JSON: Final = ((b"Content-Type", b"application/json"),)
TOO_LONG: Final = "the input length exceeds the context length"
MOST_TEXTS: Final = 16_384
"""In one request: each is a task of its own to the engine."""
SPECIALS: Final = 8
"""More tokens than any model puts around a text."""

Text = str | list[int]
"""A text to embed, or its tokens where it had to be cut."""


class Wanted(NamedTuple):
    """What a request asks for."""

    name: str
    texts: Sequence[str]
    truncates: bool = True
    dimensions: int = 0
    """Numbers per vector; 0: as many as the model gives."""
    load: LoadOptions = LoadOptions()
    keep_alive: float | None = None
    size: int = 0
    """Bytes of the request."""


class Embed:
    """Answers with vectors."""

    def __init__(self, current: Current, names: Names, forwarder: Forwarder) -> None:
        self._current = current
        self._names = names
        self._forwarder = forwarder

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("POST", "/api/embed", self.embed),
            Route("POST", "/api/embeddings", self.embeddings),
        )

    async def embed(self, call: Call) -> web.StreamResponse:
        """Vectors of length 1 for one text or several."""
        body, size = await read_body(call)
        dimensions = body.get("dimensions")
        if dimensions is not None and (type(dimensions) is not int or dimensions < 0):
            raise InvalidRequest("`dimensions` must be a number above 0", param="dimensions")
        wanted = Wanted(
            fields.text(body, "model"),
            _texts(body.get("input")),
            fields.truth(body, "truncate", default=True),
            dimensions or 0,
            *_loading(body),
            size,
        )
        return await self._answer(call, wanted, Vectors(wanted), {})

    async def embeddings(self, call: Call) -> web.StreamResponse:
        """The older form: one text, one vector, as long as the model made it."""
        body, size = await read_body(call)
        name = fields.asked_name(body, "model")
        text = fields.text(body, "prompt")
        wanted = Wanted(name, [text] if text else [], True, 0, *_loading(body), size)
        return await self._answer(call, wanted, Vector(), {"embd_normalize": -1})

    async def _answer(
        self, call: Call, wanted: Wanted, answer: Vectors, more: Mapping[str, Any]
    ) -> web.StreamResponse:
        if not wanted.name:
            raise UnknownModel("")
        target = self._names.resolve(wanted.name)
        _check_traits(target, wanted.name)
        request = Request(self._current, target, wanted, answer, more)
        ask = await request.ask()
        if wanted.texts or not isinstance(target.model, Model):
            return await self._forwarder.translate(call, target, ask)
        await self._forwarder.borrow(call, target.model, ask, request.loaded)
        return web.json_response(answer.told({"data": []}))


class Request:
    """One request for vectors, on its way to a child."""

    def __init__(
        self,
        current: Current,
        target: Target,
        wanted: Wanted,
        answer: Vectors,
        more: Mapping[str, Any],
    ) -> None:
        self._current = current
        self._model = target.told or target.model.id
        self._wanted = wanted
        self._answer = answer
        self._more = more

    async def ask(self) -> Ask:
        """What to send, before it is known how much of it fits."""
        return await self._ask(self._wanted.texts, 0)

    async def loaded(self, instance: Instance) -> None:  # noqa: ARG002 - that it is there is enough
        """The model is in memory."""
        self._answer.clock.got_model()

    async def _ask(self, texts: Sequence[Text], cut: int) -> Ask:
        body = {"model": self._model, "input": texts, "encoding_format": "float", **self._more}
        return Ask(
            "POST",
            TARGET,
            await by_size(self._wanted.size, dump_json, body),
            JSON,
            translator=self._answer,
            prepare=self._prepare,
            recover=_recover,
            options=self._wanted.load,
            keep_alive=self._wanted.keep_alive,
            default_keep_alive=self._current.config.ollama.seconds_in_memory,
            told=((b"X-Paddock-Truncated", b"%d" % cut),) if cut else (),
        )

    async def _prepare(self, instance: Instance) -> Ask:
        """The request with its texts cut to what the model takes. Raises InvalidRequest."""
        self._answer.clock.got_model()
        limit = context_per_request(instance.model, self._current.config)
        texts = [await self._fitted(instance, text, limit) for text in self._wanted.texts]
        cut = sum(text is not sent for text, sent in zip(self._wanted.texts, texts, strict=True))
        return await self._ask(texts, cut)

    async def _fitted(self, instance: Instance, text: str, limit: int) -> Text:
        """`text` itself when it fits, else its first tokens between those that go around it."""
        if not limit or len(text.encode()) + SPECIALS <= limit:
            return text  # a token is a byte at least
        tokens = await inquiry.tokens(instance, text, marks=False)
        if len(tokens) <= limit:
            return text
        if not self._wanted.truncates:
            raise InvalidRequest(TOO_LONG, param="input")
        plain = await inquiry.tokens(instance, text, whole=False, marks=False)
        before = next((n for n in range(SPECIALS) if tokens[n : n + len(plain)] == plain), 0)
        after = tokens[before + len(plain) :] if len(plain) < len(tokens) else []
        room = max(0, limit - before - len(after))
        return [*tokens[:before], *plain[:room], *after]


class Vectors(Translator):
    """The answer to `/api/embed`."""

    content_type = b"application/json; charset=utf-8"
    streams = False

    def __init__(self, wanted: Wanted | None = None) -> None:
        self.clock = Clock()
        self._wanted = wanted
        self._whole = b""
        self._last = b""

    @property
    def is_whole(self) -> bool:
        return bool(self._whole)

    def feed(self, event: SseEvent) -> bytes:  # noqa: ARG002
        raise UpstreamLost("the engine answered with a stream that was not asked for")

    def answer(self, body: bytes) -> bytes:
        self._whole = body
        return b""

    async def settle(self) -> None:
        """Make the answer."""
        self._last = await by_size(len(self._whole), self._made)

    def finish(self) -> bytes:
        return self._last

    def failure(self, error: PaddockError) -> bytes:
        return dump_json({"error": error.message})

    def _made(self) -> bytes:
        try:
            return dump_json(self.told(parse_json(self._whole)))
        except (InvalidRequest, LookupError, TypeError, ValueError, AttributeError) as error:
            raise UpstreamLost("the engine sent vectors of another form than expected") from error

    def told(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """The client's answer, made of the engine's."""
        wanted = self._wanted or Wanted("", ())
        rows = _rows(answer)
        if wanted.dimensions:
            rows = [_shortened(row, wanted.dimensions) for row in rows]
        return {
            "model": wanted.name,
            "embeddings": rows,
            "total_duration": self.clock.total,
            "load_duration": self.clock.load,
            "prompt_eval_count": answer.get("usage", {}).get("prompt_tokens", 0),
        }


class Vector(Vectors):
    """The answer to `/api/embeddings`."""

    def told(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """The client's answer, made of the engine's."""
        return {"embedding": next(iter(_rows(answer)), [])}


def _texts(given: Any) -> list[str]:
    """The texts of `input`. An empty one alone asks for the model to be loaded."""
    if given is None or given == "":
        return []
    texts = given if isinstance(given, list) else [given]
    if len(texts) > MOST_TEXTS:
        raise InvalidRequest(f"`input` has more than {MOST_TEXTS:,} texts", param="input")
    if not all(isinstance(text, str) for text in texts):
        raise InvalidRequest("invalid input type", param="input")
    return texts


def _loading(body: Mapping[str, Any]) -> tuple[LoadOptions, float | None]:
    asked = options.loading(options.checked(body.get("options")))
    return asked, keep_alive.parse(body.get("keep_alive"))


def _check_traits(target: Target, name: str) -> None:
    """A model that has no vectors is not loaded to find that out. Raises InvalidRequest."""
    model = target.model
    if isinstance(model, Model) and model.path is not None and Trait.EMBEDDING not in model.traits:
        raise InvalidRequest(f'"{name}" does not support embeddings', param="model")


async def _recover(instance: Instance, refusal: Upstream) -> Ask | None:  # noqa: ARG001
    """No other way to ask; but a text that is too long is told in Ollama's words."""
    kind, message = refusal.error.get("type"), refusal.message
    if kind == "exceed_context_size_error" or "too large to process" in message:
        raise InvalidRequest(TOO_LONG, param="input") from refusal
    return None


def _rows(answer: Mapping[str, Any]) -> list[list[float]]:
    """The vectors, in the order of the texts."""
    found = sorted(answer["data"], key=lambda row: row["index"])
    return [row["embedding"] for row in found]


def _shortened(row: list[float], dimensions: int) -> list[float]:
    """The first numbers, made a vector of length 1 again."""
    kept = row[:dimensions]
    length = math.sqrt(math.fsum(number * number for number in kept))
    return [number / length for number in kept] if length else kept
