"""What people type to name a model out there, and which of the worlds it means.

    llama3.2:3b                             Ollama's registry
    user/repo, user/repo:Q4_K_M             Hugging Face; also hf.co/user/repo:Q4_K_M
    user/repo/folder/file.gguf              one file of a repository
    https://huggingface.co/user/repo/…      as copied from a browser
    host:5000/namespace/model:tag           another registry; also http://host:5000/…
    https://host/folder/file.gguf           a file at an address

Nothing here is a path of ours, and nothing is asked for: a name that could lead anywhere else than
it seems is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, NamedTuple
from urllib.parse import unquote

from paddock.acquire.addresses import Origin, origin_of, read
from paddock.config.pulls import HUB
from paddock.errors import AddressRefused, InvalidName
from paddock.library.ollama_name import HOST, NAMESPACE, TAG, OllamaName

MAIN: Final = "main"
"""The branch that counts where none is named."""

_LONGEST: Final = 2048
_LONGEST_PART: Final = 255
_HUB_HOSTS: Final = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
_OLLAMA_HOSTS: Final = frozenset({HOST, "ollama.com", "www.ollama.com"})
_SUFFIX: Final = ".gguf"
_REPO_PART = re.compile(r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._/+-]{0,127}")
_VIEWS: Final = frozenset({"resolve", "blob", "raw", "tree"})
"""What stands between repository and revision in the Hub's addresses."""
_NOT_MODELS: Final = {"datasets": "a data set", "spaces": "a space", "collections": "a collection"}


class HubReference(NamedTuple):
    """A repository of Hugging Face, and what of it."""

    repo: str
    """`user/name`."""
    quant: str = ""
    """As it was typed; empty or `latest`: nobody said."""
    file: str = ""
    """A path in the repository, or a file's name; empty: none was named."""
    revision: str = MAIN

    def __str__(self) -> str:
        """As `pull` takes it; of another branch than main its address."""
        if self.revision != MAIN:
            view = f"resolve/{self.revision}/{self.file}" if self.file else f"tree/{self.revision}"
            return f"{HUB}/{self.repo}/{view}"
        if self.file:
            return f"{self.repo}/{self.file}"
        return f"{self.repo}:{self.quant}" if self.quant else self.repo


class RegistryReference(NamedTuple):
    """A model of an OCI registry."""

    origin: Origin
    """Where the registry is."""
    name: OllamaName
    otherwise: HubReference | None = None
    """What it means where the registry has no such model."""

    def __str__(self) -> str:
        """As `pull` takes it; a namespace of Ollama's own with its host, else it is the Hub's."""
        if self.origin.scheme == "http":
            return f"http://{self.name.full}"
        return str(self.name) if self.name.namespace == NAMESPACE else self.name.full


class AddressReference(NamedTuple):
    """One GGUF at an address."""

    url: str
    """Byte for byte as it is asked for."""
    file: str
    """What it is called: one safe part of a path."""

    def __str__(self) -> str:
        """As `pull` takes it, without what may be a signature."""
        return self.url.partition("?")[0]


Reference = HubReference | RegistryReference | AddressReference


def parse(
    text: str,
    quant: str = "",
    *,
    endpoint: str = HUB,
    registries: Collection[str] = (),
    ollama_first: bool = False,
) -> Reference:
    """What `text` names, and `quant` beside it.

    `endpoint`: where the Hub is asked; its addresses are the Hub's too. `registries`: origins that
    the owner listed; they tell the scheme of a name that has none. `ollama_first`: `user/model` is
    a name of Ollama's registry, and a repository only where that has none.

    Raises InvalidName, whose hint has the nearest right form, and AddressRefused.
    """
    plain = text.strip()
    if len(plain) > _LONGEST or not plain.isprintable() or "\\" in plain:
        raise InvalidName(text, why="it is too long, or holds characters that no name has")
    if "://" in plain:
        return _address(plain, quant.strip(), endpoint)
    parts = plain.split("/")
    host = parts[0].lower()
    if host in _HUB_HOSTS:
        return _hub(parts[1:], quant.strip(), text)
    if host in _OLLAMA_HOSTS or (len(parts) > 2 and _is_host(host)):
        return _registry(parts, _origin(host, registries, text), quant, text)
    return _bare(parts, quant.strip(), text, ollama_first=ollama_first)


