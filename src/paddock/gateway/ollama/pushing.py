"""`/api/push`: a model of the store, given to a registry that the owner lists."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from paddock.errors import InvalidRequest
from paddock.gateway.ollama.progress import Status
from paddock.library.library import Library
from paddock.library.ollama_name import OllamaName

if TYPE_CHECKING:
    from paddock.acquire.hubs import Hubs


class Pushing:
    """Gives models away."""

    def __init__(self, hubs: Callable[[], Awaitable[Hubs]], library: Library) -> None:
        self._hubs = hubs
        self._library = library

    async def pushed(self, asked: str, model_id: str) -> AsyncGenerator[Status]:
        """Push a model of the store; the last status is `success`. Closing it ends the push.

        `asked` is its name as it was typed, which tells the registry. Raises AcquireError.
        """
        hubs = await self._hubs()
        from paddock.acquire.push import push  # noqa: PLC0415 - not needed to start
        from paddock.acquire.reference import RegistryReference  # noqa: PLC0415
        from paddock.acquire.request import PullRequest  # noqa: PLC0415

        reference = hubs.check(PullRequest(asked, ollama_first=True))
        if not isinstance(reference, RegistryReference):
            raise InvalidRequest(
                f"{asked[:200]} is no name for a registry",
                param="model",
                hint="name it after one: `paddock cp NAME host:port/namespace/model:tag`",
            )
        async with hubs.registry(reference) as registry:
            statuses = push(registry, self._library.store, OllamaName.parse(model_id))
            async with aclosing(statuses):
                async for status in statuses:
                    yield status
