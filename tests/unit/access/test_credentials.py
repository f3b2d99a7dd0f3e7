import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from paddock.access.credentials import MAX_BYTES, key_from
from paddock.errors import InvalidRequest, Unauthenticated


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, None),
        ({"Accept": "*/*"}, None),
        ({"Authorization": "Bearer k1"}, "k1"),
        ({"authorization": "bearer  k1 "}, "k1"),
        ({"Authorization": "Bearer"}, None),
        ({"Authorization": "Bearer "}, None),
        ({"Authorization": basic("ann:k1")}, "k1"),
        ({"Authorization": basic(":k:1")}, "k:1"),
        ({"Authorization": basic("ann:")}, None),
        ({"Authorization": "Digest username=x"}, None),
        ({"x-api-key": "k1"}, "k1"),
        ({"X-API-Key": " k1 "}, "k1"),
        ({"x-api-key": ""}, None),
        ({"x-api-key": "k1", "Authorization": "Bearer k1"}, "k1"),
        ({"x-api-key": "k1", "Authorization": "Bearer"}, "k1"),
        ({"x-api-key": "' OR 1=1--"}, "' OR 1=1--"),
        ({"x-api-key": "schlüssel"}, "schlüssel"),
    ],
)
def test_where_a_key_can_stand(headers, key):
    assert key_from(headers) == key


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "k1", "Authorization": "Bearer k2"},
        {"x-api-key": "k1", "Authorization": basic("a:k2")},
        CIMultiDict([("x-api-key", "k1"), ("X-Api-Key", "k2")]),
    ],
)
def test_two_different_keys_are_refused(headers):
    with pytest.raises(InvalidRequest):
        key_from(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "k" * (MAX_BYTES + 1)},
        {"Authorization": "Bearer " + "k" * MAX_BYTES},
        {"x-api-key": "a\0b"},
        {"x-api-key": "a\r\nb"},
        {"Authorization": "Bearer a\nb"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic"},
        {"Authorization": basic("no colon")},
        {"Authorization": basic("a:b\0c")},
        {"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
        {"Authorization": "Basic sch\u00fc"},
        {"x-api-key": "\udc80"},
    ],
)
def test_what_cannot_be_a_key_is_refused(headers):
    with pytest.raises(Unauthenticated):
        key_from(headers)


@given(
    st.dictionaries(
        st.sampled_from(["Authorization", "x-api-key"]),
        st.text() | st.text().map("Bearer {}".format) | st.text().map("Basic {}".format),
    )
)
def test_nothing_else_is_ever_raised(headers):
    try:
        key = key_from(headers)
    except (InvalidRequest, Unauthenticated):
        return
    assert key is None or key.isprintable()
