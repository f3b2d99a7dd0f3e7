"""`docs/reference/cli.md`, made from the commands' own help pages."""

from __future__ import annotations

from collections.abc import Iterator

import click

from paddock.cli import main

_WIDTH = 88
_INTRODUCTION = """\
# The command line

<!-- Made from src/paddock/cli by `make docs`. -->

stdout is data, stderr is talk. The exit code is 1 on an error, with one line that says what to do,
and 2 for a wrong call or a wrong configuration. Commands that talk to a running daemon find it by
`--host`, `PADDOCK_HOST`, `OLLAMA_HOST`, else at `127.0.0.1:8090`, and send the key in
`PADDOCK_API_KEY`. Either door will do. `paddock start` is `serve`, and `paddock ls` is `list`.

In a conversation (`paddock run MODEL` on a terminal) `/?` tells the commands. What is typed is kept
in `~/.local/state/paddock/history`, unless `OLLAMA_NOHISTORY` is set; Ctrl-G opens the editor of
`OLLAMA_EDITOR`, `VISUAL` or `EDITOR`. A path of a picture (JPEG, PNG, WebP) or a sound (WAV) that
begins with `/`, `./` or `~/`, or stands in quotes, goes along as the file.
"""


def markdown() -> str:
    """The page."""
    return "\n".join([_INTRODUCTION, *_pages(main, "paddock", None)])


def _pages(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = command.make_context(
        name, [], parent, resilient_parsing=True, terminal_width=_WIDTH, max_content_width=_WIDTH
    )
    yield f"## {context.command_path}\n\n```\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None  # noqa: S101
            yield from _pages(found, below, context)
