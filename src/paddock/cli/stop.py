"""`paddock stop`: take a model out of memory."""

from __future__ import annotations

from urllib.parse import quote

import click

from paddock.cli import options
from paddock.cli.client import connect


@click.command("stop", short_help="Take a model, or all, out of memory.")
@click.argument("model", required=False)
@click.option("--all", "everything", is_flag=True, help="Every model.")
@options.host
def command(model: str | None, everything: bool, host: str | None) -> None:
    """Take MODEL out of memory once its running requests have ended.

    It is loaded again when somebody asks for it.
    """
    if bool(model) == everything:
        raise click.UsageError("say which MODEL, or --all")
    path = "/api/models/unload" if everything else f"/api/models/unload/{quote(model or '')}"
    connect(host).tell(path)
    click.echo(f"{'every model' if everything else model} is out of memory", err=True)
