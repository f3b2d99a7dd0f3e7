"""The configuration in force, how it came about, and taking in another one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from paddock.config.current import Current, Refusal
from paddock.config.difference import Outcome
from paddock.config.show import as_values
from paddock.events import CatalogChanged
from paddock.gateway.routes import Call, Route

Reload = Callable[[], Awaitable[Outcome]]


class ConfigEndpoints:
    """Shows the configuration and reloads it."""

    def __init__(self, current: Current, reload: Reload) -> None:
        self._current = current
        self._reload = reload

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("GET", "/api/config", self.show),
            Route("POST", "/api/paddock/reload", self.reload),
        )

    async def show(self, call: Call) -> web.Response:  # noqa: ARG002
        """What is in force, with secrets masked, and how the last change of it went."""
        values = await asyncio.to_thread(as_values, self._current.config)
        return web.json_response({**self.health(), "config": values})

    async def reload(self, call: Call) -> web.Response:  # noqa: ARG002
        """Take in the files as they are now; the answer says what that changed."""
        outcome = await self._reload()
        return web.json_response(
            {
                "changes": [asdict(change) for change in outcome.changes],
                "needs_restart": list(outcome.needs_restart),
                "models": _models(outcome.models),
            }
        )

    def health(self) -> dict[str, Any]:
        """Where the configuration is from, and what is wrong with the files since."""
        current = self._current
        return {
            "files": [str(file) for file in current.files],
            "loaded_at": current.loaded_at.isoformat(timespec="seconds"),
            "refused": _refused(current.refusal) if current.refusal else None,
            "needs_restart": list(current.needs_restart),
        }


def _refused(refusal: Refusal) -> dict[str, Any]:
    problems = [asdict(problem) | {"text": str(problem)} for problem in refusal.problems]
    return {"at": refusal.at.isoformat(timespec="seconds"), "problems": problems}


def _models(changed: CatalogChanged | None) -> dict[str, list[str]]:
    """Ids by what became of them; `replaced` ones start anew when they are next asked for."""
    changed = changed or CatalogChanged(frozenset(), frozenset(), frozenset())
    return {word: sorted(ids) for word, ids in asdict(changed).items()}
