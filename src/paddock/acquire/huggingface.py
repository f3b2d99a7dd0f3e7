"""Hugging Face's API, as far as models are listed and found; bytes are the downloader's.

One listing is two questions or a few more: the repository, which tells the commit, and the tree of
that commit with its pages. So a change between two files cannot mix versions, and nothing counts as
a download. Sizes and digests are the tree's.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from paddock.acquire import hub_errors
from paddock.acquire.addresses import joined, origin_of, read
from paddock.acquire.patience import PAUSES, patiently
from paddock.acquire.remote import RemoteFile, Repository
from paddock.acquire.web import Answer, Web
from paddock.config.pulls import HUB
from paddock.errors import (
    AcquireError,
    AddressRefused,
    HubBroken,
    InvalidDigest,
    InvalidName,
    NotThere,
)
from paddock.library.digest import Digest

log = logging.getLogger(__name__)

JSON_BYTES: Final = 16 << 20
MOST_PAGES: Final = 100
MOST_FILES: Final = 50_000
MOST_BYTES: Final = 1 << 50
"""Of a file, as a hub tells it: a pebibyte."""
MOST_FOUND: Final = 100

SORTS: Final = {
    "trending": "trendingScore",
    "downloads": "downloads",
    "likes": "likes",
    "new": "createdAt",
    "updated": "lastModified",
}
"""How found repositories can be ordered, in our words and in the hub's."""

_REPO_PART = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_NEXT = re.compile(r'<([^<>]*)>[^,<]*;\s*rel="?next"?')
_EXPANDED: Final = (
    "gguf",
    "downloads",
    "likes",
    "gated",
    "siblings",
    "lastModified",
    "pipeline_tag",
)


class Found(NamedTuple):
    """A repository that a search found."""

    id: str
    downloads: int
    """In the last 30 days."""
    likes: int
    gated: str
    parameters: int
    """0: not told."""
    context_length: int
    architecture: str
    modified: str
    """When it was changed last, as ISO 8601; empty: not told."""
    task: str
    """`text-generation` and the like; empty: not told."""
    files: tuple[str, ...]
    """The paths of its files, without sizes."""


