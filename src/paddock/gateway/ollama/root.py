"""That this is an Ollama, which one, and that it has no account in anybody's cloud."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from paddock import __version__
from paddock.errors import Forbidden
from paddock.gateway.routes import Call, Route

VERSION: Final = "0.33.0"
"""The version of Ollama whose API this is. Clients ask for a least one, and read it as numbers."""

RUNNING: Final = "Ollama is running"


class Root:
    """The endpoints that every client tries first, and those that only the vendor's cloud has."""

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("GET", "/", self.running, public=True),
            Route("GET", "/api/version", self.version, asks=True),
            Route("GET", "/api/status", self.status),
            Route("POST", "/api/me", self.no_account),
            Route("POST", "/api/signout", self.no_account),
            Route("DELETE", "/api/user/keys/*", self.no_account),
            Route("*", "/api/experimental/*", self.no_cloud),
        )

    async def running(self, call: Call) -> web.Response:  # noqa: ARG002
        """The text by which clients know an Ollama."""
        return web.Response(text=RUNNING)

    async def version(self, call: Call) -> web.Response:  # noqa: ARG002
        """Ollama's version, as far as its API goes, and Paddock's beside it."""
        return web.json_response({"version": VERSION, "paddock": __version__})

    async def status(self, call: Call) -> web.Response:  # noqa: ARG002
        """That there is no cloud behind it."""
        return web.json_response({"cloud": {"disabled": True, "source": "config"}})

    async def no_account(self, call: Call) -> web.Response:  # noqa: ARG002
        """What is about an account in the vendor's cloud."""
        raise Forbidden(
            "there are no ollama.com accounts here: this is Paddock, and all its models are its own"
        )

    async def no_cloud(self, call: Call) -> web.Response:  # noqa: ARG002
        """What only the vendor's cloud does."""
        raise Forbidden("ollama's cloud features are not here: this is Paddock")
