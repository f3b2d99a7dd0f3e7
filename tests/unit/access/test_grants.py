"""Keys of accounts: found by digest, and good for what they were made for."""

from __future__ import annotations

import pytest

from paddock.access.grants import Grant, Grants, KeysNotRead
from paddock.access.tokens import digest_of, new_key
from paddock.errors import Forbidden, InvalidRequest, ModelNotAllowed


def ring(**what: object) -> tuple[str, Grants]:
    key, grants = new_key(), Grants()
    grants.replace({digest_of(key): Grant("user:ann/laptop", "k", **what)})  # type: ignore[arg-type]
    return key, grants


def test_a_key_is_found_as_it_is_and_in_no_other_form() -> None:
    key, grants = ring()
    assert grants.find(key) is not None
    assert "k" in grants.used
    for other in (
        key[:-1],
        key + "x",
        key.upper(),
        digest_of(key),
        "pk-",
        "",
        "' OR 1=1--",
        "\ud800",
    ):
        assert grants.find(other) is None


def test_an_expired_key_is_none() -> None:
    assert ring(expires=1)[1].find(ring(expires=1)[0]) is None
    key, grants = ring(expires=1)
    assert grants.find(key) is None
    key, grants = ring(expires=1 << 52)
    assert grants.find(key) is not None


def test_before_keys_are_read_nobody_is_told_that_a_key_is_wrong() -> None:
    grants = Grants()
    assert grants.find("pk-anything") is None
    with pytest.raises(KeysNotRead):
        grants.check_read("pk-anything")
    grants.check_read("other")
    grants.check_read(None)
    grants.replace({})
    grants.check_read("pk-anything")


def test_what_a_key_is_not_for_is_refused() -> None:
    grant = Grant("user:ann/laptop", "k", frozenset({"ollama"}), frozenset({"a"}))
    grant.check_door("ollama")
    grant.check_model("a")
    with pytest.raises(Forbidden, match="openai door"):
        grant.check_door("openai")
    with pytest.raises(ModelNotAllowed):
        grant.check_model("b")
    with pytest.raises(Forbidden, match="asking models only"):
        grant.check_managing()


def test_the_owners_limits_hold_for_its_keys() -> None:
    def limit(model: str) -> None:
        raise InvalidRequest(model)

    with pytest.raises(InvalidRequest, match="llama"):
        Grant("user:ann/laptop", "k", limit=limit).check_model("llama")
