"""Options of the commands that are the daemon: `serve` and `demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

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


def overrides(
    host: str | None,
    port: int | None,
    state_dir: Path | None,
    log_level: str | None,
    engine: str | None = None,
) -> dict[str, Any]:
    """The options that were given, by the key of the configuration that each one sets."""
    said = {
        "listen.openai.host": host,
        "listen.openai.port": port,
        "stateDir": str(state_dir.absolute()) if state_dir else None,
        "logLevel": log_level,
        "engine": engine,
    }
    return {key: value for key, value in said.items() if value is not None}
