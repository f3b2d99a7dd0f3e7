"""The `pulls` section: how models are brought in from hubs and registries."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from paddock.config.section import Bytes, File, Section

HUB: Final = "https://huggingface.co"
"""Hugging Face's public endpoint."""


class Pulls(Section):
    """How models are brought in."""

    connections: Annotated[int, Field(ge=1, le=16)] = 4
    """Connections by which one file comes."""
    files_at_once: Annotated[int, Field(ge=1, le=8)] = 2
    """Files that come at the same time; others wait."""
    rate: Bytes = 0
    """Bytes per second of all downloads together, as a number or as text like `20MB`; 0 = as fast
    as the line is."""
    quota: Bytes = 0
    """Bytes that the models folders and the store may hold together, as a number or as text like
    `2TB`; a pull that would cross it is refused. 0 = as many as the disk takes."""
    endpoint: str = Field(default=HUB, examples=["https://hub.example.lan"])
    """Where Hugging Face's hub is asked: a mirror's address, for instance."""
    token_file: File | None = None
    """A file with a token for Hugging Face, for gated and private repositories. Without it
    `HF_TOKEN` counts, else the file that `hf auth login` writes (`HF_TOKEN_PATH`, `HF_HOME`)."""
