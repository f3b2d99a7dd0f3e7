import pytest

from paddock.config.model_entry import ModelEntry
from paddock.config.schema import Config
from paddock.library.fingerprint import fingerprint

ENGINES = {"one": {"llamaServer": "/bin/one"}, "two": {"llamaServer": "/bin/two"}}
COMMAND = {"cmd": "serve ${PORT}"}


def digest(entry=(), files="f", **config):
    settings = ModelEntry.model_validate(dict(entry))
    return fingerprint(files, settings, Config.model_validate({"engines": ENGINES} | config))


REACHES_A_COMMAND = [
    {"cmd": "serve --more ${PORT}"},
    {"proxy": "http://127.0.0.1:9000"},
    {"checkEndpoint": "none"},
    {"env": ["A=1"]},
]
REACHES_A_FOUND_MODEL = [
    {"args": "-fa on"},
    {"env": ["A=1"]},
    {"engine": "two"},
    {"contextLength": 1},
    {"contextLength": 0},
    {"parallel": 7},
    COMMAND,
]
LIVE = [
    {"ttl": 5},
    {"aliases": ["other"]},
    {"name": "N", "description": "D", "metadata": {"a": 1}},
    {"unlisted": True},
    {"filters": {"stripParams": "seed"}},
    {"useModelName": "u"},
    {"concurrencyLimit": 3},
    {"queueLimit": 3, "queueTimeout": 3},
    {"sendLoadingState": True},
    {"unloadTimeout": 3, "healthCheckTimeout": 3, "timeouts": {"connect": 1}},
    {"cmdStop": "stop ${PID}"},
    {"capabilities": {"tools": True}},
]
GLOBALS_OF_FOUND_MODELS = [
    {"defaultModelArgs": ""},
    {"contextLength": 4096},
    {"parallel": 9},
    {"engine": "two"},
    {"engines": {"two": ENGINES["two"], "one": ENGINES["one"]}},
    {"engines": ENGINES | {"one": {"llamaServer": "/bin/else"}}},
    {"engines": ENGINES | {"one": ENGINES["one"] | {"env": {"A": "1"}}}},
    {"engines": ENGINES | {"one": ENGINES["one"] | {"args": "-fa on"}}},
]
GLOBALS_OF_NOBODY = [
    {"engines": ENGINES | {"two": {"llamaServer": "/bin/else"}}},
    {"engines": ENGINES | {"three": {}}},
    {"defaultTtl": 1},
    {"apiKeys": ["k"]},
    {"maxLoadedModels": 3},
    {"models": {"another": {"cmd": "x"}}},
]


@pytest.mark.parametrize("change", REACHES_A_COMMAND, ids=str)
def test_what_reaches_the_child_of_a_command(change):
    assert digest(COMMAND | change) != digest(COMMAND)


@pytest.mark.parametrize("change", REACHES_A_FOUND_MODEL, ids=str)
def test_what_reaches_the_child_of_a_found_model(change):
    assert digest(change) != digest()


@pytest.mark.parametrize("entry", [COMMAND, {}, {"args": "-fa on"}], ids=str)
@pytest.mark.parametrize("change", LIVE, ids=str)
def test_what_reaches_no_child(entry, change):
    assert digest(entry | change) == digest(entry)


@pytest.mark.parametrize("change", GLOBALS_OF_FOUND_MODELS, ids=str)
def test_global_settings_of_found_models(change):
    assert digest(**change) != digest()
    assert digest(COMMAND, **change) == digest(COMMAND)


@pytest.mark.parametrize("change", GLOBALS_OF_NOBODY, ids=str)
def test_global_settings_that_reach_no_child(change):
    assert digest(**change) == digest()


@pytest.mark.parametrize(
    ("own", "change"),
    [
        ({"contextLength": 5}, {"contextLength": 4096}),
        ({"parallel": 5}, {"parallel": 9}),
        ({"engine": "two"}, {"engine": "one"}),
    ],
)
def test_a_model_with_its_own_value_does_not_feel_the_global_one(own, change):
    assert digest(own, **change) == digest(own)


def test_other_files_are_another_child():
    assert digest(files="g") != digest(files="f")
