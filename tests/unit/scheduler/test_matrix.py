"""The matrix: costs, ties, sets within sets, and more models than fit in a machine word."""

from __future__ import annotations

from itertools import product

import hypothesis.strategies as st
import pytest
from hypothesis import given

from paddock.config import routing
from paddock.config.matrix_expression import All, Any_, Name, in_order, parse
from paddock.config.schema import Config
from paddock.scheduler.coexist import rules_of
from paddock.scheduler.matrix import Matrix


def matrix(sets, costs=None, names=None):
    """Sets as a list are named s0, s1, …"""
    if isinstance(sets, str | list):
        sets = {f"s{n}": text for n, text in enumerate([sets] if isinstance(sets, str) else sets)}
    return Matrix(routing.Matrix(sets=sets, evict_costs=costs or {}, vars=names or {}))


def leave(rules, target, running, going=""):
    return "".join(sorted(rules.must_leave(target, frozenset(running), frozenset(going))))


@pytest.mark.parametrize(
    ("sets", "target", "running", "leaves"),
    [
        # one set
        ("a & b", "a", "", ""),
        ("a & b", "a", "b", ""),
        ("a & b", "a", "c", "c"),
        ("a & b", "a", "bc", "c"),
        ("a | b", "a", "b", "b"),
        ("a & (b | c)", "a", "b", ""),
        ("a & (b | c)", "a", "bc", "c"),
        ("a & (b | c)", "b", "c", "c"),
        ("a & (b | c)", "b", "ac", "c"),
        ("(a | b) & (c | d)", "a", "bcd", "bd"),
        ("(a | b) & (c | d)", "c", "ad", "d"),
        ("(a & b) | (c & d)", "a", "cd", "cd"),
        # of several sets the cheapest
        (["a & b", "a & c & d"], "a", "bcd", "b"),
        (["a & b", "a & c"], "a", "c", ""),
        # of equal ones the first
        (["a & b", "a & c"], "a", "bc", "c"),
        (["a & c", "a & b"], "a", "bc", "b"),
        # in no set: everybody
        ("a & b", "x", "ab", "ab"),
        ("a & b", "x", "", ""),
        # a running model of no set stays with nobody
        ("a & b", "a", "bx", "x"),
        # a name twice
        ("(a | b) & (a | c)", "a", "bc", "b"),
        ("(a | b) & (a | c)", "b", "c", ""),
        ("(a | b) & (a | c)", "b", "a", ""),
        ("(x | a) & (a | b) & (b | y)", "x", "by", ""),
        ("a & a", "a", "b", "b"),
    ],
)
def test_who_must_leave(sets, target, running, leaves):
    assert leave(matrix(sets), target, running) == leaves


@pytest.mark.parametrize(
    ("costs", "leaves"),
    [({}, "c"), ({"b": 5}, "c"), ({"c": 5}, "b"), ({"b": 5, "c": 5}, "c"), ({"c": 1}, "c")],
)
def test_who_is_dear_stays(costs, leaves):
    assert leave(matrix(["a & b", "a & c"], costs), "a", "bc") == leaves
    assert leave(matrix("a & (b | c)", costs), "a", "bc") == leaves


def test_costs_are_summed():
    sets = ["a & b", "a & c & d & e"]
    assert leave(matrix(sets, {"b": 2}), "a", "bcde") == "b"
    assert leave(matrix(sets, {"b": 3}), "a", "bcde") == "cde"
    assert leave(matrix(sets, {"b": 4}), "a", "bcde") == "cde"


def test_sets_that_others_refer_to_come_first():
    sets = {"big": "+small & c", "other": "a & c", "small": "a & b"}
    assert leave(matrix(sets), "a", "bc") == ""
    sets = {"big": "+later | (a & c)", "later": "a & b"}
    assert leave(matrix(sets), "a", "bc") == "c"
    assert leave(matrix({"first": "a & c", "later": "a & b"}), "a", "bc") == "b"


