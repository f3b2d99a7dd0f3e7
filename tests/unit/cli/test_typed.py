import pytest

from paddock.cli.typed import Entry, Typed


def entry(*lines):
    typed = Typed()
    for line in lines[:-1]:
        assert typed.feed(line) is None
        assert typed.prompt == "... "
    whole = typed.feed(lines[-1])
    assert typed.prompt == ">>> "
    return whole


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        (["hello"], Entry("hello", False)),
        (["/bye"], Entry("/bye", True)),
        (["/a\nb"], Entry("/a\nb", False)),
        (['"""one"""'], Entry("one", False)),
        (['"""', "one", "", "two", '"""'], Entry("one\n\ntwo", False)),
        (['"""one', '/bye"""'], Entry("one\n/bye", False)),
        (['/set system """', "Be", 'nice."""'], Entry("/set system Be\nnice.", True)),
        (['"""pasted\nlines"""'], Entry("pasted\nlines", False)),
        (['say """'], Entry('say """', False)),
    ],
)
def test_entries(lines, whole):
    assert entry(*lines) == whole


def test_a_block_can_be_dropped():
    typed = Typed()
    typed.feed('"""one')
    typed.drop()
    assert typed.feed("two") == Entry("two", False)
