"""`paddock config`: check and show the configuration."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import click

from paddock.cli import options
from paddock.errors import ConfigError

_file = click.argument("file", required=False, type=click.Path(path_type=Path))


@click.group("config", short_help="Check and show the configuration.")
def command() -> None:
    """Check and show the configuration.

    Without FILE it is the one `paddock serve` would use.
    """


@command.command()
@_file
@options.as_json
def check(file: Path | None, as_json: bool) -> None:
    """Tell everything that is wrong with it; exit code 2 when something is."""
    from paddock.config.load import load

    file = file or _found()
    try:
        load(file, os.environ, {})
    except ConfigError as error:
        if not as_json:
            raise _Wrong(error) from error
        options.print_json({"problems": [dataclasses.asdict(one) for one in error.problems]})
        raise click.exceptions.Exit(2) from error
    if as_json:
        options.print_json({"problems": []})
    else:
        click.echo(f"{file or 'the defaults'}: nothing wrong", err=True)


@command.command()
@_file
@options.as_json
def show(file: Path | None, as_json: bool) -> None:
    """Print what is in force, defaults included. Keys stay hidden."""
    from paddock.config.load import load
    from paddock.config.show import as_values, as_yaml_text

    config = load(file or _found(), os.environ, {})
    if as_json:
        options.print_json(as_values(config))
    else:
        click.echo(as_yaml_text(config), nl=False)


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


def _found() -> Path | None:
    from paddock.config.paths import find_config

    return find_config(os.environ)
