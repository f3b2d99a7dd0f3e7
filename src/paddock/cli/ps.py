"""`paddock ps`: what is in memory, who waits, what failed."""

from __future__ import annotations

from typing import Any

import click

from paddock.cli import options
from paddock.cli.client import Client, Stranger, connect
from paddock.cli.table import ollama_table, table
from paddock.units import format_bytes, format_duration


@click.command("ps", short_help="What is in memory, who waits, what failed.")
@click.argument("prefix", required=False)
@click.option("-l", "--long", is_flag=True, help="More columns: state, engine, process, …")
@options.host
@options.as_json
def command(prefix: str | None, long: bool, host: str | None, as_json: bool) -> None:
    """Show the models in memory, or those that begin with PREFIX.

    Below them, where there are any: the requests that wait, and the models that failed.
    """
    client = connect(host)
    if as_json:
        options.print_json(client.get(_INSTANCES))
        return
    wanted = (prefix or "").casefold()
    view = client.get(_INSTANCES) if long else _beyond_ollama(client)
    instances = [one for one in view["instances"] if one["model"].casefold().startswith(wanted)]
    if long:
        text = table(_INSTANCE, map(_instance, instances)) if instances else ""
    else:
        rows = _short_rows(client, wanted, instances)
        text = ollama_table(_SHORT, rows) if rows else ""
    click.echo(text, nl=False)
    if not text:
        click.echo("no model is in memory; a request or `paddock load MODEL` brings one", err=True)
    for titles, more in (
        (_WAITING, [_waiting(one) for one in view["queue"]]),
        (_FAILURE, [_failure(one) for one in view["failures"]]),
    ):
        if more:
            click.echo(table(titles, more), nl=False)


_INSTANCES = "/api/paddock/instances"
_SHORT = ("NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL")
_INSTANCE = (
    *("MODEL", "STATE", "ENGINE", "PROCESSOR", ">CONTEXT", ">BUSY", ">IDLE", ">UNLOADS IN"),
    *(">SIZE", ">PID", "MEMORY"),
)
_WAITING = ("WAITING FOR", "CLIENT", ">POSITION", ">PRIORITY", ">SINCE", "WHY")
_FAILURE = ("FAILED", "KIND", ">NEXT TRY IN", "WHY")


def _beyond_ollama(client: Client) -> dict[str, Any]:
    """What Paddock tells beyond Ollama's list; an Ollama tells nothing of it."""
    try:
        view: dict[str, Any] = client.get(_INSTANCES)
    except Stranger:
        return {"instances": [], "queue": [], "failures": []}
    return view


def _short_rows(client: Client, wanted: str, instances: list[dict[str, Any]]) -> list[list[str]]:
    """Ollama's columns; a model that is not ready yet, or no more, says so in the last one."""
    from paddock.cli.ollama_units import decimal_bytes, processor, until

    known = {_key(one["model"]): one for one in instances}
    changing = {key: one for key, one in known.items() if one["state"] != "ready"}
    rows = []
    for one in client.get("/api/ps")["models"]:
        if not one["name"].casefold().startswith(wanted):
            continue
        also = changing.pop(_key(one["name"]), None)
        size, on_gpu = one["size"], one.get("size_vram", 0)
        places = known.get(_key(one["name"]), {}).get("processor")
        rows.append(
            [
                one["name"],
                one["digest"][:12],
                decimal_bytes(size),
                places or processor(size, on_gpu),
                str(one.get("context_length") or ""),
                _changing(also) if also else until(one["expires_at"]),
            ]
        )
    return rows + [
        [left["model"], "", decimal_bytes(left["size"]), left["processor"], "", _changing(left)]
        for left in changing.values()
    ]


def _key(name: str) -> str:
    return name.casefold().removesuffix(":latest")


def _changing(one: dict[str, Any]) -> str:
    if one["state"] == "stopping":
        return "Stopping..."
    return "Loading..." if one["progress"] is None else f"Loading... {one['progress']:.0%}"


def _instance(one: dict[str, Any]) -> list[str]:
    return [
        one["model"],
        _state(one),
        one["engine"],
        one["processor"],
        str(one["context"] or ""),
        f"{one['active']}/{one['slots']}",
        "" if one["active"] else _seconds(one["idle_seconds"]),
        _seconds(one["expires_in"]),
        format_bytes(one["size"]),
        str(one["pid"] or ""),
        _places(one.get("memory") or {}),
    ]


def _places(memory: dict[str, int]) -> str:
    """What is taken where, as the engine told: its devices, then the machine's own memory."""
    places = sorted(memory, key=lambda place: (place == "CPU", place))
    return ", ".join(f"{place} {format_bytes(memory[place])}" for place in places)


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
