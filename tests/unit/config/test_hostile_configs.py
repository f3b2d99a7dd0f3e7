import json

from hypothesis import given
from hypothesis import strategies as st

from paddock.config.document import parse_document
from paddock.config.load import load
from paddock.config.outline import known_keys
from paddock.errors import ConfigError

ENV = {"HOME": "/home/ann"}
KEYS = ("name", "host", "a.b", "")

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
lists = st.lists(scalars | st.lists(scalars, max_size=2), max_size=3)
mappings = st.dictionaries(st.sampled_from(KEYS), scalars | lists, max_size=3)
values = scalars | lists | mappings


def mapping(*place: str):
    """Keys that are known at `place`, with values of any kind."""
    return st.dictionaries(st.sampled_from(known_keys(place)), values, max_size=4)


configs = st.builds(
    lambda top, model, engine, door: {
        **top,
        **({"models": {"m": model, "n": model}} if model else {}),
        **({"engines": {"e": engine}} if engine else {}),
        **({"listen": {"openai": door}} if door else {}),
    },
    mapping(),
    mapping("models", "m"),
    mapping("engines", "e"),
    mapping("listen", "openai"),
)


def problems(read):
    """What `read` refuses; empty when it takes it. Nothing but ConfigError may come out."""
    try:
        read()
    except ConfigError as error:
        return error.problems
    return ()


@given(st.text(alphabet="ab:- \n\t[]{}&*!|>'\"#%@<?,0~\\\x00é$", max_size=60))
def test_any_text_is_read_or_refused(text):
    for problem in problems(lambda: parse_document(text, "c.yaml", ENV)):
        assert problem.message


@given(configs)
def test_any_values_are_taken_or_refused_with_their_line(tmp_path_factory, config):
    file = tmp_path_factory.getbasetemp() / "hostile.yaml"
    file.write_text(json.dumps(config), encoding="utf-8")
    for problem in problems(lambda: load(file, ENV, {})):
        assert problem.line
        assert problem.message
