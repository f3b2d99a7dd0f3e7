"""What `/api/chat` and `/api/generate` read in the same way: all but the words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from paddock.errors import InvalidRequest, UnknownModel
from paddock.gateway.body import parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.ollama import fields, keep_alive, options
from paddock.gateway.ollama.details import capabilities
from paddock.gateway.peer import PeerModel
from paddock.gateway.routes import Call
from paddock.library.model import LoadOptions, Model, Recipe, Trait
from paddock.library.ollama_name import HOST, NAMESPACE, TAG

BODY_LIMIT: Final = 100 << 20
MOST_PROBABILITIES: Final = 20
LEVELS: Final[Mapping[str, str]] = {"low": "low", "medium": "medium", "high": "high", "max": "high"}
"""How much to think, and what the templates call it."""
NO_RECIPE: Final = Recipe()


class Wishes(NamedTuple):
    """What a request wants beside an answer."""

    stream: bool
    keep_alive: float | None
    options: dict[str, Any]
    """Those that are known and said."""
    loading: LoadOptions
    format: dict[str, Any] | None
    """As OpenAI's `response_format`."""
    think: bool | str | None
    """None: not said."""
    probabilities: int | None
    """Other tokens to tell with each token; None: no probabilities."""
    truncate: bool
    renders_only: bool
    """Only the prompt is asked for."""

    @property
    def unloads(self) -> bool:
        """Without words, the model is to leave."""
        return self.keep_alive == 0


async def read_body(call: Call) -> tuple[dict[str, Any], int]:
    """The request's JSON object and its size in bytes. Raises InvalidRequest."""
    raw = await read_raw(call)
    return await parse_json_async(raw), len(raw)


async def read_raw(call: Call) -> bytes:
    """The request's body. Raises InvalidRequest when there is none."""
    raw = await sent_body(call.request, BODY_LIMIT)
    if not raw.strip():
        raise InvalidRequest("missing request body")
    return raw


def wishes(body: dict[str, Any]) -> Wishes:
    """What `body` wishes for. Raises InvalidRequest, naming the field."""
    said = options.checked(body.get("options"))
    return Wishes(
        stream=fields.truth(body, "stream", default=True),
        keep_alive=keep_alive.parse(body.get("keep_alive")),
        options=said,
        loading=options.loading(said),
        format=_format(body.get("format")),
        think=_think(body.get("think")),
        probabilities=_probabilities(body),
        truncate=fields.truth(body, "truncate", default=True),
        renders_only=fields.truth(body, "_debug_render_only"),
    )


def _format(value: Any) -> dict[str, Any] | None:
    if value is None or value in ("", {}):
        return None
    if value == "json":
        return {"type": "json_object"}
    if isinstance(value, dict):
        return {"type": "json_schema", "json_schema": {"schema": value}}
    raise InvalidRequest(
        f'invalid format: {str(value)[:100]!r}; expected "json" or a valid JSON Schema object',
        param="format",
    )


def _think(value: Any) -> bool | str | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in LEVELS:
        return value.lower()
    raise InvalidRequest(
        f"invalid think value: {str(value)[:100]!r} "
        '(must be "high", "medium", "low", "max", true, or false)',
        param="think",
    )


def _probabilities(body: dict[str, Any]) -> int | None:
    wanted = fields.truth(body, "logprobs")
    number = body.get("top_logprobs")
    if number is None:
        number = 0
    if type(number) is not int or not 0 <= number <= MOST_PROBABILITIES:
        raise InvalidRequest(
            f"top_logprobs must be between 0 and {MOST_PROBABILITIES}", param="top_logprobs"
        )
    return number if wanted else None


# --- what a model must be able to do -------------------------------------------------------------


class Abilities:
    """What a model can do, and the refusals of what it cannot, in Ollama's words.

    Of a peer's model and of a command of the owner's nothing is known, so nothing is refused.
    """

    def __init__(self, model: Model | PeerModel, asked: str) -> None:
        self._model = model
        self._asked = asked
        self._is_known = isinstance(model, Model) and model.path is not None
        self.words = frozenset(capabilities(model)) if isinstance(model, Model) else frozenset()

    @property
    def thinks(self) -> bool:
        """Whether it is known to think."""
        return self._is_known and "thinking" in self.words

    def need_words(self, what: str) -> None:
        """Refuse a model that only embeds or ranks; `what` is `chat` or `generate`."""
        if self._is_known and "completion" not in self.words:
            raise InvalidRequest(f'"{self._asked}" does not support {what}', param="model")

    def need_tools(self) -> None:
        """Refuse a model that knows no tools."""
        self._need("tools")

    def need_insert(self) -> None:
        """Refuse a model that cannot fill in."""
        self._need("insert")

    def need_media(self) -> None:
        """Refuse a model that neither sees nor hears."""
        if self._is_known and not self._has_projector():
            self._need("vision")

    def need_thoughts(self, think: bool | str | None) -> None:
        """Refuse to let a model think that does not. That it shall not is always well."""
        if think and self._is_known and not self.thinks:
            raise InvalidRequest(f'"{self._asked}" does not support thinking', param="think")

    def _need(self, word: str) -> None:
        if self._is_known and word not in self.words:
            raise InvalidRequest(f"{full_name(self._model)} does not support {word}", param="model")

    def _has_projector(self) -> bool:
        model = self._model
        return isinstance(model, Model) and (
            model.projector is not None or Trait.VISION in model.traits
        )


def full_name(model: Model | PeerModel) -> str:
    """A model's name with all its parts, as Ollama's refusals tell it."""
    name = model.id
    name = name if ":" in name.rpartition("/")[2] else f"{name}:{TAG}"
    parts = name.count("/")
    if parts >= 2:
        return name
    return f"{HOST}/{name}" if parts else f"{HOST}/{NAMESPACE}/{name}"


def recipe_of(model: Model | PeerModel) -> Recipe:
    """What a model adds to its weights; of most models nothing."""
    return (isinstance(model, Model) and model.recipe) or NO_RECIPE


def thinking_fields(think: bool | str | None, *, thinks: bool) -> dict[str, Any]:
    """The child's fields for how much a model thinks. Those that think do, unless told not to."""
    if think is None and not thinks:
        return {}
    if isinstance(think, str):
        level = LEVELS[think]
        kwargs = {"enable_thinking": True, "reasoning_effort": level}
        return {"chat_template_kwargs": kwargs, "reasoning_effort": level}
    return {"chat_template_kwargs": {"enable_thinking": think is not False}}


def unnamed(name: Any) -> UnknownModel:
    """The refusal of a request that names no model, where Ollama calls that unknown."""
    return UnknownModel(name if isinstance(name, str) else "")
