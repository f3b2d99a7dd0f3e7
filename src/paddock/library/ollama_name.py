"""Ollama's names for models: `[host[:port]/][namespace/]model[:tag]`, and what is left out of them.

The parts are safe in a path: none is empty, begins with a dot or a dash, or holds a separator.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final, NamedTuple, Self

from paddock.errors import InvalidName

HOST: Final = "registry.ollama.ai"
NAMESPACE: Final = "library"
TAG: Final = "latest"

_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")


class OllamaName(NamedTuple):
    """One name, with all of its parts."""

    host: str
    namespace: str
    model: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The name in `text`; parts that are left out are Ollama's defaults. A scheme is ignored.

        Raises InvalidName.
        """
        plain = text.strip().removeprefix("https://").removeprefix("http://")
        front, has_namespace, last = plain.rpartition("/")
        host, has_host, namespace = front.rpartition("/")
        model, has_tag, tag = last.partition(":")
        name = cls(
            host if has_host else HOST,
            namespace if has_namespace else NAMESPACE,
            model,
            tag if has_tag else TAG,
        )
        if not name._is_valid():
            raise InvalidName(text)
        return name

    @classmethod
    def of(cls, host: str, namespace: str, model: str, tag: str) -> Self:
        """The name of these parts. Raises InvalidName."""
        name = cls(host, namespace, model, tag)
        if not name._is_valid():
            raise InvalidName(str(name))
        return name

    def _is_valid(self) -> bool:
        return bool(
            _HOST.fullmatch(self.host)
            and ".." not in self.host
            and _NAMESPACE.fullmatch(self.namespace)
            and _PART.fullmatch(self.model)
            and _PART.fullmatch(self.tag)
        )

    @property
    def full(self) -> str:
        """All parts, as errors of Ollama tell them: `registry.ollama.ai/library/x:latest`."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    @property
    def path(self) -> PurePosixPath:
        """Where its manifest is, below `manifests`."""
        return PurePosixPath(self.host, self.namespace, self.model, self.tag)

    def __str__(self) -> str:
        """As people are shown it: without the default host and namespace, always with the tag."""
        if self.host != HOST:
            return self.full
        if self.namespace != NAMESPACE:
            return f"{self.namespace}/{self.model}:{self.tag}"
        return f"{self.model}:{self.tag}"
