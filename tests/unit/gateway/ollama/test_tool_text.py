"""Tool calls in text, however it is cut."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.gateway.ollama.rendering import template_of
from paddock.gateway.ollama.tool_text import MAX_CALL, Tags, ToolReader, tags_of

TOOLS = ["get_weather", "get", "add"]
QWEN = Tags("<tool_call>", "</tool_call>")
MISTRAL = Tags("[TOOL_CALLS]", "")
BARE = Tags("", "<|eot_id|>")
LIST = Tags("[", "")

PARIS = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
SUM = '{"name": "add", "arguments": {"a": 1, "b": [2, {"c": "}"}]}}'
WEATHER = ("get_weather", {"city": "Paris"})
ADDED = ("add", {"a": 1, "b": [2, {"c": "}"}]})

CASES = [
    (QWEN, "Hello.", "Hello.", []),
    (QWEN, f"<tool_call>\n{PARIS}\n</tool_call>", "", [WEATHER]),
    (QWEN, f"Wait: <tool_call>{PARIS}</tool_call>\nDone.", "Wait: Done.", [WEATHER]),
    (
        QWEN,
        f"<tool_call>\n{PARIS}\n</tool_call>\n<tool_call>\n{SUM}\n</tool_call>",
        "",
        [WEATHER, ADDED],
    ),
    (QWEN, f"<tool_call>\n{PARIS}\n{SUM}\n</tool_call>", "", [WEATHER, ADDED]),
    (QWEN, '<tool_call>{"name": "other", "arguments": {}}', None, []),
    (QWEN, '<tool_call>{"foo": 1}</tool_call>', None, []),
    (QWEN, "<tool_call> is a tag", None, []),
    (QWEN, "<tool_call>", None, []),
    (QWEN, "<tool_ca", None, []),
    (QWEN, "a < b and <tool> c", None, []),
    (QWEN, f"{PARIS}", None, []),
    (QWEN, '<tool_call>{"name": "get_weather", "argum', None, []),
    (QWEN, f"<tool_call>{PARIS}</tool_ca", "</tool_ca", [WEATHER]),
    (QWEN, f"<tool_call>{PARIS}</tool_call>, and", ", and", [WEATHER]),
    (QWEN, '<tool_call>{"name": "add"}</tool_call>', "", [("add", {})]),
    (QWEN, '<tool_call>{"name": "add", "arguments": "{\\"a\\": 1}"}', "", [("add", {"a": 1})]),
    (QWEN, '<tool_call>{"name": "add", "arguments": "a"}', None, []),
    (QWEN, '<tool_call>{"name": "add", "arguments": [1]}', None, []),
    (QWEN, '<tool_call>{"arguments": {"a": 1}, "name": "add"}', "", [("add", {"a": 1})]),
    (
        QWEN,
        '<tool_call>{"type": "function", "function": {"name": "add", "parameters": {"a": 1}}}',
        "",
        [("add", {"a": 1})],
    ),
    (MISTRAL, f"[TOOL_CALLS] [{PARIS}, {SUM}]", "", [WEATHER, ADDED]),
    (MISTRAL, f"[TOOL_CALLS][{PARIS}]\n\nText", "Text", [WEATHER]),
    (MISTRAL, '[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}', "", [WEATHER]),
    (
        MISTRAL,
        '[TOOL_CALLS]get[ARGS]{}[TOOL_CALLS]get_weather{"city": "Paris"}',
        "",
        [("get", {}), WEATHER],
    ),
    (MISTRAL, '[TOOL_CALLS]add({"a": 1})', "", [("add", {"a": 1})]),
    (MISTRAL, "[TOOL_CALLS]get_we[ARGS]{}", None, []),
    (MISTRAL, "[TOOL_CALLS]add[ARGS]{broken}", None, []),
    (MISTRAL, "[TOOL_CALLS] [1, 2]", None, []),
    (BARE, PARIS.replace("arguments", "parameters"), "", [WEATHER]),
    (BARE, f"<|python_tag|>{PARIS}<|eot_id|>", "", [WEATHER]),
    (BARE, f"I call {PARIS}; {SUM} now", "I call now", [WEATHER, ADDED]),
    (BARE, f"{PARIS}; but", "; but", [WEATHER]),
    (BARE, "void f() { return {}; }", None, []),
    (BARE, '{"a": {"name": "add"}} {"name": "Ann"}', None, []),
    (BARE, '{ "na', None, []),
    (BARE, '{"name" "add"}', None, []),
    (BARE, "{" * 50, None, []),
    (LIST, f"[{PARIS}, {SUM}]", "", [WEATHER, ADDED]),
    (LIST, "see [1] and [x](y)", None, []),
]


def read(tags: Tags, pieces: list[str]) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    reader = ToolReader(tags, TOOLS)
    heard = [reader.feed(piece) for piece in pieces] + [reader.finish()]
    return "".join(one.text for one in heard), [
        (call.name, call.arguments) for one in heard for call in one.calls
    ]


@pytest.mark.parametrize(("tags", "text", "expected", "calls"), CASES)
def test_calls_in_text(tags, text, expected, calls):
    expected = text if expected is None else expected
    assert read(tags, [text]) == (expected, calls)
    assert read(tags, list(text)) == (expected, calls)


def test_text_comes_as_soon_as_it_is_certain():
    reader = ToolReader(QWEN, TOOLS)
    assert reader.feed("Let me see <to") == ("Let me see ", [])
    assert reader.feed("ol> <tool_call>") == ("<tool> ", [])
    assert reader.feed('{"no') == ('<tool_call>{"no', [])
    reader = ToolReader(BARE, TOOLS)
    assert reader.feed("if (x) {") == ("if (x) ", [])
    assert reader.feed("\n  y();") == ("{\n  y();", [])


def test_a_call_without_end_becomes_text():
    long = '{"name": "' + "x" * MAX_CALL
    assert ToolReader(BARE, TOOLS).feed(long) == (long, [])
    assert read(BARE, ['{"name": ' * 10_000]) == ('{"name": ' * 10_000, [])


def test_deep_json_is_no_call():
    deep = '{"name": ' * 5000 + "1" + "}" * 5000
    assert read(BARE, [deep]) == (deep, [])


PARTS = st.sampled_from(
    [
        *("<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "[ARGS]", PARIS, SUM),
        *("{", "}", "[", "]", "(", ")", ",", ";", " ", "\n", '"', "\\", '"name"', ":", "get"),
        *("get_weather", "add", '{"a": 1}', "<", "x"),
    ]
)


@given(
    st.lists(PARTS, max_size=12),
    st.lists(st.integers(0, 200), max_size=8),
    st.sampled_from([QWEN, MISTRAL, BARE, LIST]),
)
def test_cuts_make_no_difference(parts, cuts, tags):
    text = "".join(parts)
    ends = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[one:other] for one, other in pairwise(ends)]
    whole = read(tags, [text])
    assert read(tags, pieces) == whole
    assert read(tags, list(text)) == whole
    if not whole[1]:
        assert whole[0] == text


CALLS = (
    "{{ range .Messages }}{{ if .Content }}{{ .Content }}{{ end }}"
    "{{ if .ToolCalls }}%s{{ end }}\n{{ end }}"
)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ .Prompt }}", Tags()),
        (
            CALLS % '<tool_call>\n{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", '
            '"arguments": {{ .Function.Arguments }}}\n{{ end }}</tool_call>',
            QWEN,
        ),
        (
            CALLS % '[TOOL_CALLS] [{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", '
            '"arguments": {{ .Function.Arguments }}}{{ end }}]</s>',
            Tags("[TOOL_CALLS]", "</s>"),
        ),
        (
            CALLS % "{{ range .ToolCalls }}[TOOL_CALLS]{{ .Function.Name }}[ARGS]"
            "{{ .Function.Arguments }}{{ end }}",
            MISTRAL,
        ),
        (
            CALLS % '{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", '
            '"parameters": {{ .Function.Arguments }}}{{ end }}<|eot_id|>',
            BARE,
        ),
        (
            CALLS % '[{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", '
            '"parameters": {{ .Function.Arguments }}}{{ end }}]',
            LIST,
        ),
        (
            CALLS % 'Action: ```json\n[{{ range .ToolCalls }}{"tool_name": '
            '"{{ .Function.Name }}", "parameters": {{ json .Function.Arguments }}}{{ end }}]```',
            Tags("Action: ```json", "```"),
        ),
        (CALLS % "{{ json .ToolCalls }}", LIST),
        (CALLS % "calls", Tags()),
        ("{{ range .Messages }}{{ if .ToolCalls }}{{ .Role.X }}{{ end }}{{ end }}", Tags()),
    ],
)
def test_tags_of_a_template(template, expected):
    assert tags_of(template_of(template)) == expected


def test_what_a_template_writes_is_read_again():
    tags = Tags("<tool_call>", "</tool_call>")
    value = {"name": "add", "arguments": {"text": 'a "b" \\ {', "n": None}}
    text = f"<tool_call>{json.dumps(value)}</tool_call>"
    assert read(tags, [text]) == ("", [("add", value["arguments"])])
