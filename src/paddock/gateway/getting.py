"""How models come to be here and leave, and what room they take: made when first needed."""

from __future__ import annotations

from typing import NamedTuple

from paddock.gateway.pull_endpoints import PullEndpoints
from paddock.gateway.quants_endpoint import QuantsEndpoint
from paddock.gateway.removal import RemovalEndpoints
from paddock.gateway.routes import Route
from paddock.gateway.usage_endpoints import UsageEndpoints


class Getting(NamedTuple):
    """Pulls, what hubs have, removing, and usage."""

    pulls: PullEndpoints
    quants: QuantsEndpoint
    removal: RemovalEndpoints
    usage: UsageEndpoints

    def routes(self) -> tuple[Route, ...]:
        """The routes of all of them."""
        return tuple(route for part in self for route in part.routes())
