"""Conversations as Go templates write them; each expected text was worked out by hand."""

from typing import Any

import pytest
from tests.fakes import go_templates

from paddock.gateway.ollama.rendering import (
    Rendered,
    Turn,
    render,
    render_with_media,
    template_of,
)
from paddock.gateway.ollama.thinking_text import Tags as ThinkingTags
from paddock.gateway.ollama.thinking_text import tags_of as thinking_tags_of
from paddock.gateway.ollama.tool_text import Tags as ToolTags
from paddock.gateway.ollama.tool_text import tags_of as tool_tags_of
from paddock.gotemplate import TemplateError


def system(text: str) -> dict[str, object]:
    return {"role": "system", "content": text}


def user(text: str) -> dict[str, object]:
    return {"role": "user", "content": text}


def assistant(text: str = "", **more: object) -> dict[str, object]:
    return {"role": "assistant", "content": text, **more}


def tool(text: str) -> dict[str, object]:
    return {"role": "tool", "content": text, "tool_name": "rain"}


TALK = (system("Be brief."), user("Hi"), assistant("Hello."), user("Bye"))

RAIN_SCHEMA: dict[str, Any] = {
    "name": "rain",
    "description": "Where it rains",
    "parameters": {
        "type": "object",
        "required": ["city"],
        "properties": {
            "city": {"type": "string", "description": "A <city>", "default": "x"},
            "days": {"type": ["integer", "null"], "enum": [1, 2]},
        },
    },
}
RAIN = {"type": "function", "function": RAIN_SCHEMA}
RAIN_FUNCTION = (
    '{"name":"rain","description":"Where it rains","parameters":{"type":"object",'
    '"required":["city"],"properties":{"city":{"type":"string",'
    '"description":"A \\u003ccity\\u003e"},"days":{"type":["integer","null"],"enum":[1,2]}}}}'
)
CALLED = (
    user("Rain?"),
    assistant(
        tool_calls=[{"function": {"name": "rain", "arguments": {"days": 1, "city": "Ålesund"}}}]
    ),
    tool('{"mm": 3}'),
)

GOLDEN = [
    (
        "chatml",
        Turn(TALK),
        (
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
            "<|im_start|>assistant\n"
        ),
    ),
    (
        "llama2",
        Turn(TALK),
        "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello.</s>[INST] Bye [/INST] ",
    ),
    (
        "llama2",
        Turn((user("a"), user("b"), assistant("c"), system("S"), user("d"), assistant("e"))),
        "[INST] a\n\nb [/INST] c</s>[INST] <<SYS>>\nS\n<</SYS>>\n\nd [/INST] e",
    ),
    (
        "llama3",
        Turn(TALK),
        (
            "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
        ),
    ),
    (
        "llama3",
        Turn((user("Rain?"),), (RAIN,)),
        (
            "<|start_header_id|>system<|end_header_id|>\n\nYou may call functions.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nAnswer with a call in JSON.\n\n"
            f'{{"type":"function","function":{RAIN_FUNCTION}}}\n\nRain?<|eot_id|>'
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
        ),
    ),
    (
        "llama3",
        Turn(CALLED),
        (
            "<|start_header_id|>user<|end_header_id|>\n\nRain?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
            '{"name": "rain", "parameters": {"days":1,"city":"Ålesund"}}<|eot_id|>'
            '<|start_header_id|>ipython<|end_header_id|>\n\n{"mm": 3}<|eot_id|>'
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
        ),
    ),
    (
        "mistral",
        Turn(TALK),
        "[INST] Hi[/INST] Hello.</s>[INST] Be brief.\n\nBye[/INST]",
    ),
    (
        "mistral",
        Turn(CALLED, (RAIN,)),
        (
            "[INST] Rain?[/INST][TOOL_CALLS] "
            '[{"name": "rain", "arguments": {"days":1,"city":"Ålesund"}}]</s>'
            '[TOOL_RESULTS] {"content": "{\\"mm\\": 3}"}[/TOOL_RESULTS]'
        ),
    ),
    (
        "mistral",
        Turn((user("Rain?"),), (RAIN,)),
        (
            f'[AVAILABLE_TOOLS] [{{"type":"function","function":{RAIN_FUNCTION}}}]'
            "[/AVAILABLE_TOOLS][INST] Rain?[/INST]"
        ),
    ),
    (
        "gemma",
        Turn(TALK),
        (
            "<start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello."
            "<end_of_turn>\n<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n"
        ),
    ),
    (
        "phi",
        Turn(TALK),
        (
            "<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello.<|end|>\n"
            "<|user|>\nBye<|end|>\n<|assistant|>\n"
        ),
    ),
    (
        "alpaca",
        Turn(TALK),
        (
            "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello.\n\n"
            "### Instruction:\nBye\n\n### Response:\n"
        ),
    ),
    (
        "vicuna",
        Turn(TALK),
        "Be brief. USER: Hi ASSISTANT:Hello. USER: Bye ASSISTANT:",
    ),
    (
        "deepseek",
        Turn(TALK),
        "Be brief.<|User|>Hi<|Assistant|>Hello.<|end_of_sentence|><|User|>Bye<|Assistant|>",
    ),
    (
        "deepseek",
        Turn((user("Hi"),), think=False),
        "<|User|>Hi<|Assistant|><think>\n\n</think>\n\n",
    ),
    (
        "deepseek",
        Turn((user("Hi"), assistant("Hel", thinking="Hm.")), think="high"),
        "<|User|>Hi<|Assistant|><think>\nHm.\n</think>\nHel",
    ),
    (
        "qwen3",
        Turn((*CALLED, assistant("It rains."), user("More?")), (RAIN,), think=True),
        (
            "<|im_start|>system\n# Tools\n\n<tools>\n"
            f'{{"type": "function", "function": {RAIN_FUNCTION}}}\n</tools><|im_end|>\n'
            "<|im_start|>user\nRain?<|im_end|>\n<|im_start|>assistant\n<tool_call>\n"
            '{"name": "rain", "arguments": {"days":1,"city":"Ålesund"}}\n</tool_call><|im_end|>\n'
            '<|im_start|>user\n<tool_response>\n{"mm": 3}\n</tool_response><|im_end|>\n'
            "<|im_start|>assistant\nIt rains.<|im_end|>\n"
            "<|im_start|>user\nMore? /think<|im_end|>\n<|im_start|>assistant\n"
        ),
    ),
    (
        "qwen3",
        Turn(TALK, think=False),
        (
            "<|im_start|>system\nBe brief.\n\n<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nBye /no_think<|im_end|>\n"
            "<|im_start|>assistant\n<think>\n\n</think>\n\n"
        ),
    ),
    (
        "codellama",
        Turn(prompt="def add(", suffix="return c"),
        "<PRE> def add( <SUF>return c <MID>",
    ),
    ("codellama", Turn(prompt="def add("), "[INST] def add( [/INST] "),
    (
        "starcoder",
        Turn(prompt="a", suffix="b", system="ignored"),
        "<fim_prefix>a<fim_suffix>b<fim_middle>",
    ),
    ("starcoder", Turn(prompt="a"), "a"),
]


