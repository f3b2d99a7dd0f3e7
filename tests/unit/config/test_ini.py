import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.config.ini import parse_ini
from paddock.errors import ConfigError


def read(text):
    return [
        (section.name, section.line, {pair.key: (pair.value, pair.line) for pair in section.pairs})
        for section in parse_ini(text, "m.ini")
    ]


def problems(text):
    with pytest.raises(ConfigError) as caught:
        parse_ini(text, "m.ini")
    return [(one.line, one.key, one.message) for one in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("", 0, {})]),
        ("version = 1\n", [("", 0, {"version": ("1", 1)})]),
        ("[a]\n", [("", 0, {}), ("a", 1, {})]),
        ("[a]\nx=1\n", [("", 0, {}), ("a", 1, {"x": ("1", 2)})]),
        ("[ a ]\r\nx =  1  \r\n", [("", 0, {}), ("a", 1, {"x": ("1", 2)})]),
        ("[*]\n[a]", [("", 0, {}), ("*", 1, {}), ("a", 2, {})]),
        ("[user/repo:Q8_0]", [("", 0, {}), ("user/repo:Q8_0", 1, {})]),
        ("[a] ; note\nx = 1 # note\n; [b]\n# y = 2\n", [("", 0, {}), ("a", 1, {"x": ("1", 2)})]),
        ("  [a]\n\tx = 1", [("", 0, {}), ("a", 1, {"x": ("1", 2)})]),
        ("[a]\nx =\n", [("", 0, {}), ("a", 1, {"x": ("", 2)})]),
        ("[a]\nx = a = b\n", [("", 0, {}), ("a", 1, {"x": ("a = b", 2)})]),
        ("[a]\nx = two words\n", [("", 0, {}), ("a", 1, {"x": ("two words", 2)})]),
        ("[a]\nx = 'q'\n", [("", 0, {}), ("a", 1, {"x": ("'q'", 2)})]),
        ("[a]\nn.g-l_1 = 1\n", [("", 0, {}), ("a", 1, {"n.g-l_1": ("1", 2)})]),
        ("[a]\nLLAMA_ARG_X = 1\n", [("", 0, {}), ("a", 1, {"LLAMA_ARG_X": ("1", 2)})]),
    ],
)
def test_what_an_ini_file_says(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize("line", ["x", "[a", "a]", "= 1", "1x = 1", "-x = 1", "[a] b", "x y = 1"])
def test_a_line_that_cannot_be_read(line):
    assert problems(f"[s]\n{line}\n") == [(2, "", "expected `[section]` or `key = value`")]


def test_what_is_given_twice():
    assert problems("[a]\nx = 1\nx = 2\n[b]\nx = 1\n[a]\n") == [
        (3, "a.x", "is given twice, first on line 2"),
        (6, "a", "is given twice, first on line 1"),
    ]


@given(st.text(alphabet="ab[]=;# \n*\r", max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        sections = parse_ini(text, "m.ini")
    except ConfigError:
        return
    assert sections[0].name == ""
