import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.config.document import dotted
from paddock.config.macros import expand


def model(entry, macros=None):
    """The entry `m` with its macros and the global ones filled in; nothing may be wrong."""
    expanded, faults = expand({"macros": macros or {}, "models": {"m": entry}})
    assert faults == []
    return expanded["models"]["m"]


def faults(entry, macros=None):
    _, found = expand({"macros": macros or {}, "models": {"m": entry}})
    return [(dotted(fault.place), fault.message) for fault in found]


def suggestion(entry, macros=None):
    _, [fault] = expand({"macros": macros or {}, "models": {"m": entry}})
    return fault.suggestion


TYPED = {
    "text": "t",
    "int": 4096,
    "float": 0.7,
    "true": True,
    "false": False,
    "empty": "",
    "zero": 0,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${text}", "t"),
        ("${int}", 4096),
        ("${float}", 0.7),
        ("${true}", True),
        ("${false}", False),
        ("${empty}", ""),
        ("${zero}", 0),
        ("x${int}", "x4096"),
        ("${int} ", "4096 "),
        (" ${int}", " 4096"),
        ("${int}${int}", "40964096"),
        ("${float}!", "0.7!"),
        ("is ${true}", "is true"),
        ("is ${false}", "is false"),
        ("a${empty}b", "ab"),
        ("${text}-${int}-${float}", "t-4096-0.7"),
        ("$${text}", "$t"),
        ("${${text}}", "${t}"),
        ("{${text}}", "{t}"),
        ("$text", "$text"),
        ("${ text }", "${ text }"),
        ("${}", "${}"),
        ("${te.xt}", "${te.xt}"),
        ("${text", "${text"),
        ("${HOME:-/root}", "${HOME:-/root}"),
        ("${MODEL_ID}", "m"),
        ("${MODEL_ID}:${int}", "m:4096"),
        ("${PORT}", "${PORT}"),
        ("port ${PORT} of ${MODEL_ID}", "port ${PORT} of m"),
        ("plain", "plain"),
        (5, 5),
        (None, None),
        ([1, "${int}", ["${float}", "c=${int}"]], [1, 4096, [0.7, "c=4096"]]),
        ({"a": {"b": "${true}"}, "c": ["${MODEL_ID}"]}, {"a": {"b": True}, "c": ["m"]}),
        ({"${text}": "${text}"}, {"${text}": "t"}),
    ],
)
def test_a_value_keeps_the_macros_type_where_it_is_nothing_else(text, expected):
    if text == "${${text}}":
        assert faults({"metadata": {"x": text}}, TYPED) == [
            ("models.m.metadata.x", "no macro is named `t`")
        ]
        return
    found = model({"metadata": {"x": text}}, TYPED)["metadata"]["x"]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "key",
    [
        "cmd", "cmdStop", "proxy", "checkEndpoint", "name", "description", "useModelName",
        "engine", "args",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("name", "expected"),
    [("int", "4096"), ("float", "0.7"), ("true", "true"), ("text", "t"), ("zero", "0")],
)
def test_what_is_text_stays_text(key, name, expected):
    assert model({key: f"${{{name}}}"}, TYPED) == {key: expected}


@pytest.mark.parametrize("key", ["aliases", "env"])
def test_lists_of_text_hold_text(key):
    assert model({key: ["A=${int}", "${int}"]}, TYPED) == {key: ["A=4096", "4096"]}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("ttl", "${int}", 4096),
        ("concurrencyLimit", "${int}", 4096),
        ("contextLength", "${int}", 4096),
        ("unlisted", "${true}", True),
        ("sendLoadingState", "${false}", False),
        ("unloadTimeout", "${float}", 0.7),
        ("timeouts", {"connect": "${int}"}, {"connect": 4096}),
        ("capabilities", {"context": "${int}", "in": ["${text}"]}, {"context": 4096, "in": ["t"]}),
        ("compat", {"ignoreWebsockets": "${true}"}, {"ignoreWebsockets": True}),
    ],
)
def test_other_keys_get_the_macros_own_value(key, value, expected):
    assert model({key: value}, TYPED) == {key: expected}


def test_filters_are_filled_and_the_keys_of_set_params_by_id_too():
    filters: dict[str, object] = {
        "stripParams": "temperature, ${text}",
        "setParams": {"temperature": "${float}", "${text}": "${int}", "name": "${int}"},
        "setParamsByID": {
            "${MODEL_ID}": {"a": "${true}"},
            "${MODEL_ID}:high": {"effort": "${text}", "${text}": 1},
            "${int}": {},
            "plain": {},
        },
    }
    assert model({"filters": filters}, TYPED)["filters"] == {
        "stripParams": "temperature, t",
        "setParams": {"temperature": 0.7, "${text}": 4096, "name": 4096},
        "setParamsByID": {
            "m": {"a": True},
            "m:high": {"effort": "t", "${text}": 1},
            "4096": {},
            "plain": {},
        },
    }


