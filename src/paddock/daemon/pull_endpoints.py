"""The endpoints of getting models and of their room. Imported when one is first asked for."""

from __future__ import annotations

from paddock.acquire.surveyor import Surveyor
from paddock.daemon.parts import Parts
from paddock.gateway.pull_endpoints import PullEndpoints
from paddock.gateway.quants_endpoint import QuantsEndpoint
from paddock.gateway.removal import RemovalEndpoints
from paddock.gateway.routes import Route
from paddock.gateway.usage_endpoints import UsageEndpoints


def pull_endpoints(parts: Parts) -> tuple[Route, ...]:
    """Pulls, what hubs have, removing, and usage."""
    pulls, hubs = parts.pulling.made()
    hubs.surveyor = surveyor = Surveyor(parts.library, parts.launcher.engines)
    return (
        *PullEndpoints(parts.current, pulls, hubs, parts.streams).routes(),
        *QuantsEndpoint(parts.current, parts.library, surveyor, pulls, hubs).routes(),
        *RemovalEndpoints(parts.current, parts.library, parts.scheduler).routes(),
        *UsageEndpoints(parts.current, parts.library, pulls).routes(),
    )
