"""What the schema cannot say: rules between keys, and the forms of names, addresses and commands.

Each check is a function from the config to the faults it finds; `check` runs them all, those of
models, names, routing and peers too.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from itertools import combinations

from paddock.config import (
    checks_models,
    checks_names,
    checks_peers,
    checks_pulls,
    checks_routing,
)
from paddock.config.checks_models import unsplittable
from paddock.config.document import Place
from paddock.config.faults import Fault
from paddock.config.nearest import nearest
from paddock.config.ollama import ORIGIN
from paddock.config.schema import Config, Door, ModelDoor

BUILT_IN_ENGINES = ("llama-server", "embedded")
"""Engines that need no entry: the llama-server on PATH, and the one that pip installs."""

MAX_KEY_BYTES = 4096

TIME_FORMATS = (
    "ansic", "unixdate", "rubydate", "rfc822", "rfc822z", "rfc850", "rfc1123", "rfc1123z",
    "rfc3339", "rfc3339nano", "kitchen", "stamp", "stampmilli", "stampmicro", "stampnano",
)  # fmt: skip
"""Names of `logTimeFormat`: Go's, in lower case."""

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*\.?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


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
        if (
            isinstance(door, ModelDoor)
            and door.auth == "keys"
            and not config.api_keys
            and not is_loopback(door.host)
        ):
            yield Fault(
                ("listen", name, "host"),
                f"other machines can reach {door.host}, and no key is asked for",
                "add `apiKeys: [a long random text]`, or to listen."
                f"{name} `auth: accounts`, for keys that people make in the chat,"
                " or `auth: none` if all who reach it may use it",
                reads=(("apiKeys",), ("listen", name, "auth")),
            )


def _account_doors(config: Config) -> Iterator[Fault]:
    """Accounts are made in the chat: without it nobody could ever come in."""
    for name, door in _open_doors(config).items():
        is_for_accounts = isinstance(door, ModelDoor) and door.auth == "accounts"
        if is_for_accounts and config.listen.chat is None and not config.api_keys:
            yield Fault(
                ("listen", name, "auth"),
                "there are no accounts, for the chat is switched off",
                "leave `listen.chat` open, or add `apiKeys: [a long random text]`",
                reads=(("listen", "chat"), ("apiKeys",)),
            )


def _door_ports(config: Config) -> Iterator[Fault]:
    said = {name: door for name, door in _open_doors(config).items() if config.listen.is_said(name)}
    doors = {"openai": config.listen.openai, **said} if config.listen.openai else said
    for (first, one), (second, other) in combinations(doors.items(), 2):
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
    named["ollama", "engine"] = config.ollama.engine
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


def _ollama_origins(config: Config) -> Iterator[Fault]:
    for index, origin in enumerate(config.ollama.origins):
        if not re.fullmatch(ORIGIN, origin.lower()):
            yield Fault(
                ("ollama", "origins", index),
                f"{origin!r} is not an origin",
                "write scheme, host and port, as in `https://chat.example.lan`; `*` is anything",
            )


def _log_time_format(config: Config) -> Iterator[Fault]:
    name = config.log_time_format
    if name and name not in TIME_FORMATS:
        near = nearest(name, TIME_FORMATS)
        meant = f"did you mean `{near}`?" if near else f"known: {', '.join(TIME_FORMATS)}"
        yield Fault(("logTimeFormat",), f"{name!r} is no format of times", meant)


def _ignored_paths(config: Config) -> Iterator[Fault]:
    for index, pattern in enumerate(config.upstream.ignore_paths):
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            place = ("upstream", "ignorePaths", index)
            yield Fault(place, f"is not a regular expression: {error}", r"like `\.css$`")


def _session_headers(config: Config) -> Iterator[Fault]:
    for index, name in enumerate(config.ui.activity.session_id):
        if not _HEADER.fullmatch(name):
            message = f"{name!r} is not the name of a header"
            yield Fault(("ui", "activity", "session_id", index), message, "like `X-Session-ID`")


def _command_lines(config: Config) -> Iterator[Fault]:
    lines: dict[Place, str] = {("defaultModelArgs",): config.default_model_args}
    lines |= {("engines", name, "args"): engine.args for name, engine in config.engines.items()}
    for place, line in lines.items():
        yield from unsplittable(place, line)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


_CHECKS: tuple[Callable[[Config], Iterator[Fault]], ...] = (
    _door_hosts,
    _guarded_doors,
    _account_doors,
    _door_ports,
    _engines,
    _api_keys,
    _allowed_hosts,
    _allowed_origins,
    _ollama_origins,
    _log_time_format,
    _ignored_paths,
    _session_headers,
    _command_lines,
    *checks_models.CHECKS,
    *checks_names.CHECKS,
    *checks_routing.CHECKS,
    *checks_peers.CHECKS,
    *checks_pulls.CHECKS,
)
