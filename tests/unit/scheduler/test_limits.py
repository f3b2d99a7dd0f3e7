from __future__ import annotations

import pytest

from paddock.config.schema import Config
from paddock.scheduler.limits import Limits


def test_the_limits_without_a_config_are_those_of_an_empty_one():
    assert Limits.of(Config()) == Limits()


def test_the_owners_words_become_limits():
    config = Config.model_validate(
        {
            "maxLoadedModels": 2,
            "maxQueue": 3,
            "queueTimeout": "4m",
            "maxOvertake": 5,
            "drainTimeout": 6,
            "minResidency": 8,
            "defaultTtl": "7h",
        }
    )
    assert Limits.of(config) == Limits(2, 3, 240, 5, 6, 8, 25200)


@pytest.mark.parametrize(("own", "ttl"), [(None, 300), (0, 0), (7, 7)])
def test_a_models_own_ttl_wins(model, own, ttl):
    assert Limits(default_ttl=300).ttl(model(ttl=own)) == ttl


@pytest.mark.parametrize(("own", "patience"), [(None, 600), (7, 7)])
def test_a_models_own_queue_timeout_wins(model, own, patience):
    assert Limits().patience(model(queue_timeout=own)) == patience


@pytest.mark.parametrize(
    ("house", "own", "waiting"), [(None, None, None), (5, None, 5), (5, 0, 0), (None, 3, 3)]
)
def test_a_models_own_queue_limit_wins(model, house, own, waiting):
    assert Limits(queue_limit=house).waiting(model(queue_limit=own)) == waiting


@pytest.mark.parametrize(
    ("settings", "engine", "slots"),
    [
        ({}, None, 2),
        ({}, 4, 4),
        ({"parallel": 8}, None, 8),
        ({"parallel": 8}, 4, 4),
        ({"concurrency_limit": 3}, 4, 3),
        ({"concurrency_limit": 9}, 4, 4),
        ({"concurrency_limit": 1}, None, 1),
        ({"cmd": "serve"}, None, 10),
        ({"cmd": "serve", "concurrency_limit": 50}, None, 50),
        ({"cmd": "serve", "concurrency_limit": 50}, 10, 50),
        ({"cmd": "serve"}, 50, 10),
    ],
)
def test_slots_are_the_engines_or_the_owners(model, settings, engine, slots):
    assert Limits(parallel=2).slots(model(**settings), engine) == slots


def test_priorities_are_found_by_any_name(model):
    config = Config.model_validate(
        {
            "models": {"Qwen": {"cmd": "q", "aliases": ["small"]}},
            "routing": {"scheduler": {"settings": {"fifo": {"priority": {"small": 5, "B-q4": 2}}}}},
        }
    )
    limits = Limits.of(config)
    assert [limits.priority(model(name)) for name in ("Qwen", "b-q4", "other")] == [5, 2, 0]


@pytest.mark.parametrize(
    ("config", "most"),
    [
        ({}, float("inf")),
        ({"maxLoadedModels": 1}, 1),
        ({"groups": {"g": {"members": ["a"]}}}, float("inf")),
        ({"matrix": {"vars": {"a": "x"}, "sets": {"s": "a"}}}, float("inf")),
        ({"groups": {"g": {"members": ["a"]}}, "maxLoadedModels": 3}, 3),
    ],
)
def test_as_many_run_as_there_is_memory_for_unless_a_number_is_given(config, most):
    config["models"] = {"x": {"cmd": "x"}, "a": {"cmd": "a"}}
    assert Limits.of(Config.model_validate(config)).max_loaded == most
