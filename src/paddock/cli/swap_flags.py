"""`serve` takes llama-swap's flags, in its spelling too: a unit file needs only another program.

Go's flags have one dash (`-config FILE`, `-watch-config=false`), and `-listen` is host and port.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

config_dir = click.option(
    "--config-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder whose YAML files are added to the configuration file.",
)
listen = click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Address and port of the OpenAI door in one; `:PORT` is every address.",
)
watch_config = click.option(
    "--watch-config/--no-watch-config",
    default=None,
    help="Take in changes of the configuration as soon as they are saved.",
)
tls_cert = click.option(
    "--tls-cert-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Certificate (PEM, with its chain): the OpenAI door speaks HTTPS.",
)
tls_key = click.option(
    "--tls-key-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The certificate's private key (PEM).",
)

_LONG = re.compile(r"--?(?P<name>[a-z][a-z-]+)(?:=(?P<value>.*))?", re.DOTALL)
_TRUE, _FALSE = {"1", "t", "true"}, {"0", "f", "false"}


class SwapCommand(click.Command):
    """A command whose long options may be written with one dash."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, once every option has two dashes."""
        names = {name for parameter in self.params for name in parameter.opts}
        return super().parse_args(ctx, [_two_dashes(word, names) for word in args])


def _two_dashes(word: str, names: set[str]) -> str:
    found = _LONG.fullmatch(word)
    if found is None or f"--{found['name']}" not in names:
        return word
    name, value = found["name"], found["value"]
    if name == "watch-config" and value is not None:
        if value.lower() in _TRUE:
            return f"--{name}"
        if value.lower() in _FALSE:
            return f"--no-{name}"
    return f"--{word.lstrip('-')}"


def overrides(
    listen: str | None,
    watch_config: bool | None,
    tls_cert_file: Path | None,
    tls_key_file: Path | None,
) -> dict[str, Any]:
    """The options that were given, by the key of the configuration that each one sets."""
    if (tls_cert_file is None) != (tls_key_file is None):
        raise click.UsageError("give both --tls-cert-file and --tls-key-file, or neither")
    said: dict[str, Any] = {}
    if listen is not None:
        said["listen.openai.host"], said["listen.openai.port"] = _address(listen)
    if watch_config is not None:
        said["watchConfig"] = watch_config
    if tls_cert_file and tls_key_file:
        said["listen.openai.tls.cert"] = str(tls_cert_file.absolute())
        said["listen.openai.tls.key"] = str(tls_key_file.absolute())
    return said


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter(
            f"{text!r} is not HOST:PORT; write it like 127.0.0.1:8090", param_hint="--listen"
        )
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)  # noqa: S104
