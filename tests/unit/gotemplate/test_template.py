"""Reading and executing: what it means, what it refuses, and what it may cost.

What Go itself says of hundreds of templates is in test_against_go.py.
"""

import contextlib
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.gotemplate import (
    Budget,
    Field,
    JsonList,
    JsonMap,
    JsonStruct,
    Kind,
    OneOrMany,
    Struct,
    TemplateError,
    parse,
)

DATA = {
    "System": "Be brief.",
    "Prompt": "Hi",
    "Empty": "",
    "List": ["a", "b", "c"],
    "Map": {"z": 1, "a": {"x": True}},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ .System }}", "Be brief."),
        ("a {{- .Prompt -}} b", "aHib"),
        ("a{{/* nothing */}}b", "ab"),
        ("{{ if .Empty }}x{{ else if .Prompt }}{{ .Prompt }}{{ else }}y{{ end }}", "Hi"),
        ("{{ range $i, $e := .List }}{{ if $i }}, {{ end }}{{ $e }}{{ end }}", "a, b, c"),
        ("{{ range $k, $v := .Map }}{{ $k }}={{ $v }} {{ end }}", "a=map[x:true] z=1 "),
        ("{{ range .Empty }}{{ else }}none{{ end }}", None),
        ("{{ range .None }}{{ else }}none{{ end }}", "none"),
        ('{{ range .List }}{{ if eq . "b" }}{{ break }}{{ end }}{{ . }}{{ end }}', "a"),
        ('{{ range .List }}{{ if eq . "b" }}{{ continue }}{{ end }}{{ . }}{{ end }}', "ac"),
        ("{{ with .Map.a }}{{ .x }}{{ $.Prompt }}{{ end }}", "trueHi"),
        ('{{ define "m" }}<{{ . }}>{{ end }}{{ template "m" .Prompt }}', "<Hi>"),
        ('{{ block "m" .List }}{{ len . }}{{ end }}', "3"),
        ("{{ $x := 1 }}{{ range .List }}{{ $x = . }}{{ end }}{{ $x }}", "c"),
        ('{{ printf "%s-%d" .Prompt 3 | printf "[%s]" }}', "[Hi-3]"),
        ("{{ eq (len (slice .List 2)) 1 }}", "true"),
        ("{{ index .List 1 }}{{ (index .Map `a`).x }}", "btrue"),
        ("{{ and .Prompt .Empty .Nope.Nope }}|{{ or .Empty .Prompt }}", "|Hi"),
        ("{{ .Nope }}", "<no value>"),
        ("{{ json .Map }}", '{"a":{"x":true},"z":1}'),
        ('{{ json "<a>&\\u2028" }}', '"\\u003ca\\u003e\\u0026\\u2028"'),
        ("{{ .Map }}", "map[a:map[x:true] z:1]"),
        ("{{ .List }}", "[a b c]"),
    ],
)
def test_what_a_template_writes(template, expected):
    if expected is None:
        with pytest.raises(TemplateError):
            parse(template).execute(DATA)
    else:
        assert parse(template).execute(DATA) == expected


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("a\nb {{ .X", "template: :2: unclosed action"),
        ("{{ end }}", "template: :1: unexpected {{end}}"),
        ("{{ if .X }}", "template: :1: unexpected EOF"),
        ("{{ if }}{{ end }}", "template: :1: missing value for if"),
        ("\n\n{{ nope }}", 'template: :3: function "nope" not defined'),
        ("{{ $x }}", 'template: :1: undefined variable "$x"'),
        ("{{ .A | 3 }}", "template: :1: non executable command in pipeline stage 2"),
        ("{{ (.A }}", "template: :1: unclosed left paren"),
        ('{{ "a }}', "template: :1: unterminated quoted string"),
        ("{{/* a }}", "template: :1: unclosed comment"),
        ("{{ break }}", "template: :1: {{break}} outside {{range}}"),
        ("{{ range $a, $b, $c := .X }}{{ end }}", "template: :1: too many declarations in range"),
        ("{{ 9223372036854775808 }}", "template: :1: integer overflow: '9223372036854775808'"),
        ("{{if 1}}" * 50, "template: :1: more than 40 blocks or brackets within each other"),
        ("x" * 70_000, "template: :1: the template has more than 65,536 characters"),
        (
            "".join(f"{{{{$v{n} := 1}}}}" for n in range(300)),
            "template: :1: more than 256 variables",
        ),
    ],
)
def test_what_is_no_template(template, told):
    with pytest.raises(TemplateError) as raised:
        parse(template)
    assert str(raised.value) == told
    assert raised.value.param == "template"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("\n{{ .Prompt.X }}", "template: :2: can't evaluate field X in type string"),
        ("{{ .Nope.X }}", "template: :1: nil pointer evaluating interface {}.X"),
        ("a\n\n{{ len 3 }}", "template: :3: error calling len: len of type int"),
        ("{{ index .List 3 }}", "template: :1: error calling index: index out of range: 3"),
        (
            "{{ eq .Prompt 1 }}",
            "template: :1: error calling eq: incompatible types for comparison: string and int",
        ),
        ("{{ lt 1 }}", "template: :1: wrong number of args for lt: want 2 got 1"),
        ('{{ template "x" }}', 'template: :1: template "x" not defined'),
        ("{{ .Prompt 1 }}", "template: :1: can't give argument to non-function .Prompt"),
        ("{{ nil }}", "template: :1: nil is not a command"),
        ("{{ range .Prompt }}{{ end }}", "template: :1: range can't iterate over Hi"),
    ],
)
def test_what_cannot_be_executed(template, told):
    with pytest.raises(TemplateError) as raised:
        parse(template).execute(DATA)
    assert str(raised.value) == told