def _bare(parts: list[str], quant: str, text: str, *, ollama_first: bool) -> Reference:
    """A name without a host."""
    if len(parts) == 1:
        if parts[0].lower().endswith(_SUFFIX):
            raise InvalidName(
                text,
                why="a file alone does not tell where it is",
                hint=f"name its repository: user/repo/{parts[0]}",
            )
        return _registry([HOST, NAMESPACE, *parts], _origin(HOST, ()), quant, text)
    if ":" in parts[0]:
        raise InvalidName(
            text,
            why="a registry's models have a namespace",
            hint=f"name it too: {parts[0]}/{NAMESPACE}/{parts[-1]}",
        )
    hub = _hub(parts, quant, text)
    if not ollama_first or len(parts) > 2 or quant or hub.file:
        return hub
    try:
        registry = _registry([HOST, *parts], _origin(HOST, ()), "", text)
    except InvalidName:
        return hub  # a dot in the user's name: Ollama has no such
    return registry._replace(otherwise=hub)


# --- Hugging Face --------------------------------------------------------------------------------


def _hub(parts: list[str], quant: str, text: str) -> HubReference:
    """`user/repo[:tag]`, or `user/repo/path.gguf`."""
    if len(parts) < 2 or not all(parts):
        raise InvalidName(text, why="a repository is named user/repo")
    if parts[0].lower() in _NOT_MODELS and len(parts) > 2:
        raise InvalidName(text, why=f"that is {_NOT_MODELS[parts[0].lower()]}, not a model")
    if len(parts) > 2:
        path = "/".join(parts[2:])
        _check_file(parts[2:], _repo(parts[0], parts[1], text), text)
        if quant:
            raise InvalidName(
                text, why="a file and a quantization are two answers", hint="name one"
            )
        return HubReference(_repo(parts[0], parts[1], text), file=path)
    name, colon, tag = parts[1].partition(":")
    repo = _repo(parts[0], name, text)
    if quant and tag and quant.casefold() != tag.casefold():
        raise InvalidName(
            f"{text} {quant}", why="it names two quantizations", hint=f"name one: {repo}:{quant}"
        )
    wanted = quant or tag
    if (colon and not tag) or (wanted and not _is_plain_part(wanted)):
        raise InvalidName(text, why="its quantization is none", hint=f"a right one: {repo}:Q4_K_M")
    if wanted.lower().endswith(_SUFFIX):
        return HubReference(repo, file=wanted)
    if wanted and not _TAG.fullmatch(wanted):
        raise InvalidName(text, why="its quantization is none", hint=f"a right one: {repo}:Q4_K_M")
    return HubReference(repo, wanted)


def _repo(user: str, name: str, text: str) -> str:
    for part in (user, name):
        if not _REPO_PART.fullmatch(part):
            raise InvalidName(
                text,
                why=f"{part[:100]!r} is no part of a repository's name",
                hint="names of repositories are like user/repo, of ASCII letters, digits and . _ -",
            )
    return f"{user}/{name}"


def _check_file(parts: list[str], repo: str, text: str) -> None:
    """Raise InvalidName unless these are the parts of a path to a GGUF."""
    if not all(_is_plain_part(part) for part in parts):
        raise InvalidName(text, why="its path is none of a repository")
    if parts[-1].lower().endswith(_SUFFIX):
        return
    told = f"{repo}:{parts[-1]}" if _TAG.fullmatch(parts[-1]) else f"{repo}:Q4_K_M"
    raise InvalidName(
        text,
        why="only GGUF files are pulled",
        hint=f"perhaps {told}, or a file of it: {repo}/file{_SUFFIX}",
    )