def test_the_words_of_strip_params_may_be_a_list():
    found = model({"filters": {"stripParams": ["a", "${text}", "${int}"]}}, TYPED)
    assert found["filters"]["stripParams"] == ["a", "t", "4096"]


def test_two_ids_that_become_one_are_told():
    filters: object = {"setParamsByID": {"m": {}, "${MODEL_ID}": {}}}
    assert faults({"filters": filters}) == [
        ("models.m.filters.setParamsByID.${MODEL_ID}", "becomes `m`, which is there already")
    ]


@pytest.mark.parametrize(
    ("ours", "own", "expected"),
    [
        ({"a": "1"}, {}, "1"),
        ({}, {"a": "2"}, "2"),
        ({"a": "1"}, {"a": "2"}, "2"),
        ({"b": "1", "a": "x${b}"}, {}, "x1"),
        ({"b": "1", "a": "x${b}"}, {"b": "2"}, "x2"),
        ({"b": "1"}, {"a": "y${b}"}, "y1"),
        ({"b": "1"}, {"b": "2", "a": "y${b}"}, "y2"),
        ({"b": "1"}, {"a": "y${b}", "b": "2"}, "y2"),
        ({"c": "0", "b": "${c}1", "a": "${b}2"}, {}, "012"),
        ({"c": "0", "b": "${c}1", "a": "${b}2"}, {"c": "9"}, "912"),
        ({"c": "0", "b": "${c}1", "a": "${b}2"}, {"b": "${c}8"}, "082"),
        ({"b": 5, "a": "${b}"}, {}, 5),
        ({"b": 5, "a": "${b}"}, {"b": 6.5}, 6.5),
        ({"b": True, "a": "x${b}"}, {}, "xtrue"),
        ({"a": "${MODEL_ID}.gguf"}, {}, "m.gguf"),
        ({}, {"a": "${MODEL_ID}.gguf"}, "m.gguf"),
        ({"b": "${MODEL_ID}", "a": "x-${b}"}, {}, "x-m"),
        ({"a": "--port ${PORT}"}, {}, "--port ${PORT}"),
        ({"b": "${PORT}", "a": "--port ${b}"}, {}, "--port ${PORT}"),
        ({"b": "two words", "a": "'${b}'"}, {}, "'two words'"),
        ({"A-b_9": "1", "a": "${A-b_9}"}, {}, "1"),
        ({"n" * 63: "1", "a": "${" + "n" * 63 + "}"}, {}, "1"),
        ({"a": "multi\nline"}, {}, "multi\nline"),
        ({"a": "$1 \\1 \\g<0>"}, {}, "$1 \\1 \\g<0>"),
    ],
)
def test_a_models_macros_win_and_each_uses_those_before_it(ours, own, expected):
    entry = {"macros": own, "metadata": {"x": "${a}"}}
    assert model(entry, ours)["metadata"]["x"] == expected


def test_models_do_not_share_their_macros():
    expanded, found = expand(
        {
            "macros": {"c": 1, "args": "-c ${c}"},
            "models": {
                "a": {"cmd": "${args}", "macros": {"c": 2}},
                "b": {"cmd": "${args}"},
                "d": {"cmd": "${args} ${MODEL_ID}", "macros": {"args": "-x"}},
            },
        }
    )
    assert found == []
    assert {id_: entry["cmd"] for id_, entry in expanded["models"].items()} == {
        "a": "-c 2",
        "b": "-c 1",
        "d": "-x d",
    }


def test_the_values_given_are_not_changed():
    entry = {"cmd": "${a}", "env": ["X=${a}"]}
    expand({"macros": {"a": 1}, "models": {"m": entry}})
    assert entry == {"cmd": "${a}", "env": ["X=${a}"]}


