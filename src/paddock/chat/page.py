"""The page itself: the files that Vite made of `web/`, and the rules they are shown under."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from aiohttp import web

from paddock.gateway.routes import Call

STATIC: Final = Path(__file__).parent / "static"
INDEX: Final = "index.html"

_RULES: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
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


_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
"""Of a file of the page's: no segment begins with a dot, so none leads out of the folder."""


class Page:
    """Answers with the page's files; any other path is one of the page's own places."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder

    async def answer(self, call: Call) -> web.StreamResponse:
        """The file of a path, packed where the browser takes it so."""
        name = call.rest if self._has(call.rest) else INDEX
        if name == INDEX and call.rest.startswith(_HASHED):
            return web.Response(status=404, text=_ANOTHER_BUILD, headers=_ALWAYS)
        if not self._has(name):
            return web.Response(status=503, text=_NOT_BUILT)
        kept = _FOR_EVER if name.startswith(_HASHED) else _ASK_FIRST
        return web.FileResponse(self._folder / name, headers=_ALWAYS | kept)

    def _has(self, name: str) -> bool:
        return _NAME.fullmatch(name) is not None and (self._folder / name).is_file()


_ANOTHER_BUILD: Final = "This file belongs to another version of the page. Load the page again.\n"
_NOT_BUILT: Final = "The chat's page was not built. In the source folder type: make page\n"
