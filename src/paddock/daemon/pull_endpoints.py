"""The endpoints of getting models and of their room. Imported when one is first asked for."""

from __future__ import annotations

from paddock.acquire.surveyor import Surveyor
from paddock.daemon.parts import Parts
from paddock.gateway.getting import Getting
from paddock.gateway.pull_endpoints import PullEndpoints
from paddock.gateway.quants_endpoint import QuantsEndpoint
from paddock.gateway.removal import RemovalEndpoints
from paddock.gateway.routes import Route
from paddock.gateway.usage_endpoints import UsageEndpoints


def pull_endpoints(parts: Parts) -> tuple[Route, ...]:
    """Pulls, what hubs have, removing, and usage."""
    return getting(parts).routes()


def getting(parts: Parts) -> Getting:
    """What answers there. What it knows of hubs and shapes is the same for all who ask."""
    pulls, hubs = parts.pulling.made()
    if hubs.surveyor is None:
        hubs.surveyor = Surveyor(parts.library, parts.launcher.engines)
    return Getting(
        PullEndpoints(parts.current, pulls, hubs, parts.streams),
        QuantsEndpoint(parts.current, parts.library, hubs.surveyor, pulls, hubs),
        RemovalEndpoints(parts.current, parts.library, parts.scheduler),
        UsageEndpoints(parts.current, parts.library, pulls),
    )
