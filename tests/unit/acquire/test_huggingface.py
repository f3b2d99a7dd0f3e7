import os
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.acquire.huggingface import Hub, _found, check_repo, is_plain_path
from paddock.acquire.web import Policy, Web
from paddock.errors import HubBroken, InvalidName

ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
PARTS = st.sampled_from(["a", "..", ".", "", "~", "x.gguf", "C:", "\\", "\0", "ü", "\ud800", " "])


@pytest.fixture(scope="module")
def hub() -> Hub:
    """A hub that nobody asks."""
    endpoint = "https://hub.example"
    return Hub(Web(Policy.of((endpoint,)), user_agent="x"), endpoint)


@given(st.text(max_size=40) | st.lists(PARTS, max_size=5).map("/".join))
def test_a_plain_path_stays_below_its_folder(path):
    if is_plain_path(path):
        assert os.path.normpath(f"/root/{path}") == f"/root/{path}"
        assert not PurePosixPath(path).is_absolute()


@given(st.text(alphabet="aZ0._-/~ü ", max_size=12))
def test_a_repository_is_two_plain_names(text):
    try:
        check_repo(text)
    except InvalidName:
        return
    user, _, name = text.partition("/")
    for part in (user, name):
        assert part.isascii()
        assert part not in {"", ".", ".."}
        assert part[0] not in ".-"


FIELDS = ["id", "gguf", "siblings", "gated", "downloads", "lastModified", "pipeline_tag"]


@given(ANYTHING | st.dictionaries(st.sampled_from(FIELDS), ANYTHING))
def test_whatever_a_search_tells_is_taken_or_left_out(told):
    found = _found(told)
    assert found is None or found.id == told["id"]


@given(told=st.dictionaries(st.sampled_from(["path", "size", "lfs", "oid"]), ANYTHING))
def test_whatever_a_tree_tells_is_a_file_or_an_error(hub, told):
    try:
        file = hub._file("a/b", "0" * 40, told)
    except HubBroken:
        return
    assert is_plain_path(file.path)
    assert file.size >= 0


def test_addresses_of_files_are_quoted(hub):
    url = hub.file_url("a/b", "c", "x y/é#?%.gguf")
    assert url == "https://hub.example/a/b/resolve/c/x%20y/%C3%A9%23%3F%25.gguf"
