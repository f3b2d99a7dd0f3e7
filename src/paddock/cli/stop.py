"""`paddock stop`: take a model out of memory."""

from __future__ import annotations

from urllib.parse import quote

import click

from paddock.cli import options
from paddock.cli.client import Refused, connect
from paddock.cli.model_names import running
from paddock.cli.table import printable


@click.command("stop", short_help="Take a model, or all, out of memory.")
@click.argument("model", required=False, shell_complete=running)
@click.option("--all", "everything", is_flag=True, help="Every model.")
@options.host
def command(model: str | None, everything: bool, host: str | None) -> None:
    """Take MODEL out of memory once its running requests have ended.

    It is loaded again when somebody asks for it.
    """
    if bool(model) == everything:
        raise click.UsageError("say which MODEL, or --all")
    path = "/api/models/unload" if everything else f"/api/models/unload/{quote(model or '')}"
    try:
        connect(host).tell(path)
    except Refused as error:
        if error.status != 404:
            raise
        raise Refused(f'couldn\'t find model "{model}" to stop', hint=error.message) from error
    told = "every model" if everything else printable(model or "")
    click.echo(f"{told} is out of memory", err=True)
