"""Which doors are to be open, and how one that nobody spoke of keeps out of the way."""

from __future__ import annotations

from typing import Any

import pytest

from paddock.config.checks import check
from paddock.config.difference import difference
from paddock.config.schema import Config
from paddock.daemon.doors import wanted_doors


def doors(listen: dict[str, Any]) -> list[tuple[str, int, bool]]:
    config = Config.model_validate({"listen": listen})
    return [(door.name, door.config.port, door.is_said) for door in wanted_doors(config)]


CHAT = ("chat", 3001, False)


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ({}, [("openai", 8090, True), ("ollama", 11434, False), CHAT]),
        (
            {"openai": {"port": 0}},
            [("openai", 0, True), ("ollama", 0, False), ("chat", 0, False)],
        ),
        ({"openai": {"port": 1}}, [("openai", 1, True), ("ollama", 11434, False), CHAT]),
        ({"openai": {"port": 11434}}, [("openai", 11434, True), CHAT]),
        ({"openai": {"port": 3001}}, [("openai", 3001, True), ("ollama", 11434, False)]),
        ({"ollama": {"port": 2}}, [("openai", 8090, True), ("ollama", 2, True), CHAT]),
        (
            {"openai": {"port": 0}, "ollama": {}, "chat": {}},
            [("openai", 0, True), ("ollama", 11434, True), ("chat", 3001, True)],
        ),
        ({"ollama": None, "chat": None}, [("openai", 8090, True)]),
        ({"openai": None}, [("ollama", 11434, False), CHAT]),
    ],
)
def test_the_doors_of_a_configuration(listen, expected):
    assert doors(listen) == expected


def test_only_doors_that_the_owner_wrote_can_be_in_each_others_way():
    silent = Config.model_validate({"listen": {"openai": {"port": 11434}}})
    said = Config.model_validate({"listen": {"openai": {"port": 11434}, "ollama": {}}})
    assert check(silent) == []
    assert [fault.place for fault in check(said)] == [("listen", "ollama", "port")]


def test_a_reload_does_not_make_it_look_as_if_the_owner_had_written_of_a_door():
    old = Config.model_validate({"listen": {"openai": {"port": 11434}}})
    new = Config.model_validate({"listen": {"openai": {"port": 1}}})
    assert not difference(old, new).config.listen.is_said("ollama")