@pytest.mark.parametrize(
    ("macros", "place", "message"),
    [
        ({"a": "${a}"}, "macros.a", "refers to itself"),
        ({"a": "x ${a} y"}, "macros.a", "refers to itself"),
        ({"a": "${b}", "b": "1"}, "macros.a", "`${b}` is defined after it"),
        ({"a": "${nope}"}, "macros.a", "no macro is named `nope`"),
        ({"PORT": 1}, "macros.PORT", "the name PORT is taken"),
        ({"PID": 1}, "macros.PID", "the name PID is taken"),
        ({"MODEL_ID": "x"}, "macros.MODEL_ID", "the name MODEL_ID is taken"),
        ({"": 1}, "macros.", "a macro's name is made of"),
        ({"a b": 1}, "macros.a b", "a macro's name is made of"),
        ({"a.b": 1}, 'macros."a.b"', "a macro's name is made of"),
        ({"env.X": 1}, 'macros."env.X"', "a macro's name is made of"),
        ({"ä": 1}, "macros.ä", "a macro's name is made of"),
        ({"a\n": 1}, "macros.a\n", "a macro's name is made of"),
        ({"n" * 64: 1}, f"macros.{'n' * 64}", "a macro's name has at most 63 characters"),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_a_macro_that_cannot_be(macros, place, message, own):
    found = faults({"macros": macros}) if own else faults({}, macros)
    [(found_place, found_message)] = found
    assert found_place == (f"models.m.{place}" if own else place)
    assert found_message.startswith(message)


def test_a_circle_of_macros_is_told_where_it_looks_ahead():
    assert faults({}, {"a": "${b}", "b": "${c}", "c": "${a}"}) == [
        ("macros.a", "`${b}` is defined after it, and a macro can use only those before it"),
        ("macros.b", "`${c}` is defined after it, and a macro can use only those before it"),
    ]


def test_a_global_macro_cannot_use_a_models_own():
    entry = {"macros": {"ctx": 1}, "cmd": "${args}"}
    found = faults(entry, {"args": "-c ${ctx}"})
    assert ("macros.args", "no macro is named `ctx`") in found


def test_what_uses_a_bad_macro_is_not_told_again():
    assert len(faults({"cmd": "${a} ${a}", "name": "${a}"}, {"a": "${nope}"})) == 1
    assert len(faults({"cmd": "${a}", "macros": {"b": 1}}, {"a": "${nope}"})) == 1


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({"cmd": "x ${nope}"}, "cmd"),
        ({"cmd": "${nope}"}, "cmd"),
        ({"cmd": "a\n# ${fine}\nb ${nope}"}, "cmd"),
        ({"cmdStop": "${nope}"}, "cmdStop"),
        ({"proxy": "http://${nope}"}, "proxy"),
        ({"checkEndpoint": "/${nope}"}, "checkEndpoint"),
        ({"env": ["A=1", "B=${nope}"]}, "env[1]"),
        ({"name": "${nope}"}, "name"),
        ({"description": "${nope}"}, "description"),
        ({"aliases": ["${nope}"]}, "aliases[0]"),
        ({"useModelName": "${nope}"}, "useModelName"),
        ({"ttl": "${nope}"}, "ttl"),
        ({"metadata": {"a": [{"b": "${nope}"}]}}, "metadata.a[0].b"),
        ({"filters": {"stripParams": "${nope}"}}, "filters.stripParams"),
        ({"filters": {"setParams": {"a": "${nope}"}}}, "filters.setParams.a"),
        ({"filters": {"setParamsByID": {"x": {"a": "${nope}"}}}}, "filters.setParamsByID.x.a"),
        ({"filters": {"setParamsByID": {"${nope}": {}}}}, "filters.setParamsByID.${nope}"),
        ({"capabilities": {"context": "${nope}"}}, "capabilities.context"),
        ({"unknownKey": "${nope}"}, "unknownKey"),
    ],
)
def test_a_macro_that_is_not_there_is_told_with_its_place(entry, place):
    assert faults(entry) == [(f"models.m.{place}", "no macro is named `nope`")]


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("lama", "did you mean `${llama}`?"),
        ("LLAMA", "did you mean `${llama}`?"),
        ("model_id", "did you mean `${MODEL_ID}`?"),
        ("port", "did you mean `${PORT}`?"),
        ("HOME", "an environment variable is written `${env.HOME}`"),
        ("zzz", "define `zzz` under `macros`"),
    ],
)
def test_what_was_probably_meant_is_offered(name, offered):
    assert suggestion({"cmd": f"${{{name}}}"}, {"llama": "x"}) == offered


