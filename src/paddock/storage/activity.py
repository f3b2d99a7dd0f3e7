"""The table of past requests: what a row holds, and every question asked of it.

Functions here take a connection and run in the database's thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sqlite3 import Connection

NOT_TOLD = -1
"""A count of tokens that the engine did not tell."""

VALUES_LOOKED_AT = 10_000
"""Distributions are of at most so many of the newest rows."""


@dataclass(slots=True)  # made for every request: frozen costs more than the rest of it
class Row:
    """One past request. Durations are milliseconds, speeds tokens per second (0: not known).

    Not to be changed, but for `id` by who adds it.
    """

    time: int
    """When it came: milliseconds since 1970, UTC."""
    model: str
    requested: str
    """The name the client asked for."""
    path: str
    status: int
    content_type: str = ""
    input_tokens: int = 0
    """Prompt tokens that were worked through; those from the cache are not among them."""
    output_tokens: int = 0
    cached_tokens: int = NOT_TOLD
    draft_tokens: int = NOT_TOLD
    accepted_tokens: int = NOT_TOLD
    prompt_speed: float = 0.0
    generation_speed: float = 0.0
    duration: float = 0.0
    first_token: float | None = None
    """From the request to the first piece of the answer; None: there was none."""
    queued: float = 0.0
    loading: float = 0.0
    bytes: int = 0
    """Of the answer, as they went to the client."""
    client: str = ""
    """Public name of the key, or the address at a door without keys."""
    session: str = ""
    remote: str = ""
    request_id: str = ""
    cancelled: str = ""
    """Why it ended early; empty when it did not."""
    error: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    id: int = 0
    """Given by the table."""


COLUMNS: Final = tuple(column.name for column in fields(Row) if column.name != "id")
"""The last one, `metadata`, is JSON."""
_ALL: Final = ", ".join((*COLUMNS, "id"))
_INSERT: Final = (
    f"INSERT INTO requests ({', '.join(COLUMNS)}) "  # noqa: S608 - our own names
    f"VALUES ({', '.join('?' * len(COLUMNS))})"
)

SORT_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "id": "id",
        "time": "time",
        "model": "model",
        "req_path": "path",
        "resp_status_code": "status",
        "resp_content_type": "content_type",
        "cached": "cached_tokens",
        "prompt": "input_tokens",
        "generated": "output_tokens",
        "drafted": "draft_tokens",
        "prompt_speed": "prompt_speed",
        "gen_speed": "generation_speed",
        "duration": "duration",
        "ttft": "first_token",
        "queue": "queued",
        "load": "loading",
        "bytes": "bytes",
        "client": "client",
        "session": "session",
        "remote": "remote",
    }
)
"""What rows can be sorted by, in the words of the API."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows, in which order."""

    models: tuple[str, ...] = ()
    """Empty: all."""
    start: int | None = None
    """First millisecond, as in `Row.time`."""
    end: int | None = None
    """Last millisecond."""
    min_id: int | None = None
    max_id: int | None = None
    limit: int = 25
    page: int = 1
    sort: str = "id"
    """A key of SORT_COLUMNS."""
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and how many there are in all."""

    rows: tuple[Row, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all rows of a model, or of all models, and the values of the newest of them."""

    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    values: Mapping[str, tuple[float, ...]]
    """By column: those above zero."""


def add(connection: Connection, rows: Iterable[Row], most: int = 0) -> None:
    """Add rows, and give them their ids. Of all, the newest `most` are kept, if that is not 0."""
    for row in rows:
        row.id = _added(connection, row)
    if most:
        connection.execute(
            "DELETE FROM requests WHERE id <= (SELECT max(id) FROM requests) - ?", (most,)
        )


def _added(connection: Connection, row: Row) -> int:
    values = _values(row)
    try:
        return connection.execute(_INSERT, values).lastrowid or 0
    except UnicodeEncodeError:  # bytes that are no text in a client's header or an engine's words
        return connection.execute(_INSERT, tuple(map(_storable, values))).lastrowid or 0


def _storable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def page(connection: Connection, query: Query) -> Page:
    """One page of the rows that match."""
    where, given = _where(query)
    (total,) = connection.execute(f"SELECT count(*) FROM requests{where}", given).fetchone()  # noqa: S608
    order = "DESC" if query.descending else "ASC"
    rows = connection.execute(
        f"SELECT {_ALL} FROM requests{where} "  # noqa: S608 - names of ours only
        f"ORDER BY {SORT_COLUMNS[query.sort]} {order}, id {order} LIMIT ? OFFSET ?",
        (*given, query.limit, (query.page - 1) * query.limit),
    )
    return Page(tuple(map(_row, rows)), total)


def totals(connection: Connection, model: str, columns: Iterable[str]) -> Totals:
    """Sums over the rows of `model` (empty: all), and the values of `columns`."""
    where, given = _where(Query(models=(model,) if model else ()))
    requests, *tokens = connection.execute(
        "SELECT count(*), total(input_tokens), total(output_tokens), "  # noqa: S608 - as above
        f"total(max(cached_tokens, 0)) FROM requests{where}",
        given,
    ).fetchone()
    values = {column: _newest(connection, column, where, given) for column in columns}
    taken, given_out, cached = map(int, tokens)
    return Totals(requests, taken, given_out, cached, values)


def _newest(
    connection: Connection, column: str, where: str, given: tuple[Any, ...]
) -> tuple[float, ...]:
    found = connection.execute(
        f"SELECT {column} FROM requests{where} ORDER BY id DESC LIMIT ?",  # noqa: S608 - as above
        (*given, VALUES_LOOKED_AT),
    )
    return tuple(value for (value,) in found if value is not None and value > 0)


def _where(query: Query) -> tuple[str, tuple[Any, ...]]:
    """The condition, with its leading WHERE, and the values for it."""
    bounds = (
        ("time >= ?", query.start),
        ("time <= ?", query.end),
        ("id >= ?", query.min_id),
        ("id <= ?", query.max_id),
    )
    conditions = [condition for condition, value in bounds if value is not None]
    given: list[Any] = [value for _, value in bounds if value is not None]
    if query.models:
        conditions.append(f"model IN ({', '.join('?' * len(query.models))})")
        given += query.models
    return (" WHERE " + " AND ".join(conditions) if conditions else ""), tuple(given)


def _values(row: Row) -> tuple[Any, ...]:
    metadata = json.dumps(row.metadata) if row.metadata else "{}"
    return (*_plain_values(row), metadata)


def _row(values: tuple[Any, ...]) -> Row:
    told = dict(zip((*COLUMNS, "id"), values, strict=True))
    return Row(**told | {"metadata": json.loads(told["metadata"])})


_plain_values = attrgetter(*COLUMNS[:-1])
