"""`/v1/responses`: the last event holds the answer, but for two fields."""

from __future__ import annotations

from typing import Any

from paddock.gateway.assembler import Assembler


class ResponsesAssembler(Assembler):
    """Waits for `response.completed`."""

    def __init__(self) -> None:
        super().__init__()
        self._response: dict[str, Any] = {}

    def _take(self, value: dict[str, Any]) -> None:
        if value.get("type") == "response.completed":
            self._response = value["response"]
            self._done = True

    def _whole(self) -> dict[str, Any]:
        output = [_completed(item) for item in self._response["output"]]
        return {"completed_at": self._response["created_at"]} | self._response | {"output": output}


def _completed(item: dict[str, Any]) -> dict[str, Any]:
    """A reasoning item has no status in the stream."""
    return {**item, "status": "completed"} if item.get("type") == "reasoning" else item
