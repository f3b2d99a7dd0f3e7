"""`paddock status`: how the daemon is, on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from paddock.cli import options
from paddock.cli.client import connect
from paddock.cli.table import printable
from paddock.units import format_duration


@click.command("status", short_help="How the daemon is, on one screen.")
@options.host
@options.as_json
def command(host: str | None, as_json: bool) -> None:
    """Show the doors, the configuration's health, the engine, the models and what went wrong."""
    status = connect(host).get("/api/paddock/status")
    if as_json:
        options.print_json(status)
        return
    up = format_duration(status["uptime"])
    click.echo(f"Paddock {status['version']}, process {status['pid']}, up {up}")
    for title, told in _parts(status):
        for number, line in enumerate(told):
            click.echo(printable(f"{'' if number else title:<9} {line}"))


def _parts(status: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Each part's title and lines; a part without lines is not shown."""
    yield "doors", [f"{door['name']:<8} {door['url']}" for door in status["doors"]]
    yield "config", _config(status["config"])
    yield "engine", [status["engine"]["default"] or status["engine"]["problem"]]
    yield "gpus", status.get("gpus", [])
    yield "models", [_models(status["models"])]
    yield "pending", [f"{name} is being brought in" for name in status.get("pending", ())]
    yield "running", [_running(one) for one in status["running"]] or ["nothing"]
    yield "waiting", [_count(status["waiting"], "request")] if status["waiting"] else []
    yield "failed", [f"{one['model']}: {one['message']}" for one in status["failures"]]
    yield "warnings", status["warnings"]


def _config(config: dict[str, Any]) -> list[str]:
    lines = [f"{', '.join(config['files']) or 'no file'}, read {config['loaded_at']}"]
    if refused := config["refused"]:
        lines += [f"NOT TAKEN IN: the change seen {refused['at']} has errors:"]
        lines += [f"  {problem['text']}" for problem in refused["problems"]]
    lines += [f"counts after a restart: {key}" for key in config["needs_restart"]]
    return lines


def _models(models: dict[str, int]) -> str:
    left_out = models["left_out"]
    rest = f", {_count(left_out, 'file')} left out (`paddock list --all`)" if left_out else ""
    return f"{models['count']}{rest}"


def _running(one: dict[str, Any]) -> str:
    told = (one["state"], f"{one['active']}/{one['slots']} busy", one.get("processor"))
    return f"{one['model']} ({', '.join(filter(None, told))})"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
