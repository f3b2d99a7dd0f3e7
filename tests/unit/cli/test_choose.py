import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.cli import choose
from paddock.cli.choose import DOWN, END, ENTER, ESCAPE, HOME, PAGE_DOWN, PAGE_UP, UP, Menu, keys_of

ROWS = [["Q8_0", "best"], ["Q4_K_M", "usual"], ["IQ4_XS", "usual"], ["Q2_K", "last"]]


def pressed(*keys, at=0):
    menu = Menu(ROWS, at)
    for key in keys:
        menu.press(key, page=2)
    return menu


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        ((), 0),
        ((DOWN, DOWN), 2),
        ((UP,), 0),
        ((DOWN,) * 9, 3),
        ((END,), 3),
        ((END, HOME), 0),
        ((PAGE_DOWN,), 2),
        ((END, PAGE_UP), 1),
        (tuple("USU"), 1),
        (("4", " ", "x"), 2),
        (("x", choose.BACK), 2),
        (("z",), None),
        (("z", DOWN, UP, END, choose.CLEAR), 0),
        (("\x01",), 0),
    ],
)
def test_keys_move_and_letters_narrow(keys, chosen):
    assert pressed(*keys).chosen == chosen


def test_the_pointer_stays_on_its_row_while_that_is_left():
    assert pressed("u", "s", "u", at=2).chosen == 2


@pytest.mark.parametrize(
    ("at", "height", "seen"),
    [(0, 2, [0, 1]), (2, 2, [1, 2]), (3, 2, [2, 3]), (3, 9, [0, 1, 2, 3]), (1, 0, [1])],
)
def test_the_window_holds_the_row_that_is_pointed_at(at, height, seen):
    assert list(Menu(ROWS, at).window(height)) == seen


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("a\r", ["a", ENTER]),
        ("\n", [ENTER]),
        ("\x1b[A\x1bOB\x1b[5~\x1b[1~", [UP, DOWN, PAGE_UP, HOME]),
        ("\x1b", [ESCAPE]),
        ("\x1b\x1b[B", [ESCAPE, DOWN]),
        ("\x1b[1;5Cx", ["x"]),
        ("\x1b[", []),
        ("\x04", [ESCAPE]),
    ],
)
def test_what_a_terminal_sends_is_keys(text, keys):
    assert list(keys_of(text)) == keys


@given(st.text(alphabet="\x1b[OAB~;19 x\x7f\x00\u00e9"), st.integers(-3, 40))
def test_no_keys_break_the_menu(text, height):
    menu = Menu(ROWS)
    for key in keys_of(text):
        menu.press(key, page=3)
        window = menu.window(height)
        assert menu.chosen is None or menu.chosen in [menu.shown[place] for place in window]
