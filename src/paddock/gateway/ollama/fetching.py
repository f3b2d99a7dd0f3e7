"""`/api/pull` of what is not here: a pull of the daemon's, told in Ollama's words.

Clients of Ollama's go on to ask for the name that they pulled. Files of Hugging Face land in the
models folder under names of their own, so such a name is given to them too, without a copy.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from paddock.errors import InvalidName, PaddockError
from paddock.gateway.event_stream import EventStreams
from paddock.gateway.ollama.progress import SUCCESS, Status
from paddock.library.library import Library
from paddock.library.ollama_name import OllamaName

if TYPE_CHECKING:
    from paddock.acquire.pull import Pull
    from paddock.acquire.pulls import Pulls

Name = Callable[[OllamaName, str], AsyncGenerator[Status]]
"""Gives a model of a folder, by its id, a name in the store."""


class Fetching:
    """Brings models in for clients of Ollama's. The last one that leaves ends the pull."""

    def __init__(
        self,
        pulls: Callable[[], Awaitable[Pulls]],
        library: Library,
        name: Name,
        streams: EventStreams,
    ) -> None:
        self._pulls = pulls
        self._library = library
        self._name = name
        self._streams = streams

    async def fetch(
        self, name: str, *, insecure: bool = False, update: bool = False
    ) -> AsyncGenerator[Status]:
        """Bring a model in; the last status is SUCCESS. Raises what the pull does."""
        pulls = await self._pulls()
        from paddock.acquire.request import PullRequest  # noqa: PLC0415 - not needed to start
        from paddock.acquire.statuses import statuses  # noqa: PLC0415

        request = PullRequest(name, insecure=insecure, ollama_first=True, update=update)
        pull = await pulls.ask(request, lasting=False, asker=True)
        try:
            async with aclosing(statuses(pull)) as lines:
                async for line in lines:
                    yield line
        finally:
            if not self._streams.closing:  # who was sent away comes back when we do
                pulls.leave(pull)
        async with aclosing(self._named(name, pull)) as lines:
            async for line in lines:
                yield line
        yield SUCCESS

    async def _named(self, asked: str, pull: Pull) -> AsyncGenerator[Status]:
        if not pull.models or self._library.catalog.find(asked) is not None:
            return
        try:
            name = OllamaName.parse(asked)
            async with aclosing(self._name(name, pull.models[0])) as lines:
                async for line in lines:
                    if line != SUCCESS:
                        yield line
        except (InvalidName, PaddockError) as error:
            yield {"status": f"it is called {pull.models[0]} here: {error}"}
