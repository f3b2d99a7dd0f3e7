import pytest

from paddock.config.document import Document, parse_document
from paddock.config.merge import merge


def merged(*texts):
    documents = [parse_document(text, f"{n}.yaml", {}) for n, text in enumerate(texts, 1)]
    return merge(documents)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), {}),
        (("",), {}),
        (("", "", ""), {}),
        (("a: 1", ""), {"a": 1}),
        (("", "a: 1"), {"a": 1}),
        (("a: 1", "b: 2"), {"a": 1, "b": 2}),
        (("a: 1", "a: 1"), {"a": 1}),
        (("a: x", "a: 'x'"), {"a": "x"}),
        (("a: 1", "a:"), {"a": 1}),
        (("a:", "a: 1"), {"a": 1}),
        (("a:", "a:"), {"a": None}),
        (("a: 1", "a:", "a: 1"), {"a": 1}),
        (("a: [1]", "a: [2]"), {"a": [1, 2]}),
        (("a: [1, 1]", "a: [1]"), {"a": [1, 1, 1]}),
        (("a: [1]", "a: []", "a: [2]"), {"a": [1, 2]}),
        (("a: [1]", "a:"), {"a": [1]}),
        (("a: {x: 1}", "a: {y: 2}"), {"a": {"x": 1, "y": 2}}),
        (("a: {x: {p: 1}}", "a: {x: {q: 2}}"), {"a": {"x": {"p": 1, "q": 2}}}),
        (("a: {x: [1]}", "a: {x: [2]}"), {"a": {"x": [1, 2]}}),
        (("a: {x: 1}", "a: {x: 1}"), {"a": {"x": 1}}),
        (("a: {x: 1}", "a: {x: }"), {"a": {"x": 1}}),
        (("a: {}", "a: {x: 1}"), {"a": {"x": 1}}),
        (("models: {a: {}}", "models: {b: {ttl: 2}}"), {"models": {"a": {}, "b": {"ttl": 2}}}),
        (("models:", "models: {a: {}}"), {"models": {"a": {}}}),
        (("models: {a: }", "models: {a: {ttl: 1}}"), {"models": {"a": {"ttl": 1}}}),
        (("models: {a: {ttl: 1}}", "models: {a: }"), {"models": {"a": {"ttl": 1}}}),
        (("matrix: {vars: {}}", "matrix: {sets: {}}"), {"matrix": {"vars": {}, "sets": {}}}),
        (("macros: {a: 1}", "macros: {b: 2}"), {"macros": {"a": 1, "b": 2}}),
        (("apiKeys: [k1]", "apiKeys: [k2]"), {"apiKeys": ["k1", "k2"]}),
        (
            ("hooks: {on_startup: {preload: [a]}}", "hooks: {on_startup: {preload: [b]}}"),
            {"hooks": {"on_startup": {"preload": ["a", "b"]}}},
        ),
        (
            (
                "routing: {router: {use: group, settings: {groups: {g: {}}}}}",
                "routing: {router: {use: group, settings: {groups: {h: {}}}}}",
            ),
            {"routing": {"router": {"use": "group", "settings": {"groups": {"g": {}, "h": {}}}}}},
        ),
        (
            (
                "routing: {scheduler: {settings: {fifo: {priority: {a: 1}}}}}",
                "routing: {scheduler: {settings: {fifo: {priority: {b: 2}}}}}",
            ),
            {"routing": {"scheduler": {"settings": {"fifo": {"priority": {"a": 1, "b": 2}}}}}},
        ),
    ],
)  # fmt: skip
def test_what_several_sources_say_together(texts, expected):
    document, problems = merged(*texts)
    assert problems == []
    assert document.values == expected


@pytest.mark.parametrize(
    "section",
    [
        "models", "groups", "profiles", "selectors", "peers", "matrix",
        "routing.router.settings.groups", "routing.router.settings.matrix",
    ],
)  # fmt: skip
def test_a_name_is_in_one_source_only_even_if_it_says_the_same(section):
    def text(name):
        value = f"{{{name}: {{x: 1}}}}"
        for key in reversed(section.split(".")):
            value = f"{{{key}: {value}}}"
        return f"\n{value}\n"

    document, [problem] = merged(text("n"), text("other"), "\n" + text("n"))
    assert str(problem) == (
        f"3.yaml:3: {section}.n: is already defined in 1.yaml:2 (say it in one file only)"
    )
    assert "other" in str(document.values)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "2"),
        ("1", "'1'"),
        ("1", "true"),
        ("1", "1.0"),
        ("x", "[x]"),
        ("[x]", "x"),
        ("{x: 1}", "[1]"),
        ("{x: 1}", "x"),
        ("0", "false"),
        ("''", "0"),
    ],
)
@pytest.mark.parametrize("place", ["a", "a.b"])
def test_two_values_for_one_key_are_told_with_both_places(place, one, other):
    def text(value):
        outer, _, inner = place.partition(".")
        return f"{outer}:\n  {inner}: {value}\n" if inner else f"\n{outer}: {value}\n"

    document, [problem] = merged(text(one), "# first\n" + text(other))
    assert str(problem) == (
        f"2.yaml:3: {place}: has another value in 1.yaml:2 (say it in one file only)"
    )
    assert document.values == merged(text(one))[0].values


def test_all_contradictions_are_told():
    _, problems = merged("a: 1\nb: {c: 2}\nmodels: {m: {}}", "a: 2\nb: {c: 3}\nmodels: {m: {}}")
    assert [problem.line for problem in problems] == [1, 2, 3]


def test_every_place_keeps_its_file_and_line():
    document, _ = merged(
        "a: [x]\nmodels:\n  m:\n    aliases: [p]\n",
        "\na:\n  - y\n  - {k: 1}\nmodels:\n  n: {ttl: 1}\n",
    )
    assert {place: document.mark_of(place) for place in document.marks} == {
        ("a",): ("1.yaml", 1),
        ("a", 0): ("1.yaml", 1),
        ("models",): ("1.yaml", 2),
        ("models", "m"): ("1.yaml", 3),
        ("models", "m", "aliases"): ("1.yaml", 4),
        ("models", "m", "aliases", 0): ("1.yaml", 4),
        ("a", 1): ("2.yaml", 3),
        ("a", 2): ("2.yaml", 4),
        ("a", 2, "k"): ("2.yaml", 4),
        ("models", "n"): ("2.yaml", 6),
        ("models", "n", "ttl"): ("2.yaml", 6),
    }


def test_a_single_source_is_taken_as_it_is():
    document = Document({"a": 1})
    assert merge([document]) == (document, [])


def test_the_sources_are_not_changed():
    first = parse_document("a: {x: [1]}", "1.yaml", {})
    merge([first, parse_document("a: {x: [2], y: 1}", "2.yaml", {})])
    assert first.values == {"a": {"x": [1]}}
