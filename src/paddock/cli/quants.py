"""`paddock quants`: what there is of a model or in a repository, and how it fits."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from paddock.cli import options
from paddock.cli.client import HUB_SECONDS, Client, connect
from paddock.cli.model_names import installed
from paddock.cli.spinner import Spinner
from paddock.cli.table import printable, table

_TITLES = ("QUANT", ">SIZE", "QUALITY", "FITS", "CONTEXT", "")


@click.command("quants", short_help="The quantizations of a model, and how they fit.")
@click.argument("name", metavar="MODEL|REPO", shell_complete=installed)
@options.host
@options.as_json
def command(name: str, host: str | None, as_json: bool) -> None:
    """Show quantizations, best first, where each would run, and the context it leaves.

    Of a MODEL that is here they are those that are here; of a REPO (user/repo) of Hugging Face all
    that it holds. It is told for this machine while nothing else runs on it; `~` is before what is
    guessed by sizes alone. What `paddock pull` takes by itself is marked.
    """
    found = of(connect(host), name)
    if as_json:
        options.print_json(found)
        return
    click.echo(table(*columns(found)), nl=False)
    if found.get("note"):
        click.echo(printable(found["note"]), err=True)
    if found.get("local") and found["repository"]:
        click.echo(printable(f"others: paddock quants {found['repository']}"), err=True)


def of(client: Client, name: str, *, hub: bool = False) -> dict[str, Any]:
    """The daemon's answer about the model or repository. Raises what the client does.

    `hub`: it is a repository, and nothing is wanted of it that takes longer than a pull's own look.
    """
    path = f"/api/paddock/quants?name={quote(name, safe='')}{'&hub=1' if hub else ''}"
    with Spinner():
        found: dict[str, Any] = client.get(path, patience=HUB_SECONDS)
    return found


def columns(found: dict[str, Any]) -> tuple[tuple[str, ...], list[list[str]]]:
    """Titles and rows of a table; models have a column where they are several, or names here."""
    rows = [_cells(row) for row in found["rows"]]
    if not found.get("local") and len(found.get("models") or ()) < 2:
        return _TITLES, rows
    models = [row["model"] for row in found["rows"]]
    return ("MODEL", *_TITLES), [[model, *row] for model, row in zip(models, rows, strict=True)]


def _cells(row: dict[str, Any]) -> list[str]:
    from paddock.cli.ollama_units import decimal_bytes

    unsure = "~" if row.get("source") == "guess" else ""
    fits = row["fits"]
    return [
        row["quant"],
        decimal_bytes(row["size"]),
        row["words"],
        f"{unsure}{fits}" if fits else "",
        _context(row, unsure),
        row.get("warning") or ("best here" if row.get("best") else ""),
    ]


def _context(row: dict[str, Any], unsure: str) -> str:
    """`131072 on GPU`, `32768 on GPU, 131072 with RAM`, `65536` for the processor alone."""
    on_gpus, most = row.get("context_on_gpus", 0), row.get("context_most", 0)
    told = [f"{unsure}{on_gpus} on GPU"] if on_gpus else []
    if most > on_gpus:
        alone = row.get("place") == "ram" and not on_gpus
        told.append(f"{unsure}{most}{'' if alone else ' with RAM'}")
    return ", ".join(told) or ("-" if row["fits"] else "")


def wish(found: dict[str, Any], number: int) -> dict[str, Any]:
    """What asks a pull for the row of that number: its quantization, or the file that is meant.

    A repository may hold several models in one quantization.
    """
    row = found["rows"][number]
    same = [other for other in found["rows"] if other["quant"] == row["quant"]]
    if len(same) == 1:
        return {"quant": row["quant"]}
    return {"name": f"{found['repository']}/{row['files'][0]}"}
