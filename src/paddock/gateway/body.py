"""JSON bodies: parsed with limits before anything looks at them, and written back compactly.

An engine's own parser is less careful than this one, so what passes here is plain UTF-8 JSON that
every parser reads in the same way: an object, at most `MAX_DEPTH` deep, finite numbers, no lone
surrogates.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar, TypeVarTuple, Unpack

from paddock.errors import InvalidRequest

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MAX_DEPTH = 64
"""Arrays and objects around a value, the top-level object included."""
LARGE = 256 * 1024
"""Bytes from which JSON work leaves the event loop."""

_BOM = b"\xef\xbb\xbf"


async def by_size(size: int, work: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
    """What `work(*args)` gives, which is about a body of `size` bytes: a large one is worked on in
    a thread.
    """
    return await asyncio.to_thread(work, *args) if size > LARGE else work(*args)


async def parse_json_async(data: bytes) -> dict[str, Any]:
    """`parse_json`, in a thread when the body is large."""
    if len(data) <= LARGE:
        return parse_json(data)
    return await asyncio.to_thread(parse_json, data, _YIELDING)


def parse_json(data: bytes, decoder: json.JSONDecoder | None = None) -> dict[str, Any]:
    """The object that `data` holds, numbers as Python's own; of equal keys the last one wins.

    Raises InvalidRequest, with the place where it is known, for anything else: other text than
    UTF-8 JSON, another type at the top, too deep, a number that is not finite or not sane.
    """
    body = parse_value(data, decoder)
    if type(body) is not dict:
        raise InvalidRequest(
            f"the body must be a JSON object, not {_json_type(body)}",
            hint='send an object such as {"model": "…", …}',
        )
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH:
        _check_depth(body)
    return body


def parse_value(data: bytes, decoder: json.JSONDecoder | None = None) -> Any:
    """Any JSON value, of any depth that Python can hold; else as `parse_json`."""
    value = _decoded(data, decoder or _PLAIN)
    if b"\\u" in data:
        _check_surrogates(value)
    return value


def dump_json(value: Any) -> bytes:
    """`value` as compact UTF-8 JSON. Raises ValueError for what JSON cannot hold."""
    return _ENCODER.encode(value).encode()


def model_name(body: dict[str, Any]) -> str:
    """The model that `body` asks for. Raises InvalidRequest when it names none."""
    name = body.get("model")
    if isinstance(name, str) and name:
        return name
    problem = "is missing" if name is None else "must be a non-empty string"
    raise InvalidRequest(
        f"`model` {problem}", param="model", hint="`GET /v1/models` lists the names to choose from"
    )


def _decoded(data: bytes, decoder: json.JSONDecoder) -> Any:
    try:
        return decoder.decode(data.removeprefix(_BOM).decode())
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"the body is not valid JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # Python's own limit on the digits of an integer
        raise InvalidRequest("the body holds a number with too many digits") from error


def _check_depth(body: dict[str, Any]) -> None:
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer) if type(inner) in _CONTAINERS]
        if not level:
            return
    raise _too_deep()


def _inside(container: Any) -> Iterable[Any]:
    return container.values() if type(container) is dict else container


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"the body nests deeper than {MAX_DEPTH} levels")


def _check_surrogates(value: Any) -> None:
    try:
        dump_json(value)
    except UnicodeEncodeError as error:
        raise InvalidRequest(
            "the body holds half of a surrogate pair, which is no character",
            hint="a character beyond U+FFFF is escaped as two \\u escapes, or written as UTF-8",
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"the body holds {name}, which is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise InvalidRequest(f"the number {text[:40]} in the body is too large")
    return number


# The C scanner holds the interpreter for a whole body. These two are in Python so that it calls out
# now and then, and the event loop's thread can run in between.


def _integer(text: str) -> int:
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(pairs)


def _json_type(value: Any) -> str:
    return _TYPE_NAMES.get(type(value), "null")


_CONTAINERS = frozenset({dict, list})
_TYPE_NAMES = {
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
}
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)
_PLAIN = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
_YIELDING = json.JSONDecoder(
    parse_constant=_refuse_constant,
    parse_float=_finite,
    parse_int=_integer,
    object_pairs_hook=_object,
)