@pytest.mark.parametrize(("family", "turn", "expected"), GOLDEN)
def test_what_a_family_is_asked_with(family, turn, expected):
    assert render(template_of(go_templates.ALL[family]), turn) == expected


def test_openai_messages_are_written_as_ollamas():
    arguments = '{"days": 1, "city": "Ålesund"}'
    call = {"id": "c1", "type": "function", "function": {"name": "rain", "arguments": arguments}}
    messages = (
        {
            "role": "developer",
            "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}],
        },
        user("Rain?"),
        assistant(reasoning_content="Hm.", tool_calls=[call]),
        {"role": "tool", "tool_call_id": "c1", "name": "rain", "content": '{"mm": 3}'},
    )
    for family in ("qwen3", "llama3", "mistral"):
        template = template_of(go_templates.ALL[family])
        expected = render(template, Turn((system("Be brief."), *CALLED), (RAIN,)))
        assert render(template, Turn(messages, (RAIN,))) == expected


def test_a_bad_call_in_a_conversation_is_told():
    call = {"function": {"name": "rain", "arguments": "{"}}
    with pytest.raises(TemplateError, match="arguments of a tool call"):
        render(template_of(go_templates.QWEN3), Turn((assistant(tool_calls=[call]),)))


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (Turn((user("a"),), system="S"), "S|system:S;user:a;"),
        (Turn((system("T"), user("a")), system="S"), "T|system:T;user:a;"),
        (Turn((user("a"), system("T")), system="S"), "S\n\nT|system:S;user:a;system:T;"),
        (Turn((user("a"), user("b"))), "|user:a\n\nb;"),
        (Turn((user(""), user("b"))), "|user:b;"),
        (Turn((tool("a"), tool("b"))), "|tool:a;tool:b;"),
        (Turn((user("a"),), prompt="b"), "|user:a\n\nb;"),
        (Turn(prompt="b", response="c"), "|user:b;assistant:c;"),
        (Turn(({"role": "USER", "content": None},)), "|user:;"),
        (Turn(), "|"),
    ],
)
def test_how_messages_are_put_together(turn, expected):
    template = "{{ .System }}|{{ range .Messages }}{{ .Role }}:{{ .Content }};{{ end }}"
    assert render(template_of(template), turn) == expected


