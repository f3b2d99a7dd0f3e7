import pytest


@pytest.mark.parametrize(
    ("models", "places"),
    [
        ({"a": {"aliases": ["b"]}, "b": {}}, ["models.a.aliases[0]"]),
        ({"a": {"aliases": ["B"]}, "b": {}}, ["models.a.aliases[0]"]),
        ({"a": {"aliases": ["x"]}, "b": {"aliases": ["X"]}}, ["models.b.aliases[0]"]),
        ({"a": {"aliases": ["x"]}, "b": {"aliases": ["y", "x"]}}, ["models.b.aliases[1]"]),
        (
            {"a": {"aliases": ["x"]}, "b": {"aliases": ["x"]}, "c": {"aliases": ["x"]}},
            ["models.b.aliases[0]", "models.c.aliases[0]"],
        ),
        ({"a": {"aliases": [" "]}}, ["models.a.aliases[0]"]),
        ({"a": {"aliases": [""]}}, ["models.a.aliases[0]"]),
        ({"": {}}, ["models."]),
        ({" ": {}}, ["models. "]),
        (
            {"a": {"filters": {"setParamsByID": {"b": {}}}}, "b": {}},
            ["models.a.filters.setParamsByID.b"],
        ),
        (
            {"a": {"aliases": ["x"]}, "b": {"filters": {"setParamsByID": {"x": {}}}}},
            ["models.b.filters.setParamsByID.x"],
        ),
        (
            {
                "a": {"filters": {"setParamsByID": {"x": {}}}},
                "b": {"filters": {"setParamsByID": {"x": {}}}},
            },
            ["models.b.filters.setParamsByID.x"],
        ),
        ({"a": {"filters": {"setParamsByID": {"": {}}}}}, ["models.a.filters.setParamsByID."]),
    ],
)
def test_names_that_collide_or_are_empty(faults, models, places):
    assert list(faults(models=models)) == places


@pytest.mark.parametrize(
    "model",
    [
        {"aliases": ["a", "x", "x"]},
        {"aliases": ["A"]},
        {"aliases": ["a:high"], "filters": {"setParamsByID": {"a:high": {}, "a": {}}}},
    ],
)
def test_a_model_may_repeat_its_own_name(faults, model):
    assert faults(models={"a": model}) == {}


PIN = {"strategy": "pin", "targets": ["x"]}


@pytest.mark.parametrize(
    ("said", "place", "part"),
    [
        (
            {"models": {"a": {}}, "selectors": {"a": PIN}},
            "selectors.a",
            "'a' is a name of model 'a' already",
        ),
        (
            {"models": {"a": {"aliases": ["s"]}}, "selectors": {"S": PIN}},
            "selectors.S",
            "'S' is a name of model 'a' already",
        ),
        (
            {"models": {"a": {"filters": {"setParamsByID": {"s": {}}}}}, "selectors": {"s": PIN}},
            "selectors.s",
            "is a name of model 'a' already",
        ),
        (
            {"peers": {"p": {"proxy": "http://h", "models": ["s"]}}, "selectors": {"s": PIN}},
            "selectors.s",
            "is a model of the peer 'p' already",
        ),
        (
            {"peers": {"p": {"proxy": "http://h", "models": ["s"]}}, "selectors": {"p/s": PIN}},
            'selectors.p/s',
            "is a model of the peer 'p' already",
        ),
        (
            {"peers": {"p": {"proxy": "http://h", "models": ["s"]}}, "models": {"p/s": {}}},
            "peers.p.models[0]",
            "'p/s' is a name of model 'p/s' already",
        ),
        (
            {
                "peers": {"p": {"proxy": "http://h", "models": ["q", "s"]}},
                "models": {"a": {"aliases": ["P/S"]}},
            },
            "peers.p.models[1]",
            "'p/s' is a name of model 'a' already",
        ),
        ({"peers": {"p": {"proxy": "http://h", "models": [""]}}}, "peers.p.models[0]", "empty"),
        ({"peers": {"": {"proxy": "http://h"}}}, "peers.", "empty"),
        ({"selectors": {" ": PIN}}, "selectors. ", "empty"),
        ({"groups": {"": {}}}, "groups.", "empty"),
        ({"profiles": {"": {}}}, "profiles.", "empty"),
    ],
)  # fmt: skip
def test_names_of_other_sections(faults, said, place, part):
    found = faults(**said)
    assert list(found) == [place]
    assert part in found[place].message


@pytest.mark.parametrize(
    "said",
    [
        {"models": {"s": {}}, "peers": {"p": {"proxy": "http://h", "models": ["s"]}}},
        {
            "peers": {
                "p": {"proxy": "http://h", "models": ["s"]},
                "q": {"proxy": "http://h", "models": ["s"]},
            }
        },
        {"models": {"p": {}}, "peers": {"p": {"proxy": "http://h", "models": ["s"]}}},
        {"selectors": {"p": PIN}, "peers": {"p": {"proxy": "http://h", "models": ["s"]}}},
        {"groups": {"a": {}}, "models": {"a": {}}, "profiles": {"a": {}}},
    ],
)
def test_names_that_do_not_collide(faults, said):
    assert faults(**said) == {}
