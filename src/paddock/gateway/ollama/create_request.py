"""What a request wants made, checked before anything is touched: every error names its field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from paddock.config.nearest import nearest
from paddock.errors import InvalidDigest, InvalidRequest, PaddockError
from paddock.gateway.ollama import fields
from paddock.gateway.ollama.messages import MAX_MESSAGES
from paddock.library.digest import Digest
from paddock.library.manifest import MAX_TEXT
from paddock.library.model import Said
from paddock.library.modelfile import DEPRECATED, PARAMETERS
from paddock.library.ollama_name import OllamaName
from paddock.library.recipe_layers import MAX_STOPS

ROLES: Final = ("system", "user", "assistant")
_KINDS: Final = {int: "integer", float: "number", bool: "boolean"}
_LARGEST: Final = (1 << 63) - 1
MOST_FILES: Final = 64
"""Each one is opened and looked into."""
MOST_LICENSES: Final = 64
"""Each one is a blob of its own."""
_LONGEST_ID: Final = 200
"""Characters of a renderer's or parser's name."""
MAX_STOP_CHARACTERS: Final = 16_384
_NOT_HERE: Final = {
    "draft_files": "draft models are not supported",
    "draft_quantize": "draft models are not supported",
    "remote_host": "models of other servers are `peers` of Paddock's configuration",
}
_INFO: Final[Mapping[str, tuple[str, type[str | int | list[Any]]]]] = {
    "model_family": ("model_family", str),
    "base_name": ("base_name", str),
    "parameter_size": ("model_type", str),
    "quantization_level": ("file_type", str),
    "context_length": ("context_length", int),
    "embedding_length": ("embedding_length", int),
    "capabilities": ("capabilities", list),
}
"""Of `info`: the key of the store's config that says this, and its type."""


_MOST: Final = {
    "files": MOST_FILES,
    "adapters": MOST_FILES,
    "paths": MOST_FILES,
    "adapter_paths": MOST_FILES,
    "license": MOST_LICENSES,
    "messages": MAX_MESSAGES,
    "parameters": len(PARAMETERS) + len(DEPRECATED),
}


class Wanted(NamedTuple):
    """A model to be made."""

    name: OllamaName
    base: str = ""
    """The name of the model that it is made from; "": from files."""
    files: Mapping[str, Digest] = MappingProxyType({})
    """Blobs by the names that their files had."""
    adapters: Mapping[str, Digest] = MappingProxyType({})
    paths: Mapping[str, str] = MappingProxyType({})
    """Files of the models folders, instead of blobs."""
    adapter_paths: Mapping[str, str] = MappingProxyType({})
    template: str = ""
    system: str = ""
    licenses: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = MappingProxyType({})
    messages: tuple[Said, ...] | None = None
    """None: those of the base stay."""
    config: Mapping[str, Any] = MappingProxyType({})
    """What the store's config of the model says besides what its file tells."""
    quantize: str = ""
    """The quantization to make, in upper case; "" = as it is."""


def read(body: Mapping[str, Any]) -> Wanted:
    """What the body asks for. Raises InvalidRequest, and TemplateError for the template."""
    for field, why in _NOT_HERE.items():
        if body.get(field):
            raise InvalidRequest(f"`{field}`: {why}", param=field)
    for field, most in _MOST.items():
        if isinstance(given := body.get(field), dict | list) and len(given) > most:
            raise InvalidRequest(f"`{field}` has more than {most} entries", param=field)
    wanted = Wanted(
        name=fields.store_name(fields.asked_name(body, "model", "name"), "model"),
        base=fields.text(body, "from").strip(),
        files=_blobs(body, "files"),
        adapters=_blobs(body, "adapters"),
        paths=_relative(body, "paths"),
        adapter_paths=_relative(body, "adapter_paths"),
        template=_short(fields.text(body, "template"), "template"),
        system=_short(fields.text(body, "system"), "system"),
        licenses=tuple(_short(text, "license") for text in fields.text_or_texts(body, "license")),
        parameters=_parameters(fields.mapping(body, "parameters")),
        messages=_messages(body),
        config=_info(fields.mapping(body, "info")) | _ids(body),
        quantize=(fields.text(body, "quantize") or fields.text(body, "quantization")).upper(),
    )
    if not (wanted.base or wanted.files or wanted.paths):
        raise InvalidRequest("neither 'from' or 'files' was specified", param="from")
    if len(wanted.adapters) + len(wanted.adapter_paths) > 1:
        raise InvalidRequest("only one adapter is currently supported", param="adapters")
    _check_template(wanted.template)
    return wanted


