from paddock.cli.table import ollama_table, printable, table


def test_columns_are_as_wide_as_what_is_in_them():
    text = table(("NAME", ">SIZE", "NOTE"), [["a", "10", ""], ["long-name", "7", "x"]])
    assert text == "NAME       SIZE  NOTE\na            10\nlong-name     7  x\n"


def test_a_table_without_rows_is_its_titles():
    assert table(("A", ">B"), []) == "A  B\n"


def test_nothing_in_a_cell_can_steer_the_terminal():
    assert "\x1b" not in table(("A",), [["\x1b[31mred\x07"]])
    assert printable("a\x1b[2Jb\r\n\tü") == "a\ufffd[2Jb\ufffd\n\tü"


def test_ollamas_columns_are_four_spaces_apart_and_padded():
    assert ollama_table(("A", "LONG"), [["xyz", "1"]]) == "A      LONG    \nxyz    1       \n"
    assert ollama_table((), [["a", "b"]]) == "a    b    \n"
