"""`serve` with llama-swap's flags, in its spelling."""

import click
import pytest
from click.testing import CliRunner

from paddock.cli import swap_flags


@click.command(cls=swap_flags.SwapCommand)
@click.option("--config")
@swap_flags.config_dir
@swap_flags.listen
@swap_flags.watch_config
@swap_flags.tls_cert
@swap_flags.tls_key
@click.option("--models-dir", multiple=True)
def command(config, config_dir, models_dir, **flags):
    said = swap_flags.overrides(**flags)
    click.echo(repr((config, config_dir and str(config_dir), models_dir, said)))


def run(*args):
    result = CliRunner().invoke(command, args)
    return result.exit_code, result.output


def told(config=None, config_dir=None, models_dir=(), **said):
    said = {key.replace("_", "."): value for key, value in said.items()}
    return 0, f"{(config, config_dir, models_dir, said)!r}\n"


ADDRESS = {"listen_openai_host": "0.0.0.0", "listen_openai_port": 8080}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), told()),
        (("-config", "a.yaml"), told("a.yaml")),
        (("--config", "a.yaml"), told("a.yaml")),
        (("-config=a.yaml",), told("a.yaml")),
        (("--config=a=b.yaml",), told("a=b.yaml")),
        (("-config-dir", "d"), told(config_dir="d")),
        (("-models-dir", "a", "--models-dir", "b"), told(models_dir=("a", "b"))),
        (("-listen", ":8080"), told(**ADDRESS)),
        (("-listen=0.0.0.0:8080",), told(**ADDRESS)),
        (
            ("--listen", "[::1]:0"),
            told(listen_openai_host="::1", listen_openai_port=0),
        ),
        (
            ("-listen", "nas:443"),
            told(listen_openai_host="nas", listen_openai_port=443),
        ),
        (("-watch-config",), told(watchConfig=True)),
        (("--watch-config",), told(watchConfig=True)),
        (("-watch-config=true",), told(watchConfig=True)),
        (("-watch-config=1",), told(watchConfig=True)),
        (("-watch-config=false",), told(watchConfig=False)),
        (("--watch-config=False",), told(watchConfig=False)),
        (("--no-watch-config",), told(watchConfig=False)),
        (
            ("-tls-cert-file", "/c", "-tls-key-file=/k"),
            told(listen_openai_tls_cert="/c", listen_openai_tls_key="/k"),
        ),
    ],
)
def test_flags(args, expected):
    assert run(*args) == expected


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("-listen", "8080"), "HOST:PORT"),
        (("-listen", "a:b"), "HOST:PORT"),
        (("-listen", "a:99999"), "HOST:PORT"),
        (("-listen", "a:-1"), "HOST:PORT"),
        (("-listen", ""), "HOST:PORT"),
        (("-tls-cert-file", "/c"), "both"),
        (("-tls-key-file", "/k"), "both"),
        (("-watch-config=perhaps",), "watch-config"),
        (("-nonsense",), "No such option"),
        (("-x",), "No such option"),
        (("-config",), "requires an argument"),
    ],
)
def test_wrong_flags_are_told(args, words):
    code, output = run(*args)

    assert code == 2
    assert words in output
