import pytest

SETS = {"s": "a & b"}


def router(**said):
    return {"routing": {"router": said}}


@pytest.mark.parametrize(
    ("said", "places"),
    [
        ({"groups": {"g": {}}, "matrix": {"sets": SETS}}, ["matrix"]),
        ({"groups": {"g": {}}, **router(use="group")}, ["groups"]),
        ({"groups": {"g": {}}, **router(settings={"groups": {"h": {}}})}, ["groups"]),
        ({"groups": {"g": {}}, **router(settings={"matrix": {"sets": SETS}})}, ["groups"]),
        ({"matrix": {"sets": SETS}, **router(use="group")}, ["matrix"]),
        ({"matrix": {"sets": SETS}, **router(settings={"groups": {"h": {}}})}, ["matrix"]),
        (
            {"groups": {"g": {}}, "matrix": {"sets": SETS}, **router(use="group")},
            ["groups", "matrix"],
        ),
        (router(use="matrix"), ["routing.router.use"]),
        (router(use="matrix", settings={"groups": {"g": {}}}), ["routing.router.use"]),
    ],
)
def test_only_one_of_them_rules(faults, said, places):
    assert list(faults(**said)) == places


@pytest.mark.parametrize(
    "said",
    [
        {"groups": {"g": {}}},
        {"matrix": {"sets": SETS}},
        router(use="group"),
        router(settings={"groups": {"g": {}}}),
        router(settings={"groups": {"g": {}}, "matrix": {"sets": SETS}}),
        router(use="matrix", settings={"groups": {"g": {}}, "matrix": {"sets": SETS}}),
        {
            "groups": {"g": {}},
            "routing": {"scheduler": {"settings": {"fifo": {"priority": {"a": 5}}}}},
        },
        {"groups": {"g": {}}, "routing": {"router": {}}},
        {"groups": {}, **router(use="group")},
    ],
)
def test_styles_that_do_not_mix(faults, said):
    assert faults(**said) == {}


MODELS = {"a": {"aliases": ["aa"]}, "b": {}}


@pytest.mark.parametrize(
    ("groups", "places"),
    [
        ({"g": ["a"], "h": ["a"]}, ["h.members[0]"]),
        ({"g": ["a", "b"], "h": ["c", "b"]}, ["h.members[1]"]),
        ({"g": ["a"], "h": ["A"]}, ["h.members[0]"]),
        ({"g": ["a"], "h": ["aa"]}, ["h.members[0]"]),
        ({"g": ["a", "a"]}, ["g.members[1]"]),
        ({"g": ["x"], "h": ["x"]}, ["h.members[0]"]),
        ({"g": ["a"], "h": ["a"], "i": ["a"]}, ["h.members[0]", "i.members[0]"]),
    ],
)
@pytest.mark.parametrize("new", [False, True])
def test_a_model_is_in_one_group(faults, groups, places, new):
    written = {name: {"members": members} for name, members in groups.items()}
    if new:
        found = faults(models=MODELS, **router(settings={"groups": written}))
    else:
        found = faults(models=MODELS, groups=written)
    start = "routing.router.settings.groups." if new else "groups."
    assert list(found) == [start + place for place in places]


@pytest.mark.parametrize(
    "groups",
    [
        {"g": ["a"], "h": ["b"]},
        {"g": []},
        {"g": ["not-there-yet"]},
        {"(default)": ["a"]},
        {"g": ["a", "aa"]},
    ],
)
def test_groups(faults, groups):
    written = {name: {"members": members} for name, members in groups.items()}
    assert faults(models=MODELS, groups=written) == {}


