"""`paddock cp`: another name for a model."""

from __future__ import annotations

import click

from paddock.cli import options
from paddock.cli.client import connect
from paddock.cli.model_names import installed
from paddock.cli.table import printable


@click.command("cp", short_help="Give a model another name.")
@click.argument("source", shell_complete=installed)
@click.argument("destination")
@options.host
def command(source: str, destination: str, host: str | None) -> None:
    """Make DESTINATION a name for what SOURCE is. No bytes are copied: both share their files."""
    connect(host).tell("/api/copy", {"source": source, "destination": destination})
    click.echo(printable(f"copied '{source}' to '{destination}'"))
