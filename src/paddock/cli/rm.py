"""`paddock rm`: take models out of the library."""

from __future__ import annotations

import click

from paddock.cli import options
from paddock.cli.client import connect
from paddock.cli.model_names import installed
from paddock.cli.table import printable


@click.command("rm", short_help="Remove models.")
@click.argument("models", nargs=-1, required=True, shell_complete=installed)
@click.option("--files", is_flag=True, help="Also the files of a model in the models folder.")
@options.host
def command(models: tuple[str, ...], files: bool, host: str | None) -> None:
    """Remove MODELS from the library, and files that nothing else needs.

    A GGUF in a models folder is yours: it is removed with --files only.
    """
    client = connect(host)
    for model in models:
        asked = {"model": model} | ({"files": True} if files else {})
        client.tell("/api/delete", asked, method="DELETE")
        click.echo(printable(f"deleted '{model}'"))
