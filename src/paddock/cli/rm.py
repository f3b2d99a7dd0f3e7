"""`paddock rm`: take models out of the library."""

from __future__ import annotations

from typing import Any

import click

from paddock.cli import options
from paddock.cli.client import Client, Stranger, connect
from paddock.cli.model_names import installed
from paddock.cli.table import printable


@click.command("rm", short_help="Remove models.")
@click.argument("models", nargs=-1, required=True, shell_complete=installed)
@click.option("--files", is_flag=True, help="Also the files of a model of a models folder.")
@click.option("--force", is_flag=True, help="Also one that runs: its requests end first.")
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@options.host
@options.as_json
def command(models: tuple[str, ...], host: str | None, **flags: Any) -> None:
    """Remove MODELS, pulled or made ones with the bytes that nothing else needs.

    Files in a models folder are deleted only with --files. What is freed is told, and who shares
    what stays.
    """
    client = connect(host)
    told = []
    for model in models:
        removed = _removed(client, model, flags)
        told.append(removed)
        if not flags["as_json"]:
            _tell(model, removed, dry_run=flags["dry_run"])
    if flags["as_json"]:
        options.print_json({"removed": told})


def _removed(client: Client, model: str, flags: dict[str, Any]) -> dict[str, Any]:
    said = {name: True for name in ("files", "force", "dry_run") if flags[name]}
    try:
        removed: dict[str, Any] = client.post("/api/paddock/remove", {"model": model} | said)
    except Stranger:  # an Ollama
        if said:
            raise
        client.tell("/api/delete", {"model": model}, method="DELETE")
        return {"model": model}
    return removed


def _tell(model: str, removed: dict[str, Any], *, dry_run: bool) -> None:
    from paddock.cli.ollama_units import decimal_bytes

    if dry_run:
        for file in removed["files"]:
            click.echo(printable(f"would remove {file['path']} ({decimal_bytes(file['size'])})"))
    else:
        click.echo(printable(f"deleted '{model}'"))
    freed = removed.get("freed")
    if freed is not None:
        verb = "would be freed" if dry_run else "freed"
        click.echo(f"{decimal_bytes(freed)} {verb}", err=True)
    for kept in removed.get("shared") or ():
        sharers = ", ".join(kept["with"]) or "another name"
        size = decimal_bytes(kept["size"])
        click.echo(printable(f"{size} stay, for {sharers}: {kept['path']}"), err=True)
    for broken in removed.get("breaks") or ():
        lost = "would no longer work" if dry_run else "no longer works"
        click.echo(printable(f"{broken} {lost}: it refers to that file"), err=True)
