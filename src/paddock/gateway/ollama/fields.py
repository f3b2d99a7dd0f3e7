"""Fields of a request's body: each of the type it must have, or an error that names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddock.errors import InvalidName, InvalidRequest
from paddock.library.ollama_name import OllamaName

_TYPES = {
    str: "a string",
    bool: "a boolean",
    dict: "an object",
    list: "an array",
    int: "a number",
    float: "a number",
}


def asked_name(body: Mapping[str, Any], *fields: str) -> str:
    """The name in the first of `fields` that has one. Raises InvalidRequest, naming the first."""
    for field in fields:
        if name := text(body, field).strip():
            return name
    raise InvalidRequest("model is required", param=fields[0])


def store_name(given: str, param: str) -> OllamaName:
    """The name for something in the store. Raises InvalidRequest that names `param`."""
    try:
        return OllamaName.parse(given)
    except InvalidName as error:
        told = f"invalid model name {given[:100]!r}, in `{param}`"
        raise InvalidRequest(told, param=param, hint=error.hint) from error


def text(body: Mapping[str, Any], field: str) -> str:
    """The string in `field`; "" when there is none. Raises InvalidRequest."""
    return str(_of_type(body, field, str) or "")


def truth(body: Mapping[str, Any], field: str, *, default: bool = False) -> bool:
    """The boolean in `field`. Raises InvalidRequest."""
    value = _of_type(body, field, bool)
    return default if value is None else bool(value)


def mapping(body: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The object in `field`; empty when there is none. Raises InvalidRequest."""
    return _of_type(body, field, dict) or {}


def texts(body: Mapping[str, Any], field: str) -> dict[str, str]:
    """The object of strings in `field`; empty when there is none. Raises InvalidRequest."""
    found = mapping(body, field)
    for key in found:
        if not isinstance(found[key], str):
            raise _wrong(f"{field}.{key[:100]}", found[key], "a string")
    return found


def objects(body: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """The array of objects in `field`; empty when there is none. Raises InvalidRequest."""
    found = _of_type(body, field, list) or []
    for number, value in enumerate(found):
        if not isinstance(value, dict):
            raise _wrong(f"{field}[{number}]", value, "an object")
    return found


def text_or_texts(body: Mapping[str, Any], field: str) -> list[str]:
    """The string or strings in `field`; empty when there is none. Raises InvalidRequest."""
    value = body.get(field)
    if value is None or value == "":
        return []
    found = value if isinstance(value, list) else [value]
    for one in found:
        if not isinstance(one, str):
            raise _wrong(field, value, "a string or an array of strings")
    return found


def _of_type(body: Mapping[str, Any], field: str, kind: type) -> Any:
    value = body.get(field)
    if value is not None and type(value) is not kind:
        raise _wrong(field, value, _TYPES[kind])
    return value


def _wrong(field: str, value: Any, wanted: str) -> InvalidRequest:
    got = _TYPES.get(type(value), "null")
    return InvalidRequest(f"`{field}` must be {wanted}, not {got}", param=field)
