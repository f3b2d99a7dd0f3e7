"""The hubs and registries that this daemon may ask, made of the configuration in force.

What is made of it is made anew when it changed, as soon as nobody uses the old one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from paddock import __version__
from paddock.acquire.addresses import origin_of
from paddock.acquire.choice import choose
from paddock.acquire.download import Downloader, Limits
from paddock.acquire.fits import Memory
from paddock.acquire.huggingface import Found, Hub
from paddock.acquire.offer import Known, Offer, offer
from paddock.acquire.ollama_registry import ENDPOINT, Registry
from paddock.acquire.patience import PAUSES
from paddock.acquire.plan import Headers, Listing, Stored
from paddock.acquire.reference import (
    MAIN,
    AddressReference,
    HubReference,
    Reference,
    RegistryReference,
    parse,
)
from paddock.acquire.remote import RemoteFile, Repository
from paddock.acquire.request import PullRequest
from paddock.acquire.tokens import hub_token
from paddock.acquire.wanted import Wanted
from paddock.acquire.web import Policy, Web
from paddock.config.current import Current
from paddock.config.pulls import HUB
from paddock.config.schema import Config
from paddock.errors import HubBroken, NotThere
from paddock.hardware.snapshot import machine

if TYPE_CHECKING:
    from paddock.acquire.surveyor import Surveyor

_MOST_BYTES: Final = 1 << 50


class Hubs:
    """Answers what is out there, and brings it. Loop thread only; `aclose` it."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self._web: Web | None = None
        self._policy: Policy | None = None
        self._users = 0
        self._downloader: Downloader | None = None
        self._made_for: tuple[Policy, Limits] | None = None
        self._fetching = 0
        self._memory: Memory | None = None
        self.surveyor: Surveyor | None = None
        """Who knows more of models than their sizes; None: nobody yet."""

    # --- what is out there -----------------------------------------------------------------------

    def check(self, request: PullRequest) -> Reference:
        """What a request's name means. Raises InvalidName and AddressRefused."""
        config = self._current.config
        return parse(
            request.name,
            request.quant,
            endpoint=config.pulls.endpoint,
            registries=config.registries,
            ollama_first=request.ollama_first,
        )

    async def listing(self, request: PullRequest, revision: str = "") -> Listing:
        """What a request leads to. `revision`: the commit that it led to before.

        Raises AcquireError, and what names that cannot be do.
        """
        reference = self.check(request)
        async with self._asking() as web:
            if isinstance(reference, RegistryReference):
                try:
                    return await self._of_registry(web, reference, _pauses(request))
                except NotThere:
                    if reference.otherwise is None:
                        raise
                reference = reference.otherwise
            if isinstance(reference, AddressReference):
                return await _of_address(web, reference)
            return await self._of_hub(web, reference, request, revision)

    async def offer(self, name: str, *, look: bool = False) -> Offer:
        """What a repository holds, and how it fits here. Raises AcquireError.

        `look`: fetch the header of one of its files where nothing at hand tells as much.
        """
        reference = self.check(PullRequest(name))
        if not isinstance(reference, HubReference):
            raise NotThere(
                f"{name[:200]} is not a repository of Hugging Face",
                hint="only those have quantizations to choose from: user/repo",
            )
        async with self._asking() as web:
            return await self._offer(await self._hub(web), reference, "", web if look else None)

    async def search(self, text: str, limit: int, sort: str) -> Sequence[Found]:
        """Repositories with GGUF files that have these words. Raises AcquireError."""
        async with self._asking() as web:
            return await (await self._hub(web)).search(text, limit, sort)

    async def memory(self) -> Memory:
        """What this machine has for models."""
        if self._memory is None:
            self._memory = Memory.of(await asyncio.to_thread(machine))
        return self._memory

    @asynccontextmanager
    async def registry(self, reference: RegistryReference) -> AsyncIterator[Registry]:
        """A registry to give a model to."""
        async with self._asking() as web:
            yield Registry(web, self._base(reference))

    async def _of_hub(
        self, web: Web, reference: HubReference, request: PullRequest, revision: str
    ) -> Listing:
        hub = await self._hub(web, _pauses(request))
        offered = await self._offer(hub, reference, revision)
        chosen = choose(
            offered,
            quant=reference.quant,
            file=reference.file,
            patterns=request.files,
            everything=request.all,
        )

        def headers(file: RemoteFile) -> Headers:
            async def now() -> Mapping[str, str]:
                return hub.headers_for(file.url)

            return now

        repository = offered.repository
        return Listing(
            name=_name(reference, repository.id, [row.label for row in chosen.rows], request),
            note=chosen.note,
            files=chosen.files,
            headers=headers,
            page=hub.page_of(repository.id),
            repository=repository.id,
            revision=repository.commit,
        )

    async def _offer(
        self, hub: Hub, reference: HubReference, revision: str, looking: Web | None = None
    ) -> Offer:
        repository = await _at(hub, reference.repo, revision, reference.revision or MAIN)
        context = self._current.config.context_length
        known = await self._known(hub, repository, looking)
        return await asyncio.to_thread(offer, repository, await self.memory(), context, known)

    async def _known(self, hub: Hub, repository: Repository, looking: Web | None) -> Known | None:
        """What is known of a repository's models beyond their sizes."""
        if self.surveyor is None:
            return None
        known = await self.surveyor.known(repository)
        if looking is None or known.bases or not (await self.surveyor.bare()).known:
            return known
        await self.surveyor.look(repository, looking, hub.headers_for)
        return await self.surveyor.known(repository)

    async def _of_registry(
        self, web: Web, reference: RegistryReference, pauses: tuple[float, ...]
    ) -> Listing:
        registry = Registry(web, self._base(reference), pauses=pauses)
        name = reference.name
        data, manifest = await registry.manifest(name)
        layers = {layer.digest: layer for layer in (*manifest.layers, manifest.config)}

        return Listing(
            name=str(reference),
            note="",
            files=tuple(registry.blob(name, layer) for layer in layers.values()),
            headers=lambda _: registry.credentials(name),
            stored=Stored(name, data, manifest),
        )

    def _base(self, reference: RegistryReference) -> str:
        """Where a registry is asked: a mirror in place of Ollama's."""
        mirror = self._current.config.registry_mirror
        return mirror if mirror and str(reference.origin) == ENDPOINT else str(reference.origin)

    async def _hub(self, web: Web, pauses: tuple[float, ...] = PAUSES) -> Hub:
        settings = self._current.config.pulls
        token = await asyncio.to_thread(hub_token, settings.token_file, os.environ)
        return Hub(web, settings.endpoint, token, pauses=pauses)

    # --- bringing it -----------------------------------------------------------------------------

    async def fetch(self, wanted: Wanted, progress: Callable[[int], None]) -> None:
        """Bring one file into its part: see `Downloader.fetch`."""
        self._fetching += 1
        try:
            await (await self._ready_downloader()).fetch(wanted, progress)
        finally:
            self._fetching -= 1

    async def aclose(self) -> None:
        """End every download, keep what there is of it, close every connection. Idempotent."""
        downloader, self._downloader = self._downloader, None
        if downloader is not None:
            await downloader.aclose()
        web, self._web = self._web, None
        if web is not None:
            await web.aclose()

    async def _ready_downloader(self) -> Downloader:
        config = self._current.config
        wanted = (policy_of(config), _limits(config))
        if self._downloader is not None and self._made_for != wanted and self._fetching == 1:
            old, self._downloader = self._downloader, None
            await old.aclose()
        if self._downloader is None:
            self._downloader, self._made_for = Downloader(*wanted), wanted
        return self._downloader

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[Web]:
        policy = policy_of(self._current.config)
        if self._web is not None and self._policy != policy and not self._users:
            old, self._web = self._web, None
            await old.aclose()
        if self._web is None:
            self._web, self._policy = Web(policy, user_agent=_AGENT), policy
        web = self._web
        self._users += 1
        try:
            yield web
        finally:
            self._users -= 1


