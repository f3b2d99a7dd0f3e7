"""The page itself: the files that Vite made of `web/`, and the rules they are shown under."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

from paddock.gateway.routes import Call

STATIC: Final = Path(__file__).parent / "static"
INDEX: Final = "index.html"

_RULES: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",  # KaTeX places its glyphs by style attributes
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
)
POLICY: Final = "; ".join(_RULES)
"""Nothing comes from elsewhere and nothing goes there, whatever a model has written."""

_ALWAYS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
"""Of files that have their digest in their names."""
_ASK_FIRST: Final = {"Cache-Control": "no-cache"}
_HASHED: Final = "assets/"


class Page:
    """Answers with the page's files; any other path is one of the page's own places."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder
        found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".gz")
        self._files = {path.relative_to(folder).as_posix(): path for path in found}

    async def answer(self, call: Call) -> web.StreamResponse:
        """The file of a path, packed where the browser takes it so."""
        name = call.rest if call.rest in self._files else INDEX
        file = self._files.get(name)
        if file is None:
            return web.Response(status=503, text=_NOT_BUILT)
        kept = _FOR_EVER if name.startswith(_HASHED) else _ASK_FIRST
        return web.FileResponse(file, headers=_ALWAYS | kept)


_NOT_BUILT: Final = "The chat's page was not built. In the source folder type: make page\n"
