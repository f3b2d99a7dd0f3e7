"""Which paths speak Ollama's dialect. Light: the daemon knows them before it knows what answers."""

from __future__ import annotations

from typing import Final

ROOT: Final = (
    ("GET", "/api/version"),
    ("GET", "/api/status"),
    ("POST", "/api/me"),
    ("POST", "/api/signout"),
    ("DELETE", "/api/user/keys/*"),
    ("*", "/api/experimental/*"),
)
"""Method and path of those that need no model; `/*` ends a prefix."""

LATER: Final = (
    ("POST", "/api/generate"),
    ("POST", "/api/chat"),
    ("POST", "/api/embed"),
    ("POST", "/api/embeddings"),
    ("GET", "/api/tags"),
    ("GET", "/api/ps"),
    ("POST", "/api/show"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("HEAD", "/api/blobs/*"),
    ("POST", "/api/blobs/*"),
)
"""Those whose endpoints are made when they are first asked for."""

OPENAI_LATER: Final = (
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/*"),
)
"""OpenAI's, as far as Ollama's door answers them in another way."""

ASKING: Final = frozenset(
    (
        ("GET", "/api/version"),
        ("POST", "/api/generate"),
        ("POST", "/api/chat"),
        ("POST", "/api/embed"),
        ("POST", "/api/embeddings"),
        ("GET", "/api/tags"),
        ("GET", "/api/ps"),
        ("POST", "/api/show"),
        *OPENAI_LATER,
    )
)
"""Those that ask a model, or tell which there are."""

_PATHS = tuple(path for _, path in (*ROOT, *LATER))
_EXACT = frozenset(path for path in _PATHS if not path.endswith("*"))
_PREFIXES = tuple({path[:-1] for path in _PATHS if path.endswith("*")})


def is_native(path: str) -> bool:
    """Whether a path is of Ollama's own API."""
    return path in _EXACT or path.startswith(_PREFIXES)
