"""Tells the log what happens to models: one line for each event that an owner wants to know of."""

from __future__ import annotations

import logging

from paddock.events import CatalogChanged, Event, InstanceChanged, InstanceState, PullChanged

log = logging.getLogger(__name__)


def narrate(event: Event) -> None:
    """Log an event. A listener for the bus."""
    if isinstance(event, CatalogChanged):
        _library(event)
    elif isinstance(event, InstanceChanged):
        _instance(event)
    elif isinstance(event, PullChanged) and event.ended:
        _pull(event)


def _library(event: CatalogChanged) -> None:
    told = (
        ("new", event.added),
        ("gone", event.removed),
        ("replaced", event.replaced),
        ("with other settings", event.refreshed),
    )
    parts = [f"{len(ids)} {word}: {_few(ids)}" for word, ids in told if ids]
    log.info("models changed: %s", "; ".join(parts))


def _few(ids: frozenset[str], most: int = 5) -> str:
    names = sorted(ids)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def _pull(event: PullChanged) -> None:
    """Its failure is told by who knows the reason."""
    if event.state != "failed":
        log.info("the pull of %s is %s", event.name, event.state)


def _instance(event: InstanceChanged) -> None:
    if event.state is InstanceState.READY:
        log.info("%s is ready", event.instance)
    elif event.state is InstanceState.STOPPED:
        log.info("%s has stopped", event.instance)
    elif event.state is InstanceState.FAILED:
        log.warning("%s failed: %s", event.instance, event.reason)
