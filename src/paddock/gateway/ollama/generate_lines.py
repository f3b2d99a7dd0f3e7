"""The lines of `/api/generate`."""

from __future__ import annotations

from typing import Any

from paddock.gateway.generation import Piece
from paddock.gateway.ollama.lines import Lines


class GenerateLines(Lines):
    """Tells an answer as a text."""

    keeps_text = True  # its tokens are told at the end

    def _said(self, piece: Piece) -> dict[str, Any]:
        said = {"response": piece.text}
        if piece.thinking:
            said["thinking"] = piece.thinking
        return said
