from hypothesis import given
from hypothesis import strategies as st

from paddock.cli.wrapping import Wrapper, letter_width


def wrapped(pieces, columns):
    wrapper = Wrapper(lambda: columns)
    return "".join(map(wrapper.feed, pieces)) + wrapper.end()


def test_a_word_that_does_not_fit_begins_a_line():
    assert wrapped(["one two ", "three"], 9) == "one two\nthree"


def test_indents_and_lines_stay():
    assert wrapped(["a:\n    b  c\n\n\td"], 40) == "a:\n    b  c\n\n\td"


def test_a_word_longer_than_the_line_goes_on_in_the_next():
    assert wrapped(["a " + "x" * 12], 5) == "a\n" + "x" * 5 + "\n" + "x" * 5 + "\nxx"


def test_wide_letters_take_two_columns_and_may_be_parted():
    assert wrapped(["日本語日本"], 6) == "日本語\n日本"
    assert letter_width("e\u0301"[1]) == 0


@given(st.text(alphabet="ab \n", max_size=60), st.integers(1, 12), st.data())
def test_the_text_is_the_same_however_it_is_cut(text, columns, data):
    cut = data.draw(st.integers(0, len(text)))
    whole = wrapped([text], columns)
    assert wrapped([text[:cut], text[cut:]], columns) == whole
    assert "".join(whole.split()) == "".join(text.split())
    assert all(len(line.rstrip()) <= columns or line.startswith(" ") for line in whole.split("\n"))
