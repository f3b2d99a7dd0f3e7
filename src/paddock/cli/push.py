"""`paddock push`: send a model to a registry."""

from __future__ import annotations

import click

from paddock.cli import options
from paddock.cli.client import connect
from paddock.cli.model_names import installed


@click.command("push", short_help="Send a model to a registry.")
@click.argument("model", shell_complete=installed)
@options.insecure
@options.host
def command(model: str, insecure: bool, host: str | None) -> None:
    """Send MODEL to the registry that its name begins with."""
    from paddock.cli.progress import Progress

    with Progress() as progress:
        asked = {"model": model, "insecure": insecure, "stream": True}
        progress.follow(connect(host).stream("/api/push", asked))
