import pytest

from paddock.cli.terminal import harmless


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("\x1b[2J\x07", "\ufffd[2J\ufffd"),
        ("a\r\nb\rc", "a\nbc"),
        ("\x9b31m\x7f", "\ufffd31m\ufffd"),
        ("\u202eevil\u2069", "\ufffdevil\ufffd"),
        ("\ud800", "\ufffd"),
        ("👩\u200d🚀 1\u202f000\xa0€ 日\u3000本", "👩\u200d🚀 1\u202f000\xa0€ 日\u3000本"),
    ],
)
def test_nothing_that_steers_a_terminal_passes(text, safe):
    assert harmless(text) == safe
