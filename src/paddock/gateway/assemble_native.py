"""llama.cpp's own `/completion` and `/infill`: pieces of content, then everything else at once."""

from __future__ import annotations

from typing import Any

from paddock.gateway.assembler import Assembler


class NativeAssembler(Assembler):
    """For a request that asks for `count` completions of one prompt."""

    def __init__(self, count: int = 1) -> None:
        super().__init__()
        self._count = count
        self._content: dict[int, list[str]] = {}
        self._last: dict[int, dict[str, Any]] = {}

    def _take(self, value: dict[str, Any]) -> None:
        if not value:
            return
        index = value["index"]
        self._content.setdefault(index, []).append(value["content"])
        if value["stop"] is True:
            self._last[index] = value
            self._done = len(self._last) == self._count

    def _whole(self) -> dict[str, Any] | list[dict[str, Any]]:
        answers = [self._answer(index) for index in sorted(self._last)]
        return answers if self._count > 1 else answers[0]

    def _answer(self, index: int) -> dict[str, Any]:
        last = self._last[index]
        settings = last["generation_settings"] | {"stream": False}
        content = "".join(self._content[index])
        return last | {"content": content, "generation_settings": settings}
