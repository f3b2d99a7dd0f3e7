"""`paddock serve`: the daemon."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from paddock.cli import daemon_options, swap_flags
from paddock.cli.hasten import hastened_imports


@click.command("serve", cls=swap_flags.SwapCommand, short_help="Run the daemon.")
@daemon_options.config_file
@swap_flags.config_dir
@click.option(
    "--models-dir",
    "models_dirs",
    metavar="DIR",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder of GGUF files; may be given again.",
)
@daemon_options.door_host
@daemon_options.door_port
@swap_flags.listen
@swap_flags.tls_cert
@swap_flags.tls_key
@swap_flags.watch_config
@click.option("--engine", metavar="NAME", help="The engine for models that name none.")
@daemon_options.state_dir
@daemon_options.log_level
def command(
    file: Path | None,
    config_dir: Path | None,
    models_dirs: tuple[Path, ...],
    listen: str | None,
    watch_config: bool | None,
    tls_cert_file: Path | None,
    tls_key_file: Path | None,
    **flags: Any,
) -> None:
    """Run the daemon until Ctrl-C or SIGTERM.

    Options win over the environment, and that over the configuration file. Long options may be
    written with one dash.
    """
    with hastened_imports():
        from paddock.config.paths import find_config
        from paddock.config.source import Source

    if listen and (flags["host"] or flags["port"] is not None):
        raise click.UsageError("give either --listen, or --host and --port")
    said = daemon_options.overrides(**flags)
    said |= swap_flags.overrides(listen, watch_config, tls_cert_file, tls_key_file)
    if models_dirs:
        said["modelsDir"] = [str(folder.absolute()) for folder in models_dirs]
    if file is None and config_dir is None:
        file = find_config(os.environ)
    source = Source(file, dict(os.environ), said, config_dir)
    config = source.load()

    with hastened_imports():
        from paddock.daemon.run import serve  # only now: a wrong config is told at once

    sys.exit(serve(config, source))