@pytest.mark.parametrize(
    ("matrix", "place", "part"),
    [
        ({}, "", "has no sets"),
        ({"vars": {"a": "x"}}, "", "has no sets"),
        ({"vars": {"": "x"}, "sets": SETS}, ".vars.", "1 to 32 letters"),
        ({"vars": {"a b": "x"}, "sets": SETS}, ".vars.a b", "1 to 32 letters"),
        ({"vars": {"a_b": "x"}, "sets": SETS}, ".vars.a_b", "1 to 32 letters"),
        ({"vars": {"x" * 33: "x"}, "sets": SETS}, f".vars.{'x' * 33}", "1 to 32 letters"),
        ({"vars": {"+a": "x"}, "sets": SETS}, ".vars.+a", "1 to 32 letters"),
        ({"vars": {"a": " "}, "sets": SETS}, ".vars.a", "names no model"),
        ({"sets": {"s": ""}}, ".sets.s", "expected a name, but it ends (character 1)"),
        ({"sets": {"s": "a &"}}, ".sets.s", "(character 4)"),
        ({"sets": {"s": "a b"}}, ".sets.s", "expected `&` or `|`, found `b` (character 3)"),
        ({"sets": {"s": "(a"}}, ".sets.s", "expected `)`"),
        ({"sets": {"s": "a", "t": "b & !"}}, ".sets.t", "'!' means nothing here"),
        ({"sets": {"s": "+x"}}, ".sets.s", "there is no set `x`"),
        ({"sets": {"s": "+s"}}, ".sets.s", "in a circle: s → s"),
        ({"sets": {"s": "+t", "t": "a | +s"}}, ".sets.s", "in a circle: s → t → s"),
    ],
)
@pytest.mark.parametrize("new", [False, True])
def test_a_matrix_that_cannot_be(faults, matrix, place, part, new):
    new_place = {"routing": {"router": {"use": "matrix", "settings": {"matrix": matrix}}}}
    found = faults(**(new_place if new else {"matrix": matrix}))
    start = "routing.router.settings.matrix" if new else "matrix"
    assert list(found) == [start + place]
    assert part in found[start + place].message


def test_all_sets_are_looked_at(faults):
    found = faults(matrix={"sets": {"s": "(", "t": ")", "u": "+x & +s", "v": "+u"}})
    assert list(found) == ["matrix.sets.s", "matrix.sets.t", "matrix.sets.u"]


@pytest.mark.parametrize(
    ("sets", "suggestion"),
    [
        ({"small": "a", "s": "+smal"}, "did you mean `+small`?"),
        ({"s": "+zzz"}, "define the set `zzz`"),
    ],
)
def test_a_set_that_is_not_there(faults, sets, suggestion):
    assert faults(matrix={"sets": sets})["matrix.sets.s"].suggestion == suggestion


@pytest.mark.parametrize(
    "matrix",
    [
        {"sets": {"s": "a"}},
        {"vars": {"x": "a", "Y.1-z": "not-there-yet"}, "sets": {"s": "x & Y.1-z"}},
        {"vars": {"x": "a"}, "evict_costs": {"x": 5, "b": 2, "other": 1}, "sets": {"s": "x | b"}},
        {"sets": {"s": "+t", "t": "a & b", "any name": "+t | (a & +s)"}},
        {"sets": {"s": "discovered-later_q4"}},
    ],
)
def test_matrices(faults, matrix):
    assert faults(models=MODELS, matrix=matrix) == {}


PEERS = {"p": {"proxy": "http://nas", "models": ["far", "b"]}}


def selector(strategy, *targets, **said):
    return {"s": {"strategy": strategy, "targets": targets, **said}}


@pytest.mark.parametrize("strategy", ["warm", "pin", "spillover"])
@pytest.mark.parametrize("target", ["other", "OTHER", "s"])
def test_selectors_do_not_lead_to_selectors(faults, strategy, target):
    chosen = {**selector(strategy, target), "other": {"strategy": "pin", "targets": ["a"]}}
    assert list(faults(models=MODELS, selectors=chosen)) == ["selectors.s.targets[0]"]


