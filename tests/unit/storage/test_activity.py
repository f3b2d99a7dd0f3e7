import sqlite3

import pytest

from paddock.storage import activity
from paddock.storage.activity import SORT_COLUMNS, Query, Row
from paddock.storage.migrations import MIGRATIONS


@pytest.fixture
def db():
    connection = sqlite3.connect(":memory:")
    for script in MIGRATIONS:
        connection.executescript(script)
    yield connection
    connection.close()


def row(time=1000, model="m", **fields):
    return Row(time=time, model=model, requested=model, path="/v1/x", status=200, **fields)


def ids(db, **query):
    return [found.id for found in activity.page(db, Query(**query)).rows]


def test_a_row_comes_back_as_it_was(db):
    told = row(
        metadata={"fifo_priority": "7"}, first_token=12.5, cancelled="client left", error="gone é"
    )
    activity.add(db, [told])

    assert told.id == 1
    assert activity.page(db, Query()).rows == (told,)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [4, 3, 2, 1]),
        ({"models": ("a",)}, [3, 1]),
        ({"models": ("a", "c")}, [4, 3, 1]),
        ({"models": ("nobody",)}, []),
        ({"start": 2000}, [4, 3, 2]),
        ({"end": 2000}, [2, 1]),
        ({"start": 2000, "end": 3000, "models": ("a",)}, [3]),
        ({"min_id": 3}, [4, 3]),
        ({"max_id": 2}, [2, 1]),
        ({"min_id": 2, "max_id": 3}, [3, 2]),
        ({"descending": False}, [1, 2, 3, 4]),
        ({"limit": 3}, [4, 3, 2]),
        ({"limit": 3, "page": 2}, [1]),
        ({"limit": 3, "page": 3}, []),
        ({"sort": "model", "descending": False}, [1, 3, 2, 4]),
        ({"sort": "duration"}, [1, 2, 3, 4]),
        ({"models": ("a'; DROP TABLE requests; --",)}, []),
    ],
)
def test_rows_are_chosen_and_ordered(db, query, found):
    names = ("a", "b", "a", "c")
    activity.add(db, [row(n * 1000, name, duration=9 - n) for n, name in enumerate(names, start=1)])
    assert ids(db, **query) == found


def test_the_total_is_of_all_pages(db):
    activity.add(db, [row() for _ in range(7)])
    assert activity.page(db, Query(limit=2, page=3)).total == 7


@pytest.mark.parametrize("key", SORT_COLUMNS)
def test_every_sort_key_is_a_column(db, key):
    activity.add(db, [row(), row()])
    assert len(ids(db, sort=key)) == 2


def test_pruning_keeps_the_newest_and_ids_are_not_used_again(db):
    activity.add(db, [row() for _ in range(5)], most=2)
    assert ids(db) == [5, 4]
    activity.add(db, [row()], most=1)
    assert ids(db) == [6]


def test_sums_leave_out_what_was_not_told(db):
    activity.add(
        db,
        [
            row(input_tokens=10, output_tokens=5, cached_tokens=3, generation_speed=50.0),
            row(input_tokens=1, output_tokens=2),
            row(model="other", input_tokens=100),
        ],
    )
    told = activity.totals(db, "m", ["generation_speed", "first_token"])
    assert (told.requests, told.input_tokens, told.output_tokens) == (2, 11, 7)
    assert told.cached_tokens == 3
    assert told.values == {"generation_speed": (50.0,), "first_token": ()}
    assert activity.totals(db, "", []).requests == 3
    assert activity.totals(db, "nobody", []).requests == 0


def test_what_is_no_text_is_stored_readable_and_its_neighbours_as_they_are(db):
    activity.add(db, [row(session="ü"), row(session="\udcff"), row(error="\ud800 bad")])

    found = activity.page(db, Query(descending=False)).rows
    assert [(one.session, one.error) for one in found] == [("ü", ""), ("?", ""), ("", "? bad")]
