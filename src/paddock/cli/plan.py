"""`paddock plan`: where a model would go, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import click

from paddock.cli import options
from paddock.cli.client import connect
from paddock.cli.model_names import installed
from paddock.cli.table import printable, table

_TITLES = ("DEVICE", ">FREE", ">LAYERS", ">WEIGHTS", ">CACHE", ">WORK", ">DRIVER", ">NEEDS")
_PARTS = ("weights_bytes", "kv_bytes", "compute_bytes", "outside_bytes", "needed_bytes")
_KINDS = {
    "gpu": "whole on one GPU",
    "split": "split over GPUs",
    "hybrid": "GPU and processor",
    "cpu": "processor alone",
    "refused": "does not fit",
    "command": "where it likes",
}


@click.command("plan", short_help="Where a model would go in memory, and why.")
@click.argument("model", shell_complete=installed)
@click.option("--ctx", type=click.IntRange(1), help="Tokens that each request may use.")
@click.option("--parallel", type=click.IntRange(1), help="Requests at once.")
@click.option("--kv", metavar="TYPE", help="How keys and values are kept: f16, q8_0, q4_0, …")
@options.host
@options.as_json
def command(
    model: str,
    ctx: int | None,
    parallel: int | None,
    kv: str | None,
    host: str | None,
    as_json: bool,
) -> None:
    """Tell which devices would hold MODEL, how many bytes of each, why, and who must leave first.

    Nothing is changed.
    """
    asked = {"model": model, "ctx": ctx, "parallel": parallel, "kv": kv}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    plan = connect(host).get(f"/api/plan?{query}")
    if as_json:
        options.print_json(plan)
        return
    click.echo(printable(shown(plan)), nl=False)


def shown(plan: dict[str, Any]) -> str:
    """The plan as text, a line end at its end."""
    lines = [f"{plan['model']}: {_KINDS.get(plan['kind'], plan['kind'])}{_now(plan['running'])}"]
    lines += [plan["reason"]]
    lines += [f"  It would help: {one}." for one in plan["helps"]]
    lines += [f"  {_leaves(one)}" for one in plan["leave"]]
    if plan["kind"] != "refused":
        lines += [*_promises(plan), "", *_table(plan), ""]
    if plan["flags"]:
        lines += [*_growth(plan["host"]["may_grow"]), f"Flags: {' '.join(plan['flags'])}"]
    lines += [f"Only about: {doubt}." for doubt in plan["doubts"]]
    return "\n".join(lines).rstrip() + "\n"


def _now(running: dict[str, Any] | None) -> str:
    """Where it is at this moment, when it is in memory."""
    if running is None:
        return ""
    return f" (now {' '.join(filter(None, (running['state'], running['processor'])))})"


def _leaves(one: dict[str, Any]) -> str:
    when = " when its requests have ended" if one["busy"] else ""
    return f"{one['model']} would leave first{when}: {one['why']}."


def _promises(plan: dict[str, Any]) -> Iterator[str]:
    """What requests get, and when."""
    from paddock.units import format_duration

    requests = "request" if plan["parallel"] == 1 else "requests at once"
    if plan["context"]:
        yield f"{plan['context']} tokens for each of {plan['parallel']} {requests}."
    if plan["seconds"] is not None:
        took = format_duration(plan["seconds"])
        guessed = plan["seconds_estimated"]
        yield f"Loads in about {took}, by its size." if guessed else f"It loaded in {took} before."


def _table(plan: dict[str, Any]) -> list[str]:
    """Bytes by place; of a command only what it took the last time is known."""
    on_gpus = sum(one.get("layers", 0) for one in plan["devices"])
    ram = {"name": "RAM", **plan["host"]}
    if "layers" in plan:
        ram["layers"] = plan["layers"] - on_gpus
    return table(_TITLES, map(_row, (*plan["devices"], ram))).splitlines()


def _row(place: dict[str, Any]) -> list[str]:
    from paddock.units import format_bytes

    free = format_bytes(place["free_bytes"]) if "free_bytes" in place else "-"
    parts = (format_bytes(place[part]) if place[part] else "-" for part in _PARTS)
    return [place["name"], free, str(place.get("layers", "-")), *parts]


def _growth(growth: dict[str, int]) -> list[str]:
    from paddock.units import format_bytes

    told = (
        ("prompt_cache_bytes", "finished prompts"),
        ("checkpoint_bytes", "checkpoints"),
        ("repacked_bytes", "pages of repacked weights"),
    )
    parts = [f"{format_bytes(growth[key])} of {words}" for key, words in told if growth[key]]
    return [f"RAM may later grow by up to {', '.join(parts)}."] if parts else []
