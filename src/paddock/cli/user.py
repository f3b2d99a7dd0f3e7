"""`paddock user`: the accounts of the chat, from the shell of the daemon's machine."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any, Final

import click

from paddock.cli import options
from paddock.cli.owner import USERS, owner, user_path
from paddock.cli.table import printable, table

ROLES: Final = ("admin", "user", "pending")
_TITLES: Final = ("LOGIN", "NAME", "ROLE", "LAST SEEN", "LIMITS")

_role: Final = click.option(
    "--role", type=click.Choice(ROLES[:2]), default="user", show_default=True
)
_stdin: Final = click.option(
    "--password-stdin", is_flag=True, help="Read the password, instead of making a temporary one."
)


@click.group("user", short_help="Accounts of the chat: add, invite, change, remove.")
def command() -> None:
    """The accounts of the chat.

    Works on the daemon's machine, for the user that the daemon runs as.
    """


@command.command("list", short_help="All accounts.")
@options.host
@options.as_json
def list_(host: str | None, as_json: bool) -> None:
    """Show all accounts, the oldest first."""
    told = owner(host).ask("GET", USERS)
    if as_json:
        options.print_json(told)
    elif told["users"]:
        click.echo(table(_TITLES, map(_row, told["users"])), nl=False)
    else:
        click.echo("there are no accounts yet: `paddock user add LOGIN --role admin`", err=True)


@command.command("add", short_help="Make an account.")
@click.argument("login")
@click.option("--name", default="", help="What is shown. Default: the login.")
@_role
@_stdin
@options.host
def add(login: str, name: str, role: str, password_stdin: bool, host: str | None) -> None:
    """Make an account, with a temporary password that is printed and has to be changed."""
    body = {"login": login, "name": name, "role": role} | _password(password_stdin)
    told = owner(host).ask("POST", USERS, body)
    click.echo(printable(f"{told['user']['login']} is {_words(told['user'])}"), err=True)
    _tell_password(told)


@command.command("invite", short_help="Make a link with which somebody makes an account.")
@_role
@click.option("--days", type=int, default=7, show_default=True, help="How long it can be used.")
@click.option("--note", default="", help="Who it is for.")
@click.option(
    "--origin", default="", metavar="URL", help="Where the chat is reached, like http://nas:3001."
)
@options.host
def invite(role: str, days: int, note: str, origin: str, host: str | None) -> None:
    """Print a link that makes one account. It is shown this once."""
    body = {"role": role, "days": days, "note": note, "origin": origin}
    click.echo(printable(owner(host).ask("POST", f"{USERS}/invite", body)["link"]))


@command.command("role", short_help="Change what an account may do.")
@click.argument("login")
@click.argument("role", type=click.Choice(ROLES))
@options.host
def role(login: str, role: str, host: str | None) -> None:
    """Make an account an admin's, a user's, or one that waits for approval."""
    told = owner(host).ask("PATCH", user_path(login), {"role": role})
    click.echo(printable(f"{told['user']['login']} is {_words(told['user'])}"), err=True)


@command.command("password", short_help="Give an account another password.")
@click.argument("login")
@_stdin
@options.host
def password(login: str, password_stdin: bool, host: str | None) -> None:
    """Print a temporary password, to be changed at the next sign-in. All devices are signed out."""
    _tell_password(owner(host).ask("POST", user_path(login, "password"), _password(password_stdin)))


@command.command("remove", short_help="Remove an account and all of it.")
@click.argument("login")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.host
def remove(login: str, yes: bool, host: str | None) -> None:
    """Remove an account, its chats, files and keys. There is no way back."""
    if not yes:
        click.confirm(f"Remove {printable(login)} and all chats of this account?", abort=True)
    told = owner(host).ask("DELETE", user_path(login))
    click.echo(printable(f"{told['user']['login']} is removed"), err=True)


def _password(from_stdin: bool) -> dict[str, str]:
    if not from_stdin:
        return {}
    return {"password": sys.stdin.readline().rstrip("\r\n")}


def _tell_password(told: dict[str, Any]) -> None:
    if "password" in told:
        click.echo("its temporary password:", err=True)
        click.echo(told["password"])


def _words(user: dict[str, Any]) -> str:
    return {"admin": "an admin", "user": "a user"}.get(user["role"], "waiting for approval")


def _row(user: dict[str, Any]) -> tuple[str, ...]:
    limits = ", ".join(sorted(user["limits"]))
    return user["login"], user["name"], user["role"], day(user["last_seen"]), limits


def day(time: int | None) -> str:
    """A moment in ms since 1970 as people read it."""
    if time is None:
        return "never"
    return datetime.fromtimestamp(time / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
