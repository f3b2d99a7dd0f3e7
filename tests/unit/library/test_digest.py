"""Digests have one form each way in and out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.errors import InvalidDigest
from paddock.library.digest import Digest

HEX = "ab" * 32


@pytest.mark.parametrize("text", [f"sha256:{HEX}", f"sha256-{HEX}", f"sha256:{HEX.upper()}"])
def test_both_forms_are_the_same_digest(text):
    digest = Digest.parse(text)
    assert (digest.hex, str(digest), digest.file_name) == (HEX, f"sha256:{HEX}", f"sha256-{HEX}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEX,
        f"sha256:{HEX}0",
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX[:-1]}/",
        f"sha256:{HEX}\n",
        f"sha512:{HEX}",
        f"sha256_{HEX}",
        f"sha256:../{HEX[3:]}",
        f"sha256:{'٣' * 64}",
        f"SHA256:{HEX}",
    ],
)
def test_all_else_is_refused(text):
    with pytest.raises(InvalidDigest, match="invalid digest format"):
        Digest.parse(text)


@given(st.text())
def test_no_text_makes_an_unsafe_file_name(text):
    try:
        digest = Digest.parse(text)
    except InvalidDigest:
        return
    assert len(digest.file_name) == 71
    assert set(digest.file_name) <= set("sha256-0123456789abcdef")


def test_the_digest_of_bytes():
    known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Digest.of(b"") == Digest(known)
