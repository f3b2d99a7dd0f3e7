"""`paddock run`: talk to a model, or ask it once."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from paddock.cli import options
from paddock.cli.client import Client, Refused, connect
from paddock.cli.conversation import Conversation
from paddock.cli.model_names import installed
from paddock.cli.terminal import is_terminal

_THINK = ("true", "false", "low", "medium", "high", "max")


class _ThinkingCommand(click.Command):
    """`--think` alone is `--think=true`, and never takes the next word as its value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does."""
        end = args.index("--") if "--" in args else len(args)
        front = ["--think=true" if word == "--think" else word for word in args[:end]]
        return super().parse_args(ctx, [*front, *args[end:]])


@click.command("run", cls=_ThinkingCommand, short_help="Talk to a model, or ask it once.")
@click.argument("model", shell_complete=installed)
@click.argument("prompt", nargs=-1)
@click.option("--keepalive", metavar="TIME", help="How long it stays in memory: 5m, 0, -1.")
@click.option("--verbose", is_flag=True, help="Show counts and times of each answer.")
@options.insecure
@click.option("--nowordwrap", is_flag=True, help="Do not break lines between words.")
@click.option("--format", "form", metavar="FORMAT", help="`json`, or a JSON schema.")
@click.option("--think", type=click.Choice(_THINK), help="Think first, and how much.")
@click.option("--hidethinking", is_flag=True, help="Do not show the thinking.")
@click.option("--truncate", is_flag=True, default=None, help="Cut what is too long to embed.")
@click.option("--dimensions", type=click.IntRange(1), help="Length of an embedding.")
@options.host
def command(model: str, prompt: tuple[str, ...], host: str | None, **flags: Any) -> None:
    """Talk to MODEL, or let it answer PROMPT.

    What comes on stdin goes before PROMPT. A model that only embeds prints its vector.
    """
    talks = not prompt and is_terminal(sys.stdin) and is_terminal(sys.stdout)
    text = " ".join([*_piped(), *prompt])
    client = connect(host)
    model, shown = _shown(client, model, insecure=flags["insecure"])
    conversation = Conversation(client, model, shown)
    conversation.format = _format(flags["form"])
    conversation.keep_alive = _keep_alive(flags["keepalive"])
    conversation.think = {"true": True, "false": False}.get(flags["think"], flags["think"])
    if conversation.is_embedder:
        _embed(conversation, text, flags)
    elif talks:
        _talk(conversation, flags)
    else:
        _answer_once(conversation, text, flags)


def _piped() -> list[str]:
    """What comes on stdin, when that is no terminal."""
    if sys.stdin is None or is_terminal(sys.stdin):
        return []
    text = sys.stdin.buffer.read().decode("utf-8", "replace")
    return [text] if text else []


def _shown(client: Client, model: str, *, insecure: bool) -> tuple[str, dict[str, Any]]:
    """The model's name, and what the daemon tells of it; it is pulled when it is not there."""
    try:
        shown = client.post("/api/show", {"model": model})
    except Refused as error:
        if error.status != 404:
            raise
        from paddock.cli.pull import pull

        model = pull(client, model, insecure=insecure)
        shown = client.post("/api/show", {"model": model})
    assert isinstance(shown, dict)  # noqa: S101
    return model, shown


def _format(text: str | None) -> Any:
    if not text or text == "json":
        return text
    try:
        schema = json.loads(text)
    except ValueError:
        schema = None
    if not isinstance(schema, dict):
        raise click.BadParameter("it is `json` or a JSON schema", param_hint="--format")
    return schema


def _keep_alive(text: str | None) -> float | str | None:
    """A bare number is seconds; durations are the daemon's to read."""
    try:
        return float(text) if text else None
    except ValueError:
        return text


def _talk(conversation: Conversation, flags: dict[str, Any]) -> None:
    from paddock.cli.repl import Repl
    from paddock.cli.slash import Display

    display = Display(
        wrap=not flags["nowordwrap"],
        verbose=flags["verbose"],
        hide_thinking=flags["hidethinking"],
    )
    Repl(conversation, display).run()


def _answer_once(conversation: Conversation, text: str, flags: dict[str, Any]) -> None:
    if not text.strip():
        conversation.load()
        return
    from paddock.cli.answer import Answer
    from paddock.cli.attachments import attached
    from paddock.cli.told import tell_added, tell_final

    text, files = attached(text) if conversation.takes_files else (text, [])
    tell_added(files)
    answer = Answer(wrap=not flags["nowordwrap"], hide_thinking=flags["hidethinking"])
    try:
        answer.show(conversation.generate(text, files))
    except KeyboardInterrupt:
        return  # the owner has read enough; the daemon stops with the connection
    tell_final(answer, verbose=flags["verbose"])


def _embed(conversation: Conversation, text: str, flags: dict[str, Any]) -> None:
    if not text.strip():
        raise click.UsageError(f"{conversation.model} only embeds: give it a text as PROMPT")
    asked = {
        "model": conversation.model,
        "input": text,
        "keep_alive": conversation.keep_alive,
        "truncate": flags["truncate"],
        "dimensions": flags["dimensions"],
    }
    told = conversation.client.post(
        "/api/embed", {name: value for name, value in asked.items() if value is not None}
    )
    click.echo(json.dumps(told["embeddings"][0]))
