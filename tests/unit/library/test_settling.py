from paddock.library.settling import PAUSE, Settling


def test_nothing_is_due_while_nothing_happens():
    assert Settling().due() is None


def test_what_came_or_went_is_due_at_once():
    settling = Settling()
    settling.came_or_went("a", 5.0)
    assert settling.due() == 5.0


def test_what_is_written_is_due_when_the_writing_pauses():
    settling = Settling()
    settling.came_or_went("a", 1.0)
    for now in (1.1, 1.3, 1.5):
        settling.written("a", now)
    assert settling.due() == 1.5 + PAUSE


def test_a_long_copy_does_not_hold_up_other_files():
    settling = Settling()
    settling.written("copy", 1.0)
    settling.came_or_went("b", 1.1)
    assert settling.due() == 1.1
    settling.looked(1.2)
    assert settling.due() == 1.0 + PAUSE
    settling.looked(2.0)
    assert settling.due() is None
