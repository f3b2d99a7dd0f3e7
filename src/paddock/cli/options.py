"""Options of the commands that talk to a running daemon."""

from __future__ import annotations

import json
from typing import Any

import click

host = click.option(
    "--host",
    metavar="ADDRESS",
    help="The daemon, like nas:8090. Default: $PADDOCK_HOST, $OLLAMA_HOST, else 127.0.0.1:8090.",
)
insecure = click.option(
    "--insecure", is_flag=True, help="Allow a registry without TLS or with a wrong certificate."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(value: Any) -> None:
    """Print `value` to stdout, for programs and people."""
    click.echo(json.dumps(value, indent=2))
