import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.config.matrix_expression import (
    All,
    Any_,
    EndlessReference,
    ExpressionError,
    Name,
    Ref,
    atoms,
    in_order,
    parse,
    together,
)

A, B, C, D = map(Name, "abcd")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", A),
        ("  a  ", A),
        ("(a)", A),
        ("((a))", A),
        ("+a", Ref("a")),
        ("a & b", All((A, B))),
        ("a&b", All((A, B))),
        ("a\n&\tb", All((A, B))),
        ("a | b", Any_((A, B))),
        ("a|b|c", Any_((A, B, C))),
        ("a&b&c", All((A, B, C))),
        ("a & b | c", Any_((All((A, B)), C))),
        ("a | b & c", Any_((A, All((B, C))))),
        ("a & (b | c)", All((A, Any_((B, C))))),
        ("(a | b) & (c | d)", All((Any_((A, B)), Any_((C, D))))),
        ("a & (b & c)", All((A, All((B, C))))),
        ("a | (b | c)", Any_((A, Any_((B, C))))),
        ("+x & a", All((Ref("x"), A))),
        ("(+x | +y)", Any_((Ref("x"), Ref("y")))),
        ("qwen3-8b.q4", Name("qwen3-8b.q4")),
        ("meta-llama-3.1-8b-instruct-q4_k_m", Name("meta-llama-3.1-8b-instruct-q4_k_m")),
        ("7b", Name("7b")),
        ("größe", Name("größe")),
        ("a & a", All((A, A))),
    ],
)
def test_what_an_expression_means(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "position", "told"),
    [
        ("", 1, "expected a name, but it ends"),
        ("   ", 4, "expected a name, but it ends"),
        ("&", 1, "expected a name, found `&`"),
        ("a &", 4, "expected a name, but it ends"),
        ("a & & b", 5, "expected a name, found `&`"),
        ("a |", 4, "expected a name, but it ends"),
        ("| a", 1, "expected a name, found `|`"),
        ("a b", 3, "expected `&` or `|`, found `b`"),
        ("a (b)", 3, "expected `&` or `|`, found `(`"),
        ("(a", 3, "expected `)`, but it ends"),
        ("(a b)", 4, "expected `)`, found `b`"),
        ("a)", 2, "expected `&` or `|`, found `)`"),
        ("()", 2, "expected a name, found `)`"),
        ("(", 2, "expected a name, but it ends"),
        ("a & +", 5, "'+' means nothing here: a set's name follows `+` at once"),
        ("+ a", 1, "'+' means nothing here: a set's name follows `+` at once"),
        ("++a", 1, "'+' means nothing here"),
        ("a + b", 3, "'+' means nothing here"),
        ("a, b", 2, "',' means nothing here"),
        ("a && b", 4, "expected a name, found `&`"),
        ("a || b", 4, "expected a name, found `|`"),
        ("a & !b", 5, "'!' means nothing here"),
        ("${x}", 1, "'$' means nothing here"),
        ("a:b", 2, "':' means nothing here"),
        ("a/b", 2, "'/' means nothing here"),
        ("[a]", 1, "'[' means nothing here"),
        ("(" * 17 + "a" + ")" * 17, 18, "more than 16 brackets"),
    ],
)
def test_what_is_no_expression_is_told_with_its_place(text, position, told):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert told in str(caught.value)
    assert caught.value.position == position
    assert f"(character {position})" in str(caught.value)


def test_sixteen_brackets_are_read():
    assert parse("(" * 16 + "a" + ")" * 16) == A


def test_a_long_expression_is_read_without_recursion_per_name():
    text = " & ".join(f"m{n}" for n in range(5000))
    assert len(list(atoms(parse(text)))) == 5000


def test_atoms_come_from_left_to_right():
    assert list(atoms(parse("a & (+x | b) & c"))) == [A, Ref("x"), B, C]


