"""The endpoints of Ollama's dialect, and what each is made of. Imported when one is asked for."""

from __future__ import annotations

from paddock.daemon.parts import Parts, Serving
from paddock.gateway.routes import Route


def ollama_endpoints(parts: Parts, serving: Serving) -> tuple[Route, ...]:
    """Ollama's own API, but for what `Root` answers."""
    del parts, serving  # until the first endpoint is there
    return ()


def openai_endpoints(parts: Parts, serving: Serving) -> tuple[Route, ...]:
    """OpenAI's API, as far as Ollama's door answers it in another way."""
    del parts, serving
    return ()
