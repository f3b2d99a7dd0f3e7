"""`/api/paddock/peers`: which peers there are, what they have, and whether they answer."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from paddock.gateway.peer import Peer
from paddock.gateway.peers import Peers
from paddock.gateway.routes import Call, Route


class PeerEndpoint:
    """Shows the peers."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("GET", "/api/paddock/peers", self.peers),)

    async def peers(self, call: Call) -> web.Response:  # noqa: ARG002
        """All peers, by id."""
        return web.json_response({"peers": [_told(peer) for peer in self._peers.all.values()]})


def _told(peer: Peer) -> dict[str, Any]:
    return {
        "id": peer.id,
        "proxy": str(peer.pool.address),
        "reachable": peer.reachable,
        "error": peer.error,
        "checked": peer.asked_at.isoformat() if peer.asked_at else None,
        "in_flight": peer.in_flight.total(),
        "models": sorted(peer.models),
    }
