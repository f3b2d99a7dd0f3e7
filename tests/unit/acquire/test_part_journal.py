"""The journal of a part: what it tells after a kill, a reboot, or any damage to it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.acquire.part_journal import Identity, Journal, journal_of

WHO = Identity(100, "ab" * 32, "")


@pytest.fixture
def part(tmp_path):
    return tmp_path / "model.gguf.part"


def write(journal: Journal, sure, now) -> None:
    journal.publish(journal.write(WHO, sure), now)


def test_nothing_is_known_without_one(part):
    assert Journal(part).read() is None


def test_a_killed_process_loses_nothing_that_was_noted(part):
    journal = Journal(part)
    write(journal, ((0, 10),), ((0, 12),))
    journal.note(((0, 40),))
    journal.close()
    assert Journal(part).read() == (WHO, ((0, 40),))


def test_after_a_reboot_only_what_was_flushed_counts(part):
    journal = Journal(part)
    write(journal, ((0, 10),), ((0, 12),))
    journal.close()
    told = journal.path.read_text().replace(journal._boot, "another")
    journal.path.write_text(told)
    assert Journal(part).read() == (WHO, ((0, 10),))


def test_a_note_that_was_cut_off_does_not_count(part):
    journal = Journal(part)
    write(journal, ((0, 10),), ((0, 12),))
    journal.note(((0, 40), (50, 60)))
    journal.close()
    data = journal.path.read_bytes()
    journal.path.write_bytes(data[:-9])
    assert Journal(part).read() == (WHO, ((0, 12),))


def test_a_new_one_takes_the_place_of_the_old_in_one_step(part):
    journal = Journal(part)
    write(journal, ((0, 10),), ((0, 10),))
    fd = journal.write(WHO, ((0, 30),))
    assert Journal(part).read() == (WHO, ((0, 10),))
    journal.publish(fd, ((0, 33),))
    journal.close()
    assert Journal(part).read() == (WHO, ((0, 33),))
    assert [path.name for path in part.parent.iterdir()] == [journal_of(part).name]


def test_removed_it_leaves_nothing(part):
    journal = Journal(part)
    write(journal, (), ())
    journal.remove()
    journal.remove()
    assert list(part.parent.iterdir()) == []


def test_no_address_is_kept(part):
    journal = Journal(part)
    write(journal, ((0, 10),), ((0, 10),))
    journal.close()
    assert "http" not in journal.path.read_text()


@given(damage=st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_damage_is_no_journal(tmp_path_factory, damage):
    part = tmp_path_factory.mktemp("damage") / "p"
    journal_of(part).write_bytes(damage)
    assert Journal(part).read() is None


@pytest.mark.parametrize(
    "line",
    ["[" * 100_000, "{}", "null", '{"version": 2}', json.dumps({"version": 1, "size": "x"})],
)
def test_strange_json_is_no_journal(part, line):
    journal_of(part).write_text(line)
    assert Journal(part).read() is None
