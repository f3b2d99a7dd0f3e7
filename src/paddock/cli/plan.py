"""`paddock plan`: where a model would go, and why."""

from __future__ import annotations

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
    """Tell which devices would hold MODEL, how many bytes of each, and why. Nothing is changed."""
    asked = {"model": model, "ctx": ctx, "parallel": parallel, "kv": kv}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    plan = connect(host).get(f"/api/plan?{query}")
    if as_json:
        options.print_json(plan)
        return
    click.echo(printable(shown(plan)), nl=False)
    for note in plan["notes"]:
        click.echo(printable(note), err=True)


def shown(plan: dict[str, Any]) -> str:
    """The plan as text, a line end at its end."""
    lines = [f"{plan['model']}: {_KINDS.get(plan['kind'], plan['kind'])}", plan["reason"]]
    lines += [f"  It would help: {one}." for one in plan["helps"]]
    if plan["kind"] != "refused":
        requests = "request" if plan["parallel"] == 1 else "requests at once"
        lines.append(f"{plan['context']} tokens for each of {plan['parallel']} {requests}.")
        lines += ["", *_table(plan), "", *_growth(plan["host"]["may_grow"])]
        lines += [f"Flags: {' '.join(plan['flags'])}"]
    lines += [f"Only about: {doubt}." for doubt in plan["doubts"]]
    return "\n".join(lines) + "\n"


def _table(plan: dict[str, Any]) -> list[str]:
    from paddock.units import format_bytes

    on_gpus = sum(one["layers"] for one in plan["devices"])
    ram = {"name": "RAM", "layers": plan["layers"] - on_gpus, **plan["host"]}
    rows = [
        [
            one["name"],
            format_bytes(one["free_bytes"]),
            str(one["layers"]),
            *(format_bytes(one[part]) if one[part] else "-" for part in _PARTS),
        ]
        for one in (*plan["devices"], ram)
    ]
    return table(_TITLES, rows).splitlines()


def _growth(growth: dict[str, int]) -> list[str]:
    from paddock.units import format_bytes

    told = (
        ("prompt_cache_bytes", "finished prompts"),
        ("checkpoint_bytes", "checkpoints"),
        ("repacked_bytes", "pages of repacked weights"),
    )
    parts = [f"{format_bytes(growth[key])} of {words}" for key, words in told if growth[key]]
    return [f"RAM may later grow by up to {', '.join(parts)}."] if parts else []