def sets(**texts):
    return {name: parse(text) for name, text in texts.items()}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"x": "a", "y": "b"}, ("x", "y")),
        ({"x": "+y", "y": "b"}, ("y", "x")),
        ({"x": "+y & +z", "y": "b", "z": "c"}, ("y", "z", "x")),
        ({"w": "a", "x": "+z", "y": "b", "z": "+y"}, ("w", "y", "z", "x")),
        ({"x": "+none"}, ("x",)),
        ({}, ()),
    ],
)
def test_sets_follow_those_they_refer_to(texts, expected):
    assert in_order(sets(**texts)) == expected


@pytest.mark.parametrize(
    ("texts", "way"),
    [
        ({"x": "+x"}, "x → x"),
        ({"x": "a | +y", "y": "+x"}, "x → y → x"),
        ({"u": "+x", "x": "+y", "y": "+z", "z": "b & +x"}, "x → y → z → x"),
    ],
)
def test_a_circle_of_sets_is_refused_with_the_way_round(texts, way):
    with pytest.raises(EndlessReference, match=f"in a circle: {way}") as caught:
        in_order(sets(**texts))
    assert caught.value.set == way[-1]


def test_a_long_row_of_references_is_refused():
    row = {f"s{n}": Ref(f"s{n + 1}") for n in range(3000)}
    with pytest.raises(EndlessReference, match="more than 16 sets refer to each other in a row"):
        in_order(row)


def choices(text, among, **others):
    found = together(parse(text), sets(**others), frozenset(among))
    return {"".join(sorted(choice)) for choice in found}


@pytest.mark.parametrize(
    ("text", "among", "expected"),
    [
        ("a", "a", {"a"}),
        ("a", "b", {""}),
        ("a", "", {""}),
        ("a & b", "abc", {"ab"}),
        ("a & b", "b", {"b"}),
        ("a | b", "ab", {"a", "b"}),
        ("a | b", "a", {"a"}),
        ("a | b", "c", {""}),
        ("a & (b | c)", "abc", {"ab", "ac"}),
        ("a & (b | c)", "bc", {"b", "c"}),
        ("(a | b) & (c | d)", "abcd", {"ac", "ad", "bc", "bd"}),
        ("(a | b) & (c | d)", "ad", {"ad"}),
        ("a & b | a", "ab", {"ab"}),
        ("a | b & c", "abc", {"a", "bc"}),
        ("a & a", "a", {"a"}),
        ("a | a", "a", {"a"}),
    ],
)
def test_what_may_run_together(text, among, expected):
    assert choices(text, among) == expected


def test_references_stand_for_their_sets():
    assert choices("+x & c", "abc", x="a | b") == {"ac", "bc"}
    assert choices("+x & +y", "abc", x="a", y="+z", z="b | c") == {"ab", "ac"}
    assert choices("+none & a", "a") == {"a"}


def test_many_choices_are_not_multiplied_out():
    text = " & ".join(f"(a{n} | b{n})" for n in range(200))
    found = together(parse(text), {}, frozenset({"a0", "b0", "a199"}))
    assert found == {frozenset({"a0", "a199"}), frozenset({"b0", "a199"})}


expressions = st.recursive(
    st.sampled_from("abcd").map(Name) | st.sampled_from("xy").map(Ref),
    lambda inner: st.lists(inner, min_size=2, max_size=3).flatmap(
        lambda parts: st.sampled_from([All(tuple(parts)), Any_(tuple(parts))])
    ),
    max_leaves=12,
)


def written(expression):
    match expression:
        case Name(text):
            return text
        case Ref(name):
            return f"+{name}"
        case All(parts):
            return f"({' & '.join(map(written, parts))})"
        case Any_(parts):
            return f"({' | '.join(map(written, parts))})"


@given(expressions)
def test_what_is_written_is_read(expression):
    assert parse(written(expression)) == expression


@given(st.text(alphabet="ab+&|() .-_\n§", max_size=30))
def test_any_text_is_read_or_refused_within_it(text):
    try:
        parse(text)
    except ExpressionError as error:
        position = error.position
    else:
        return
    assert 1 <= position <= len(text) + 1
