"""Names of models, and of what else there is, to complete a word with, asked of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paddock.cli.client import PULL_ENDS, Client, connect
from paddock.errors import PaddockError

if TYPE_CHECKING:
    import click


def installed(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """For click: names in `paddock list` that begin with `incomplete`; none without a daemon."""
    try:
        return matching(connect(ctx.params.get("host")), incomplete)
    except PaddockError:
        return []


def running(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """For click: the names in `paddock ps` that begin with `incomplete`."""
    try:
        return matching(connect(ctx.params.get("host")), incomplete, "/api/ps")
    except PaddockError:
        return []


def pulling(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """For click: the ids of the pulls that are under way."""
    above = ctx.parent.params.get("host") if ctx.parent else None
    try:
        pulls = connect(ctx.params.get("host") or above).get("/api/paddock/pulls")["pulls"]
    except PaddockError:
        return []
    ids = (str(one["id"]) for one in pulls if one["state"] not in PULL_ENDS)
    return [identity for identity in ids if identity.startswith(incomplete)]


def gpus(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """For click: what engines call the GPUs."""
    above = ctx.parent.params.get("host") if ctx.parent else None
    try:
        found = connect(ctx.params.get("host") or above).get("/api/paddock/gpus")["gpus"]
    except PaddockError:
        return []
    names = dict.fromkeys(str(one["name"]) for one in found)
    return [name for name in names if name.casefold().startswith(incomplete.casefold())]


def matching(client: Client, incomplete: str, path: str = "/api/tags") -> list[str]:
    """Names that begin with `incomplete`, without regard to case. Raises what the client does."""
    begin = incomplete.casefold()
    names = (str(one["name"]) for one in client.get(path)["models"])
    return [name for name in names if name.casefold().startswith(begin) and name.isprintable()]