def test_what_a_template_sees_of_a_message():
    template = template_of(
        "{{ range .Messages }}{{ .Thinking }}{{ .ToolName }}{{ .ToolCallID }}{{ len .Images }}"
        "{{ range .ToolCalls }}{{ .ID }}{{ .Function.Index }}{{ .Function }}{{ end }};{{ end }}"
        "{{ range .Tools }}{{ range $n, $p := .Function.Parameters.Properties }}"
        "{{ $n }}:{{ .Type }}:{{ toTypeScriptType . }};{{ end }}{{ .Function.Parameters.Required }}"
        "{{ end }}{{ .Think }}{{ .ThinkLevel }}{{ .IsThinkSet }}"
    )
    messages = (
        assistant(thinking="T", tool_calls=[{"id": "c1", "function": {"name": "f"}}]),
        {"role": "tool", "content": "r", "tool_name": "f", "tool_call_id": "c1"},
    )
    assert render(template, Turn(messages, (RAIN,), think="low")) == (
        'T0c10{"name":"f","arguments":{}};fc10;'
        "city:string:string;days:[integer null]:number | null;[city]truelowtrue"
    )
    with pytest.raises(TemplateError, match=r"field Name in type api\.Message"):
        render(template_of("{{ range .Messages }}{{ .Name }}{{ end }}"), Turn((user("a"),)))


def test_two_answers_in_a_row_keep_their_calls():
    template = template_of("{{ range .Messages }}{{ .Content }}{{ json .ToolCalls }}{{ end }}")
    one = {"function": {"name": "a", "arguments": {}}}
    two = {"function": {"name": "b", "arguments": {}}}
    turn = Turn((assistant("x", tool_calls=[one]), assistant("y", tool_calls=[two])))
    assert render(template, turn) == (
        'x\n\ny[{"function":{"name":"a","arguments":{}}},{"function":{"name":"b","arguments":{}}}]'
    )


# --- pictures and sounds -------------------------------------------------------------------------


def test_pictures_are_tagged_as_ollama_does():
    turn = Turn(
        (
            {"role": "user", "content": "Look", "images": ["A", "B"]},
            assistant("Nice."),
            {"role": "user", "content": "Is [img] like that?", "images": ["C", "D"]},
        )
    )
    assert render(template_of(go_templates.VICUNA), turn) == (
        " USER: [img-0][img-1]Look ASSISTANT:Nice. USER: [img-3]Is [img-2] like that? ASSISTANT:"
    )


def test_markers_are_only_where_media_are():
    picture = {"type": "image_url", "image_url": {"url": "data:…"}}
    content = [picture, {"type": "text", "text": "what is [img-0] <M>?"}]
    turn = Turn(({"role": "user", "content": content},))
    assert render_with_media(template_of("{{ .Prompt }}"), turn, "<M>") == Rendered(
        "<M>what is [img-0] ?", (picture,)
    )


def test_media_that_the_template_leaves_out_or_repeats():
    turn = Turn(
        (
            {"role": "user", "content": "a", "images": ["A"]},
            assistant("x"),
            {"role": "user", "content": "b", "images": ["B"]},
        )
    )
    last = "{{ range .Messages }}{{ if eq .Role `user` }}{{ $.System }}{{ end }}{{ end }}"
    assert render_with_media(template_of(last), turn, "<M>") == Rendered("", ())
    twice = "{{ with index .Messages 2 }}{{ .Content }}{{ .Content }}{{ end }}"
    assert render_with_media(template_of(twice), turn, "<M>") == Rendered("<M>b<M>b", ("B", "B"))


# --- bounds --------------------------------------------------------------------------------------


def test_a_long_conversation_is_written():
    messages = tuple(message for _ in range(1000) for message in (user("q"), assistant("a" * 200)))
    for family in ("chatml", "llama2", "llama3", "qwen3"):
        text = render(template_of(go_templates.ALL[family]), Turn((*messages, user("last"))))
        assert text.count("a" * 200) == 1000


def test_many_tools_and_long_calls_are_written():
    tools = tuple(
        {"type": "function", "function": RAIN_SCHEMA | {"name": f"rain{number}"}}
        for number in range(500)
    )
    call = {"function": {"name": "rain", "arguments": {"text": "<ü>" * 200_000}}}
    text = render(template_of(go_templates.QWEN3), Turn((assistant(tool_calls=[call]),), tools))
    assert text.count('"name":"rain') == 500
    assert text.count("\\u003cü\\u003e") == 200_000


def test_turns_share_their_bounds():
    hostile = template_of("{{ range 30000 }}{{ end }}{{ .Prompt }}{{ .Response }}")
    messages = tuple(message for _ in range(50) for message in (user("q"), assistant("a")))
    with pytest.raises(TemplateError, match="too many steps"):
        render(hostile, Turn(messages))


# --- what is seen in the templates ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "tools", "thinking"),
    [
        ("qwen3", ToolTags("<tool_call>", "</tool_call>"), ThinkingTags()),
        ("llama3", ToolTags("", "<|eot_id|>"), None),
        ("mistral", ToolTags("[TOOL_CALLS]", "</s>"), None),
        ("deepseek", ToolTags(), ThinkingTags()),
        ("chatml", ToolTags(), None),
    ],
)
def test_tags_of_families(family, tools, thinking):
    template = template_of(go_templates.ALL[family])
    assert tool_tags_of(template) == tools
    assert thinking_tags_of(template) == thinking
