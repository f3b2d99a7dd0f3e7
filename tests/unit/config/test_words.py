import pytest

from paddock.config.words import words


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        ("# all of it", []),
        ("-c 5\n  # it's one\n-t 2", ["-c", "5", "-t", "2"]),
        ("-c 5 \\\n-t 2", ["-c", "5", "-t", "2"]),
        ("-c 5 \\ \t\n-t 2", ["-c", "5", "-t", "2"]),
        ("-c \\\n# why\n5", ["-c", "5"]),
        ("--alias '#1'", ["--alias", "#1"]),
        ("--alias a#1", ["--alias", "a#1"]),
        ("a # b", ["a", "#", "b"]),
        ('a "b c" \'d "e"\' f\\ g', ["a", "b c", 'd "e"', "f g"]),
        ("a '' b", ["a", "", "b"]),
        ("a > b; c $HOME `d` *", ["a", ">", "b;", "c", "$HOME", "`d`", "*"]),
    ],
)
def test_words_of_a_command_line(line, expected):
    assert words(line) == expected


@pytest.mark.parametrize("line", ["it's", 'a "b', "a \\"])
def test_an_open_quote(line):
    with pytest.raises(ValueError, match="No"):
        words(line)