class Hub:
    """A hub that speaks Hugging Face's API."""

    def __init__(
        self,
        web: Web,
        endpoint: str = HUB,
        token: str = "",
        *,
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        """Raises AddressRefused when `endpoint` is no address."""
        self.endpoint = endpoint.rstrip("/")
        self._web = web
        self._token = token.strip()
        self._token_is_bad = False
        self._origin = origin_of(self.endpoint)
        self._pauses = pauses

    async def list(self, repo: str, revision: str = "main") -> Repository:
        """The files of a repository at the commit that `revision` leads to now.

        Raises InvalidName; NotThere, Gated, NeedsToken, RateLimited; HubBroken for answers that
        cannot be believed, and HubUnreachable once trying again did not help.
        """
        check_repo(repo)
        if not _REVISION.fullmatch(revision) or ".." in revision:
            raise InvalidName(revision)
        about = await self._about(repo, revision)
        name, commit = about.get("id"), about.get("sha")
        if not isinstance(name, str) or not isinstance(commit, str) or not _SHA1.fullmatch(commit):
            raise self._broken("tells of no commit")
        check_repo(name)
        gguf = _object(about.get("gguf"))
        return Repository(
            name,
            commit,
            _gated(about.get("gated")),
            tuple(await self._tree(name, commit)),
            _count(gguf.get("context_length")),
            _text(gguf.get("architecture")),
            _count(gguf.get("total")),
        )

    async def search(self, text: str, limit: int = 20, sort: str = "trending") -> Sequence[Found]:
        """Repositories with GGUF files whose names have these words; at most `limit`.

        `sort` is one of SORTS. Raises what `list` raises.
        """
        asked = [
            ("search", text[:200]),
            ("filter", "gguf"),
            ("sort", SORTS.get(sort, SORTS["trending"])),
            ("limit", str(max(1, min(limit, MOST_FOUND)))),
            *(("expand", field) for field in _EXPANDED),
        ]
        told, _ = await self._ask(f"{self.endpoint}/api/models?{urlencode(asked)}", "the search")
        if not isinstance(told, list):
            raise self._broken("answers a search with no list")
        found = (_found(one) for one in told[:MOST_FOUND])
        return [one for one in found if one is not None][:limit]

    def headers_for(self, url: str) -> Mapping[str, str]:
        """What to send with a request for a file's bytes: the token, if `url` is the hub's own."""
        if not self._token or self._token_is_bad or origin_of(url) != self._origin:
            return {}
        return {"Authorization": f"Bearer {self._token}"}

    def file_url(self, repo: str, commit: str, path: str) -> str:
        """Where the bytes of a file are asked for."""
        return f"{self.endpoint}/{repo}/resolve/{commit}/{quote(path)}"

    def page_of(self, repo: str) -> str:
        """Where people read about a repository."""
        return f"{self.endpoint}/{repo}"

    # --- asking ----------------------------------------------------------------------------------

    async def _about(self, repo: str, revision: str) -> dict[str, Any]:
        pinned = "" if revision == "main" else f"/revision/{quote(revision, safe='')}"
        about, _ = await self._ask(f"{self.endpoint}/api/models/{repo}{pinned}", repo)
        if not isinstance(about, dict):
            raise self._broken("does not describe a repository")
        if about.get("disabled") is True:
            raise NotThere(f"{self._origin.host} has taken {repo} down")
        return about

    async def _tree(self, repo: str, commit: str) -> Sequence[RemoteFile]:
        url = f"{self.endpoint}/api/models/{repo}/tree/{commit}?recursive=true&expand=false"
        files: list[RemoteFile] = []
        asked: set[str] = set()
        while url:
            asked.add(url)
            entries, link = await self._ask(url, repo)
            if not isinstance(entries, list):
                raise self._broken("does not list files")
            files += (self._file(repo, commit, one) for one in entries if _is_file(one))
            url = self._next(url, link)
            if len(files) > MOST_FILES or len(asked) > MOST_PAGES or url in asked:
                raise self._broken("lists files without an end")
        return files

    def _next(self, url: str, link: str) -> str:
        """The address of the next page, at our endpoint whatever the hub calls itself; or empty."""
        found = _NEXT.search(link)
        if found is None:
            return ""
        try:
            target, origin = read(joined(url, found[1]))
        except AddressRefused:
            raise self._broken("names a next page that is no address") from None
        place = str(origin) if origin == self._origin else self.endpoint
        return place + target.raw_path_qs

    async def _ask(self, url: str, repo: str) -> tuple[Any, str]:
        """The JSON at `url`, and its `Link`. Tries again where that may help."""
        return await patiently(lambda: self._ask_once(url, repo), self._pauses)

    async def _ask_once(self, url: str, repo: str) -> tuple[Any, str]:
        auth = self.headers_for(url).get("Authorization", "")
        async with self._web.get(url, auth=auth) as answer:
            if answer.status == 200:
                return await answer.json(JSON_BYTES), answer.headers.get("Link", "")
            if not auth or not hub_errors.is_bad_token(answer.status, answer.headers):
                raise self._refusal(answer, repo, with_token=bool(auth))
            bad = self._refusal(answer, repo, with_token=True)
        # A wrong token is refused for public repositories too: they need none.
        async with self._web.get(url) as answer:
            if answer.status != 200:
                raise bad
            log.warning("%s; going on without it", bad.message)
            self._token_is_bad = True
            return await answer.json(JSON_BYTES), answer.headers.get("Link", "")

    def _refusal(self, answer: Answer, repo: str, *, with_token: bool) -> AcquireError:
        return hub_errors.refusal(
            answer.status,
            answer.headers,
            host=self._origin.host,
            subject=repo,
            page=self.page_of(repo),
            with_token=with_token,
        )

    # --- what it told ----------------------------------------------------------------------------

    def _file(self, repo: str, commit: str, told: dict[str, Any]) -> RemoteFile:
        path = told.get("path")
        if not isinstance(path, str) or not is_plain_path(path):
            shown = "".join(c if c.isprintable() else "�" for c in str(path)[:100])
            raise self._broken(f"lists a file {shown!r}, which no repository can have")
        lfs = told.get("lfs")
        size = lfs.get("size") if isinstance(lfs, dict) else told.get("size")
        if type(size) is not int or not 0 <= size <= MOST_BYTES:
            raise self._broken(f"tells no believable size of {path}")
        url = self.file_url(repo, commit, path)
        if isinstance(lfs, dict):
            try:
                return RemoteFile(path, size, Digest.parse(f"sha256:{lfs.get('oid')}"), url)
            except InvalidDigest:
                raise self._broken(f"tells no digest of {path}") from None
        oid = told.get("oid")
        if not isinstance(oid, str) or not _SHA1.fullmatch(oid):
            raise self._broken(f"tells no digest of {path}")
        return RemoteFile(path, size, None, url, oid)

    def _broken(self, what: str) -> HubBroken:
        return HubBroken(f"{self._origin.host} {what}", hint="is this address a hub?")


def check_repo(repo: str) -> None:
    """Raise InvalidName when no repository can be called that."""
    parts = repo.split("/")
    plain = len(parts) == 2 and all(_REPO_PART.fullmatch(part) for part in parts)
    if not plain or ".." in repo or "--" in repo:
        raise InvalidName(repo)


def is_plain_path(path: str) -> bool:
    """Whether a path of a hub is one that stays below the folder it is put into."""
    parts = path.split("/")
    return (
        0 < len(path) <= 1000
        and path.isprintable()
        and "\\" not in path
        and all(part and part not in {".", ".."} and len(part.encode()) <= 255 for part in parts)
    )


def _is_file(told: Any) -> bool:
    return isinstance(told, dict) and told.get("type", "file") == "file"


def _gated(told: Any) -> str:
    if told is True:
        return "auto"
    return told if isinstance(told, str) and told in {"auto", "manual"} else ""


def _object(told: Any) -> dict[str, Any]:
    return told if isinstance(told, dict) else {}


def _count(told: Any) -> int:
    return told if type(told) is int and 0 <= told < 1 << 62 else 0


def _text(told: Any) -> str:
    return told[:100] if isinstance(told, str) and told.isprintable() else ""


def _found(told: Any) -> Found | None:
    """What one entry of a search tells; None for what is no repository we could pull."""
    if not isinstance(told, dict):
        return None
    name = told.get("id")
    try:
        check_repo(name if isinstance(name, str) else "")
    except InvalidName:
        return None
    gguf = _object(told.get("gguf"))
    listed = told.get("siblings")
    siblings = listed[:MOST_FILES] if isinstance(listed, list) else []
    paths = (one.get("rfilename") for one in siblings if isinstance(one, dict))
    return Found(
        str(name),
        _count(told.get("downloads")),
        _count(told.get("likes")),
        _gated(told.get("gated")),
        _count(gguf.get("total")),
        _count(gguf.get("context_length")),
        _text(gguf.get("architecture")),
        _text(told.get("lastModified")),
        _text(told.get("pipeline_tag")),
        tuple(path for path in paths if isinstance(path, str) and is_plain_path(path)),
    )