def _is_plain_part(part: str) -> bool:
    """Whether this is one step down in a path, everywhere and however it is read."""
    return (
        0 < len(part.encode()) <= _LONGEST_PART
        and not part.startswith((".", "~"))
        and part.isprintable()
        and not any(c in part for c in '/\\:*?"<>|')
    )


# --- registries ----------------------------------------------------------------------------------


def _registry(parts: list[str], origin: Origin, quant: str, text: str) -> RegistryReference:
    """`host/[namespace/]model[:tag]`."""
    if quant:
        raise InvalidName(
            f"{text} {quant}",
            why="a registry has no quantizations, but tags",
            hint="write it as the tag: llama3.2:3b-instruct-q4_K_M",
        )
    host, *path = parts
    if host.lower() in _OLLAMA_HOSTS:
        host, path = HOST, path if len(path) > 1 else [NAMESPACE, *path]
        origin = _origin(HOST, ())
    if len(path) != 2:
        raise InvalidName(
            text,
            why="a registry's models have a namespace",
            hint=f"a name is like {parts[0]}/{NAMESPACE}/{path[-1] or 'model:tag'}",
        )
    model, colon, tag = path[1].partition(":")
    try:
        name = OllamaName.of(host, path[0], model, tag if colon else TAG)
    except InvalidName as error:
        raise InvalidName(text, hint=error.hint) from None
    return RegistryReference(origin, name)


def _origin(host: str, registries: Collection[str], text: str = "") -> Origin:
    """Where a registry is that was named without a scheme: as the owner listed it, else by TLS."""
    try:
        secure, plain = origin_of(f"https://{host}"), origin_of(f"http://{host}")
    except AddressRefused:
        raise InvalidName(text, why=f"{host[:100]!r} is no host") from None
    listed = {origin_of(one) for one in registries}
    return plain if plain in listed and secure not in listed else secure


def _is_host(part: str) -> bool:
    """Whether the first part of a name is a host: a user has neither dot nor colon."""
    return "." in part or ":" in part or part == "localhost"


# --- addresses -----------------------------------------------------------------------------------


def _address(text: str, quant: str, endpoint: str) -> Reference:
    url, origin = read(text)
    parts = [_decoded(part, text) for part in url.raw_path.strip("/").split("/")]
    if origin.host in _HUB_HOSTS or origin == origin_of(endpoint):
        return _hub_address(parts, quant, text)
    if parts[-1].lower().endswith(_SUFFIX):
        if quant:
            raise InvalidName(
                text, why="a file and a quantization are two answers", hint="name one"
            )
        if not _is_plain_part(parts[-1]):
            raise InvalidName(text, why="its file has no name that can be kept")
        return AddressReference(str(url), parts[-1])
    place = text.partition("://")[2].partition("/")[0]
    return _registry([place, *parts], origin, quant, text)


def _hub_address(parts: list[str], quant: str, text: str) -> HubReference:
    """As a browser shows it: `user/repo/blob/main/file.gguf`, or as a name after the host."""
    if len(parts) < 4 or parts[2] not in _VIEWS:
        return _hub(parts, quant, text)
    user, repo, _, revision, *path = parts
    if not _REVISION.fullmatch(revision):
        raise InvalidName(text, why="its revision is none")
    found = _hub([user, repo, *path], quant, text)
    return found._replace(revision=revision)


def _decoded(part: str, text: str) -> str:
    """A part of an address' path, with its escapes read once."""
    try:
        decoded = unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise InvalidName(text, why="its address is not UTF-8") from None
    if "/" in decoded or "\\" in decoded or not decoded.isprintable():
        raise InvalidName(text, why="its address hides characters that no name has")
    return decoded
