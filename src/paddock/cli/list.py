"""`paddock list`: the models, and the files that are none."""

from __future__ import annotations

from typing import Any

import click

from paddock.cli import options
from paddock.cli.client import connect
from paddock.cli.table import table
from paddock.units import format_bytes, format_count


@click.command("list", short_help="All models, and the files that were left out.")
@click.option("--all", "everything", is_flag=True, help="Also the files left out, and why.")
@options.host
@options.as_json
def command(everything: bool, host: str | None, as_json: bool) -> None:
    """Show every model that can be asked for by name."""
    library = connect(host).get("/api/paddock/library" + ("?all=1" if everything else ""))
    if as_json:
        options.print_json(library)
        return
    if library["models"]:
        click.echo(table(_MODEL, map(_model, library["models"])), nl=False)
    else:
        click.echo("no models yet: copy a GGUF file into the models folder", err=True)
    if library["left_out"]:
        rows = [[file["path"], file["reason"]] for file in library["left_out"]]
        click.echo(table(("LEFT OUT", "WHY"), rows), nl=False)


_MODEL = ("MODEL", ">SIZE", ">PARAMETERS", "QUANTIZATION", ">CONTEXT", "STATE", "CAN")


def _model(model: dict[str, Any]) -> list[str]:
    return [
        ", ".join((model["id"], *model["aliases"])),
        format_bytes(model["size"]) if model["size"] else "",
        format_count(model["parameters"]) if model["parameters"] else "",
        model["quantization"],
        str(model["context_length"] or ""),
        model["state"],
        " ".join(model["traits"]),
    ]
