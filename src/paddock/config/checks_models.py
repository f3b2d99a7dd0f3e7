"""What is wrong with the entries of `models`, each looked at alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from paddock.config.document import Place
from paddock.config.faults import Fault
from paddock.config.nearest import nearest
from paddock.config.schema import Config
from paddock.config.words import words

MODALITIES = ("text", "audio", "image")
"""What may go into a model and come out of it."""

_PORT = "${PORT}"


def url_problem(text: str) -> str:
    """Why `text` is not the http or https URL of a server; "" when it is."""
    try:
        url = urlsplit(text.replace(_PORT, "1"))
        url.port  # noqa: B018  # raises for a port that is none
    except ValueError:
        return "this is not a URL"
    if url.scheme not in ("http", "https") or not url.hostname:
        return "expected an http:// or https:// URL"
    if url.username is not None:
        return "a name and password in a URL are shown to everyone who sees it"
    return "a server's URL has no `?` or `#`" if url.query or url.fragment else ""


def unsplittable(place: Place, line: str) -> Iterator[Fault]:
    """A fault for a command line that a shell could not split into words."""
    try:
        words(line)
    except ValueError as error:
        message = f"cannot be split into words: {str(error).lower()}"
        yield Fault(place, message, "close the quote")


def _ports(config: Config) -> Iterator[Fault]:
    for id_, model in config.models.items():
        if model.cmd and _PORT in model.proxy and _PORT not in model.cmd:
            yield Fault(
                ("models", id_, "cmd"),
                f"does not say {_PORT}, but `proxy` expects the model there",
                f"add {_PORT} to the command, or write its fixed port in `proxy`",
                reads=(("models", id_, "proxy"),),
            )


def _addresses(config: Config) -> Iterator[Fault]:
    for id_, model in config.models.items():
        if problem := url_problem(model.proxy):
            like = f"like `proxy: http://127.0.0.1:{_PORT}`"
            yield Fault(("models", id_, "proxy"), problem, like)
        if "://" in model.check_endpoint:
            message = f"{model.check_endpoint!r} is a URL, not a path"
            yield Fault(("models", id_, "checkEndpoint"), message, "like `/health`, or `none`")


def _environments(config: Config) -> Iterator[Fault]:
    for id_, model in config.models.items():
        for index, setting in enumerate(model.env):
            name, equals, _ = setting.partition("=")
            if not name or not equals or "\0" in setting:
                place = ("models", id_, "env", index)
                like = 'like `env: ["LD_LIBRARY_PATH=/opt/lib"]`'
                yield Fault(place, "expected NAME=value", like)


def _command_lines(config: Config) -> Iterator[Fault]:
    for id_, model in config.models.items():
        yield from unsplittable(("models", id_, "args"), model.args)
        for key, command in (("cmd", model.cmd), ("cmdStop", model.cmd_stop)):
            yield from _command(("models", id_, key), command)


def _command(place: Place, command: str) -> Iterator[Fault]:
    yield from (wrong := list(unsplittable(place, command)))
    if command and not wrong and not words(command):
        yield Fault(place, "names no program", "begin it with the program to start")


def _capabilities(config: Config) -> Iterator[Fault]:
    for id_, model in config.models.items():
        said = {"in": model.capabilities.inputs, "out": model.capabilities.outputs}
        for key, kinds in said.items():
            for index, word in enumerate(kinds):
                if word not in MODALITIES:
                    near = nearest(word, MODALITIES)
                    meant = f"did you mean `{near}`?" if near else f"known: {', '.join(MODALITIES)}"
                    place = ("models", id_, "capabilities", key, index)
                    yield Fault(place, f"{word!r} is nothing that a model takes or gives", meant)


CHECKS: tuple[Callable[[Config], Iterator[Fault]], ...] = (
    _ports,
    _addresses,
    _environments,
    _command_lines,
    _capabilities,
)
