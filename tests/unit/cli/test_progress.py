import io
import re

import pytest

from paddock.cli import progress as progress_module
from paddock.cli.progress import Progress
from paddock.cli.table import fitted
from paddock.cli.wrapping import letter_width

LONG = "Some-Very-Long-Model-Name-Instruct-UD-Q4_K_XL-00001-of-00012.gguf"


class Screen(io.StringIO):
    """Says that it is a terminal; without a descriptor it is 80 columns wide."""

    def isatty(self) -> bool:
        return True


def drawn(*bars):
    screen = Screen()
    with Progress(screen) as progress:
        for bar in bars:
            progress.bar(*bar)
    text = screen.getvalue().rpartition("\r")[2]
    return re.sub(r"\x1b\[\d*[AK]", "", text).rstrip("\n").split("\n")


def test_elsewhere_a_thing_is_told_once_it_is_whole():
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.status("first")
        progress.status("first")
        for done in (0, 1, 2000, 2000):
            progress.bar("a.gguf", done, 2000)
    assert stream.getvalue() == "first\na.gguf: 100% 2.0 KB\n"


def test_elsewhere_a_long_work_is_told_from_time_to_time(monkeypatch):
    monkeypatch.setattr(progress_module, "_PLAIN_SECONDS", 0.0)
    stream = io.StringIO()
    with Progress(stream) as progress:
        for done in (500, 2000):
            progress.bar("a.gguf", done, 2000)
    assert stream.getvalue() == "a.gguf:  25% 500 B/2.0 KB\na.gguf: 100% 2.0 KB\n"


def test_the_last_state_is_on_the_screen():
    (line,) = drawn(("a.gguf", 0, 1000), ("a.gguf", 500, 1000))
    assert line.startswith("a.gguf:  50% ▕██")
    assert "500 B/1.0 KB" in line


@pytest.mark.parametrize("title", [LONG, "模型" * 40, "a"])
def test_a_long_name_leaves_room_for_its_bar(title):
    (line,) = drawn((title, 3, 10))
    assert " 30% ▕" in line
    assert line.endswith("3 B/10 B")
    assert sum(map(letter_width, line)) <= 79


def test_more_than_the_total_is_whole():
    (line,) = drawn(("a", 30, 10))
    assert line.startswith("a: 100% ▕█")


@pytest.mark.parametrize(
    ("text", "columns", "seen"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("模型模型", 8, "模型模型"),
        ("模型模型", 6, "模型…"),
        ("x", 0, ""),
        ("", 0, ""),
        ("ab", 1, "…"),
    ],
)
def test_text_is_cut_to_columns(text, columns, seen):
    assert fitted(text, columns) == seen


def test_cells_are_one_line():
    from paddock.cli.table import table

    assert table(("A", "B"), [["x\ny", "z\t\x1b"]]).splitlines()[1] == "x y  z \ufffd"