@pytest.mark.parametrize(
    ("strategy", "targets", "bad"),
    [
        ("warm", ["a", "b"], []),
        ("warm", ["aa", "not-there-yet"], []),
        ("warm", ["p/far"], [0]),
        ("warm", ["a", "far"], [1]),
        ("warm", ["P/FAR"], [0]),
        ("warm", ["b"], []),
        ("warm", ["p/b"], [0]),
        ("pin", ["p/far", "far", "a", "b"], []),
        ("spillover", ["a", "p/far", "far"], []),
        ("spillover", ["a"], []),
    ],
)
def test_warm_knows_only_our_own(faults, strategy, targets, bad):
    found = faults(models=MODELS, peers=PEERS, selectors=selector(strategy, *targets))
    assert list(found) == [f"selectors.s.targets[{index}]" for index in bad]


def groups(swap, *members):
    return {"groups": {"g": {"swap": swap, "members": members}}}


def matrix(**sets):
    return {"matrix": {"vars": {"x": "a", "y": "b"}, "sets": sets}}


@pytest.mark.parametrize(
    ("said", "suggestion"),
    [
        ({"maxLoadedModels": 1}, "set `maxLoadedModels` to 2 or more"),
        (groups(True, "a", "b"), "make them members of one group with `swap: false`"),
        (groups(False, "a"), "make them members of one group"),
        (
            {
                "groups": {
                    "g": {"swap": False, "members": ["a"]},
                    "h": {"swap": False, "members": ["b"]},
                }
            },
            "make them members of one group",
        ),
        (matrix(s="x | y"), "join them with `&`"),
        (matrix(s="x", t="y"), "join them with `&`"),
        (matrix(s="a & z"), "join them with `&`"),
    ],
)
def test_what_spills_over_runs_together(faults, said, suggestion):
    [(place, fault)] = faults(
        models=MODELS, selectors=selector("spillover", "a", "b"), **said
    ).items()
    assert place == "selectors.s.targets"
    assert suggestion in fault.suggestion


@pytest.mark.parametrize(("ids", "bad"), [("ac", True), ("ab", False)])
def test_a_command_runs_alone_unless_a_number_is_given(faults, ids, bad):
    models = {**MODELS, "C": {"cmd": "c ${PORT}"}}
    found = faults(models=models, selectors=selector("spillover", *ids))
    assert [fault.suggestion for fault in found.values()] == (
        ["set `maxLoadedModels` to 2 or more"] * bad
    )


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"maxLoadedModels": 2},
        groups(False, "a", "b", "c"),
        groups(False, "AA", "B"),
        router(settings={"groups": {"g": {"swap": False, "members": ["a", "b"]}}}),
        matrix(s="x & y"),
        matrix(s="a & b"),
        matrix(s="x & (z | y)"),
        matrix(s="x", t="+u & y", u="x | z"),
        router(use="matrix", settings={"matrix": {"sets": {"s": "aa & b & c"}}}),
    ],
)
def test_rules_under_which_models_spill_over(faults, said):
    assert faults(models=MODELS, selectors=selector("spillover", "aa", "b"), **said) == {}


def test_a_matrix_that_cannot_be_read_is_told_alone(faults):
    said = {"selectors": selector("spillover", "a", "b"), **matrix(s="x &")}
    assert list(faults(models=MODELS, **said)) == ["matrix.sets.s"]


@pytest.mark.parametrize("targets", [["a", "a"], ["a", "aa"], ["a", "A"], ["new", "NEW"]])
def test_a_request_does_not_spill_over_to_the_same_model(faults, targets):
    found = faults(models=MODELS, maxLoadedModels=9, selectors=selector("spillover", *targets))
    assert found["selectors.s.targets"].message == "leads to one model twice"


def test_peers_have_their_own_room(faults):
    said = selector("spillover", "a", "p/far", "far")
    assert faults(models=MODELS, peers=PEERS, selectors=said) == {}


@pytest.mark.parametrize(
    "profile",
    [
        {},
        {"description": "x", "pins": {}},
        {"pins": {"a": "b", "gpt-4": "not-there-yet", "off": None, "too": ""}},
    ],
)
def test_profiles(faults, profile):
    assert faults(models=MODELS, profiles={"p": profile}) == {}
