import pytest

from paddock.config.document import parse_document
from paddock.errors import ConfigError

ENV = {
    "WORD": "word",
    "NUMBER": "8080",
    "FLOAT": "0.7",
    "YES": "true",
    "EMPTY": "",
    "NULL": "null",
    "SPACED": "two words",
    "COLON": "a: b",
    "HASH": "a #b",
    "DOUBLE": 'say "hi"',
    "SINGLE": "it's",
    "BACKSLASH": r"C:\new\table",
    "BRACKETS": "[a, {b}]",
    "STAR": "*x",
    "AND": "&x",
    "BANG": "!x",
    "AT": "@x",
    "DASH": "- x",
    "ZERO": "007",
    "OTHER": "${env.WORD}",
    "MACRO": "${PORT}",
    "LINES": "a\nb",
    "RETURN": "a\rb",
    "NUL": "a\0b",
}


def values(text):
    return parse_document(text, "c.yaml", ENV).values


def problems(text):
    with pytest.raises(ConfigError) as caught:
        values(text)
    return [(problem.line, problem.key, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${env.WORD}", "word"),
        ('"${env.WORD}"', "word"),
        ("'${env.WORD}'", "word"),
        ("a ${env.WORD} b ${env.WORD}", "a word b word"),
        ("${env.WORD}${env.NUMBER}", "word8080"),
        ("pre${env.WORD}post", "prewordpost"),
        ("[${env.WORD}, ${env.NUMBER}]", ["word", 8080]),
        ("{k: ${env.WORD}}", {"k": "word"}),
        ("\n  - ${env.WORD}\n  - '${env.NUMBER}'", ["word", "8080"]),
        ("${env.NUMBER}", 8080),
        ('"${env.NUMBER}"', "8080"),
        ("${env.FLOAT}", 0.7),
        ("${env.YES}", True),
        ("'${env.YES}'", "true"),
        ("${env.EMPTY}", None),
        ('"${env.EMPTY}"', ""),
        ("a${env.EMPTY}b", "ab"),
        ("${env.NULL}", None),
        ("'${env.NULL}'", "null"),
        ("${env.ZERO}", 7),
        ("'${env.ZERO}'", "007"),
        ("port ${env.NUMBER}", "port 8080"),
        ("1${env.NUMBER}", 18080),
        *((f"${{env.{name}}}", ENV[name]) for name in ("SPACED", "COLON", "HASH", "DOUBLE")),
        *((f'"${{env.{name}}}"', ENV[name]) for name in ("SPACED", "COLON", "HASH", "DOUBLE")),
        *((f"'${{env.{name}}}'", ENV[name]) for name in ("SPACED", "COLON", "HASH", "DOUBLE")),
        *((f"${{env.{name}}}", ENV[name]) for name in ("SINGLE", "BACKSLASH", "BRACKETS", "STAR")),
        *((f'"${{env.{name}}}"', ENV[name]) for name in ("SINGLE", "BACKSLASH", "BRACKETS")),
        *((f"'${{env.{name}}}'", ENV[name]) for name in ("SINGLE", "BACKSLASH", "BRACKETS")),
        *((f"${{env.{name}}}", ENV[name]) for name in ("AND", "BANG", "AT", "DASH")),
        (
            "|\n  run ${env.DOUBLE}\n  ${env.BACKSLASH}\n",
            f"run {ENV['DOUBLE']}\n{ENV['BACKSLASH']}\n",
        ),
        (">\n  a ${env.WORD}\n  b\n", "a word b\n"),
        ("|\n  # ${env.WORD}\n", "# word\n"),
        ("${env.OTHER}", "${env.WORD}"),
        ("${env.MACRO}", "${PORT}"),
        ("$${env.WORD}", "$word"),
        ("${ENV.WORD}", "${ENV.WORD}"),
        ("${envWORD}", "${envWORD}"),
        ("$env.WORD", "$env.WORD"),
        ("${WORD}", "${WORD}"),
        ("\U000f00000\U000f0001", "\U000f00000\U000f0001"),
    ],
)
def test_a_variable_stands_for_its_value(text, expected):
    assert values(f"key: {text}") == {"key": expected}


@pytest.mark.parametrize(
    "text",
    [
        "# ${env.UNSET}\nkey: 1",
        "key: 1 # ${env.UNSET}",
        "key: 1\n  # ${env.UNSET}\n",
        "key:  # ${env.UNSET}\n  1",
        "key: 1\n#${env.}\n#${env.LINES}",
    ],
)
def test_comments_ask_for_no_variable(text):
    assert values(text) == {"key": 1}


def test_a_hash_in_quotes_or_in_a_word_begins_no_comment():
    assert problems("a: '# ${env.UNSET}'\nb: \"# ${env.UNSET}\"\nc: x#${env.UNSET}\n") == [
        (line, key, "the environment variable UNSET is not set")
        for line, key in ((1, "a"), (2, "b"), (3, "c"))
    ]


def test_keys_have_variables_too():
    assert values("${env.WORD}: 1\n'${env.NUMBER}': {x-${env.WORD}: 2}\n") == {
        "word": 1,
        "8080": {"x-word": 2},
    }


def test_a_value_cannot_add_keys():
    assert values("key: ${env.COLON}\nother: 1\n") == {"key": "a: b", "other": 1}


def test_the_line_is_that_of_the_reference_in_a_long_text():
    assert problems("cmd: |\n  a\n  b ${env.UNSET}\n  c\n") == [
        (3, "cmd", "the environment variable UNSET is not set")
    ]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("${env.UNSET}", "the environment variable UNSET is not set"),
        ("${env.LINES}", "the environment variable LINES has a line break in it"),
        ("${env.RETURN}", "the environment variable RETURN has a line break in it"),
        ("${env.NUL}", "the environment variable NUL has a NUL character in it"),
        ("${env.}", "`${env.}` names no variable"),
        ("${env.1ST}", "`${env.1ST}` names no variable"),
        ("${env.A-B}", "`${env.A-B}` names no variable"),
        ("${env. WORD}", "`${env. WORD}` names no variable"),
        ("${env.A.B}", "`${env.A.B}` names no variable"),
    ],
)
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_a_reference_that_cannot_be_filled(reference, message, quote):
    assert problems(f"a: 1\nkey: {quote}{reference}{quote}\n") == [(2, "key", message)]


def test_all_that_cannot_be_filled_is_told_at_once():
    assert [line for line, _, _ in problems("a: ${env.A1}\nb: 2\nc: [${env.A2}, x]\n")] == [1, 3]


def test_a_name_that_is_nearly_right_is_offered():
    with pytest.raises(ConfigError, match=r"did you mean `\$\{env.NUMBER\}`\?"):
        values("a: ${env.NUMBR}")