def test_sets_within_sets():
    sets = {"tts": "t | u", "chat": "l & +tts", "all": "(+chat | x) & e"}
    rules = matrix(sets)
    assert leave(rules, "l", "te") == ""
    assert leave(rules, "x", "lte") == "lt"
    assert leave(rules, "e", "ltu") == "u"


def test_who_goes_anyway_costs_nothing_and_must_be_gone():
    rules = matrix(["a & b", "a & c"], {"b": 9})
    assert leave(rules, "a", "c", going="b") == "b"
    assert leave(rules, "a", "b", going="c") == "c"
    assert leave(rules, "a", "c", going="c") == ""
    assert leave(rules, "a", "", going="ax") == "ax"


def test_the_answer_does_not_change_when_its_victims_go_one_after_the_other():
    rules = matrix(["t & a & b", "t & c & d", "t & a & d"], {"a": 3, "c": 2})
    running, going = set("abcd"), set()
    victims = leave(rules, "t", running)
    for victim in victims:
        running.remove(victim)
        going.add(victim)
        assert leave(rules, "t", running, going) == victims


def test_short_names_stand_for_ids_and_aliases():
    config = Config.model_validate(
        {
            "models": {
                "Llama": {"cmd": "l", "aliases": ["house"]},
                "voice": {"cmd": "v"},
                "painter": {"cmd": "p"},
            },
            "matrix": {
                "vars": {"l": "house", "v": "voice", "p": "painter", "f": "found-q4"},
                "evict_costs": {"v": 7},
                "sets": {"talk": "l & v", "paint": "l & (p | f)"},
            },
        }
    )
    rules = rules_of(config)
    assert rules.must_leave("Llama", frozenset({"voice", "painter"})) == {"painter"}
    assert rules.must_leave("found-q4", frozenset({"Llama", "voice"})) == {"voice"}


def test_a_thousand_models_and_more_combinations_than_atoms():
    pairs = " & ".join(f"(a{n} | b{n})" for n in range(500))
    rules = matrix(pairs)
    running = {f"a{n}" for n in range(70)}
    assert rules.must_leave("b3", frozenset(running)) == {"a3"}
    assert rules.must_leave("b300", frozenset(running)) == frozenset()
    assert rules.must_leave("x", frozenset(running)) == running


def test_every_model_beside_every_other():
    names = [f"m{n}" for n in range(100)]
    rules = matrix(" & ".join(names))
    assert rules.must_leave("m99", frozenset(names[:99])) == frozenset()
    rules = matrix(" | ".join(names))
    assert rules.must_leave("m99", frozenset(names[:99])) == set(names[:99])


# --- against all combinations, written out --------------------------------------------------------

NAMES = "abcde"
EXPRESSIONS = st.recursive(
    st.sampled_from(NAMES),
    lambda inner: st.builds(
        lambda parts, sign: f"({f' {sign} '.join(parts)})",
        st.lists(inner, min_size=2, max_size=3),
        st.sampled_from("&|"),
    ),
    max_leaves=8,
)


def combinations(expression):
    """All that an expression allows, in the order in which a reader would write it out."""
    match expression:
        case Name(text):
            return [{text}]
        case Any_(parts):
            return [one for part in parts for one in combinations(part)]
        case All(parts):
            return [set().union(*chosen) for chosen in product(*map(combinations, parts))]
    raise AssertionError(expression)


@given(
    texts=st.lists(EXPRESSIONS, min_size=1, max_size=3),
    target=st.sampled_from(NAMES),
    running=st.sets(st.sampled_from(NAMES)),
    costs=st.dictionaries(st.sampled_from(NAMES), st.integers(1, 4)),
)
def test_it_costs_as_little_as_the_best_of_all_combinations(texts, target, running, costs):
    running = running - {target}
    sets = {f"s{n}": parse(text) for n, text in enumerate(texts)}
    every = [one for name in in_order(sets) for one in combinations(sets[name])]
    fitting = [running - one for one in every if target in one] or [running]
    leaves = matrix(texts, costs).must_leave(target, frozenset(running))

    def cost(leaving):
        return sum(costs.get(name, 1) for name in leaving)

    assert leaves in fitting
    assert cost(leaves) == min(map(cost, fitting))
