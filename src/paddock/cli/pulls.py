"""`paddock pulls`: the pulls that are under way."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from paddock.cli import options
from paddock.cli.client import connect
from paddock.cli.model_names import pulling
from paddock.cli.pull import PULLS
from paddock.cli.table import printable, table
from paddock.units import format_duration

_TITLES = ("ID", "MODEL", "STATE", ">DONE", ">SIZE", ">RATE", ">LEFT", "")


@click.group("pulls", short_help="The pulls that are under way.", invoke_without_command=True)
@click.option(
    "--follow",
    metavar="ID",
    shell_complete=pulling,
    help="Show how far this one is, until it ends.",
)
@options.host
@options.as_json
@click.pass_context
def command(ctx: click.Context, follow: str | None, host: str | None, as_json: bool) -> None:
    """Show what is being brought in, and what ended last.

    The daemon does the work: whoever started a pull may leave, and pulls go on after a restart.
    """
    if ctx.invoked_subcommand:
        ctx.obj = host
        return
    client = connect(host)
    if follow:
        from paddock.cli.watching import watch

        state = watch(client.stream(_path(follow), method="GET"))
        if as_json:
            options.print_json(state)
        return
    told = client.get(PULLS)
    if as_json:
        options.print_json(told)
    elif told["pulls"]:
        click.echo(table(_TITLES, map(_row, told["pulls"])), nl=False)
    else:
        click.echo("nothing is being pulled", err=True)


@command.command("cancel", short_help="End a pull.")
@click.argument("identity", metavar="ID", shell_complete=pulling)
@options.host
@click.pass_obj
def cancel(above: str | None, identity: str, host: str | None) -> None:
    """End the pull ID. What has arrived stays, and the next pull goes on from there."""
    ended = connect(host or above).delete(_path(identity))
    name = ended.get("name") or identity
    click.echo(printable(f"the pull of {name} is cancelled"), err=True)


def _path(identity: str) -> str:
    return f"{PULLS}/{quote(identity, safe='')}"


def _row(state: dict[str, Any]) -> list[str]:
    from paddock.cli.ollama_units import decimal_bytes

    files = state.get("files") or []
    total = sum(file["total"] for file in files)
    done = sum(file["completed"] for file in files)
    left = state.get("left_seconds")
    return [
        state["id"],
        state["name"],
        state["state"],
        f"{100 * done // total}%" if total else "",
        decimal_bytes(total) if total else "",
        f"{decimal_bytes(state['rate'])}/s" if state.get("rate") else "",
        "" if left is None else format_duration(left),
        _why(state.get("error")),
    ]


def _why(error: Any) -> str:
    message = error.get("message") if isinstance(error, dict) else error
    return str(message or "").partition("\n")[0]
