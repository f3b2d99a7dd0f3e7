import pytest

from paddock.config.load import load
from paddock.errors import ConfigError

ENV = {"HOME": "/home/ann"}


@pytest.fixture
def loaded(tmp_path):
    def loaded(text):
        file = tmp_path / "config.yaml"
        file.write_text(text, encoding="utf-8")
        return load(file, ENV, {})

    return loaded


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("strip_params: 'a, b'", ["a", "b"]),
        ("strip_params: [a, b]", ["a", "b"]),
        ("strip_params: a, stripParams: b", ["b"]),
        ("stripParams: b", ["b"]),
        ("strip_params: ''", []),
        ("strip_params: '${x}, y'", ["m", "y"]),
    ],
)
def test_strip_params_was_spelled_otherwise(loaded, filters, expected):
    text = f"""
macros: {{x: m}}
models: {{a: {{filters: {{{filters}}}}}}}
peers: {{p: {{proxy: 'http://h', filters: {{{filters}}}}}}}
"""
    config = loaded(text)
    assert config.models["a"].filters.strip_params == expected
    assert config.peers["p"].filters.strip_params == expected


@pytest.mark.parametrize(
    "key", ["x-common", "templates", "_shared", ".hidden", "anything at all", "modelz"]
)
@pytest.mark.parametrize(
    "value",
    ["&base {ttl: 5}", "{inner: &base {ttl: 5}}", "[&base {ttl: 5}]", "{a: {b: &base {ttl: 5}}}"],
)
def test_a_key_that_holds_an_anchor_is_no_unknown_key(loaded, key, value):
    config = loaded(f"{key}: {value}\nmodels:\n  m: *base\n  n: {{<<: *base, name: n}}\n")
    assert (config.models["m"].ttl, config.models["n"].name) == (5, "n")


def test_an_anchor_in_a_known_key_changes_nothing(loaded):
    config = loaded("apiKeys: &keys [k]\nallowedHosts: *keys\n")
    assert config.allowed_hosts == ["k"]


def test_an_unknown_key_without_an_anchor_is_one(loaded):
    with pytest.raises(ConfigError, match=r"common: unknown key"):
        loaded("common: {ttl: 5}\n")


def test_an_anchor_below_a_model_does_not_make_its_key_known(loaded):
    with pytest.raises(ConfigError, match=r"models\.m\.tttl: unknown key"):
        loaded("models: {m: {tttl: &x 5}}\n")


def test_no_unload_timeout_is_the_default(loaded):
    assert loaded("unloadTimeout: 0\n").unload_timeout == 10
    assert loaded("unloadTimeout: 3\n").unload_timeout == 3


@pytest.mark.parametrize(
    "text",
    [
        "models: [a]",
        "models: {a: 5}",
        "models: {a: {filters: 5}}",
        "peers: [p]",
        "peers: {p: {filters: {strip_params: 5}}}",
        "unloadTimeout: x",
    ],
)
def test_what_has_the_wrong_type_is_refused_and_not_more(loaded, text):
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    assert all(problem.line == 1 for problem in caught.value.problems)


def test_log_requests_is_read(loaded):
    assert loaded("logRequests: true\n").log_requests is True
