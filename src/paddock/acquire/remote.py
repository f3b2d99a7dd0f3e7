"""What a hub tells of what it keeps: files with sizes and digests, and their repository."""

from __future__ import annotations

from typing import NamedTuple

from paddock.library.digest import Digest


class RemoteFile(NamedTuple):
    """One file at a hub."""

    path: str
    """As the hub tells it; checked: relative, no `..`, no control characters."""
    size: int
    """Bytes."""
    digest: Digest | None
    """Its sha256. None: a small file of git; then `git_sha1` is set."""
    url: str
    """Where its bytes are asked for; may redirect to a content host."""
    git_sha1: str = ""
    """40 hexadecimal digits, of `blob <size>\\0` and the bytes; empty where `digest` is told."""


class Repository(NamedTuple):
    """A repository of files at one commit."""

    id: str
    """`user/name`, as the hub spells it now."""
    commit: str
    """40 hexadecimal digits: what every file's `url` is pinned to."""
    gated: str
    """Empty, or how access is given: `auto`, `manual`."""
    files: tuple[RemoteFile, ...]
    context_length: int
    """Tokens that the model was trained for; 0: not told."""
    architecture: str
    """As GGUF calls it, `llama`; empty: not told."""
    parameters: int
    """0: not told."""
