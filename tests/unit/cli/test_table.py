from paddock.cli.table import printable, table


def test_columns_are_as_wide_as_what_is_in_them():
    text = table(("NAME", ">SIZE", "NOTE"), [["a", "10", ""], ["long-name", "7", "x"]])
    assert text == "NAME       SIZE  NOTE\na            10\nlong-name     7  x\n"


def test_a_table_without_rows_is_its_titles():
    assert table(("A", ">B"), []) == "A  B\n"


def test_nothing_in_a_cell_can_steer_the_terminal():
    assert "\x1b" not in table(("A",), [["\x1b[31mred\x07"]])
    assert printable("a\x1b[2Jb\r\n\tü") == "a\ufffd[2Jb\ufffd\n\tü"
