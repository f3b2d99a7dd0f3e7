"""Options that several commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

host = click.option(
    "--host",
    metavar="ADDRESS",
    help="The daemon, like nas:8090. Default: $PADDOCK_HOST, $OLLAMA_HOST, else 127.0.0.1:8090.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

config_file = click.option(
    "--config",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The configuration file. Default: $PADDOCK_CONFIG, ~/.config/paddock/config.yaml,"
    " /etc/paddock/config.yaml.",
)
door_host = click.option("--host", metavar="ADDRESS", help="Address of the OpenAI door.")
door_port = click.option(
    "--port", type=click.IntRange(0, 65535), help="Port of the OpenAI door; 0 takes a free one."
)
state_dir = click.option(
    "--state-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder for what Paddock must remember.",
)
log_level = click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warn", "error"]),
    help="How much to say on stderr.",
)


def print_json(value: Any) -> None:
    """Print `value` to stdout, for programs and people."""
    click.echo(json.dumps(value, indent=2))
