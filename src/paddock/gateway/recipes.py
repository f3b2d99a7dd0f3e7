"""What a model's recipe adds to requests for it, whatever door they come through. Pure.

SYSTEM and MESSAGE go before the conversation, PARAMETERs take the place of the engine's defaults,
and what the request says wins over both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from paddock.gateway.ollama.options import own_sampling
from paddock.library.model import Recipe

Body = dict[str, Any]

_LENGTHS: Final = frozenset(
    {"n_predict", "max_tokens", "max_completion_tokens", "max_output_tokens"}
)
_SYSTEM_FIELDS: Final[Mapping[str, str]] = {
    "/v1/messages": "system",
    "/v1/responses": "instructions",
}
"""Where the system message is a field of its own."""
_CHATS: Final = frozenset({"/v1/chat/completions", "/chat/completions"})
_SAMPLED: Final = _CHATS | _SYSTEM_FIELDS.keys() | {"/v1/completions", "/completions"}


def told_by(recipe: Recipe, path: str, body: Body) -> Body:
    """The body of a request to the child's route `path`, with what the recipe adds.

    The same object when that is nothing; `body` is not changed.
    """
    if path not in _SAMPLED:
        return body
    told = with_parameters(recipe, body)
    if path in _CHATS and isinstance(body.get("messages"), list):
        messages = with_messages(recipe, body["messages"])
        return told if messages is body["messages"] else {**told, "messages": messages}
    field = _SYSTEM_FIELDS.get(path)
    if field and recipe.system and not body.get(field):
        return {**told, field: recipe.system}
    return told


def with_messages(recipe: Recipe, messages: list[Any]) -> list[Any]:
    """The model's own MESSAGEs and SYSTEM before a conversation that is not empty.

    A conversation that begins with a system message keeps that one. The same object when there is
    nothing to add.
    """
    if not messages:
        return messages
    first = messages[0]
    has_system = isinstance(first, dict) and first.get("role") in {"system", "developer"}
    said = [{"role": said.role, "content": said.content} for said in recipe.messages]
    system = [{"role": "system", "content": recipe.system}] if recipe.system else []
    if not has_system:
        own = [*system, *said]
        return [*own, *messages] if own else messages
    return [first, *_unsystematic(said), *messages[1:]] if said else messages


def _unsystematic(said: list[dict[str, str]]) -> list[dict[str, str]]:
    return [message for message in said if message["role"] != "system"]


def with_parameters(recipe: Recipe, body: Body) -> Body:
    """The body with the model's PARAMETERs where it says nothing; the same object when none is."""
    own = own_sampling(recipe.parameters)
    if _LENGTHS & body.keys():
        own.pop("n_predict", None)
    if "stop_sequences" in body:
        own.pop("stop", None)
    missing = {field: value for field, value in own.items() if body.get(field) is None}
    return {**missing, **{k: v for k, v in body.items() if v is not None}} if missing else body
