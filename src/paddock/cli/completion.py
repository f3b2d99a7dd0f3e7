"""`paddock completion`: what a shell needs to complete commands, options and models' names."""

from __future__ import annotations

import click


@click.command("completion", short_help="Print the completion for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a script that makes SHELL complete commands, options and the names of models.

    \b
    bash:  paddock completion bash > ~/.local/share/bash-completion/completions/paddock
    zsh:   paddock completion zsh > ~/.zfunc/_paddock      (a folder of your $fpath)
    fish:  paddock completion fish > ~/.config/fish/completions/paddock.fish
    """
    from paddock.cli.completing import script

    click.echo(script(ctx.find_root().command, shell), nl=False)
