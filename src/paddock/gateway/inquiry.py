"""Small questions to a child that are answered without a generation: how a conversation is written
out for the model, and how many tokens a text has."""

from __future__ import annotations

from typing import Any, Final

from paddock.engine.instance import Instance
from paddock.errors import InvalidRequest, UpstreamLost
from paddock.gateway import problems
from paddock.gateway.body import LARGE, by_size, dump_json, parse_json_async

ANSWER_SECONDS: Final = 60.0
"""A child that works on a batch answers after it."""
ANSWER_LIMIT: Final = 64 << 20
IMAGE_TOKENS: Final = 768
"""What a picture counts for. Its real number of tokens is known only once it is worked through."""

_OF_A_TEMPLATE: Final = frozenset(
    {
        "messages",
        "tools",
        "tool_choice",
        "chat_template_kwargs",
        "reasoning_effort",
        "add_generation_prompt",
        "continue_final_message",
        "response_format",
        "parallel_tool_calls",
    }
)
"""Fields of a chat request that its template may see."""


async def ask(instance: Instance, path: str, body: dict[str, Any], size: int = 0) -> dict[str, Any]:
    """The object that the child answers to `body`, of about `size` bytes, on `path`.

    Raises Upstream with the child's own refusal, and UpstreamLost when there is no sane answer.
    """
    return await _fetch(instance, "POST", path, await by_size(size, dump_json, body))


async def look(instance: Instance, path: str) -> dict[str, Any]:
    """The object that the child tells on `path`. Raises as `ask`."""
    return await _fetch(instance, "GET", path, b"")


async def _fetch(instance: Instance, method: str, path: str, data: bytes) -> dict[str, Any]:
    pool = instance.pool
    if pool is None:
        raise UpstreamLost(f"{instance.model.id} is no longer running")
    try:
        answer = await pool.fetch(
            method, path, body=data, timeout=ANSWER_SECONDS, limit=ANSWER_LIMIT
        )
    except TimeoutError:
        raise UpstreamLost(f"the engine did not answer {path} in time") from None
    if answer.status != 200:
        raise problems.engine_refusal(answer.status, answer.body)
    try:
        return await parse_json_async(answer.body)
    except InvalidRequest as error:
        raise UpstreamLost(f"the engine's answer to {path} is not JSON") from error


async def written_out(instance: Instance, chat: dict[str, Any]) -> str:
    """The prompt that the child's own template makes of a chat request. Pictures leave no trace."""
    told = {field: value for field, value in chat.items() if field in _OF_A_TEMPLATE}
    told["messages"] = [_without_media(message) for message in chat["messages"]]
    prompt = (await ask(instance, "/apply-template", told, LARGE + 1)).get("prompt")
    if not isinstance(prompt, str):
        raise UpstreamLost("the engine's answer to /apply-template has no prompt")
    return prompt


async def tokens(
    instance: Instance, text: str, *, whole: bool = True, marks: bool = True
) -> list[int]:
    """The tokens of a text; `whole`: of a prompt, with what the model wants before every one.
    Without `marks`, what looks like one of the model's own marks is text as any other.
    """
    body = {"content": text, "add_special": whole, "parse_special": marks}
    found = (await ask(instance, "/tokenize", body, len(text))).get("tokens")
    if not isinstance(found, list):
        raise UpstreamLost("the engine's answer to /tokenize has no tokens")
    return found


async def text(instance: Instance, known: list[int]) -> str:
    """The text of tokens."""
    body = {"tokens": known}
    found = (await ask(instance, "/detokenize", body, 8 * len(known))).get("content")
    if not isinstance(found, str):
        raise UpstreamLost("the engine's answer to /detokenize has no content")
    return found


def media_count(messages: list[dict[str, Any]]) -> int:
    """Pictures and sounds in these messages."""
    return sum(
        part.get("type") != "text"
        for message in messages
        if isinstance(content := message.get("content"), list)
        for part in content
        if isinstance(part, dict)
    )


def _without_media(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    words = [part for part in content if isinstance(part, dict) and part.get("type") == "text"]
    return {**message, "content": words or ""}
