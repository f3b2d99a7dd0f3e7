"""`paddock pull`: bring a model in."""

from __future__ import annotations

import click

from paddock.cli import options
from paddock.cli.client import Client, connect


@click.command("pull", short_help="Bring a model in.")
@click.argument("model")
@options.insecure
@options.host
def command(model: str, insecure: bool, host: str | None) -> None:
    """Bring MODEL into the library, or what has changed of it.

    Ctrl-C ends it; what has arrived stays, and the next pull goes on from there.
    """
    pull(connect(host), model, insecure=insecure)


def pull(client: Client, model: str, *, insecure: bool = False) -> None:
    """Pull `model` and show how far it is. Raises what the client does."""
    from paddock.cli.progress import Progress

    with Progress() as progress:
        asked = {"model": model, "insecure": insecure, "stream": True}
        progress.follow(client.stream("/api/pull", asked))
