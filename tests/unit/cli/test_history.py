from pathlib import Path

import pytest

from paddock.cli.history import KEPT, History, history_file


def test_entries_are_kept_with_their_lines(tmp_path):
    file = tmp_path / "new" / "history"
    History(file).add("one")
    other = History(file)
    other.add("two\nlines ü")
    other.add("  ")
    other.on = False
    other.add("secret")
    assert History(file).read() == ["one", "two\nlines ü"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_long_file_is_cut_and_a_damaged_line_is_passed_by(tmp_path):
    file = tmp_path / "history"
    file.write_text("".join(f'"{n}"\n' for n in range(2 * KEPT + 1)) + "{broken\n7\n")
    entries = History(file).read()
    assert entries[-1] == str(2 * KEPT)
    assert len(file.read_text().splitlines()) == KEPT


def test_a_file_that_cannot_be_used_costs_nothing(tmp_path):
    history = History(tmp_path)
    history.add("one")
    assert history.read() == []


@pytest.mark.parametrize(
    ("env", "file"),
    [
        ({"XDG_STATE_HOME": "/s"}, Path("/s/paddock/history")),
        ({"XDG_STATE_HOME": "/s", "OLLAMA_NOHISTORY": "0"}, Path("/s/paddock/history")),
        ({"XDG_STATE_HOME": "/s", "OLLAMA_NOHISTORY": "1"}, None),
        ({"OLLAMA_NOHISTORY": "true"}, None),
    ],
)
def test_where_it_is(env, file):
    assert history_file(env) == file
