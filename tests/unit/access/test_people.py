"""Logins, passwords, and the back-off for who guesses."""

from __future__ import annotations

import pytest

from paddock.access.logins import login_as_typed, login_of, name_of
from paddock.access.passwords import Passwords, check_password
from paddock.access.tries import FORGOTTEN_SECONDS, MOST_KNOWN, OF_ADDRESS, TooManyTries, Tries
from paddock.errors import InvalidRequest


@pytest.mark.parametrize(
    ("typed", "login"),
    [
        (" Anna ", "anna"),
        ("anna@example.org", "anna@example.org"),
        ("\uff21nna", "anna"),
        ("ÉVA", "éva"),
        ("e\u0301va", "éva"),
        ("x" * 254, "x" * 254),
    ],
)
def test_a_login_is_one_however_it_is_typed(typed: str, login: str) -> None:
    assert login_of(typed) == login == login_as_typed(typed)
    assert login_of(login) == login


@pytest.mark.parametrize(
    "typed", ["", "  ", "a b", "a\tb", "a/b", "a\u200b\u202eb", "x" * 255, "\x00"]
)
def test_what_cannot_be_a_login_is_refused(typed: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        login_of(typed)
    assert caught.value.param == "login"


def test_a_name_is_the_login_where_there_is_none() -> None:
    assert name_of("  ", "anna") == "anna"
    assert name_of(" Anna <b> ", "anna") == "Anna <b>"
    for wrong in ("x" * 101, "a\nb"):
        with pytest.raises(InvalidRequest):
            name_of(wrong, "anna")


@pytest.mark.parametrize("password", ["", "1234567", "ü" * 513, " Anna@Home "])
def test_a_password_that_may_not_be_chosen(password: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_password(password, "anna@home", "new")
    assert caught.value.param == "new"


async def test_a_password_matches_its_own_hash_only() -> None:
    passwords = Passwords()
    kept = await passwords.hashed("correct horse")
    assert "$argon2id$" in kept
    assert await passwords.matches(kept, "correct horse")
    for other, given in ((kept, "correct horsf"), (None, "nobody's"), ("!", "!"), ("", "")):
        assert not await passwords.matches(other, given)


def test_who_guesses_waits_ever_longer() -> None:
    now = 0.0
    tries = Tries(clock=lambda: now)
    waits = []
    for _ in range(20):
        try:
            tries.begin("192.0.2.1", "anna")
        except TooManyTries as error:
            waits.append(error.retry_after)
            now += error.retry_after
            tries.begin("192.0.2.1", "anna")
    assert waits[:4] == [1, 2, 4, 8]
    assert waits == sorted(waits)
    with pytest.raises(TooManyTries):
        tries.begin("192.0.2.9", "anna")
    with pytest.raises(TooManyTries):
        tries.begin("192.0.2.1", "bob")
    tries.begin("192.0.2.9", "bob")


def test_a_right_try_is_not_held_against_anybody() -> None:
    tries = Tries(clock=lambda: 0.0)
    for _ in range(100):
        tries.begin("192.0.2.1", "anna")
        tries.right("192.0.2.1", "anna")
    for _ in range(5):
        tries.begin("192.0.2.1", "anna")


def test_a_right_try_does_not_wipe_out_guesses_at_others() -> None:
    tries = Tries(clock=lambda: 0.0)
    for number in range(OF_ADDRESS.free):
        tries.begin("192.0.2.1", f"victim{number}")
        if number < OF_ADDRESS.free - 1:
            tries.begin("192.0.2.1", "anna")
            tries.right("192.0.2.1", "anna")
    with pytest.raises(TooManyTries):
        tries.begin("192.0.2.1", "anna")


def test_a_network_of_ipv6_is_one_address() -> None:
    tries = Tries(clock=lambda: 0.0)
    for number in range(OF_ADDRESS.free):
        tries.begin(f"2001:db8:1:2::{number:x}", f"login{number}")
    with pytest.raises(TooManyTries):
        tries.begin("2001:db8:1:2::ffff", "anna")


def test_guesses_are_forgotten_in_time_and_in_number() -> None:
    now = 0.0
    tries = Tries(clock=lambda: now)
    for _ in range(5):
        tries.begin("192.0.2.1", "anna")
    now = FORGOTTEN_SECONDS + 1
    for number in range(5):
        tries.begin(f"192.0.3.{number}", "anna")
    for number in range(MOST_KNOWN):
        tries.begin(f"10.0.{number >> 8}.{number & 255}", f"login{number}")
    assert len(tries._known) == MOST_KNOWN
