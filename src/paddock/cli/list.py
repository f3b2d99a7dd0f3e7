"""`paddock list`: the models, and the files that are none."""

from __future__ import annotations

from typing import Any

import click

from paddock.cli import options
from paddock.cli.client import Client, connect
from paddock.cli.table import ollama_table, table
from paddock.units import format_bytes, format_count


@click.command("list", short_help="All models, and the files that were left out.")
@click.argument("prefix", required=False)
@click.option("-l", "--long", is_flag=True, help="More columns: parameters, context, state, …")
@click.option("--all", "everything", is_flag=True, help="Also the files left out, and why.")
@options.host
@options.as_json
def command(
    prefix: str | None, long: bool, everything: bool, host: str | None, as_json: bool
) -> None:
    """Show every model that can be asked for by name, or those that begin with PREFIX.

    `paddock ls` is the same.
    """
    client = connect(host)
    wanted = (prefix or "").casefold()
    if not (long or everything or as_json):
        print_short(client, wanted)
        return
    library = client.get("/api/paddock/library" + ("?all=1" if everything else ""))
    models = [one for one in library["models"] if _begins(one["id"], wanted)]
    if as_json:
        options.print_json(library | {"models": models})
        return
    _print_or_tell(table(_MODEL, map(_model, models)) if models else "", wanted)
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


def print_short(client: Client, wanted: str) -> None:
    """Print Ollama's columns of the models that begin with `wanted`, in lower case."""
    from paddock.cli.ollama_units import ago, decimal_bytes

    rows = [
        [
            one["name"],
            one["digest"][:12],
            decimal_bytes(one["size"]) if one["size"] else "-",
            ago(one["modified_at"]),
        ]
        for one in client.get("/api/tags")["models"]
        if _begins(one["name"], wanted)
    ]
    _print_or_tell(ollama_table(("NAME", "ID", "SIZE", "MODIFIED"), rows) if rows else "", wanted)


def _print_or_tell(text: str, wanted: str) -> None:
    if text:
        click.echo(text, nl=False)
    elif wanted:
        click.echo("no model's name begins so", err=True)
    else:
        click.echo(
            "no models yet: `paddock pull`, or copy a GGUF file into the models folder", err=True
        )


def _begins(name: str, wanted: str) -> bool:
    return name.casefold().startswith(wanted)
