"""`paddock hardware`: what models can use of the machine, and what they hold of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from paddock.cli import options
from paddock.cli.client import connect
from paddock.cli.table import printable, table
from paddock.units import format_bytes

_DEVICE = (
    "ENGINE", "DEVICE", "WHAT", ">SIZE", ">FREE", ">MODELS", ">OTHERS", ">BUSY", ">TEMP", ">POWER",
)  # fmt: skip
_HELD = ("MODEL", "STATE", "WHERE", ">WEIGHTS", ">CACHE", ">COMPUTE", ">TOTAL")


@click.command("hardware", short_help="What models can use of the machine, and what they hold.")
@click.option("--fresh", is_flag=True, help="Ask the engines for their devices again.")
@options.host
@options.as_json
def command(fresh: bool, host: str | None, as_json: bool) -> None:
    """Show processor and memory, the devices as engines name them, and what models hold of them.

    Free is what nobody uses: other programs count. MODELS is what models hold, OTHERS what is
    used by the rest; it is empty where no driver tells.
    """
    told = connect(host).get("/api/hardware?fresh=1" if fresh else "/api/hardware")
    if as_json:
        options.print_json(told)
        return
    for line in (*_machine(told), *_problems(told)):
        click.echo(printable(line))
    rows = [_device(one["name"], device) for one in told["engines"] for device in one["devices"]]
    if rows:
        click.echo("\n" + table(_DEVICE, rows), nl=False)
    else:
        click.echo("no engine has a device beside the processor", err=True)
    if held := [row for one in told["instances"] for row in _held(one)]:
        click.echo("\n" + table(_HELD, held), nl=False)


def _machine(told: dict[str, Any]) -> Iterator[str]:
    cpu, host = told["cpu"], told["host"]
    threads = cpu["logical_thread_count"] or 0
    yield f"processor  {cpu['model'] or 'unknown'}, {threads} thread{'s' * (threads != 1)}"
    yield f"memory     {format_bytes(host['total_bytes'])}, {format_bytes(host['free_bytes'])} free"
    if host["limit_bytes"] is not None:
        left = format_bytes(host["limit_left_bytes"])
        yield f"           limited to {format_bytes(host['limit_bytes'])}, of which {left} are left"
    if host["zfs_reclaimable_bytes"]:
        kept = format_bytes(host["zfs_reclaimable_bytes"])
        yield f"           ZFS keeps {kept} more that it gives back when it must"
    if host["ours_bytes"] or host["ours_files_bytes"]:
        files = format_bytes(host["ours_files_bytes"])
        yield f"           models hold {format_bytes(host['ours_bytes'])}, and {files} of files"


def _problems(told: dict[str, Any]) -> Iterator[str]:
    for one in told["engines"]:
        if one["problem"]:
            yield f"engine     {one['name']}: {one['problem']}"


def _device(engine: str, device: dict[str, Any]) -> list[str]:
    shared = " (shares the memory)" if device["integrated"] else ""
    asleep = " (asleep)" if device["asleep"] else ""
    return [
        engine,
        device["name"],
        f"{device['description']}{shared}{asleep}",
        format_bytes(device["total_bytes"]),
        format_bytes(device["free_bytes"]),
        format_bytes(device["ours_bytes"]),
        "" if device["others_bytes"] is None else format_bytes(device["others_bytes"]),
        _measure(device["busy_percent"], " %"),
        _measure(device["temperature_c"], " °C"),
        _measure(device["power_watts"], " W"),
    ]


def _measure(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.0f}{unit}"


def _held(one: dict[str, Any]) -> Iterator[list[str]]:
    """One row for each place a model is in; name and state stand in the first."""
    first = [one["model"], one["state"]]
    for place, part in one["memory"].items():
        sizes = (part["weights"], part["kv"], part["compute"] + part["output"], sum(part.values()))
        yield [*first, place, *map(format_bytes, sizes)]
        first = ["", ""]
