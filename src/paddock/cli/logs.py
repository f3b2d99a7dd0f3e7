"""`paddock logs`: what the daemon, or a model's engine, says."""

from __future__ import annotations

import sys
from urllib.parse import quote

import click

from paddock.cli import options
from paddock.cli.client import connect
from paddock.cli.table import printable


@click.command("logs", short_help="The log of the daemon, or of one model.")
@click.argument("model", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as more comes, until Ctrl-C.")
@options.host
def command(model: str | None, follow: bool, host: str | None) -> None:
    """Print the daemon's log, or what the engine of MODEL said."""
    path = f"{'/logs/stream' if follow else '/logs'}/{quote(model or 'paddock')}"
    for piece in connect(host).text(path, endless=follow):
        sys.stdout.write(printable(piece))
        sys.stdout.flush()