@pytest.mark.parametrize(
    ("key", "port", "pid"),
    [
        ("cmd", True, False),
        ("cmdStop", True, True),
        ("proxy", True, False),
        ("checkEndpoint", True, False),
        ("env", True, False),
        ("name", True, False),
        ("description", True, False),
        ("metadata", True, False),
        ("aliases", False, False),
        ("useModelName", False, False),
        ("filters", False, False),
        ("args", False, False),
        ("engine", False, False),
    ],
)
def test_what_the_launch_knows_stays_only_where_it_is_needed(key, port, pid):
    def entry(reference):
        if key == "filters":
            return {key: {"setParams": {"a": reference}}}
        return {key: {"a": reference} if key == "metadata" else [reference]}

    for name, stays in (("PORT", port), ("PID", pid)):
        found = faults(entry(f"x ${{{name}}}"), {"via": f"${{{name}}}"})
        through = faults(entry("${via}"), {"via": f"${{{name}}}"})
        assert ([] if stays else [f"`${{{name}}}` has no value here"]) == [
            message for _, message in found
        ]
        assert [message for _, message in through] == [message for _, message in found]


@pytest.mark.parametrize("key", ["cmd", "cmdStop"])
def test_comment_lines_of_commands_name_no_macros(key):
    command = "# ${nope}\nrun ${a} \\\n   # ${nope} too\n  --x '#${a}'\n#${nope}"
    assert model({key: command}, {"a": 1}) == {key: "run 1 \\\n  --x '#1'\n"}


def test_a_hash_in_other_keys_is_text():
    assert model({"description": "# ${a}"}, {"a": 1}) == {"description": "# 1"}


def peers(entry, macros=None):
    expanded, found = expand({"macros": macros or {}, "peers": {"p": entry}})
    return expanded["peers"]["p"], [(dotted(fault.place), fault.message) for fault in found]


def test_peers_have_the_global_macros():
    entry = {
        "proxy": "http://${host}:${int}",
        "apiKey": "${int}",
        "models": ["${text}", "x${int}"],
        "filters": {
            "stripParams": "${text}",
            "setParams": {"a": "${int}"},
            "setParamsByID": {"${text}-x": {"b": "${float}"}},
        },
        "timeouts": {"connect": "${int}"},
    }
    assert peers(entry, {**TYPED, "host": "h"}) == (
        {
            "proxy": "http://h:4096",
            "apiKey": "4096",
            "models": ["t", "x4096"],
            "filters": {
                "stripParams": "t",
                "setParams": {"a": 4096},
                "setParamsByID": {"t-x": {"b": 0.7}},
            },
            "timeouts": {"connect": 4096},
        },
        [],
    )


@pytest.mark.parametrize(
    ("entry", "place", "message"),
    [
        ({"proxy": "http://x:${PORT}"}, "proxy", "`${PORT}` has no value here"),
        ({"apiKey": "${PID}"}, "apiKey", "`${PID}` has no value here"),
        ({"models": ["${MODEL_ID}"]}, "models[0]", "`${MODEL_ID}` has no value here"),
        ({"apiKey": "${nope}"}, "apiKey", "no macro is named `nope`"),
        (
            {"filters": {"setParams": {"a": "${nope}"}}},
            "filters.setParams.a",
            "no macro is named `nope`",
        ),
    ],
)
def test_a_peer_knows_nothing_of_models(entry, place, message):
    assert peers(entry)[1] == [(f"peers.p.{place}", message)]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"macros": None, "models": None, "peers": None},
        {"macros": [1], "models": [1], "peers": "x"},
        {"macros": {"a": [1]}, "models": {"m": 5, "n": None}, "peers": {"p": []}},
        {"models": {"m": {"macros": [1], "filters": 5, "cmd": None}}},
        {"models": {"m": {"filters": {"setParamsByID": [1], "setParams": "x"}}}},
    ],
)
def test_values_of_the_wrong_type_are_left_for_the_schema(values):
    assert expand(values) == (values, [])


@pytest.mark.parametrize("value", [None, [1], {"a": 1}])
def test_a_macro_that_is_not_one_value_is_empty_here(value):
    assert model({"name": "x${a}"}, {"a": value}) == {"name": "x"}


def test_other_sections_have_no_macros():
    values = {"macros": {"a": 1}, "hooks": {"x": "${a}"}, "groups": {"g": {"members": ["${a}"]}}}
    expanded, found = expand(values)
    assert (expanded, found) == (values, [])


names = st.sampled_from(["a", "b", "c", "PORT", "PID", "MODEL_ID", "d-e", "x y"])
texts = st.lists(st.sampled_from(["${a}", "${b}", "${", "}", "$", "x", "${PORT}"])).map("".join)
tables = st.dictionaries(names, texts | st.integers() | st.booleans() | st.none(), max_size=4)


@given(tables, tables, texts)
def test_any_macros_are_filled_or_refused(ours, own, text):
    values = {"macros": ours, "models": {"m": {"cmd": text, "macros": own}}}
    expanded, found = expand(values)
    if not found:
        assert "${a}" not in expanded["models"]["m"]["cmd"].replace("${${", "")
