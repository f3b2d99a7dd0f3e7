"""The reference of the API against the routes that the door itself names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.fakes.chat_routes import chat_routes
from tests.fakes.chat_visitors import CHAT_DOOR
from tests.fakes.house import House

from paddock.errors import FailureKind
from paddock.gateway.problems import SHAPES

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
ROUTE = re.compile(r"<tr><td>([A-Z*]+)</td><td><code>(/[^<]*)</code>")
ROW = re.compile(r"^\| (`.*?) \|", re.MULTILINE)
WORD = re.compile(r"(?:`([A-Z]+) |`)(/[^\s`]*)")


def documented() -> set[tuple[str, str]]:
    """Method and path of every endpoint in the reference; a `{part}` begins what may be anything.

    A path without a method has that of the path before it.
    """
    found = set()
    for file in ("api.md", "api-activity.md", "api-ollama.md", "api-pulls.md"):
        for cell in ROW.findall((REFERENCE / file).read_text()):
            method = ""
            for own_method, path in WORD.findall(cell):
                method = own_method or method
                found |= {(method, spelled) for spelled in spelled_out(path)}
    return found


def spelled_out(path: str) -> Iterator[str]:
    """The paths that `/a[/{b}][?c]` stands for."""
    path = re.sub(r"\[\?[^]]*\]", "", path)
    bare, bracket, optional = path.partition("[")
    yield re.sub(r"\{.*", "*", bare)
    if bracket:
        yield re.sub(r"\{.*", "*", bare + optional.removesuffix("]"))


def test_the_reference_names_every_endpoint_and_no_other(house: House) -> None:
    house.start(house.config(listen=CHAT_DOOR | {"ollama": {"host": "127.0.0.1", "port": 0}}))
    page = house.ask("GET", "/").text

    routes = {(method.replace("*", "ANY"), path) for method, path in ROUTE.findall(page)}
    assert documented() == routes


def test_the_reference_names_every_code_of_an_error() -> None:
    assert chat_routes(), "with the chat all errors are there"
    codes = {shape.code for shape in SHAPES.values() if shape.code} | set(FailureKind)
    told = (REFERENCE / "api.md").read_text()
    assert [code for code in sorted(codes) if f"`{code}`" not in told] == []
