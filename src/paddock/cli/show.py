"""`paddock show`: what a model is."""

from __future__ import annotations

import click

from paddock.cli import options
from paddock.cli.client import connect
from paddock.cli.model_names import installed
from paddock.cli.table import printable

_PARTS = ("license", "modelfile", "parameters", "system", "template")


@click.command("show", short_help="What a model is.")
@click.argument("model", shell_complete=installed)
@click.option("--license", "parts", flag_value="license", multiple=True, help="Only its license.")
@click.option(
    "--modelfile", "parts", flag_value="modelfile", multiple=True, help="Only its Modelfile."
)
@click.option(
    "--parameters", "parts", flag_value="parameters", multiple=True, help="Only its parameters."
)
@click.option(
    "--system", "parts", flag_value="system", multiple=True, help="Only its system message."
)
@click.option(
    "--template", "parts", flag_value="template", multiple=True, help="Only its template."
)
@click.option("-v", "--verbose", is_flag=True, help="Also its metadata and its tensors.")
@options.host
@options.as_json
def command(
    model: str, parts: tuple[str, ...], verbose: bool, host: str | None, as_json: bool
) -> None:
    """Show what MODEL is, what it can do, and what its Modelfile set."""
    if len(parts) > 1:
        raise click.UsageError(f"only one of {', '.join(f'--{one}' for one in _PARTS)}")
    shown = connect(host).post("/api/show", {"model": model, "verbose": verbose})
    if as_json:
        options.print_json(shown)
    elif parts:
        click.echo(printable(str(shown.get(parts[0]) or "")))
    else:
        from paddock.cli.show_sections import sections

        click.echo(sections(shown, verbose=verbose), nl=False)
