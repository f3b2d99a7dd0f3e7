"""`paddock pull`: bring a model in."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from paddock.cli import options
from paddock.cli.client import Client, Refused, Stranger, connect
from paddock.cli.table import printable, table

PULLS = "/api/paddock/pulls"

_LEFT_TO_THE_PULL = frozenset({400, 404})
"""Answers to a question about a repository: it tells what is wrong itself, or knows the name."""


@click.command("pull", short_help="Bring a model in.")
@click.argument("model")
@click.argument("quant", required=False)
@click.option("--dry-run", is_flag=True, help="Only show what would come, where, and the room.")
@click.option("--all", "everything", is_flag=True, help="Every quantization of the repository.")
@click.option(
    "--files", "patterns", metavar="PATTERN", multiple=True, help="Files like this; repeatable."
)
@click.option("--detach", is_flag=True, help="Do not wait: print the pull's id.")
@options.insecure
@options.host
@options.as_json
def command(model: str, quant: str | None, host: str | None, **flags: Any) -> None:
    """Bring MODEL into the library, or what has changed of it.

    MODEL is a name of Ollama's registry (llama3.2:3b) or a repository of Hugging Face (user/repo,
    hf.co/user/repo:QUANT, user/repo/file.gguf). Without QUANT you choose on a terminal;
    elsewhere it is the best that fits this machine.

    Ctrl-C leaves the pull to the daemon, and `paddock pulls` shows it. What has arrived stays.
    """
    if sum((bool(quant), flags["everything"], bool(flags["patterns"]))) > 1:
        raise click.UsageError("give one of QUANT, --all and --files")
    client = connect(host)
    wish = _wish(model, quant, flags)
    if flags["dry_run"]:
        _show_plan(client.post(PULLS, wish | {"dry_run": True}), as_json=flags["as_json"])
        return
    if set(wish) <= {"name", "insecure"}:
        wish |= _chosen(client, model)
    if flags["detach"]:
        _detach(client, wish, as_json=flags["as_json"])
        return
    ended = _brought(client, wish)
    if flags["as_json"]:
        options.print_json(ended)


def pull(client: Client, model: str, *, insecure: bool = False) -> str:
    """Pull `model`, show how far it is, and give the name that it has in the library.

    Somebody at the terminal is asked for a quantization where the name leaves it open. Raises what
    the client does, and Abort when they choose none.
    """
    wish = _wish(model, None, {"insecure": insecure})
    told = _brought(client, wish | _chosen(client, model))
    names = told.get("models") or [model]
    return str(names[0])


def _wish(model: str, quant: str | None, flags: dict[str, Any]) -> dict[str, Any]:
    """The body of the request: the name, and what was said beyond it."""
    wish = {
        "name": model,
        "quant": quant,
        "all": flags.get("everything"),
        "files": list(flags.get("patterns") or ()),
        "insecure": flags.get("insecure"),
    }
    return {key: value for key, value in wish.items() if value}


# --- which of a repository's quantizations


def _chosen(client: Client, model: str) -> dict[str, Any]:
    """What a person at the terminal takes, where the name leaves a choice; else nothing."""
    if not leaves_a_choice(model):
        return {}
    from paddock.cli import choose

    if not choose.can_choose():
        return {}
    from paddock.cli import quants

    try:
        found = quants.of(client, model, hub=True)
    except Refused as error:
        if error.status not in _LEFT_TO_THE_PULL:
            raise
        return {}
    rows = found["rows"]
    if len(rows) < 2:
        return {}
    click.echo(printable(f"{model} comes in {len(rows)} forms:"), err=True)
    best = next((number for number, row in enumerate(rows) if row.get("best")), 0)
    number = choose.choose(*quants.columns(found), best)
    if number is None:
        raise click.Abort
    click.echo(printable(f"taking {rows[number]['quant']}"), err=True)
    return quants.wish(found, number)


def leaves_a_choice(model: str) -> bool:
    """Whether it may be a repository, named without a quantization or a file."""
    last = model.rpartition("/")[2]
    return "/" in model and ":" not in last and not last.casefold().endswith(".gguf")


# --- the pull itself


def _brought(client: Client, wish: dict[str, Any]) -> dict[str, Any]:
    """The pull's last state, once it is done."""
    from paddock.cli.watching import watch

    only_named = set(wish) <= {"name", "insecure"}
    try:
        return watch(client.stream(PULLS, wish))
    except Stranger:  # an Ollama; it knows names only
        if not only_named:
            raise
    except Refused as error:
        if not (only_named and _is_here(client, wish["name"])):
            raise
        click.echo(printable(f"what is here stays: {error.message}"), err=True)
        click.echo("success", err=True)
        return {}
    from paddock.cli.progress import Progress

    with Progress() as progress:
        asked = {"model": wish["name"], "insecure": wish.get("insecure", False), "stream": True}
        progress.follow(client.stream("/api/pull", asked))
    return {}


def _is_here(client: Client, model: str) -> bool:
    """Whether the library has the model already, by this name."""
    try:
        client.post("/api/show", {"model": model})
    except Refused:
        return False
    return True


def _detach(client: Client, wish: dict[str, Any], *, as_json: bool) -> None:
    with closing(client.stream(PULLS, wish)) as states:
        state = next(states)
    if as_json:
        options.print_json(state)
        return
    click.echo(printable(state["id"]))
    click.echo(f"`paddock pulls --follow {printable(state['id'])}` shows how far it is", err=True)


# --- what would come


def _show_plan(plan: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        options.print_json(plan)
        return
    from paddock.cli.ollama_units import decimal_bytes

    if plan.get("note"):
        click.echo(printable(plan["note"]), err=True)
    rows = [
        [file["path"], decimal_bytes(file["size"]), _HOW.get(file["how"], ""), file["target"]]
        for file in plan["files"]
    ]
    click.echo(table(("FILE", ">SIZE", "", "WHERE"), rows), nl=False)
    parts = [f"{decimal_bytes(plan['fetch'])} of {decimal_bytes(plan['total'])} to download"]
    if plan.get("left") is not None:
        free, left = decimal_bytes(plan["free"]), decimal_bytes(max(plan["left"], 0))
        parts.append(f"{free} are free, {left} afterwards")
    if plan.get("quota") is not None:
        parts.append(f"the quota leaves {decimal_bytes(max(plan['quota'], 0))}")
    click.echo("; ".join(parts), err=True)


_HOW = {"here": "is here", "link": "linked", "resume": "goes on", "fetch": ""}
