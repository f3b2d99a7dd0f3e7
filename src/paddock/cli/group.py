"""The command group: imports a command when it runs, and turns expected errors into a line."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from paddock import __version__
from paddock.cli.table import printable
from paddock.errors import ConfigError, PaddockError

COMMANDS = ("serve", "demo", "list", "ps", "load", "stop", "status", "reload", "logs", "config")
"""Each is `command` in the module of its name, in the order of the help page."""


class Failure(click.ClickException):
    """An expected error, as one line and a hint on stderr."""

    def __init__(self, error: PaddockError) -> None:
        super().__init__(error.message)
        self.hint = error.hint

    def show(self, file: Any = None) -> None:  # noqa: ARG002  # click's signature
        """Print it."""
        hint = f"\n  {self.hint}" if self.hint else ""
        click.echo(printable(f"paddock: {self.message}{hint}"), err=True)


class WrongConfig(Failure):
    """A configuration that cannot be used."""

    exit_code = 2


class LazyGroup(click.Group):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names, most used first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, or None for a name that is none."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"paddock.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what is expected to go wrong becomes a line, not a traceback."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise WrongConfig(error) from error
        except PaddockError as error:
            raise Failure(error) from error
        except KeyboardInterrupt:
            sys.exit(130)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="paddock", message="%(prog)s %(version)s")
def main() -> None:
    """One local language-model server for a household.

    Every GGUF file in a folder answers by name over the OpenAI API. `paddock serve` is the daemon;
    the other commands talk to it.
    """
