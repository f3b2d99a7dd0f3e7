"""`paddock ps`: what is in memory, who waits, what failed."""

from __future__ import annotations

from typing import Any

import click

from paddock.cli import options
from paddock.cli.client import connect
from paddock.cli.table import table
from paddock.units import format_bytes, format_duration


@click.command("ps", short_help="What is in memory, who waits, what failed.")
@options.host
@options.as_json
def command(host: str | None, as_json: bool) -> None:
    """Show the models in memory, the requests that wait and the models that failed."""
    view = connect(host).get("/api/paddock/instances")
    if as_json:
        options.print_json(view)
        return
    if not view["instances"]:
        click.echo("no model is in memory; a request or `paddock load MODEL` brings one", err=True)
    for titles, rows in (
        (_INSTANCE, [_instance(one) for one in view["instances"]]),
        (_WAITING, [_waiting(one) for one in view["queue"]]),
        (_FAILURE, [_failure(one) for one in view["failures"]]),
    ):
        if rows:
            click.echo(table(titles, rows), nl=False)


_INSTANCE = ("MODEL", "STATE", "ENGINE", ">BUSY", ">IDLE", ">UNLOADS IN", ">SIZE", ">PID")
_WAITING = ("WAITING FOR", "CLIENT", ">POSITION", ">PRIORITY", ">SINCE", "WHY")
_FAILURE = ("FAILED", "KIND", ">NEXT TRY IN", "WHY")


def _instance(one: dict[str, Any]) -> list[str]:
    return [
        one["model"],
        _state(one),
        one["engine"],
        f"{one['active']}/{one['slots']}",
        "" if one["active"] else _seconds(one["idle_seconds"]),
        _seconds(one["expires_in"]),
        format_bytes(one["size"]),
        str(one["pid"] or ""),
    ]


def _state(one: dict[str, Any]) -> str:
    progress = one["progress"]
    loading = progress is not None and one["state"] in {"starting", "loading"}
    return f"{one['state']} {progress:.0%}" if loading else str(one["state"])


def _waiting(one: dict[str, Any]) -> list[str]:
    return [
        one["model"],
        one["client"],
        str(one["position"]),
        str(one["priority"]),
        _seconds(one["waited"]),
        one["reason"],
    ]


def _failure(one: dict[str, Any]) -> list[str]:
    first_line = one["message"].partition("\n")[0]
    return [one["model"], one["kind"], _seconds(one["retry_after"]), first_line]


def _seconds(value: float | None) -> str:
    return "" if value is None else format_duration(value)
