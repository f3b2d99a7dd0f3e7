"""Ollama's messages as OpenAI's, which is what a child is asked with and what is rendered.

Chat templates are strict where Ollama's clients are not: calls without ids, results that name
only a tool or nothing at all, results of calls that are not in the conversation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from paddock.errors import InvalidRequest
from paddock.gateway.ollama import media

MAX_MESSAGES: Final = 4096
MAX_CALLS: Final = 1024
"""In one message: each result is looked for among them."""
ROLES: Final = frozenset({"system", "user", "assistant", "tool", "developer"})


def openai_messages(messages: Any, tools: Any = None) -> list[dict[str, Any]]:
    """The `messages` of a request, checked, in OpenAI's form.

    `tools` are the request's: where just one is there, a result without a name is that tool's.
    Raises InvalidRequest, naming the field.
    """
    if messages is None:
        return []
    if not isinstance(messages, list):
        raise InvalidRequest("`messages` must be an array of objects", param="messages")
    if len(messages) > MAX_MESSAGES:
        raise InvalidRequest(f"`messages` has more than {MAX_MESSAGES:,} entries", param="messages")
    only = _only_tool(tools)
    told = list(_Conversation(only).tell(messages))
    if len(told) > 1 and told[-1] == EMPTY and told[-2]["role"] == "tool":
        told.pop()  # it stands where nothing was asked: the results are what is to be answered
    return told


EMPTY: Final = {"role": "user", "content": ""}


class _Conversation:
    """Goes through a conversation and knows the calls that have no result yet."""

    def __init__(self, only_tool: str) -> None:
        self._only_tool = only_tool
        self._open: list[tuple[str, str]] = []
        """Id and name of each."""
        self._count = 0
        self._media = 0
        """Pictures and sounds so far."""

    def tell(self, messages: list[Any]) -> Iterator[dict[str, Any]]:
        for number, message in enumerate(messages):
            field = f"messages[{number}]"
            if not isinstance(message, dict):
                raise InvalidRequest(f"`{field}` must be an object", param=field)
            role = _text(message, "role", field).lower()
            if role not in ROLES:
                raise InvalidRequest(
                    f"`{field}.role` must be one of system, user, assistant or tool",
                    param=f"{field}.role",
                )
            if role == "tool":
                yield from self._result(message, field)
            elif role == "assistant":
                yield self._assistant(message, field)
            else:
                yield {"role": role, "content": self._content(message, field)}

    def _assistant(self, message: dict[str, Any], field: str) -> dict[str, Any]:
        told: dict[str, Any] = {"role": "assistant", "content": self._content(message, field)}
        if thinking := _text(message, "thinking", field):
            told["reasoning_content"] = thinking
        self._open = []
        if calls := self._calls(message.get("tool_calls"), f"{field}.tool_calls"):
            told["tool_calls"] = calls
        return told

    def _calls(self, calls: Any, field: str) -> list[dict[str, Any]]:
        if calls is None:
            return []
        if not isinstance(calls, list):
            raise InvalidRequest(f"`{field}` must be an array", param=field)
        if len(calls) > MAX_CALLS:
            raise InvalidRequest(f"`{field}` has more than {MAX_CALLS:,} entries", param=field)
        return [self._call(call, f"{field}[{number}]") for number, call in enumerate(calls)]

    def _call(self, call: Any, field: str) -> dict[str, Any]:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise InvalidRequest(f"`{field}.function` must be an object", param=field)
        name = _text(function, "name", f"{field}.function")
        arguments = function.get("arguments")
        if isinstance(arguments, str):  # as OpenAI has them
            text = arguments or "{}"
        elif arguments is None or isinstance(arguments, dict):
            text = json.dumps(arguments or {}, ensure_ascii=False)
        else:
            raise InvalidRequest(
                f"`{field}.function.arguments` must be an object", param=f"{field}.function"
            )
        told_id = _text(call, "id", field) or self._new_id()
        self._open.append((told_id, name))
        function = {"name": name, "arguments": text}
        return {"id": told_id, "type": "function", "function": function}

    def _result(self, message: dict[str, Any], field: str) -> Iterator[dict[str, Any]]:
        name = _text(message, "tool_name", field) or _text(message, "name", field)
        asked_id = _text(message, "tool_call_id", field)
        found = self._answered(asked_id, name)
        if found is None:  # a result of no call: templates want to see one
            name = name or self._only_tool or "tool"
            found = asked_id or self._new_id(), name
            function = {"name": name, "arguments": "{}"}
            call = {"id": found[0], "type": "function", "function": function}
            yield {"role": "assistant", "content": "", "tool_calls": [call]}
        told_id, told_name = found
        yield {
            "role": "tool",
            "tool_call_id": told_id,
            "name": told_name,
            "content": self._content(message, field),
        }

    def _answered(self, asked_id: str, name: str) -> tuple[str, str] | None:
        """The open call that a result is of: by its id, else by its name, else the first."""
        for call in self._open:
            if asked_id == call[0] or (not asked_id and name in {"", call[1]}):
                self._open.remove(call)
                return call
        return None

    def _content(self, message: dict[str, Any], field: str) -> str | list[dict[str, Any]]:
        text = _text(message, "content", field)
        if not message.get("images"):
            return text
        found = media.parts(message["images"], f"{field}.images")
        self._media += len(found)
        if self._media > media.MAX_MEDIA:
            raise InvalidRequest(
                f"`messages` have more than {media.MAX_MEDIA} pictures and sounds", param="messages"
            )
        return found + ([{"type": "text", "text": text}] if text else [])

    def _new_id(self) -> str:
        """Nine letters and digits: some templates insist on that."""
        self._count += 1
        return f"call{self._count:05d}"


def _text(holder: dict[str, Any], name: str, field: str) -> str:
    value = holder.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"`{field}.{name}` must be a string", param=f"{field}.{name}")
    return value


def _only_tool(tools: Any) -> str:
    if not isinstance(tools, list) or len(tools) != 1 or not isinstance(tools[0], dict):
        return ""
    function = tools[0].get("function")
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else ""
