"""`paddock create`: a model from a Modelfile."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from paddock.cli import options
from paddock.cli.client import Client, Refused, connect
from paddock.errors import PaddockError

if TYPE_CHECKING:
    from paddock.cli.progress import Progress
    from paddock.cli.sources import Sources
    from paddock.library.modelfile import Modelfile

_LOOPBACK = {"localhost", "::1"}


class NoModelfile(PaddockError):
    """The Modelfile cannot be read."""


@click.command("create", short_help="Make a model from a Modelfile.")
@click.argument("name")
@click.option(
    "-f",
    "--file",
    metavar="FILE",
    default="Modelfile",
    show_default=True,
    help="The Modelfile; `-` is stdin.",
)
@click.option("-q", "--quantize", metavar="TYPE", help="Quantize the weights, like q4_K_M.")
@click.option("--draft-quantize", hidden=True)  # the daemon says that it cannot
@click.option("--experimental", is_flag=True, hidden=True)  # Ollama's; nothing depends on it
@options.host
def command(name: str, file: str, quantize: str | None, host: str | None, **also: Any) -> None:
    """Make the model NAME as a Modelfile says.

    Paths in it are relative to its folder. A file in the daemon's models folder is shared with
    the new model; any other is sent to the daemon, unless it has it already.
    """
    from paddock.cli import sources
    from paddock.cli.progress import Progress
    from paddock.library import modelfile

    said = modelfile.parse(modelfile.decode(_read(file)))
    for warning in said.warnings:
        click.echo(f"warning: {warning}", err=True)
    if said.draft:
        raise sources.BadSource("DRAFT: draft models are not supported")
    found = sources.find(said.froms, said.adapters, Path() if file == "-" else Path(file).parent)
    asked = _request(name, said, found.base, quantize)
    if also["draft_quantize"]:
        asked["draft_quantize"] = also["draft_quantize"]
    client = connect(host)
    with Progress() as progress:
        if not (_shares(client, found) and _made_of_paths(client, asked, found, progress)):
            digests = _sent(client, found, progress)
            asked |= {"files": {one: digests[one] for one in found.files}}
            asked |= {"adapters": {one: digests[one] for one in found.adapters}}
            progress.follow(client.stream("/api/create", asked))


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise NoModelfile(
            f"the Modelfile {file} cannot be read: {error.strerror}", hint="name another with -f"
        ) from error


def _request(name: str, said: Modelfile, base: str, quantize: str | None) -> dict[str, Any]:
    asked = {
        "model": name,
        "from": base,
        "template": said.template,
        "system": said.system,
        "license": list(said.licenses),
        "parameters": dict(said.parameters),
        "messages": [{"role": role, "content": content} for role, content in said.messages],
        "renderer": said.renderer,
        "parser": said.parser,
        "requires": said.requires,
        "quantize": quantize,
    }
    return {key: value for key, value in asked.items() if value} | {"stream": True}


# --- files that the daemon has


def _shares(client: Client, found: Sources) -> bool:
    """Whether the daemon is on this machine and has models in the folders of these files."""
    host = client.address.host
    if not found.all or not (host in _LOOPBACK or host.startswith("127.")):
        return False
    try:
        models = client.get("/api/paddock/library")["models"]
    except PaddockError:
        return False
    folders = {Path(one["path"]).resolve().parent for one in models if one["path"]}
    return all(path.resolve().parent in folders for _, path in found.all)


def _made_of_paths(
    client: Client, asked: dict[str, Any], found: Sources, progress: Progress
) -> bool:
    """Create from the files where they are. False when the daemon wants them sent."""
    paths = {name: str(path.resolve()) for name, path in found.files.items()}
    adapters = {name: str(path.resolve()) for name, path in found.adapters.items()}
    try:
        shared = asked | {"paths": paths, "adapter_paths": adapters}
        progress.follow(client.stream("/api/create", shared))
    except Refused as error:
        if error.status == 400 and "models folder" in error.message:
            return False
        raise
    return True


# --- files that it has not


def _sent(client: Client, found: Sources, progress: Progress) -> dict[str, str]:
    """The digest of each file, once the daemon has them all."""
    from paddock.cli import sources

    digests = {}
    for name, path in found.all:
        digest = sources.digest(path, partial(progress.bar, f"hashing {path.name}"))
        digests[name] = digest
        if not client.has(f"/api/blobs/{digest}"):
            moved = partial(progress.bar, f"sending {path.name}")
            size = path.stat().st_size
            client.upload(f"/api/blobs/{digest}", sources.pieces(path, moved), size)
    return digests
