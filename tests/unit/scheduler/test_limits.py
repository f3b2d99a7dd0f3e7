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
