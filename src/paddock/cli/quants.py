"""`paddock quants`: what a repository holds, and what of it fits."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from paddock.cli import options
from paddock.cli.client import HUB_SECONDS, Client, connect
from paddock.cli.spinner import Spinner
from paddock.cli.table import printable, table

_TITLES = ("QUANT", ">SIZE", ">FILES", "QUALITY", "FITS", "")


@click.command("quants", short_help="What a repository of Hugging Face holds, and what fits.")
@click.argument("name")
@options.host
@options.as_json
def command(name: str, host: str | None, as_json: bool) -> None:
    """Show the quantizations of the repository NAME (user/repo), best first.

    The one that `paddock pull` takes by itself is marked.
    """
    found = of(connect(host), name)
    if as_json:
        options.print_json(found)
        return
    click.echo(table(*columns(found)), nl=False)
    if found.get("note"):
        click.echo(printable(found["note"]), err=True)


def of(client: Client, name: str) -> dict[str, Any]:
    """The daemon's answer about the repository. Raises what the client does."""
    path = f"/api/paddock/quants?name={quote(name, safe='')}"
    with Spinner():
        found: dict[str, Any] = client.get(path, patience=HUB_SECONDS)
    return found


def columns(found: dict[str, Any]) -> tuple[tuple[str, ...], list[list[str]]]:
    """Titles and rows of a table; the models have a column where the repository has several."""
    rows = [_cells(row) for row in found["rows"]]
    if len(found.get("models") or ()) < 2:
        return _TITLES, rows
    models = [row["model"] for row in found["rows"]]
    return ("MODEL", *_TITLES), [[model, *row] for model, row in zip(models, rows, strict=True)]


def _cells(row: dict[str, Any]) -> list[str]:
    from paddock.cli.ollama_units import decimal_bytes

    return [
        row["quant"],
        decimal_bytes(row["size"]),
        str(len(row["files"])),
        row["words"],
        row["fits"],
        row.get("warning") or ("best here" if row.get("best") else ""),
    ]


def wish(found: dict[str, Any], number: int) -> dict[str, Any]:
    """What asks a pull for the row of that number: its quantization, or the file that is meant.

    A repository may hold several models in one quantization.
    """
    row = found["rows"][number]
    same = [other for other in found["rows"] if other["quant"] == row["quant"]]
    if len(same) == 1:
        return {"quant": row["quant"]}
    return {"name": f"{found['repository']}/{row['files'][0]}"}
