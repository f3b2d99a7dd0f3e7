"""`GET /`, a small page that names the doors and what they answer, and a word that we live."""

from __future__ import annotations

from html import escape

from aiohttp import web

from paddock import __version__
from paddock.gateway.routes import Call, Route
from paddock.library.library import Library

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 42rem; margin: 3rem auto; padding: 0 1rem }
code { background: color-mix(in srgb, currentColor 10%, transparent); padding: .1em .3em }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884 }
"""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


class Front:
    """The door's own page."""

    def __init__(self, library: Library, doors: list[tuple[str, str]]) -> None:
        self._library = library
        self.doors = doors
        """Name and URL of each open door; filled in when they are open."""
        self.endpoints: tuple[Route, ...] = ()
        """All that is answered; filled in when all of it is known."""

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("GET", "/", self.page, public=True),
            Route("GET", "/health", self.health, public=True),
            Route("GET", "/v1/health", self.health, public=True),
            Route("GET", "/wol-health", self.alive, public=True),
            Route("GET", "/favicon.ico", self.no_picture, public=True),
        )

    async def health(self, call: Call) -> web.Response:  # noqa: ARG002
        """That the daemon answers; nothing about models."""
        return web.json_response({"status": "ok"})

    async def alive(self, call: Call) -> web.Response:  # noqa: ARG002
        """The same for llama-swap's wake-on-LAN proxy."""
        return web.Response(text="OK")

    async def no_picture(self, call: Call) -> web.Response:  # noqa: ARG002
        """What browsers ask for by themselves."""
        return web.Response(status=204, headers={"Cache-Control": "max-age=86400"})

    async def page(self, call: Call) -> web.Response:  # noqa: ARG002
        """The doors, their endpoints, how many models are behind them. Names none: it is public."""
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td><code>{escape(url)}</code></td></tr>"
            for name, url in self.doors
        )
        endpoints = "".join(
            f"<tr><td>{escape(route.method)}</td><td><code>{escape(route.path)}</code></td></tr>"
            for route in self.endpoints
        )
        count = len(self._library.catalog.models)
        return web.Response(
            text=f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Paddock</title>
<meta name="viewport" content="width=device-width"><style>{STYLE}</style>
<h1>Paddock {escape(__version__)}</h1>
<p>{count} {"model is" if count == 1 else "models are"} behind these doors.</p>
<table><tr><th>door</th><th>address</th></tr>{rows}</table>
<p>Models: <code>GET /v1/models</code>. Chat: <code>POST /v1/chat/completions</code>.
In a terminal: <code>paddock list</code>, <code>paddock ps</code>.</p>
<details><summary>All endpoints</summary><table>{endpoints}</table></details></html>""",
            content_type="text/html",
            headers={"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"},
        )
