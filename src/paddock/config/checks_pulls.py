"""What is wrong with the addresses that models may be pulled from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from paddock.config.document import Place
from paddock.config.faults import Fault
from paddock.config.schema import Config

_HOST: Final = r"([A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?"
_ORIGIN: Final = re.compile(rf"https?://{_HOST}/?")
_ADDRESS: Final = re.compile(rf"https?://{_HOST}(/[A-Za-z0-9._~/-]*)?")


def _registries(config: Config) -> Iterator[Fault]:
    for index, origin in enumerate(config.registries):
        yield from _not_an_origin(("registries", index), origin)
    if config.registry_mirror:
        yield from _not_an_origin(("registryMirror",), config.registry_mirror)


def _not_an_origin(place: Place, text: str) -> Iterator[Fault]:
    if not _ORIGIN.fullmatch(text):
        yield Fault(
            place,
            f"{text!r} is not the origin of a registry",
            "write scheme, host and port, nothing after them: `http://127.0.0.1:5000`",
        )


def _endpoint(config: Config) -> Iterator[Fault]:
    if not _ADDRESS.fullmatch(config.pulls.endpoint):
        yield Fault(
            ("pulls", "endpoint"),
            f"{config.pulls.endpoint!r} is not the address of a hub",
            "like `https://huggingface.co`",
        )


CHECKS: Final[tuple[Callable[[Config], Iterator[Fault]], ...]] = (_registries, _endpoint)
