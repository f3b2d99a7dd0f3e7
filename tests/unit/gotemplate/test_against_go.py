"""The same templates, executed by Go's own text/template: what it says is right.

Skipped where there is no `go`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes import go_templates

from paddock.gotemplate import TemplateError, parse

GO = shutil.which("go")
pytestmark = pytest.mark.skipif(GO is None, reason="there is no `go` to compare with")

ORACLE = r"""
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type ask struct {
	Template string
	Data     any
}

func plain(value any) any {
	switch v := value.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil && !strings.ContainsAny(v.String(), ".eE") {
			return int(i)
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for key, member := range v {
			v[key] = plain(member)
		}
	case []any:
		for at, member := range v {
			v[at] = plain(member)
		}
	}
	return value
}

func answer(line string) map[string]any {
	var asked ask
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&asked); err != nil {
		panic(err)
	}
	functions := template.FuncMap{"json": func(v any) string {
		data, _ := json.Marshal(v)
		return string(data)
	}}
	parsed, err := template.New("").Option("missingkey=zero").Funcs(functions).Parse(asked.Template)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	var out strings.Builder
	if err := parsed.Execute(&out, plain(asked.Data)); err != nil {
		return map[string]any{"error": err.Error()}
	}
	return map[string]any{"out": out.String()}
}

