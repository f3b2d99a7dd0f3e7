"""Anthropic's `/v1/messages`: a message that is opened, filled block by block, and closed."""

from __future__ import annotations

import secrets
from typing import Any

from paddock.errors import InvalidRequest
from paddock.gateway.assembler import Assembler
from paddock.gateway.body import parse_value


class MessagesAssembler(Assembler):
    """`model` is the name to give when the engine does not tell its own.

    llama-server leaves `message_start` out when the first token is part of a character. Then the
    id is made up and `usage` has only what was generated.
    """

    def __init__(self, model: str = "") -> None:
        super().__init__()
        self._message: dict[str, Any] = {
            "id": f"chatcmpl-{secrets.token_urlsafe(24)}",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": model,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {},
        }
        self._blocks: dict[int, _Block] = {}

    def _take(self, value: dict[str, Any]) -> None:
        match value.get("type"):
            case "content_block_delta":
                self._block(value["index"]).add(value["delta"])
            case "content_block_start":
                self._block(value["index"]).start = value["content_block"]
            case "message_start":
                self._message |= value["message"]
            case "message_delta":
                usage = self._message["usage"] | value.get("usage", {})
                self._message |= value["delta"] | {"usage": usage}
            case "message_stop":
                self._done = True

    def _block(self, index: int) -> _Block:
        return self._blocks.setdefault(index, _Block())

    def _whole(self) -> dict[str, Any]:
        blocks = [self._blocks[index].whole() for index in sorted(self._blocks)]
        return self._message | {"content": blocks}


class _Block:
    """One block of content: how it started, and the texts that its deltas added by kind."""

    def __init__(self) -> None:
        self.start: dict[str, Any] = {}
        self._added: dict[str, list[str]] = {}

    def add(self, delta: dict[str, Any]) -> None:
        field = _FIELD_OF_DELTA[delta["type"]]
        self._added.setdefault(field, []).append(delta[field])

    def whole(self) -> dict[str, Any]:
        block = self.start | {field: "".join(texts) for field, texts in self._added.items()}
        if block["type"] == "thinking":
            block.setdefault("signature", "")
        if block["type"] == "tool_use":
            block["input"] = _parsed(block.pop("partial_json", ""))
        return block


_FIELD_OF_DELTA = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


def _parsed(arguments: str) -> Any:
    """What a model wrote as arguments need not be JSON: then they are none."""
    try:
        return parse_value(arguments.encode())
    except InvalidRequest:
        return {}
