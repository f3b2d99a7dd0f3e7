"""`paddock gpu`: what is kept free of each GPU, and pausing one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import click

from paddock.cli import options
from paddock.cli.client import Client, connect
from paddock.cli.model_names import gpus
from paddock.cli.table import printable, table
from paddock.units import format_bytes, parse_duration

GPUS: Final = "/api/paddock/gpus"
_TITLES = ("ENGINE", "GPU", "WHAT", ">SIZE", ">FREE", ">MODELS", ">KEPT FREE", "WHY")


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds."""
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group("gpu", short_help="What is kept free of GPUs; pause one.", invoke_without_command=True)
@options.host
@options.as_json
@click.pass_context
def command(ctx: click.Context, host: str | None, as_json: bool) -> None:
    """Show each GPU: what is free, what models hold, and what they may not use now, and why.

    What is kept free always or by the clock is said in the configuration, under `gpus`.
    """
    if ctx.invoked_subcommand:
        ctx.obj = host
        return
    told = connect(host).get(GPUS)
    if as_json:
        options.print_json(told)
        return
    for problem in told["problems"]:
        click.echo(printable(problem), err=True)
    if told["gpus"]:
        click.echo(table(_TITLES, map(_row, told["gpus"])), nl=False)
    else:
        click.echo("no engine has a GPU", err=True)


@command.command("pause", short_help="Load nothing onto a GPU for a while.")
@click.argument("device", metavar="GPU", shell_complete=gpus)
@click.option(
    "--for", "seconds", type=_Duration(), metavar="TIME", help="How long, like 2h. Default: until"
    " it is resumed.",
)  # fmt: skip
@click.option("--keep-running", is_flag=True, help="Models that are there may stay.")
@options.host
@click.pass_obj
def pause(
    above: str | None, device: str, seconds: float | None, keep_running: bool, host: str | None
) -> None:
    """Keep models from a GPU: no new one is loaded onto it, and those that are there leave as soon
    as their requests have ended.

    GPU is the engine's name for it, its PCI address, or a part of its description that no other
    has. A restart of the daemon changes nothing.
    """
    body = {"seconds": seconds, "keep_running": keep_running}
    found = connect(host or above).post(f"{GPUS}/{quote(device, safe='')}/pause", body)
    until = found["paused"]["until"]
    click.echo(printable(f"{_names(found)} is paused{_until(until)}"), err=True)


@command.command("resume", short_help="Let models onto a GPU again.")
@click.argument("device", metavar="GPU", required=False, shell_complete=gpus)
@click.option("--all", "everything", is_flag=True, help="Every GPU that is paused.")
@options.host
@click.pass_obj
def resume(above: str | None, device: str | None, everything: bool, host: str | None) -> None:
    """End the pause of a GPU, or of all."""
    if (device is None) is not everything:
        raise click.UsageError("name a GPU, or --all")
    client = connect(host or above)
    for name in [device] if device else _paused(client):
        found = client.post(f"{GPUS}/{quote(name, safe='')}/resume", {})
        click.echo(printable(f"{_names(found)} is not paused"), err=True)


def _paused(client: Client) -> list[str]:
    return [one["gpu"] for one in client.get(GPUS)["paused"]]


def _names(found: dict[str, Any]) -> str:
    return " and ".join(found["names"]) or str(found["gpu"])


def _until(moment: str | None) -> str:
    """In the owner's clock."""
    if moment is None:
        return ", until you resume it"
    return f" until {datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"


def _row(one: dict[str, Any]) -> list[str]:
    kept = one["kept"]
    return [
        one["engine"],
        one["name"],
        one["description"],
        format_bytes(one["total_bytes"]),
        format_bytes(one["free_bytes"]),
        format_bytes(one["ours_bytes"]),
        format_bytes(kept["bytes"]) if kept else "",
        kept["why"] if kept else "",
    ]
