"""`paddock load`: bring a model into memory."""

from __future__ import annotations

import click

from paddock.cli import options
from paddock.cli.client import connect
from paddock.cli.table import printable
from paddock.units import format_duration


@click.command("load", short_help="Bring a model into memory.")
@click.argument("model")
@options.host
@options.as_json
def command(model: str, host: str | None, as_json: bool) -> None:
    """Load MODEL and return when it is ready, or say why it cannot be."""
    loaded = connect(host).post("/api/paddock/load", {"model": model})
    if as_json:
        options.print_json(loaded)
        return
    seconds = loaded.get("load_seconds")
    took = f" (its load took {format_duration(seconds)})" if seconds is not None else ""
    click.echo(printable(f"{loaded['model']} is ready{took}"), err=True)
