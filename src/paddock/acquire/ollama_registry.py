"""Registries in Ollama's way: manifests that name blobs, at `/v2/<namespace>/<model>/…`.

Ollama's own registry, a mirror of it, and every OCI registry that holds models of its form.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlencode

from paddock.acquire import challenge as challenges
from paddock.acquire import hub_errors
from paddock.acquire.addresses import origin_of
from paddock.acquire.challenge import Challenge
from paddock.acquire.patience import PAUSES, patiently
from paddock.acquire.remote import RemoteFile
from paddock.acquire.web import Answer, Body, Web, parse_json
from paddock.errors import (
    AcquireError,
    AddressRefused,
    HubBroken,
    HubUnreachable,
    InvalidDigest,
    InvalidManifest,
    NeedsToken,
    NotRunnable,
    NotThere,
    WrongBytes,
)
from paddock.library import manifest as kinds
from paddock.library.digest import Digest
from paddock.library.manifest import MEDIA_TYPE, Layer, Manifest
from paddock.library.ollama_name import HOST, OllamaName

log = logging.getLogger(__name__)

ENDPOINT: Final = f"https://{HOST}"
OCI_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
ACCEPT: Final = f"{MEDIA_TYPE}, {OCI_TYPE}"
"""Both: a registry that has the one kind refuses who wants only the other."""

MOST_LAYERS: Final = 1000
TOKEN_BYTES: Final = 64 << 10

_USABLE: Final = frozenset({*kinds.ORDER, kinds.DRAFT, "application/vnd.ollama.image.embed"})
_MLX: Final = frozenset({kinds.TENSOR, "application/vnd.ollama.image.json"})
_ELSEWHERE: Final = "look for a GGUF of it with `paddock search`, and pull that as user/repo"
_VISIBLE = re.compile(r"[!-~]{1,16384}")


class Registry:
    """One registry. Tokens are kept for as long as it lives, by repository."""

    def __init__(
        self,
        web: Web,
        base: str = ENDPOINT,
        *,
        login: str = "",
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        """`login` is `user:password`, for a registry that wants it.

        Raises AddressRefused when `base` is no address.
        """
        self.base = base.rstrip("/")
        self.origin = origin_of(self.base)
        self.pauses = pauses
        self._web = web
        self._login = login
        self._known: dict[str, str] = {}
        """What to send as `Authorization`, by repository."""

    # --- what it has -----------------------------------------------------------------------------

    async def manifest(self, name: OllamaName) -> tuple[bytes, Manifest]:
        """The manifest of a name: its bytes as they came, which are its identity, and what it says.

        Raises NotThere; NotRunnable for what no engine here runs; NeedsToken, RateLimited,
        InvalidManifest, WrongBytes; HubBroken and, once trying again did not help, HubUnreachable.
        """
        data = await patiently(lambda: self._manifest(name), self.pauses)
        manifest = Manifest.parse(data)
        _check_layers(name, manifest)
        if not manifest.of_type(kinds.MODEL):
            raise await self._no_model(name, manifest)
        return data, manifest

    def blob(self, name: OllamaName, layer: Layer) -> RemoteFile:
        """The blob of a layer, as a file that can be downloaded."""
        digest = layer.digest
        url = f"{self._repository(name)}/blobs/{digest}"
        return RemoteFile(digest.file_name, layer.size, digest, url)

    def credentials(self, name: OllamaName) -> Callable[[], Awaitable[Mapping[str, str]]]:
        """Who tells what to send with requests for a name's blobs; asked again, it gets it anew."""
        given: list[str] = []

        async def tell() -> Mapping[str, str]:
            known = self._known.get(repository_of(name), "")
            if given and given[-1] == known:
                known = await self._renewed(name)
            given.append(known)
            return {"Authorization": known} if known else {}

        return tell

    async def _manifest(self, name: OllamaName) -> bytes:
        url = f"{self._repository(name)}/manifests/{name.tag}"
        async with self.ask(name, url, headers={"Accept": ACCEPT}) as answer:
            if answer.status != 200:
                raise self.refusal(answer, name, "pull model manifest")
            data = await answer.read(kinds.MAX_BYTES)
            self._check_told_digest(answer, data)
        return data

    def _check_told_digest(self, answer: Answer, data: bytes) -> None:
        try:
            told = Digest.parse(answer.headers.get("Docker-Content-Digest", ""))
        except InvalidDigest:
            return
        if told != Digest.of(data):
            raise WrongBytes(
                f"{self.origin.host} sent another manifest than it says", hint="try again"
            )

    async def _no_model(self, name: OllamaName, manifest: Manifest) -> AcquireError:
        """Why a manifest has no model in it."""
        about = await self._config(name, manifest.config)
        if about.get("remote_host") or about.get("remote_model"):
            return NotRunnable(
                f"{name} runs in Ollama's cloud, so there is nothing to pull", hint=_ELSEWHERE
            )
        return NotRunnable(f"{name} holds no model", hint=_ELSEWHERE)

    async def _config(self, name: OllamaName, layer: Layer) -> dict[str, Any]:
        async with self.ask(name, self.blob(name, layer).url) as answer:
            if answer.status != 200 or layer.size > kinds.MAX_TEXT:
                return {}
            told = await parse_json(await answer.read(layer.size), self.origin.host)
        return told if isinstance(told, dict) else {}

    def _repository(self, name: OllamaName) -> str:
        return f"{self.base}/v2/{repository_of(name)}"

    # --- asking ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def ask(
        self,
        name: OllamaName,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
    ) -> AsyncGenerator[Answer]:
        """Ask about a name; a challenge is answered once. Raises NeedsToken, and what Web does."""
        repository = repository_of(name)
        known = self._known.get(repository, "")
        async with self._web.get(
            url, method=method, headers=headers, auth=known, body=body
        ) as answer:
            if answer.status != 401:
                yield answer
                return
            told = answer.headers.getall("WWW-Authenticate", [])
        self._known[repository] = await self._answer_to(challenges.parse(told))
        async with self._web.get(
            url, method=method, headers=headers, auth=self._known[repository], body=body
        ) as answer:
            yield answer

    async def _renewed(self, name: OllamaName) -> str:
        """What to send after it was refused: found out by asking for the manifest once more."""
        self._known.pop(repository_of(name), None)
        url = f"{self._repository(name)}/manifests/{name.tag}"
        async with self.ask(name, url, method="HEAD", headers={"Accept": ACCEPT}):
            return self._known.get(repository_of(name), "")

    async def _answer_to(self, told: tuple[Challenge, ...]) -> str:
        for challenge in told:
            if challenge.scheme == "bearer" and challenge.fields.get("realm"):
                return await self._token(challenge.fields)
            if challenge.scheme == "basic" and self._login:
                return self._basic()
        raise self._needs_login()

    async def _token(self, fields: Mapping[str, str]) -> str:
        """A token from the realm, which is nowhere but at the registry itself."""
        realm = fields["realm"]
        if origin_of(realm) != self.origin:
            raise AddressRefused(
                f"{self.origin} sends us to {origin_of(realm)} for a token",
                hint="tokens are asked for at the registry itself only",
            )
        scopes = fields.get("scope", "").split()
        asked = [("service", fields["service"])] if fields.get("service") else []
        query = urlencode([*asked, *(("scope", scope) for scope in scopes)], errors="replace")
        mark = "&" if "?" in realm else "?"
        auth = self._basic() if self._login else ""
        async with self._web.get(f"{realm}{mark}{query}", auth=auth) as answer:
            if answer.status in {401, 403}:
                raise self._needs_login()
            if answer.status != 200:
                raise self.refusal(answer, None, "get a token")
            told = await answer.json(TOKEN_BYTES)
        return f"Bearer {self._readable(told)}"

    def _readable(self, told: Any) -> str:
        known = told if isinstance(told, dict) else {}
        token = known.get("token") or known.get("access_token")
        if not isinstance(token, str) or not _VISIBLE.fullmatch(token):
            raise HubBroken(f"{self.origin.host} gives no token")
        return token

    def _basic(self) -> str:
        return f"Basic {base64.b64encode(self._login.encode()).decode()}"

    def _needs_login(self) -> NeedsToken:
        return NeedsToken(
            f"{self.origin.host} wants a login",
            hint="the login is wrong, or may not do this"
            if self._login
            else "models that everybody may have need none: check the name",
        )

    def refusal(self, answer: Answer, name: OllamaName | None, doing: str) -> AcquireError:
        """The error for an answer that is no success; `doing` begins it, as Ollama's does."""
        status, host = answer.status, self.origin.host
        if status == 404:
            return NotThere(
                f"{doing}: file does not exist",
                hint=f"{host} has no {name.full if name else 'such thing'}: check name and tag",
            )
        if status == 412:
            return NotRunnable(
                f"{doing}: The model you are attempting to pull requires a newer version of "
                "Ollama.",
                hint=f"it probably needs Ollama's own engine; {_ELSEWHERE}",
            )
        if status in {401, 403}:
            return self._needs_login()
        if status == 429:
            return hub_errors.too_many(answer.headers, host, with_token=True)
        if status in hub_errors.PASSING:
            return HubUnreachable(
                f"{doing}: {host} has trouble of its own (status {status})",
                status=status,
                hint="try again in a while",
            )
        return HubBroken(f"{doing}: {host} answers with status {status}", status=status)


def repository_of(name: OllamaName) -> str:
    """`namespace/model`, as registries call it."""
    return f"{name.namespace}/{name.model}"


def _check_layers(name: OllamaName, manifest: Manifest) -> None:
    """Raise what a manifest does not come in for."""
    if manifest.of_type(*_MLX):
        raise NotRunnable(f"{name} is made for MLX, which llama.cpp cannot load", hint=_ELSEWHERE)
    if len(manifest.layers) > MOST_LAYERS:
        raise InvalidManifest(f"a manifest of {len(manifest.layers)} layers")
    for layer in manifest.layers:
        if layer.media_type not in _USABLE:
            shown = "".join(c if c.isprintable() else "�" for c in layer.media_type[:100])
            raise NotRunnable(f"{name} has a layer of type {shown!r}, which nothing here can use")
    sizes: dict[Digest, int] = {}
    for layer in (*manifest.layers, manifest.config):
        if sizes.setdefault(layer.digest, layer.size) != layer.size:
            raise InvalidManifest(f"two sizes for {layer.digest}")
    if sum(sizes.values()) > kinds.MAX_SIZE:
        raise InvalidManifest(f"{name} claims more bytes than there are")
