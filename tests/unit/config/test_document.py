from pathlib import Path

import pytest

from paddock.config.document import MAX_BYTES, dotted, read_document
from paddock.config.document import parse_document as parse
from paddock.errors import ConfigError


def parse_document(text, file, env=None):
    return parse(text, file, env or {})


def problems(text):
    with pytest.raises(ConfigError) as caught:
        parse_document(text, "c.yaml")
    return [(problem.line, problem.key, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n", "---\n", "---\n...\n"])
def test_an_empty_file_says_nothing(text):
    assert parse_document(text, "c.yaml").values == {}


def test_values_are_those_of_yaml_1_2():
    text = "a: on\nb: yes\nc: true\nd: 0o17\ne: 1.5\nf: 2020-01-01\ng: ~\n'h': '1'\n1: x\ni: 012\n"
    assert parse_document(text, "c.yaml").values == {
        "a": "on",
        "b": "yes",
        "c": True,
        "d": 15,
        "e": 1.5,
        "f": "2020-01-01",
        "g": None,
        "h": "1",
        "1": "x",
        "i": 12,
    }


def test_every_key_and_item_has_its_line():
    document = parse_document("a:\n  b:\n    - x\n    - y: 1\nc: 2\n", "c.yaml")
    assert document.mark_of(("a", "b")) == ("c.yaml", 2)
    assert document.mark_of(("a", "b", 0)) == ("c.yaml", 3)
    assert document.mark_of(("a", "b", 1, "y")) == ("c.yaml", 4)
    assert document.mark_of(("c",)) == ("c.yaml", 5)


def test_a_missing_place_has_the_line_of_what_holds_it():
    document = parse_document("x: 1\na:\n  b: {}\n", "c.yaml")
    assert document.mark_of(("a", "b", "missing")) == ("c.yaml", 3)
    assert document.mark_of(("missing",)) == ("", 0)


def test_aliases_and_merges_are_followed_and_own_keys_win():
    text = (
        "base: &base {ttl: 5, name: b}\nm:\n  name: own\n  <<: *base\nn:\n  <<: [*base, {ttl: 9}]\n"
    )
    values = parse_document(text, "c.yaml").values
    assert values["m"] == {"ttl": 5, "name": "own"}
    assert values["n"] == {"ttl": 5, "name": "b"}


def test_an_anchor_may_be_used_again():
    assert parse_document("a: &x 1\nb: &x 2\nc: *x\n", "c.yaml").values["c"] == 2


def test_all_duplicate_keys_are_told_with_both_lines():
    assert problems("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n") == [
        (4, "b.c", "is given twice, first on line 3"),
        (5, "a", "is given twice, first on line 1"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: 1\nb: [\n", 3, "not valid YAML"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
        ("a: 1\nb: c: d\n", 2, "mapping values are not allowed here"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("a: *nope\n", 1, "undefined alias 'nope'"),
        ("a: 1\nb: '\x01'\n", 2, "U+0001"),
        ("- a\n- b\n", 1, "not a mapping"),
        ("just words\n", 1, "not a mapping"),
        ("x: 1\n? [a, b]\n: c\n", 2, "a key must be text"),
        ("x: !!python/object:os.system y\n", 1, "tag"),
        ("x: !secret y\n", 1, "tag"),
        ("a: &a\n  b: *a\n", 1, "64 levels"),
        ("m:\n  <<: 5\n", 2, "only a mapping can be merged"),
        ("n: " + "9" * 5000 + "\n", 1, "cannot be read as a number"),
    ],
)
def test_bad_yaml_is_one_clear_problem_with_its_line(text, line, part):
    [(found_line, _, message)] = problems(text)
    assert part in message
    assert found_line == line


def test_nesting_without_end_is_refused():
    [(_, _, message)] = problems("a: " + "[" * 1_000)
    assert "nested too deeply" in message


def test_an_alias_bomb_is_refused_in_bounded_time():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    [(_, _, message)] = problems("\n".join(lines))
    assert "100,000 values" in message


def refused(file: Path):
    with pytest.raises(ConfigError) as caught:
        read_document(file, {})
    [problem] = caught.value.problems
    assert problem.file == str(file)
    return problem


def test_a_missing_file_is_named(tmp_path):
    assert refused(tmp_path / "no.yaml").message == "no such file"


def test_a_folder_is_not_a_file(tmp_path):
    assert "directory" in refused(tmp_path).message


def test_text_that_is_not_utf8_has_its_line(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_bytes(b"a: 1\nb: \xff\n")
    assert (refused(file).line, refused(file).message) == (2, "is not UTF-8 text")


def test_a_byte_order_mark_is_no_problem(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_document(file, {}).values == {"a": 1}


def test_a_huge_file_is_refused(tmp_path):
    file = tmp_path / "c.yaml"
    with file.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    assert "larger than 4 MiB" in refused(file).message


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ((), ""),
        (("listen", "openai", "port"), "listen.openai.port"),
        (("models", "a.b", "aliases", 0), 'models."a.b".aliases[0]'),
    ],
)
def test_places_are_written_with_dots(place, text):
    assert dotted(place) == text
