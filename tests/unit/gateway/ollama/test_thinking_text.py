"""Thoughts and answers, however the text is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.gateway.ollama.rendering import template_of
from paddock.gateway.ollama.thinking_text import Tags, ThinkingReader, is_opened, tags_of

CASES = [
    ("<think>why</think>because", ("why", "because")),
    ("<think>\nwhy\n</think>\n\nbecause", ("why", "because")),
    ("  <think> a  b </think> c ", ("a  b", "c ")),
    ("because", ("", "because")),
    ("  because", ("", "  because")),
    ("a <think>b</think>", ("", "a <think>b</think>")),
    ("<think></think>x", ("", "x")),
    ("<think>\n\n</think>\n\nx", ("", "x")),
    ("<think>never closed", ("never closed", "")),
    ("<think>a</thi", ("a</thi", "")),
    ("<think>a <b> </b> </t </think>x", ("a <b> </b> </t", "x")),
    ("<think>a</think><think>b</think>", ("a", "<think>b</think>")),
    ("<thin", ("", "<thin")),
    ("<thin ice", ("", "<thin ice")),
    ("", ("", "")),
    ("   ", ("", "   ")),
]

OPENED = [
    ("why</think>because", ("why", "because")),
    ("\n<think>\nwhy</think>because", ("why", "because")),
    ("<thi", ("<thi", "")),
    ("<b>why", ("<b>why", "")),
    ("</think>x", ("", "x")),
]


def read(reader: ThinkingReader, pieces: list[str]) -> tuple[str, str]:
    told = [reader.feed(piece) for piece in pieces] + [reader.finish()]
    return "".join(one.thinking for one in told), "".join(one.text for one in told)


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_thoughts_and_answer(text, expected):
    assert read(ThinkingReader(), [text]) == expected
    assert read(ThinkingReader(), list(text)) == expected


@pytest.mark.parametrize(("text", "expected"), OPENED)
def test_thoughts_that_the_prompt_opened(text, expected):
    assert read(ThinkingReader(opened=True), [text]) == expected
    assert read(ThinkingReader(opened=True), list(text)) == expected


def test_thoughts_come_as_soon_as_they_are_certain():
    reader = ThinkingReader("[THINK]", "[/THINK]")
    assert reader.feed("[THI") == ("", "")
    assert reader.feed("NK] I see") == ("I see", "")
    assert reader.feed(" and [/") == (" and", "")
    assert reader.feed("or]") == (" [/or]", "")
    assert reader.feed(" [/THINK]") == ("", "")
    assert reader.feed("\n") == ("", "")
    assert reader.feed("Yes ") == ("", "Yes ")
    assert reader.finish() == ("", "")


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<", "/", "th", "k>", " ", "\n", "a"])),
    st.lists(st.integers(0, 60), max_size=6),
    st.booleans(),
)
def test_cuts_make_no_difference(parts, cuts, opened):
    text = "".join(parts)
    ends = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[one:other] for one, other in pairwise(ends)]
    whole = read(ThinkingReader(opened=opened), [text])
    assert read(ThinkingReader(opened=opened), pieces) == whole
    assert letters("".join(whole)) == letters(text)


def letters(text: str) -> str:
    """What must not be lost: all but tags and white space."""
    return "".join(text.replace("<think>", "").replace("</think>", "").split())


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ .Prompt }}", None),
        ("{{ range .Messages }}<think>{{ .Thinking }}</think>{{ end }}", Tags()),
        (
            (
                "{{ range .Messages }}{{ if .Thinking }}\n[THINK] {{ .Thinking }} [/THINK]{{ end }}"
                "{{ end }}"
            ),
            Tags("[THINK]", "[/THINK]"),
        ),
        (
            (
                "{{ range $m := .Messages }}x<seed:think>\n{{ $m.Thinking }}\n</seed:think>x"
                "{{ end }}"
            ),
            Tags("<seed:think>", "</seed:think>"),
        ),
        ("{{ range .Messages }}{{ .Thinking }}{{ end }}", Tags()),
        ("{{ range .Messages }}{{ print .Thinking }}{{ end }}", Tags()),
    ],
)
def test_tags_of_a_template(template, expected):
    assert tags_of(template_of(template)) == expected


def test_a_prompt_that_opens_the_thoughts():
    assert is_opened("<|im_start|>assistant\n<think>\n", "<think>")
    assert not is_opened("<|im_start|>assistant\n<think>\n\n</think>\n\n", "<think>")
