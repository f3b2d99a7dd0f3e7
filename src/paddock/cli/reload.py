"""`paddock reload`: take in a changed configuration."""

from __future__ import annotations

from typing import Any

import click

from paddock.cli import options
from paddock.cli.client import connect
from paddock.cli.table import printable


@click.command("reload", short_help="Take in the changed configuration.")
@options.host
@options.as_json
def command(host: str | None, as_json: bool) -> None:
    """Let the daemon read its configuration again, and tell what that changed.

    Models whose settings did not change keep running. A configuration with errors changes nothing.
    """
    outcome = connect(host).post("/api/paddock/reload", {})
    if as_json:
        options.print_json(outcome)
        return
    for line in _lines(outcome):
        click.echo(printable(line))
    if not outcome["changes"] and not outcome["needs_restart"]:
        click.echo("nothing has changed", err=True)


_SIGNS = {"added": "+", "removed": "-", "changed": "~"}

_MODELS = {
    "added": "new models",
    "removed": "gone",
    "replaced": "start anew when they are next asked for",
    "refreshed": "run on with their new settings",
}


def _lines(outcome: dict[str, Any]) -> list[str]:
    changes = [f"{_SIGNS[change['kind']]} {change['key']}" for change in outcome["changes"]]
    models = [
        f"{meaning}: {', '.join(outcome['models'][word])}"
        for word, meaning in _MODELS.items()
        if outcome["models"][word]
    ]
    waiting = [f"counts after a restart: {key}" for key in outcome["needs_restart"]]
    return [*changes, *models, *waiting]
