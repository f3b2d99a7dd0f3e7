"""`paddock config`: check and show the configuration."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import click

from paddock.cli import options
from paddock.errors import ConfigError

_file = click.argument("file", required=False, type=click.Path(path_type=Path))
_folder = click.option(
    "--config-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder whose YAML files are added to the file.",
)


@click.group("config", short_help="Check and show the configuration.")
def command() -> None:
    """Check and show the configuration.

    Without FILE it is the one `paddock serve` would use.
    """


@command.command()
@_file
@_folder
@options.as_json
def check(file: Path | None, config_dir: Path | None, as_json: bool) -> None:
    """Tell everything that is wrong with it; exit code 2 when something is."""
    from paddock.config.load import load

    file = _chosen(file, config_dir)
    try:
        load(file, os.environ, {}, config_dir)
    except ConfigError as error:
        if not as_json:
            raise _Wrong(error) from error
        options.print_json({"problems": [dataclasses.asdict(one) for one in error.problems]})
        raise click.exceptions.Exit(2) from error
    if as_json:
        options.print_json({"problems": []})
    else:
        looked_at = " and ".join(str(one) for one in (file, config_dir) if one)
        click.echo(f"{looked_at or 'the defaults'}: nothing wrong", err=True)


@command.command()
@_file
@_folder
@options.as_json
def show(file: Path | None, config_dir: Path | None, as_json: bool) -> None:
    """Print what is in force, defaults included. Keys stay hidden."""
    from paddock.config.load import load
    from paddock.config.show import as_values, as_yaml_text

    config = load(_chosen(file, config_dir), os.environ, {}, config_dir)
    if as_json:
        options.print_json(as_values(config))
    else:
        click.echo(as_yaml_text(config), nl=False)


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
def import_(file: Path) -> None:
    """Print the Paddock configuration that FILE becomes.

    FILE is a llama-swap configuration or llama-server's presets (`models.ini`). Paddock reads both
    as they are; this is for those who want one file of its own.
    """
    from paddock.config.convert import convert

    try:
        click.echo(convert(file, os.environ), nl=False)
    except ConfigError as error:
        raise _Wrong(error) from error


@command.command()
def schema() -> None:
    """Print the JSON schema of the file, for editors."""
    from paddock.config.outline import json_schema_text

    click.echo(json_schema_text(), nl=False)


class _Wrong(click.ClickException):
    """The problems alone, one a line, so that editors can read them."""

    exit_code = 2

    def __init__(self, error: ConfigError) -> None:
        super().__init__(error.message)

    def show(self, file: object = None) -> None:  # noqa: ARG002  # click's signature
        click.echo(self.message, err=True)


def _chosen(file: Path | None, config_dir: Path | None) -> Path | None:
    """The file, or the one `paddock serve` would use; a folder of files is enough, too."""
    from paddock.config.paths import find_config

    return file or (None if config_dir else find_config(os.environ))
