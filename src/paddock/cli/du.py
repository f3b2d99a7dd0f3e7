"""`paddock du`: what takes the room."""

from __future__ import annotations

from typing import Any

import click

from paddock.cli import options
from paddock.cli.client import HUB_SECONDS, Client, connect
from paddock.cli.ollama_units import decimal_bytes
from paddock.cli.table import printable, table

_MODEL = ("MODEL", ">SIZE", ">ALONE", ">SHARED")
_PARTIAL = ("UNFINISHED", ">SIZE", "")
_LEFTOVER = ("LEFT OVER", ">SIZE", "WHY")
_FOLDER = ("FOLDER", ">USED", ">FREE", ">QUOTA")


@click.command("du", short_help="What takes the room on the disk.")
@click.option("--clean", is_flag=True, help="Remove what is left over.")
@options.host
@options.as_json
def command(clean: bool, host: str | None, as_json: bool) -> None:
    """Show the bytes of every model: those it alone has, and those that others share.

    Below them: unfinished downloads, what is left over, and the room of each folder.
    """
    client = connect(host)
    if clean:
        _clean(client, as_json=as_json)
        return
    usage = client.get("/api/paddock/usage", patience=HUB_SECONDS)
    if as_json:
        options.print_json(usage)
        return
    for titles, rows in (
        (_MODEL, [_model(one) for one in usage["models"]]),
        (_PARTIAL, [_partial(one) for one in usage["partial"]]),
        (_LEFTOVER, [_leftover(one) for one in usage["leftovers"]]),
        (_FOLDER, [_folder(one) for one in usage["folders"]]),
    ):
        if rows:
            click.echo(table(titles, rows), nl=False)
    if usage["leftovers"]:
        click.echo("`paddock du --clean` removes what is left over", err=True)


def _clean(client: Client, *, as_json: bool) -> None:
    told = client.post("/api/paddock/usage/clean", {})
    if as_json:
        options.print_json(told)
        return
    for file in told["removed"]:
        click.echo(printable(f"removed {file['path']} ({decimal_bytes(file['size'])})"))
    freed = decimal_bytes(told["freed"])
    click.echo(f"{freed} freed" if told["removed"] else "nothing is left over", err=True)


def _model(one: dict[str, Any]) -> list[str]:
    return [one["name"], *(decimal_bytes(one[key]) for key in ("size", "unique", "shared"))]


def _partial(one: dict[str, Any]) -> list[str]:
    pull = f"pull {one['pull']}" if one.get("pull") else ""
    return [one["path"], decimal_bytes(one["size"]), pull]


def _leftover(one: dict[str, Any]) -> list[str]:
    return [one["path"], decimal_bytes(one["size"]), one.get("why") or ""]


def _folder(one: dict[str, Any]) -> list[str]:
    quota = one.get("quota")
    room = [decimal_bytes(one["used"]), decimal_bytes(one["free"])]
    return [one["path"], *room, "" if quota is None else decimal_bytes(quota)]
