"""Groups: who must leave, for every combination of their switches."""

from __future__ import annotations

from itertools import product

import pytest

from paddock.config.routing import Group
from paddock.config.schema import Config
from paddock.scheduler.coexist import FREE, Commands, Groups, rules_of
from paddock.scheduler.matrix import Matrix

SWITCHES = list(product([True, False], repeat=3))


def groups(**members):
    """`name=(swap, exclusive, persistent, members)`"""
    return Groups(
        {
            name: Group(swap=swap, exclusive=exclusive, persistent=persistent, members=list(ids))
            for name, (swap, exclusive, persistent, ids) in members.items()
        }
    )


def leave(rules, target, running, going=""):
    return "".join(sorted(rules.must_leave(target, frozenset(running), frozenset(going))))


@pytest.mark.parametrize(("swap", "exclusive", "persistent"), SWITCHES)
def test_in_a_group_only_swap_decides(swap, exclusive, persistent):
    rules = groups(one=(swap, exclusive, persistent, "abc"))
    assert leave(rules, "a", "bc") == ("bc" if swap else "")


@pytest.mark.parametrize("own", SWITCHES)
@pytest.mark.parametrize("other", SWITCHES)
def test_between_groups_the_targets_exclusive_and_the_others_persistent_decide(own, other):
    rules = groups(own=(*own, "ab"), other=(*other, "xy"))
    swap, exclusive, _ = own
    others_stay = not exclusive or other[2]
    assert leave(rules, "a", "xy") == ("" if others_stay else "xy")
    assert leave(rules, "a", "bx") == ("b" if swap else "") + ("" if others_stay else "x")


@pytest.mark.parametrize(("swap", "exclusive", "persistent"), SWITCHES)
def test_who_is_in_no_group_swaps_and_is_exclusive(swap, exclusive, persistent):
    rules = groups(one=(swap, exclusive, persistent, "ab"))
    assert leave(rules, "u", "v") == "v"
    assert leave(rules, "u", "ab") == ("" if persistent else "ab")
    assert leave(rules, "a", "u") == ("u" if exclusive else "")


def test_it_is_the_one_that_starts_whose_group_decides():
    rules = groups(guest=(True, False, False, "g"), host=(True, True, False, "h"))
    assert leave(rules, "g", "h") == ""
    assert leave(rules, "h", "g") == "g"


@pytest.mark.parametrize("going", ["", "b", "bc"])
def test_who_is_going_must_be_gone_like_who_stays(going):
    rules = groups(one=(True, True, False, "abc"))
    assert leave(rules, "a", set("bc") - set(going), going) == "bc"


@pytest.mark.parametrize("swap", [True, False])
def test_an_older_version_of_the_target_must_be_gone(swap):
    rules = groups(one=(swap, True, False, "ab"))
    assert "a" in leave(rules, "a", "b", going="a")


def test_the_reason_names_the_group():
    rules = groups(one=(True, True, False, "ab"), two=(True, False, False, "x"))
    assert rules.why("a", "b") == "group one runs one model at a time"
    assert rules.why("a", "x") == "group one is exclusive"
    assert rules.why("u", "v") == "group (default) runs one model at a time"
    assert [rules.group(name) for name in "axu"] == ["one", "two", "(default)"]


def test_members_are_ids_or_aliases_in_any_case():
    config = Config.model_validate(
        {
            "models": {"Qwen": {"cmd": "q", "aliases": ["Small"]}, "other": {"cmd": "o"}},
            "groups": {"g": {"swap": False, "members": ["small", "OTHER", "found-Q4:latest"]}},
        }
    )
    rules = rules_of(config)
    assert leave(rules, "Qwen", {"other", "found-q4"}) == ""
    assert leave(rules, "found-q4", {"Qwen", "elsewhere"}) == "elsewhere"


MATRIX = {"vars": {"a": "x"}, "sets": {"s": "a"}}


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({}, Commands),
        ({"maxLoadedModels": 2}, type(FREE)),
        ({"groups": {"g": {"members": ["a"]}}}, Groups),
        ({"matrix": MATRIX}, Matrix),
        ({"routing": {"router": {"settings": {"groups": {"g": {"members": ["a"]}}}}}}, Groups),
        ({"routing": {"router": {"use": "matrix", "settings": {"matrix": MATRIX}}}}, Matrix),
        ({"routing": {"router": {"use": "group", "settings": {"matrix": MATRIX}}}}, Commands),
    ],
)
def test_the_rules_are_found_wherever_they_were_written(config, kind):
    config["models"] = {"x": {"cmd": "x"}, "a": {"cmd": "a"}}
    assert type(rules_of(Config.model_validate(config))) is kind


def test_without_rules_nobody_must_leave():
    assert leave(FREE, "a", "abc") == ""
    assert rules_of(Config.model_validate({"models": {"a": {"aliases": ["b"]}}})) is FREE


def test_without_rules_a_command_runs_alone():
    rules = Commands(["C", "d"])
    assert leave(rules, "c", "abcd", "e") == "abcde"
    assert leave(rules, "a", "abc", "d") == "cd"
    assert leave(rules, "a", "ab") == ""
    assert rules.why("a", "c").startswith("c is a command")
    assert rules.why("c", "a").startswith("c is a command")


def test_an_answer_costs_the_same_however_many_models_are_configured():
    """Counted in lookups: one for the target, one for each running model."""

    class Counting(dict[str, object]):
        looked_up = 0

        def get(self, *key):
            Counting.looked_up += 1
            return super().get(*key)

    members = [f"m{n}" for n in range(500)]
    rules = groups(**{f"g{n}": (True, True, False, members[n::10]) for n in range(10)})
    rules._of = Counting(rules._of)
    assert rules.must_leave("m0", frozenset({"m1", "m10"})) == {"m1", "m10"}
    assert Counting.looked_up <= 5
