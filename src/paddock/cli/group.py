"""The command group: imports a command when it runs, and turns expected errors into a line."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from importlib import import_module
from typing import Any

import click

from paddock import __version__
from paddock.cli.table import printable
from paddock.cli.terminal import take_any_letter
from paddock.errors import ConfigError, PaddockError

COMMANDS = (
    *("serve", "demo", "run", "list", "ps", "show"),
    *("search", "quants", "pull", "pulls", "push", "create", "cp", "rm", "du"),
    *("load", "stop", "plan", "status", "hardware", "gpu"),
    *("user", "key"),
    *("reload", "logs", "config", "completion"),
)
"""Each is `command` in the module of its name, in the order of the help page."""

ALIASES = {"start": "serve", "ls": "list"}

_COMPLETES = "_PADDOCK_COMPLETE"
"""Where a shell says what it wants to be told, whatever name the program runs under."""


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
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        command = import_module(f"paddock.cli.{name}").command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def _main_shell_completion(
        self,
        ctx_args: MutableMapping[str, Any],
        prog_name: str,
        complete_var: str | None = None,  # noqa: ARG002  # click's signature
    ) -> None:
        """For a shell that completes a word; nothing when none does."""
        if _COMPLETES in os.environ:
            import paddock.cli.completing  # noqa: F401  # bash as we read it
        super()._main_shell_completion(ctx_args, prog_name, _COMPLETES)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what is expected to go wrong becomes a line, not a traceback."""
        take_any_letter()
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise WrongConfig(error) from error
        except PaddockError as error:
            raise Failure(error) from error
        except KeyboardInterrupt:
            sys.exit(130)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    __version__, "-v", "--version", prog_name="paddock", message="%(prog)s %(version)s"
)
def main() -> None:
    """One local language-model server for a household.

    Every GGUF file in a folder answers by name over the OpenAI API. `paddock serve` is the daemon;
    the other commands talk to it.
    """