func main() {
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		data, _ := json.Marshal(answer(line))
		os.Stdout.Write(append(data, '\n'))
	}
}
"""

Oracle = Callable[[str, Any], str | None]
"""What Go writes, or None for an error."""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("oracle")
    (folder / "main.go").write_text(ORACLE)
    (folder / "go.mod").write_text("module oracle\n\ngo 1.21\n")
    built = subprocess.run(
        [str(GO), "build", "-o", "oracle", "."], cwd=folder, capture_output=True, text=True
    )
    if built.returncode:
        pytest.skip(f"`go build` does not work here: {built.stderr[:200]}")
    return folder / "oracle"


@pytest.fixture(scope="module")
def go(program: Path) -> Iterator[Oracle]:
    with subprocess.Popen(
        [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        to, back = child.stdin, child.stdout
        assert to
        assert back

        def ask(template: str, data: Any) -> str | None:
            to.write(json.dumps({"Template": template, "Data": data}) + "\n")
            to.flush()
            return json.loads(back.readline()).get("out")

        yield ask
        to.close()


def ours(template: str, data: Any) -> str | None:
    try:
        return parse(template).execute(data)
    except TemplateError:
        return None


DATA: dict[str, Any] = {
    "S": "text",
    "E": "",
    "U": "größe ☃ 😀",
    "Q": '<a href="x">\'&\\\n\t=</a>',
    "I": 42,
    "Z": 0,
    "N": -7,
    "F": 1.5,
    "G": 1e21,
    "H": 1e-7,
    "K": 1e6,
    "T": True,
    "X": False,
    "Nil": None,
    "L": ["a", "b", 3, None, 2.5, [1, 2], {"k": "v"}],
    "Empty": [],
    "M": {"b": 1, "a": "x", "c": {"d": [True]}, "n": None},
    "NoKeys": {},
    "Messages": [
        {"Role": "system", "Content": "Be brief."},
        {"Role": "user", "Content": "Hi <there>"},
        {"Role": "assistant", "Content": ""},
    ],
}

TEMPLATES = [
    # text and trimming
    "",
    "plain",
    "a {{- .S -}} b",
    "a {{- /* c */ -}} b",
    "a {{/* c */}} b",
    "a{{- 3}}b",
    "{{-3}}",
    "{{ .S -}}\n\n x",
    "x \n\t{{-  .S  -}}\n y",
    "{{ 3 -}} {{- 4 }}",
    "{{- -}}",
    "{{/* a */ }}",
    "{{ /* a */ }}",
    "{{/* a }}",
    "{{ .S",
    "}}",
    "{ {",
    "{{}}",
    "{{ }}",
    "{{\n.S\n}}",
    "{{ `a\r\nb` }}",
    # values
    *(f"{{{{ .{name} }}}}" for name in DATA),
    *(f"{{{{ json .{name} }}}}" for name in DATA),
    *(f"{{{{ print .{name} }}}}" for name in DATA),
    *(f"{{{{ if .{name} }}}}yes{{{{ else }}}}no{{{{ end }}}}" for name in DATA),
    *(f'{{{{ printf "%v|%s|%d|%q" .{n} .{n} .{n} .{n} }}}}' for n in DATA if n not in "LM"),
    "{{ . }}",
    "{{ $ }}",
    "{{ .None }}",
    "{{ .None.Some }}",
    "{{ .Nil.Some }}",
    "{{ $x := .None }}{{ $x.Some }}",
    "{{ (.None).Some }}",
    "{{ .M.c.d }}{{ .M.c.x }}",
    "{{ .M.c.x.y }}",
    "{{ .S.x }}",
    "{{ .I.x }}",
    "{{ $.M.a }}{{ with .M }}{{ .a }}{{ $.S }}{{ end }}",
    "{{ (index .Messages 1).Content }}",
    "{{ (index .Messages 1).Content.X }}",
    "{{ (.M.c).d }}",
    # literals
    "{{ 1 }}{{ -2 }}{{ +3 }}{{ 1_000 }}{{ 0x1F }}{{ 0b11 }}{{ 0o17 }}{{ 017 }}",
    "{{ 1.5 }} {{ .5 }} {{ 1e3 }} {{ 1e21 }} {{ 1e20 }} {{ 0x1p4 }} {{ 1. }} {{ -0.0 }}",
    "{{ 08 }}",
    "{{ 09.5 }}",
    "{{ 1__0 }}",
    "{{ 1_ }}",
    "{{ 0x }}",
    "{{ 9223372036854775807 }}",
    "{{ 9223372036854775808 }}",
    "{{ 1e400 }}",
    "{{ 3x }}",
    "{{ 'a' }}{{ '\\n' }}{{ '☃' }}{{ '\\'' }}",
    "{{ 'ab' }}",
    '{{ "a\\tb\\n\\"q\\" \\x41 \\u2603 \\U0001F600 \\101" }}',
    '{{ "\\q" }}',
    '{{ "\\\'" }}',
    '{{ "open }}',
    '{{ "}}" }}',
    "{{ true }}{{ false }}",
    "{{ nil }}",
    '{{ "a""b" }}',
    '{{ print "a"1 }}',
    "{{ true.x }}",
    "{{ nil.x }}",
    "{{ . .x }}",
    "{{ ..x }}",
    "{{ .S.}}",
    "{{ .S@ }}",
    "{{ @ }}",
    "{{ a.b }}",
    "{{ $x }}",
    "{{ ) }}",
    "{{ (.S }}",
    "{{ () }}",
    "{{ (1).x }}",
    # pipelines
    '{{ .S | printf "%s-%s" "a" }}',
    "{{ .S | len }}{{ .S | len | print }}",
    "{{ .S | .E }}",
    "{{ 1 | 2 }}",
    "{{ .S | }}",
    "{{ | .S }}",
    "{{ .S .E }}",
    "{{ .S | nope }}",
    "{{ nope }}",
    '{{ "a" | print "b" | print (print 1 2) }}',
    '{{ print (print "a") (len "bcd") }}',
    "{{ len (.L) }}",
    "{{ len }}",
    "{{ len 1 }}",
    "{{ len .Nil }}",
    "{{ len .None }}",
    "{{ len .U }}{{ len .M }}{{ len .Empty }}",
    "{{ not }}",
    "{{ not 1 2 }}",
    "{{ and }}",
    # variables
    "{{ $x := 1 }}{{ $x }}{{ $x = 2 }}{{ $x }}",
    "{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}",
    "{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}",
    "{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}",
    "{{ $x = 1 }}",
    "{{ $x := $x }}",
    "{{ $x=1 }}",
    "{{ $x:=1 }}{{$x}}",
    "{{ $x, $y := 1 }}",
    "{{ if $x := .S }}{{ $x }}{{ else }}-{{ $x }}{{ end }}",
    "{{ if $x := .E }}a{{ else if $y := .S }}{{ $x }}{{ $y }}{{ else }}c{{ end }}",
    "{{ with $x := .S }}{{ . }}{{ $x }}{{ end }}",
    "{{ $x := .M }}{{ $x.a }}{{ $x.c.d }}",
    "{{ $x := 1 | print }}{{ $x }}",
    # if, with
    "{{ if .E }}a{{ else if .Z }}b{{ else if .S }}c{{ else }}d{{ end }}",
    "{{ if .E }}a{{ else }}b{{ else }}c{{ end }}",
    "{{ if }}a{{ end }}",
    "{{ if .S }}",
    "{{ else }}",
    "{{ end }}",
    "{{ end x }}",
    "{{ with .M }}{{ .a }}{{ else }}no{{ end }}",
    "{{ with .E }}a{{ else with .S }}{{ . }}{{ else }}c{{ end }}",
    "{{ with .E }}a{{ else if .S }}{{ . }}{{ end }}",
    "{{ if .E }}a{{ else with .S }}{{ . }}{{ end }}",
    "{{ with .Nil }}a{{ else }}{{ .S }}{{ end }}",
    # range
    "{{ range .L }}[{{ . }}]{{ end }}",
    "{{ range $x := .L }}[{{ $x }}]{{ end }}",
    "{{ range $i, $x := .L }}{{ $i }}={{ $x }};{{ end }}",
    "{{ range $i, $_ := .Messages }}{{ $i }}{{ .Role }}{{ end }}",
    "{{ range .M }}[{{ . }}]{{ end }}",
    "{{ range $k, $v := .M }}{{ $k }}={{ $v }};{{ end }}",
    "{{ range .Empty }}a{{ else }}none{{ end }}",
    "{{ range .NoKeys }}a{{ else }}none{{ end }}",
    "{{ range .Nil }}a{{ else }}none{{ end }}",
    "{{ range .None }}a{{ else }}none{{ end }}",
    "{{ range 3 }}{{ . }}{{ end }}",
    "{{ range $i := 3 }}{{ $i }}{{ end }}",
    "{{ range $i, $j := 3 }}{{ $i }}{{ end }}",
    "{{ range 0 }}a{{ else }}none{{ end }}",
    "{{ range -1 }}a{{ else }}none{{ end }}",
    "{{ range .S }}{{ . }}{{ end }}",
    "{{ range .F }}{{ . }}{{ end }}",
    "{{ range .T }}{{ . }}{{ end }}",
    "{{ range $i, $x := .L }}{{ if eq $i 2 }}{{ break }}{{ end }}{{ $x }}{{ end }}",
    "{{ range $i, $x := .L }}{{ if eq $i 2 }}{{ continue }}{{ end }}{{ $x }}{{ end }}",
    "{{ range .L }}{{ with . }}{{ continue }}{{ end }}n{{ end }}",
    "{{ break }}",
    "{{ range .L }}{{ else }}{{ break }}{{ end }}",
    "{{ range .L }}{{ break x }}{{ end }}",
    '{{ range .L }}{{ define "a" }}{{ end }}{{ end }}',
    "{{ $x := 0 }}{{ range $x = .L }}{{ end }}{{ $x }}",
    "{{ $x := 0 }}{{ $y := 0 }}{{ range $x, $y = .L }}{{ end }}{{ $x }}{{ $y }}",
    "{{ range $x, .L }}{{ end }}",
    "{{ range $x, $y, $z := .L }}{{ end }}",
    "{{ range $i, $x := .Empty }}{{ else }}{{ $i }}{{ end }}",
    "{{ range .L }}{{ range $.L }}{{ break }}{{ end }}x{{ end }}",
    # templates
    '{{ define "a" }}<{{ . }}>{{ end }}{{ template "a" .S }}{{ template "a" }}',
    '{{ define "a" }}{{ $ }}{{ end }}{{ template "a" .S }}',
    '{{ define "a" }}{{ $x }}{{ end }}',
    '{{ $x := 1 }}{{ define "a" }}{{ $x }}{{ end }}',
    '{{ block "a" .S }}<{{ . }}>{{ end }}{{ template "a" .I }}',
    '{{ template "nope" }}',
    '{{ template "nope" | print }}',
    "{{ template .S }}",
    '{{ define "a" }}1{{ end }}{{ define "a" }}2{{ end }}{{ template "a" }}',
    '{{ define "a" }} {{ end }}{{ define "a" }}2{{ end }}{{ template "a" }}',
    '{{ define "a" }}1{{ end }}{{ define "a" }} {{ end }}{{ template "a" }}',
    '{{ define "a" }}1{{ else }}{{ end }}',
    '{{ define "a" }}1',
    "{{ define a }}1{{ end }}",
    '{{ define "a" }}{{ if . }}{{ template "a" }}{{ end }}x{{ end }}{{ template "a" 1 }}',
    '{{ define "a" }}{{ $y := 2 }}{{ end }}{{ $x := 1 }}{{ template "a" }}{{ $x }}',
    # functions
    "{{ and 1 0 2 }}{{ or 0 3 4 }}{{ and 1 2 }}{{ or 0 .E }}{{ and .T .S }}{{ not .S }}",
    "{{ or .None .S }}{{ and .None .M.x.y }}{{ or .S .M.x.y }}",
    "{{ .S | and .T }}{{ .S | or .X }}",
    '{{ eq .S "text" }}{{ eq .S "a" "text" }}{{ ne .S "x" }}{{ eq 1 1 }}{{ eq 1.0 1.0 }}',
    "{{ eq 1 1.0 }}",
    "{{ eq .I 42 }}{{ eq .F 1.5 }}{{ eq .T true }}{{ lt 1 2 }}{{ le 2 2 }}{{ gt 3 2 }}{{ ge 1 2 }}",
    "{{ eq .Nil nil }}",
    "{{ eq .None nil }}{{ eq .None .Nil }}{{ eq .S nil }}{{ ne .None .S }}",
    "{{ eq .L .L }}",
    "{{ eq .M .M }}",
    "{{ eq .L nil }}",
    "{{ eq .S .I }}",
    "{{ eq .S 1 }}",
    "{{ eq .S }}",
    "{{ eq }}",
    "{{ lt .S 1 }}",
    '{{ lt "a" "b" }}{{ lt .U "h" }}{{ lt 1.5 2.5 }}',
    "{{ lt true false }}",
    "{{ lt .Nil 1 }}",
    "{{ lt 1 }}",
    "{{ lt 1 2 3 }}",
    '{{ index .L 0 }}{{ index .L 5 1 }}{{ index .M "c" "d" 0 }}{{ index .M "none" }}',
    "{{ index .L }}",
    "{{ index .S 0 }}{{ index .U 2 }}",
    "{{ index .L 99 }}",
    "{{ index .S 4 }}",
    "{{ index .L -1 }}",
    '{{ index .L "a" }}',
    "{{ index .L 1.0 }}",
    "{{ index .L nil }}",
    "{{ index .M 1 }}",
    "{{ index .M nil }}",
    "{{ index .Nil 1 }}",
    "{{ index .None }}",
    "{{ index nil }}",
    "{{ index .I 1 }}",
    '{{ index .M "n" "x" }}',
    "{{ slice .S 1 3 }}{{ slice .S }}{{ slice .S 2 }}{{ slice .S 4 }}{{ slice .L 1 2 }}",
    "{{ slice .L 1 2 3 }}",
    "{{ slice .S 1 2 3 }}",
    "{{ slice .S 3 1 }}",
    "{{ slice .S 9 }}",
    "{{ slice .S -1 }}",
    '{{ slice .S "a" }}',
    "{{ slice .I }}",
    "{{ slice .Nil }}",
    "{{ slice .L 1 2 3 4 }}",
    "{{ len (slice .L 2) }}",
    '{{ print }}|{{ println }}|{{ print 1 2 }}|{{ print "a" 1 2 "b" "c" 3 }}|{{ println 1 "a" }}',
    "{{ print nil }}{{ print .None .Nil }}",
    "{{ html .Q }}|{{ js .Q }}|{{ urlquery .Q }}",
    '{{ html .None }}{{ html 1 2 "a" }}{{ js .U }}{{ urlquery .U "a b~-_.!*()" }}',
    "{{ html }}{{ js }}{{ urlquery }}",
    "{{ call .S }}",
    '{{ json nil }}{{ json .None }}{{ json 1 }}{{ json "a" }}',
    "{{ json }}",
    "{{ json 1 2 }}",
    "{{ printf }}",
    "{{ printf 1 }}",
    "{{ printf .None }}",
    '{{ printf "%5d|%-5d|%05d|%+d|% d|%x|%X|%o|%b" 42 42 42 42 42 42 42 42 42 }}',
    '{{ printf "%c|%U|%#x|%O|%#o|%#b" 42 42 42 8 8 8 }}',
    '{{ printf "%5s|%-5s|%.2s|%5.1s|%q|%x|%X|% d" "abc" "abc" "abc" "abc" "a\\"b" "abc" "abc" 5 }}',
    '{{ printf "%f|%.2f|%8.3f|%-8.1f|%e" 1.5 1.5 1.5 1.5 1.5 }}',
    '{{ printf "%g|%G|%v|%+f|%08.2f|%+v" 1e21 1e-7 1e6 1.5 -1.5 1 }}',
    '{{ printf "%t|%v|%5t" true false true }}',
    '{{ printf "%v %v %v %+v" .L .M .Nil .M }}',
    '{{ printf "%d %s" "a" 1 }}',
    '{{ printf "%d" }}',
    '{{ printf "a" 1 "b" nil }}',
    '{{ printf "%" }}',
    '{{ printf "%%|%5%" }}',
    '{{ printf "%z" 1 }}',
    '{{ printf "%*d|%-*d|%.*f" 5 1 5 1 2 1.5 }}',
    '{{ printf "%T %T %T %T %T %T" 1 "a" 1.5 true .L .M }}',
    '{{ printf "%s %s" .Nil .L }}',
    '{{ printf "%d" .L }}',
    '{{ printf "%q" .L }}',
    '{{ printf "%05s|%-05d|" "ab" 3 }}',
    '{{ printf "%q %q %c" 39 10 9731 }}',
    '{{ printf "%q" "ü☃\\x00\\u200b\\n" }}',
    '{{ printf "%6.2f%%" 3.14159 }}',
    '{{ printf "%s" true }}',
    '{{ printf "%t" 1 }}',
    '{{ printf "%x" -255 }}',
    '{{ printf "%.3d|%8.3d|%08d" 5 5 -5 }}',
    '{{ printf "%.3g|%g|%g" 1234567.0 100000.0 1e20 }}',
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_go_says(go: Oracle, template: str) -> None:
    assert ours(template, DATA) == go(template, DATA)


# --- templates nobody thought of -----------------------------------------------------------------

NAMES = st.sampled_from([f".{name}" for name in DATA] + [".", "$", "$v", ".M.a", ".M.c.d", "$.S"])
LITERALS = st.sampled_from(
    ["1", "0", "-3", "1.5", "true", "nil", '"text"', '""', "`raw`", "'c'", '"%v"', "2", "'\\n'"]
)
FUNCTIONS = st.sampled_from(
    [
        *("and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice"),
        *("print", "println", "printf", "html", "js", "json"),
    ]
)


def _calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arguments = st.lists(inner, max_size=3).map(" ".join)
    call = st.builds(lambda name, args: f"{name} {args}", FUNCTIONS, arguments)
    piped = st.builds(lambda one, name, args: f"{one} | {name} {args}", inner, FUNCTIONS, arguments)
    return st.builds(lambda text: f"({text})", call | piped)


OPERANDS = st.recursive(NAMES | LITERALS, _calls, max_leaves=5)
ACTIONS = st.builds(
    lambda left, text, right: f"{left}{text}{right}",
    st.sampled_from(["{{", "{{- ", "{{ "]),
    OPERANDS,
    st.sampled_from(["}}", " -}}", " }}"]),
)
TEXTS = st.sampled_from(["", " ", "\n", "a", " b \n", "}", "{"])


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner | TEXTS | ACTIONS, max_size=3).map("".join)
    heads = st.sampled_from(
        [
            "if {}",
            "with {}",
            "range {}",
            "range $v := {}",
            "range $i, $v := {}",
            "if $v := {}",
            "with $v = {}",
            "range $v = {}",
        ]
    )
    tails = st.sampled_from(["", "{{else}}", "{{else if .S}}", "{{else with .S}}", "{{break}}"])
    return st.builds(
        lambda head, value, one, tail, other: (
            f"{{{{{head.format(value)}}}}}{one}{tail}{other}{{{{end}}}}"
        ),
        heads,
        OPERANDS,
        body,
        tails,
        body,
    )


SMALL_TEMPLATES = st.builds(
    lambda parts: "{{$v := 7}}" + "".join(parts),
    st.lists(st.recursive(TEXTS | ACTIONS, _blocks, max_leaves=4), min_size=1, max_size=3),
)


@settings(max_examples=300)
@given(template=SMALL_TEMPLATES)
def test_templates_of_chance(go: Oracle, template: str) -> None:
    assert ours(template, DATA) == go(template, DATA)


# --- templates of models -------------------------------------------------------------------------

CALL = {"Function": {"Name": "rain", "Arguments": {"city": "Bergen", "days": 1}}}
CONVERSATION = [
    {"Role": "system", "Content": "Be brief."},
    {"Role": "user", "Content": "Hi"},
    {"Role": "assistant", "Content": "", "Thinking": "Hm.", "ToolCalls": [CALL]},
    {"Role": "tool", "Content": '{"mm": 3}'},
    {"Role": "user", "Content": "Bye"},
]


@pytest.mark.parametrize("family", go_templates.ALL)
@pytest.mark.parametrize("messages", [CONVERSATION, CONVERSATION[:4], CONVERSATION[:3], []])
@pytest.mark.parametrize("think", [True, False, None])
def test_families(go: Oracle, family: str, messages: list[Any], think: bool | None) -> None:
    data = {
        "System": "Be brief.",
        "Messages": messages,
        "Tools": [{"Function": {"Name": "rain"}}],
        "Prompt": "Hi",
        "Response": "",
        "Suffix": "end" if think else "",
        "Think": bool(think),
        "IsThinkSet": think is not None,
    }
    template = go_templates.ALL[family]
    assert ours(template, data) == go(template, data)
