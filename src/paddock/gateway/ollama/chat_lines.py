"""The lines of `/api/chat`."""

from __future__ import annotations

from typing import Any

from paddock.gateway.generation import Piece
from paddock.gateway.ollama.lines import Lines, called


class ChatLines(Lines):
    """Tells an answer as a message of the assistant."""

    _number = 0
    """Calls told so far."""

    def _said(self, piece: Piece) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": piece.text}
        if piece.thinking:
            message["thinking"] = piece.thinking
        if piece.calls:
            message["tool_calls"] = called(piece.calls, self._number)
            self._number += len(piece.calls)
        return {"message": message}
