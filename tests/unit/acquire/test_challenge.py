import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.acquire.challenge import parse

BEARER = 'Bearer realm="https://r/token",service="s",scope="repository:a/b:pull"'


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            [BEARER],
            [
                (
                    "bearer",
                    {"realm": "https://r/token", "service": "s", "scope": "repository:a/b:pull"},
                )
            ],
        ),
        (['Basic realm="a, b"'], [("basic", {"realm": "a, b"})]),
        (
            ['Bearer realm="x",scope="repository:a:pull,push",error="invalid_token"'],
            [
                (
                    "bearer",
                    {"realm": "x", "scope": "repository:a:pull,push", "error": "invalid_token"},
                )
            ],
        ),
        (
            ['Basic realm="one", Bearer realm="two"'],
            [("basic", {"realm": "one"}), ("bearer", {"realm": "two"})],
        ),
        (
            ["Negotiate", BEARER.partition(",")[0]],
            [("negotiate", {}), ("bearer", {"realm": "https://r/token"})],
        ),
        (["Negotiate YWJj==, Basic realm=x"], [("negotiate", {}), ("basic", {"realm": "x"})]),
        (["BEARER  Realm = x , REALM=y"], [("bearer", {"realm": "x"})]),
        ([r'Bearer realm="a\"b\\c"'], [("bearer", {"realm": 'a"b\\c'})]),
        ([""], []),
        (["Bearer"], [("bearer", {})]),
    ],
)
def test_challenges_are_read(values, told):
    assert [(one.scheme, dict(one.fields)) for one in parse(values)] == told


@given(st.lists(st.text(alphabet='aB ="\\,~;/\t', max_size=80), max_size=3))
def test_nothing_crashes_it(values):
    for one in parse(values):
        assert one.scheme == one.scheme.lower()


@pytest.mark.parametrize("text", ['Bearer a="' + "\\" * 90_000, "a " * 90_000, "a=" * 90_000])
def test_long_nonsense_ends(text):
    assert all(one.scheme in {"bearer", "a"} for one in parse([text]))
