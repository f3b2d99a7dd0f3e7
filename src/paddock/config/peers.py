"""What the owner can say about other servers whose models are offered here too."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from paddock.config.model_entry import Filters, Timeouts
from paddock.config.section import Seconds, Section


class PeerTimeouts(Timeouts):
    """How long the connection to a peer may take for each step; 0 = no limit."""

    response_header: Seconds = 60
    """From the request's end to the answer's first byte."""


class Peer(Section):
    """Another server: a Paddock, an Ollama, a llama-swap or any that speaks OpenAI's API."""

    proxy: Annotated[str, Field(examples=["https://api.example.com"])]
    """Its URL; request paths such as `/v1/chat/completions` are added to it."""
    models: list[str] = []
    """Its models that are offered here. Default: all it lists at `/v1/models`."""
    api_key: SecretStr | None = None
    """Key to show to it. Without one the client's key is not passed on either."""
    filters: Filters = Filters()
    """Changes to requests."""
    timeouts: PeerTimeouts = PeerTimeouts()
    """Limits of the connection to it."""
    refresh: Annotated[Seconds, Field(ge=10)] = 300
    """Seconds between questions for its models and its health."""
