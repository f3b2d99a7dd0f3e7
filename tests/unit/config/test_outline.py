import pytest

from paddock.config.model_entry import ModelEntry
from paddock.config.outline import as_yaml, example, known_keys, schema_at
from paddock.config.reference import markdown
from paddock.config.schema import Config


def test_known_keys_are_those_of_the_schema():
    assert set(known_keys(())) == {field.alias for field in Config.model_fields.values()}
    assert set(known_keys(("models", "any"))) == {
        field.alias for field in ModelEntry.model_fields.values()
    }
    assert known_keys(("models",)) == ()
    assert known_keys(("no", "such", 1, "place")) == ()


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("modelsDir",), "modelsDir: /models"),
        (("modelsDir", 0), "modelsDir: [/models]"),
        (("listen", "openai", "port"), "port: 8090"),
        (("models", "x", "ttl"), "ttl: 5m"),
        (("models", "x", "unlisted"), "unlisted: false"),
        (("selectors", "x", "strategy"), "strategy: warm"),
        (("nothing",), ""),
        ((), ""),
    ],
)
def test_examples(place, line):
    assert example(place) == line


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("--flag", '"--flag"'),
        (300.0, "300"),
        (True, "true"),
        ([1, "a b"], "[1, a b]"),
        ({"a": None}, "{a: null}"),
    ],
)
def test_yaml_on_one_line(value, text):
    assert as_yaml(value) == text


def places(place=()):
    for key in known_keys(place):
        yield (*place, key)
        yield from places((*place, key))
        yield from places((*place, key, "NAME"))


def test_every_key_is_described_in_the_reference():
    page = markdown()
    for place in places():
        assert schema_at(place).get("description"), place
        assert f"| `{place[-1]}` |" in page, place