@pytest.mark.parametrize(
    "template",
    [
        "{{ range 1000000000 }}{{ end }}",
        "{{ range 1000000 }}{{ range 1000000 }}{{ end }}{{ end }}",
        '{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}',
        '{{ define "a" }}{{ range 9 }}{{ template "a" }}{{ end }}{{ end }}{{ template "a" }}',
        '{{ $x := "aaaaaaaaaaaaaaaa" }}{{ range 99 }}{{ $x = print $x $x }}{{ end }}',
        '{{ range 1000000 }}{{ printf "%9999d" 1 }}{{ end }}',
        "{{ range 1000000 }}{{ $y := json $.Long }}{{ end }}",
        "{{ range 1000000 }}{{ $y := len $.Long }}{{ end }}",
        "{{ range 1000000 }}{{ if eq $.Long $.Other }}{{ end }}{{ end }}",
        "{{ range 10000 }}{{ $.Long }}{{ end }}",
        "{{ range 1000000 }}{{ range $.Wide }}{{ break }}{{ end }}{{ end }}",
    ],
)
def test_a_hostile_template_ends(template):
    long = "ü" * 100_000
    wide = {str(number): number for number in range(10_000)}
    with pytest.raises(TemplateError):
        parse(template).execute({"Long": long, "Other": long[:-1] + "x", "Wide": wide})


def test_deep_data_is_refused():
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for template in ("{{ . }}", "{{ json . }}", '{{ printf "%d" .x }}', "{{ print .x }}"):
        with pytest.raises(TemplateError):
            parse(template).execute({"x": deep})


def test_executions_can_share_a_budget():
    template, budget = parse("{{ range 600 }}x{{ end }}"), Budget(steps=2_000)
    assert template.execute({}, budget) == "x" * 600
    with pytest.raises(TemplateError, match="too many steps"):
        template.execute({}, budget)
    with pytest.raises(TemplateError, match="writes too much"):
        template.execute({}, Budget(output=599))


@given(st.text(st.sampled_from("{}-.$\"'`|()=:, ab1/*\n\\") | st.characters(), max_size=60))
def test_any_text_is_a_template_or_an_error(text):
    with contextlib.suppress(TemplateError):
        parse("{{" + text).execute(DATA)


def test_dates():
    written = parse("{{ currentDate }} {{ currentDate `2006` }} {{ yesterdayDate }}").execute({})
    today, same, yesterday = written.split()
    assert today == same
    days = [datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) for day in (today, yesterday)]
    assert (days[0] - days[1]).days == 1


# --- structs -------------------------------------------------------------------------------------

POINT = Kind("api.Point", Field("X", "x"), Field("Note", "note", omit_empty=True))


