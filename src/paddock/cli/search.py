"""`paddock search`: repositories with models on Hugging Face."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from paddock.cli import options
from paddock.cli.client import HUB_SECONDS, connect
from paddock.cli.spinner import Spinner
from paddock.cli.table import printable, table
from paddock.units import format_count

_TITLES = ("NAME", ">PARAMETERS", ">DOWNLOADS", ">LIKES", "SIZES", "FITS", "")
_SHOWN_QUANTS = 3


@click.command("search", short_help="Find models on Hugging Face.")
@click.argument("text", nargs=-1, required=True)
@click.option(
    "--sort",
    type=click.Choice(("trending", "downloads", "likes", "new", "updated")),
    default="trending",
    show_default=True,
    help="What comes first.",
)
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Rows.")
@options.host
@options.as_json
def command(text: tuple[str, ...], sort: str, limit: int, host: str | None, as_json: bool) -> None:
    """Find repositories with GGUF files whose names have TEXT in them.

    `paddock pull` takes the names as they are. Uploaders that many people know are marked.
    """
    asked = urlencode({"q": " ".join(text), "sort": sort, "limit": limit})
    with Spinner():
        told = connect(host).get(f"/api/paddock/search?{asked}", patience=HUB_SECONDS)
    if as_json:
        options.print_json(told)
    elif told["results"]:
        click.echo(table(_TITLES, map(_row, told["results"])), nl=False)
    else:
        click.echo(printable(f"nothing on the Hub is named like {' '.join(text)!r}"), err=True)


def _row(found: dict[str, Any]) -> list[str]:
    marks = [
        "well known" if found.get("known") else "",
        "needs a licence and a token" if found.get("gated") else "",
    ]
    return [
        found["name"],
        _count(found.get("parameters")),
        _count(found.get("downloads")),
        _count(found.get("likes")),
        _sizes(found.get("quants") or []),
        found.get("fits") or "",
        ", ".join(mark for mark in marks if mark),
    ]


def _sizes(quants: list[dict[str, Any]]) -> str:
    return ", ".join(_sized(one) for one in quants[:_SHOWN_QUANTS])


def _count(number: int | None) -> str:
    return format_count(number) if number else ""


def _sized(one: dict[str, Any]) -> str:
    """`Q4_K_M 4.9 GB`; only the name where nobody told how large the model is."""
    from paddock.cli.ollama_units import decimal_bytes

    return f"{one['quant']} {decimal_bytes(one['size'])}" if one["size"] else str(one["quant"])