_AGENT: Final = f"paddock/{__version__}"


def _pauses(request: PullRequest) -> tuple[float, ...]:
    """Seconds before each further try at a hub that does not answer."""
    return () if request.update else PAUSES


def policy_of(config: Config) -> Policy:
    """Where this daemon may go."""
    return Policy.of(
        (config.pulls.endpoint,),
        (config.registry_mirror or ENDPOINT, *config.registries),
        defaults=(HUB, ENDPOINT),
    )


def _limits(config: Config) -> Limits:
    told = config.pulls
    return Limits(told.connections, told.files_at_once, told.rate)


def _name(reference: HubReference, repository: str, labels: list[str], request: PullRequest) -> str:
    """A name by which the same is pulled again: the one quantization that was chosen is told."""
    plain = reference._replace(repo=repository)
    if len(labels) == 1 and not reference.file and not request.files and not request.all:
        plain = plain._replace(quant=labels[0])
    return str(plain)


async def _at(hub: Hub, repo: str, commit: str, revision: str) -> Repository:
    """The repository at the commit of before, or where the hub has that no more, as it is now."""
    if commit:
        with suppress(NotThere):
            return await hub.list(repo, commit)
    return await hub.list(repo, revision)


async def _of_address(web: Web, reference: AddressReference) -> Listing:
    """One file that nobody vouches for: its size is what its server says."""
    async with web.get(reference.url, method="HEAD") as answer:
        if answer.status == 404:
            raise NotThere(f"there is no file at {reference}")
        size = answer.headers.get("Content-Length", "")
        if answer.status != 200 or not size.isdecimal() or not 0 < int(size) <= _MOST_BYTES:
            raise HubBroken(f"{answer.host} tells no size of {reference.file}")
    return Listing(
        name=str(reference),
        note="nobody tells the digest of this file, so it is taken as it comes",
        files=(RemoteFile(reference.file, int(size), None, reference.url),),
        headers=lambda _: _nothing,
        repository=origin_of(reference.url).host,
    )


async def _nothing() -> Mapping[str, str]:
    return {}
