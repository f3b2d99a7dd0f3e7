"""What the schema cannot say: rules between keys, and the forms of names, addresses and commands.

Each check is a function from the config to the faults it finds; `check` runs them all.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Callable, Iterator
from itertools import combinations
from urllib.parse import urlsplit

from paddock.config.document import Place
from paddock.config.faults import Fault
from paddock.config.nearest import nearest
from paddock.config.schema import Config, Door

BUILT_IN_ENGINES = ("llama-server", "embedded")
"""Engines that need no entry: the llama-server on PATH, and the one that pip installs."""

MAX_KEY_BYTES = 4096

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*\.?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
_PORT = "${PORT}"


def check(config: Config) -> list[Fault]:
    """Everything that is wrong with a config whose values all have the right type."""
    return [fault for find in _CHECKS for fault in find(config)]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a door on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def _open_doors(config: Config) -> dict[str, Door]:
    named = {name: getattr(config.listen, name) for name in type(config.listen).model_fields}
    return {name: door for name, door in named.items() if door is not None}


def _door_hosts(config: Config) -> Iterator[Fault]:
    for name, door in _open_doors(config).items():
        if not _is_address(door.host) and not _HOST_NAME.fullmatch(door.host):
            yield Fault(
                ("listen", name, "host"),
                f"{door.host!r} is not an address",
                "like `host: 127.0.0.1`, without port and brackets; 0.0.0.0 is every address",
            )


def _guarded_doors(config: Config) -> Iterator[Fault]:
    for name, door in _open_doors(config).items():
        if door.auth == "keys" and not config.api_keys and not is_loopback(door.host):
            yield Fault(
                ("listen", name, "host"),
                f"other machines can reach {door.host}, and no key is asked for",
                "add `apiKeys: [a long random text]`,"
                f" or `auth: none` to listen.{name} if all who reach it may use it",
                reads=(("apiKeys",), ("listen", name, "auth")),
            )


def _door_ports(config: Config) -> Iterator[Fault]:
    for (first, one), (second, other) in combinations(_open_doors(config).items(), 2):
        if one.port and one.port == other.port and _share_address(one.host, other.host):
            yield Fault(
                ("listen", second, "port"),
                f"port {other.port} is the port of listen.{first} already",
                "give each door its own port",
                reads=(("listen", first),),
            )


def _share_address(one: str, other: str) -> bool:
    wildcards = {"0.0.0.0", "::"}  # noqa: S104  # compared, not bound
    return one == other or not wildcards.isdisjoint({one, other})


def _engines(config: Config) -> Iterator[Fault]:
    known = (*config.engines, *BUILT_IN_ENGINES)
    named: dict[Place, str | None] = {("engine",): config.engine}
    named |= {("models", id_, "engine"): model.engine for id_, model in config.models.items()}
    for place, name in named.items():
        if name is not None and name not in known:
            near = nearest(name, known)
            meant = f"did you mean `{near}`?" if near else f"known: {', '.join(known)}"
            yield Fault(place, f"no engine is named {name!r}", meant, reads=(("engines",),))


def _api_keys(config: Config) -> Iterator[Fault]:
    for index, secret in enumerate(config.api_keys):
        key = secret.get_secret_value()
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            message = "a key must be printable ASCII without spaces, and not empty"
            yield Fault(("apiKeys", index), message, "make one with `openssl rand -hex 32`")
        elif len(key) > MAX_KEY_BYTES:
            yield Fault(("apiKeys", index), f"a key has at most {MAX_KEY_BYTES} characters")


def _allowed_hosts(config: Config) -> Iterator[Fault]:
    for index, host in enumerate(config.allowed_hosts):
        if not _is_address(host) and not _HOST_NAME.fullmatch(host.removeprefix("*.")):
            yield Fault(
                ("allowedHosts", index),
                f"{host!r} is not a host name",
                "write only the name, without scheme and port: `nas.example.lan`, `*.example.lan`",
            )


def _allowed_origins(config: Config) -> Iterator[Fault]:
    for index, origin in enumerate(config.allowed_origins):
        if not _ORIGIN.fullmatch(origin):
            yield Fault(
                ("allowedOrigins", index),
                f"{origin!r} is not an origin",
                "write scheme, host and port, nothing after them: `https://chat.example.lan`",
            )


def _model_names(config: Config) -> Iterator[Fault]:
    owners = {id_.lower(): id_ for id_ in config.models}
    for id_, model in config.models.items():
        if not id_.strip():
            yield Fault(("models", id_), "a model's id cannot be empty")
        for index, alias in enumerate(model.aliases):
            place = ("models", id_, "aliases", index)
            if not alias.strip():
                yield Fault(place, "an alias cannot be empty")
            elif (owner := owners.setdefault(alias.lower(), id_)) is not id_:
                yield Fault(place, f"{alias!r} is a name of model {owner!r} already")


def _model_commands(config: Config) -> Iterator[Fault]:
    for id_, model in config.models.items():
        if model.cmd and _PORT in model.proxy and _PORT not in model.cmd:
            yield Fault(
                ("models", id_, "cmd"),
                f"does not say {_PORT}, but `proxy` expects the model there",
                f"add {_PORT} to the command, or write its fixed port in `proxy`",
                reads=(("models", id_, "proxy"),),
            )
        if problem := _proxy_problem(model.proxy):
            yield Fault(
                ("models", id_, "proxy"), problem, f"like `proxy: http://127.0.0.1:{_PORT}`"
            )
        if model.check_endpoint != "none" and not model.check_endpoint.startswith("/"):
            message = f"{model.check_endpoint!r} is not a path"
            yield Fault(("models", id_, "checkEndpoint"), message, "like `/health`, or `none`")


def _proxy_problem(proxy: str) -> str:
    try:
        url = urlsplit(proxy.replace(_PORT, "1"))
        url.port  # noqa: B018  # raises for a port that is none
    except ValueError:
        return f"{proxy!r} is not a URL"
    if url.scheme != "http" or not url.hostname:
        return "expected a plain http:// URL"
    return "" if is_loopback(url.hostname) else f"{url.hostname} is not this machine"


def _environments(config: Config) -> Iterator[Fault]:
    for id_, model in config.models.items():
        for index, setting in enumerate(model.env):
            name, equals, _ = setting.partition("=")
            if not name or not equals or "\0" in setting:
                place = ("models", id_, "env", index)
                yield Fault(
                    place, "expected NAME=value", 'like `env: ["LD_LIBRARY_PATH=/opt/lib"]`'
                )


def _command_lines(config: Config) -> Iterator[Fault]:
    lines: dict[Place, str] = {("defaultModelArgs",): config.default_model_args}
    lines |= {("engines", name, "args"): engine.args for name, engine in config.engines.items()}
    lines |= {("models", id_, "args"): model.args for id_, model in config.models.items()}
    lines |= {("models", id_, "cmd"): model.cmd for id_, model in config.models.items()}
    for place, line in lines.items():
        try:
            shlex.split(line, comments=True)
        except ValueError as error:
            yield Fault(
                place, f"cannot be split into words: {str(error).lower()}", "close the quote"
            )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


_CHECKS: tuple[Callable[[Config], Iterator[Fault]], ...] = (
    _door_hosts,
    _guarded_doors,
    _door_ports,
    _engines,
    _api_keys,
    _allowed_hosts,
    _allowed_origins,
    _model_names,
    _model_commands,
    _environments,
    _command_lines,
)
