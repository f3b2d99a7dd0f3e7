"""The owner's changes to the JSON body of a request, before its model sees it.

A dotted key reaches into mappings and, where a part is a number, into lists; `\\.` is a dot inside
a part. `model` is out of reach: whom a request goes to is decided before. A body is never changed
in place, and what no filter touches is the same object afterwards.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from paddock.config.model_entry import Filters
from paddock.library.naming import lookup_key

Body = dict[str, Any]
Path = tuple[str, ...]

_DOT = re.compile(r"(?<!\\)\.")


def stripped(body: Body, filters: Filters) -> Body:
    """`body` without what the owner takes out; the same object when nothing of that is in it."""
    for key in filters.strip_params:
        if _is_free(path := _path(key)):
            body = _without(body, path)
    return body


def overridden(body: Body, filters: Filters, asked: str) -> Body:
    """`body` with what the owner sets, and sets for the name `asked` by which it was asked for."""
    for params in (filters.set_params, _params_of(filters, asked)):
        for key, value in params.items():
            if _is_free(path := _path(key)):
                body = _with(body, path, value)
    return body


def renamed(body: Body, name: str) -> Body:
    """`body` with this model's name in it; the same object when it has it, or `name` is empty."""
    return body if not name or body.get("model") == name else {**body, "model": name}


def _is_free(path: Path) -> bool:
    """Whether filters may touch what `path` leads to."""
    return path[0] != "model"


def _params_of(filters: Filters, asked: str) -> dict[str, Any]:
    if not filters.set_params_by_id:
        return {}
    wanted = lookup_key(asked)
    named = (
        params for name, params in filters.set_params_by_id.items() if lookup_key(name) == wanted
    )
    return filters.set_params_by_id.get(asked) or next(named, {})


@lru_cache(1024)
def _path(key: str) -> Path:
    return tuple(part.replace("\\.", ".") for part in _DOT.split(key))


def _without(container: Any, path: Path) -> Any:
    """A copy without what `path` leads to; the same object when it leads nowhere."""
    key = _place(container, path[0])
    if key is None:
        return container
    if not path[1:]:
        copy = container.copy()
        del copy[key]
        return copy
    inner = container[key]
    left = _without(inner, path[1:])
    return container if left is inner else _replaced(container, key, left)


def _replaced(container: Any, key: Any, value: Any) -> Any:
    copy = container.copy()
    copy[key] = value
    return copy


def _place(container: Any, part: str) -> str | int | None:
    """The key or index that `part` means in a container that has it."""
    if type(container) is dict:
        return part if part in container else None
    if type(container) is list and part.isdecimal() and int(part) < len(container):
        return int(part)
    return None


def _with(container: Any, path: Path, value: Any) -> Any:
    """A copy with `value` where `path` leads. What is in the way and holds nothing is replaced."""
    if not path:
        return value
    part, rest = path[0], path[1:]
    if type(container) is list and (part.isdecimal() or part == "-1"):
        return _with_entry(container, int(part), rest, value)
    copy = dict(container) if type(container) is dict else {}
    copy[part] = _with(copy.get(part), rest, value)
    return copy


def _with_entry(entries: list[Any], index: int, rest: Path, value: Any) -> Any:
    """An index behind the end appends, -1 too."""
    if 0 <= index < len(entries):
        return _replaced(entries, index, _with(entries[index], rest, value))
    return [*entries, _with(None, rest, value)]