def test_a_struct_has_its_fields_only():
    data = {"P": Struct(POINT, 3, "")}
    assert parse("{{ .P.X }}|{{ .P }}|{{ printf `%+v` .P }}|{{ json .P }}").execute(data) == (
        '3|{3 }|{X:3 Note:}|{"x":3}'
    )
    assert parse("{{ if .P }}true{{ end }}").execute(data) == "true"
    with pytest.raises(TemplateError, match=r"can't evaluate field Y in type api\.Point"):
        parse("{{ .P.Y }}").execute(data)


def test_values_that_print_as_json():
    data = {
        "S": JsonStruct(POINT, 1.0, "n"),
        "M": JsonMap(z=1, a=[None, "<"]),
        "L": JsonList([1e21, 1e-7, 0.1]),
        "One": OneOrMany(["string"]),
        "Two": OneOrMany(["string", "null"]),
    }
    assert parse("{{ .S }}").execute(data) == '{"x":1,"note":"n"}'
    assert parse("{{ .M }}{{ len .M }}").execute(data) == '{"z":1,"a":[null,"\\u003c"]}2'
    assert parse("{{ range $k, $v := .M }}{{ $k }}{{ end }}").execute(data) == "az"
    assert parse("{{ .L }} {{ print .L 1 }}").execute(data) == "[1e+21,1e-7,0.1] [1e+21,1e-7,0.1] 1"
    assert parse("{{ .One }} {{ .Two }} {{ json .One }} {{ json .Two }}").execute(data) == (
        'string [string null] "string" ["string","null"]'
    )


@pytest.mark.parametrize(
    ("types", "either", "expected"),
    [
        (["string"], [], "string"),
        (["integer", "null"], [], "number | null"),
        (["array"], [], "any[]"),
        (["object"], [], "Record<string, any>"),
        (["what"], [], "any"),
        ([], [], "any"),
        (["string"], [["boolean"], ["number"]], "boolean | number"),
    ],
)
def test_typescript(types, either, expected):
    kind = Kind("api.ToolProperty", Field("AnyOf", "anyOf"), Field("Type", "type"))
    inner = [Struct(kind, [], OneOrMany(one)) for one in either]
    data = {"P": Struct(kind, inner, OneOrMany(types)), "N": 3}
    assert parse("{{ toTypeScriptType .P }}").execute(data) == expected
    assert parse("{{ toTypeScriptType .N }}").execute(data) == "any"


# --- asking a template ---------------------------------------------------------------------------


def test_mentions():
    template = parse(
        "{{ if .System }}{{ range $i, $m := $.Messages }}{{ $m.Role }}{{ end }}{{ end }}"
        '{{ define "x" }}{{ (index .Tools 0).Function.Name }}{{ end }}{{ print (len .Suffix) }}'
    )
    for chain in (".System", ".Messages", ".Role", ".Tools", ".Function.Name", ".Suffix"):
        assert template.mentions(chain), chain
    for chain in (".Response", ".Name", ".Function.Type", ".Sys"):
        assert not template.mentions(chain), chain


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("a{{ .Response }}b", "aR"),
        ("a{{ .Prompt }}b", "aHib"),
        ("{{ if .Prompt }}x{{ .Response }}y{{ end }}z", "xR"),
        ("{{ if .Response }}{{ .Response }}y{{ else }}n{{ end }}z", "R"),
        ("{{ if .Empty }}{{ .Response }}{{ else }}n{{ end }}z", "n"),
        ("{{ range .List }}{{ . }}{{ $.Response }}y{{ end }}z", "aRbRcR"),
        ("{{ if .Response }}x{{ end }}{{ .Response | print }}z", "xR"),
    ],
)
def test_up_to(template, expected):
    assert parse(template).up_to("Response").execute(DATA | {"Response": "R"}) == expected


def test_followed_by():
    template = parse("{{ .Prompt }} ").followed_by("Response")
    assert template.execute(DATA | {"Response": "R"}) == "Hi R"
    assert template.text == "{{ .Prompt }} "


def test_no_regex_is_slow_on_long_texts():
    for text in ("{{" + " " * 60_000, "{{/*" + "*" * 60_000, '{{"' + '\\"' * 30_000):
        with pytest.raises(TemplateError, match=re.compile("unclosed|unterminated")):
            parse(text)
