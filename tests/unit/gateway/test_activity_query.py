import pytest
from multidict import MultiDict

from paddock.errors import InvalidRequest
from paddock.gateway.activity_query import activity_query
from paddock.storage.activity import SORT_COLUMNS, Query


@pytest.mark.parametrize(
    ("asked", "query"),
    [
        ([], Query()),
        ([("limit", "")], Query()),
        ([("limit", " 7 ")], Query(limit=7)),
        ([("limit", "999")], Query(limit=999)),
        ([("page", "3")], Query(page=3)),
        ([("model", "a")], Query(models=("a",))),
        ([("model", "a"), ("model", "b"), ("model", " ")], Query(models=("a", "b"))),
        ([("start", "1970-01-01T00:00:01Z")], Query(start=1000)),
        ([("end", "1970-01-01T02:00:01.5+02:00")], Query(end=1500)),
        ([("end", "1970-01-01T02:00:01 02:00")], Query(end=1000)),
        ([("min_id", "0"), ("max_id", "9")], Query(min_id=0, max_id=9)),
        ([("sort", "duration"), ("order", "ASC")], Query(sort="duration", descending=False)),
        ([("order", "desc")], Query()),
        ([("unknown", "x")], Query()),
        *(([("sort", key)], Query(sort=key)) for key in SORT_COLUMNS),
    ],
)
def test_the_query_says_which_rows(asked, query):
    assert activity_query(MultiDict(asked)) == query


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", value) for value in ("0", "1000", "-1", "x", "1.5", "9" * 40, "٣")),
        *(("page", value) for value in ("0", "-1", "x", "9" * 12)),
        *(("min_id", value) for value in ("-1", "x", "9" * 17)),
        *(("max_id", value) for value in ("-1", "x", "1e3")),
        *(("sort", value) for value in ("nothing", "id; DROP TABLE requests", "first_token")),
        ("order", "sideways"),
        *(
            (name, value)
            for name in ("start", "end")
            for value in ("yesterday", "2026-01-01", "2026-01-01T00:00:00", "1", "\0")
        ),
    ],
)
def test_what_is_wrong_is_named(name, value):
    with pytest.raises(InvalidRequest) as caught:
        activity_query(MultiDict([(name, value)]))
    assert caught.value.param == name
    assert f"`{name}`" in caught.value.message