def _short(text: str, field: str) -> str:
    if len(text.encode()) > MAX_TEXT:
        raise InvalidRequest(f"`{field}` is longer than {MAX_TEXT >> 20} MiB", param=field)
    return text


def _blobs(body: Mapping[str, Any], field: str) -> dict[str, Digest]:
    found = {}
    for name, text in _relative(body, field).items():
        try:
            found[name] = Digest.parse(text)
        except InvalidDigest as error:
            place = f"{field}.{name[:100]}"
            raise InvalidRequest(f"{error.message}, in `{place}`", param=place) from error
    return found


def _relative(body: Mapping[str, Any], field: str) -> dict[str, str]:
    """The texts in `field`, by names that are paths below some folder."""
    found = fields.texts(body, field)
    for name in found:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
            raise InvalidRequest(
                f"file path must be relative, and {name[:100]!r} in `{field}` is not", param=field
            )
    return found


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _parameter(name, value)
        for name, value in given.items()
        if value is not None and name not in DEPRECATED
    }


def _parameter(name: str, value: Any) -> Any:
    """The value with the type that its name asks for."""
    kind = PARAMETERS.get(name)
    if kind is None:
        meant = nearest(name, PARAMETERS)
        hint = f"did you mean {meant}?" if meant else f"there are: {', '.join(sorted(PARAMETERS))}"
        raise InvalidRequest(
            f"unknown parameter {name[:100]!r}", param=f"parameters.{name[:100]}", hint=hint
        )
    if kind is list:
        return _stops(fields.text_or_texts({f"parameters.{name}": value}, f"parameters.{name}"))
    if kind is int and type(value) is float and value.is_integer():
        value = int(value)
    is_right = type(value) is kind or (kind is float and type(value) is int)
    if not is_right or (kind is not bool and abs(value) > _LARGEST):
        raise InvalidRequest(
            f'option "{name}" must be of type {_KINDS[kind]}', param=f"parameters.{name}"
        )
    return value


def _stops(texts: list[str]) -> list[str]:
    """As many as are read back."""
    if len(texts) > MAX_STOPS or sum(map(len, texts)) > MAX_STOP_CHARACTERS:
        raise InvalidRequest(
            f"there are more than {MAX_STOPS} stop texts, or they have more than "
            f"{MAX_STOP_CHARACTERS:,} characters",
            param="parameters.stop",
        )
    return texts


def _messages(body: Mapping[str, Any]) -> tuple[Said, ...] | None:
    found = fields.objects(body, "messages")
    if not found:
        return None
    told = tuple(_message(one, f"messages[{number}]") for number, one in enumerate(found))
    if sum(len(one.content.encode()) for one in told) > MAX_TEXT:
        raise InvalidRequest(
            f"`messages` have more than {MAX_TEXT >> 20} MiB of text", param="messages"
        )
    return told


def _message(told: Mapping[str, Any], place: str) -> Said:
    role, content = told.get("role"), told.get("content", "")
    if role not in ROLES:
        choice = ", ".join(f'"{known}"' for known in ROLES[:-1])
        raise InvalidRequest(
            f'message role must be one of {choice}, or "{ROLES[-1]}"', param=f"{place}.role"
        )
    if not isinstance(content, str):
        raise InvalidRequest(f"`{place}.content` must be a string", param=f"{place}.content")
    return Said(role, content)


def _info(given: Mapping[str, Any]) -> dict[str, Any]:
    """What of `info` the store keeps. Other keys are ignored, as Ollama does."""
    kept = {}
    for key, value in given.items():
        if key not in _INFO:
            continue
        name, kind = _INFO[key]
        inner = value if isinstance(value, list) else []
        if type(value) is not kind or not all(isinstance(one, str) for one in inner):
            raise InvalidRequest(f"`info.{key}` is not of its type", param=f"info.{key}")
        kept[name] = value
    return kept


def _ids(body: Mapping[str, Any]) -> dict[str, Any]:
    found = {field: fields.text(body, field) for field in ("renderer", "parser", "requires")}
    for field, text in found.items():
        if len(text) > _LONGEST_ID or not text.isprintable():
            raise InvalidRequest(f"`{field}` is no name", param=field)
    return {field: text for field, text in found.items() if text}


def _check_template(text: str) -> None:
    if not text:
        return
    from paddock.gotemplate import parse  # noqa: PLC0415 - only models with a template need it

    try:
        parse(text)
    except PaddockError as error:
        raise InvalidRequest(f"template error: {error.message}", param="template") from error
