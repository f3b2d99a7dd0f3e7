import time

import pytest

from paddock.config.difference import Change, Kind, difference
from paddock.config.schema import Config


def told(old, new):
    found = difference(Config.model_validate(old), Config.model_validate(new))
    return [(str(change.kind), change.key) for change in found.changes], list(found.needs_restart)


CMD = {"cmd": "serve"}
DOOR = {"port": 8090, "host": "127.0.0.1"}


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({}, {}, []),
        ({}, {"defaultTtl": "300s"}, []),
        ({}, {"defaultTtl": 5}, ["changed defaultTtl"]),
        ({"apiKeys": ["a"]}, {"apiKeys": ["a", "b"]}, ["changed apiKeys"]),
        ({}, {"models": {"a": CMD}}, ["added models.a"]),
        ({"models": {"a": CMD}}, {}, ["removed models.a"]),
        ({"models": {"a": CMD}}, {"models": {"b": CMD}}, ["removed models.a", "added models.b"]),
        (
            {"models": {"a.b": CMD}},
            {"models": {"a.b": CMD | {"ttl": 5, "aliases": ["x"]}}},
            ['changed models."a.b".aliases', 'changed models."a.b".ttl'],
        ),
        (
            {"models": {"a": {"filters": {"setParams": {"x": 1}}}}},
            {"models": {"a": {"filters": {"setParams": {"x": 2, "y": 1}}}}},
            [
                "added models.a.filters.setParams.y",
                "changed models.a.filters.setParams.x",
            ],
        ),
        ({}, {"matrix": {"sets": {"s": "a"}}}, ["changed matrix"]),
        ({"engines": {"a": {}, "b": {}}}, {"engines": {"b": {}, "a": {}}}, ["changed engines"]),
        ({"engines": {"a": {}}}, {"engines": {"b": {}, "a": {}}}, ["added engines.b"]),
        ({}, {"hooks": {"on_startup": {"preload": ["a"]}}}, ["changed hooks.on_startup.preload"]),
    ],
)
def test_what_changed_is_told_key_by_key(old, new, changes):
    assert sorted(" ".join(one) for one in told(old, new)[0]) == sorted(changes)
    assert told(old, new)[1] == []


@pytest.mark.parametrize(
    ("old", "new", "needs_restart"),
    [
        ({}, {"stateDir": "/s"}, ["stateDir"]),
        ({}, {"metricsMaxInMemory": 5}, ["metricsMaxInMemory"]),
        ({}, {"logToStdout": "both"}, ["logToStdout"]),
        ({}, {"logTimeFormat": "kitchen"}, ["logTimeFormat"]),
        ({}, {"store": {"path": "/db"}}, ["store.path"]),
        ({}, {"listen": {"openai": {"port": 1}}}, ["listen.openai.port"]),
        ({}, {"listen": {"openai": None}}, ["listen.openai"]),
        ({"listen": {"openai": None}}, {}, ["listen.openai"]),
        (
            {},
            {"listen": {"openai": {"host": "::1", "tls": {"cert": "/c", "key": "/k"}}}},
            ["listen.openai.host", "listen.openai.tls"],
        ),
    ],
)
def test_what_is_read_only_at_the_start_needs_a_restart(old, new, needs_restart):
    before = Config.model_validate(old)
    assert told(old, new) == ([], needs_restart)
    assert difference(before, Config.model_validate(new)).config == before


def test_a_doors_auth_counts_at_once_and_its_port_does_not():
    old = Config.model_validate({"listen": {"openai": DOOR}})
    new = Config.model_validate(
        {"listen": {"openai": {"port": 1, "host": "127.0.0.1", "auth": "none"}}, "parallel": 3}
    )
    found = difference(old, new)
    assert found.changes == (
        Change("parallel", Kind.CHANGED),
        Change("listen.openai.auth", Kind.CHANGED),
    )
    assert found.needs_restart == ("listen.openai.port",)
    assert found.config.parallel == 3
    assert found.config.listen.openai is not None
    assert found.config.listen.openai.auth == "none"
    assert found.config.listen.openai.port == 8090


def test_secrets_are_not_in_a_difference():
    old = Config.model_validate({"apiKeys": ["s3cret"]})
    assert "s3cret" not in repr(difference(old, Config.model_validate({"apiKeys": ["0ther"]})))


def test_many_models_are_compared_quickly():
    config = {"models": {f"m{number}": CMD for number in range(500)}}
    old, new = Config.model_validate(config), Config.model_validate(config)
    started = time.perf_counter()
    assert difference(old, new).changes == ()
    assert time.perf_counter() - started < 2
