"""`paddock key`: keys for programs, from the shell of the daemon's machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import click

from paddock.cli import options
from paddock.cli.owner import KEYS, owner
from paddock.cli.table import printable, table
from paddock.cli.user import day

_TITLES: Final = ("ID", "NAME", "USER", "BEGINS", "DOORS", "MODELS", "LAST USED", "EXPIRES")


@click.group("key", short_help="Keys for programs: add, list, remove.")
def command() -> None:
    """Keys with which programs may call the doors for models.

    Works on the daemon's machine, for the user that the daemon runs as.
    """


@command.command("list", short_help="All keys.")
@click.option("--user", metavar="LOGIN", help="Only those of this account.")
@options.host
@options.as_json
def list_(user: str | None, host: str | None, as_json: bool) -> None:
    """Show all keys, without their secrets."""
    keys = owner(host).ask("GET", KEYS)["keys"]
    keys = [key for key in keys if user is None or key["user"] == user.lower()]
    if as_json:
        options.print_json({"keys": keys})
    elif keys:
        click.echo(table(_TITLES, map(_row, keys)), nl=False)
    else:
        click.echo("there are no keys: `paddock key add NAME`", err=True)


@command.command("add", short_help="Make a key.")
@click.argument("name")
@click.option("--user", metavar="LOGIN", default="", help="Whose it is. Default: the house's.")
@click.option(
    "--door",
    "doors",
    multiple=True,
    type=click.Choice(("openai", "ollama")),
    help="Where it works; may be repeated. Default: everywhere.",
)
@click.option(
    "--model", "models", multiple=True, help="For which model; may be repeated. Default: all."
)
@click.option("--days", type=click.IntRange(1, 36500), help="How long it works. Default: for ever.")
@options.host
def add(
    name: str,
    user: str,
    doors: tuple[str, ...],
    models: tuple[str, ...],
    days: int | None,
    host: str | None,
) -> None:
    """Print a new key. It is shown this once."""
    until = datetime.now(UTC) + timedelta(days=days) if days else None
    body = {
        "name": name,
        "user": user,
        "doors": list(doors) or None,
        "models": list(models) or None,
        "expires": int(until.timestamp() * 1000) if until else None,
    }
    click.echo(owner(host).ask("POST", KEYS, body)["secret"])


@command.command("remove", short_help="Take a key back.")
@click.argument("key_id", metavar="ID")
@options.host
def remove(key_id: str, host: str | None) -> None:
    """Take a key back: it works no more from now on."""
    told = owner(host).ask("DELETE", f"{KEYS}/{quote(key_id, safe='')}")
    click.echo(printable(f"{told['key']['name']} is removed"), err=True)


def _row(key: dict[str, Any]) -> tuple[str, ...]:
    return (
        key["id"],
        key["name"],
        key["user"] or "(the house)",
        key["prefix"],
        _all(key["doors"]),
        _all(key["models"]),
        day(key["last_used"]),
        day(key["expires"]) if key["expires"] else "",
    )


def _all(words: list[str] | None) -> str:
    return "all" if words is None else ", ".join(words)
