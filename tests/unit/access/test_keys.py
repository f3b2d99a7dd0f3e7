import re

import pytest

from paddock.access.keys import ANYONE, KeyRing
from paddock.errors import Unauthenticated


def test_without_keys_everybody_may_come_in():
    ring = KeyRing([])
    assert ring.open
    assert ring.client(None) == ring.client("whatever") == ANYONE


def test_every_key_of_the_ring_opens_and_has_its_own_stable_name():
    ring = KeyRing(["one", "two", "two"])
    assert not ring.open
    assert ring.client("one") == KeyRing(["zero", "one"]).client("one")
    assert ring.client("one") != ring.client("two")
    assert re.fullmatch(r"key:[0-9a-f]{8}", ring.client("one"))


@pytest.mark.parametrize("key", [None, "", "on", "onee", "ONE", " one", "x" * 100_000, "\udc80"])
def test_other_keys_do_not(key):
    with pytest.raises(Unauthenticated) as caught:
        KeyRing(["one"]).client(key)
    assert "one" not in caught.value.message.split()
    assert caught.value.hint


def test_the_keys_are_not_kept():
    ring = KeyRing(["canary"])
    assert "canary" not in repr(vars(ring))
