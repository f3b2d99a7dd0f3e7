from __future__ import annotations

import pytest

from paddock.scheduler.queue import Queue, Waiter


@pytest.fixture
def queue():
    return Queue()


def add(queue, model, name="a", client="x", since=0.0):
    waiter = Waiter(name, client, since, future=None)  # type: ignore[arg-type]
    queue.add(waiter, model(name))
    return waiter


def test_waiters_come_out_in_order_of_arrival_over_all_lines(queue, model):
    waiters = [
        add(queue, model, name, client) for name, client in zip("abcab", "xyxyx", strict=True)
    ]
    assert list(queue) == waiters
    assert queue.line("a") == (waiters[0], waiters[3])
    assert queue.line("nobody asked for this") == ()
    assert len(queue) == 5


def test_removing_twice_is_removing_once_and_empty_lines_go(queue, model):
    first, second = add(queue, model), add(queue, model, "b")
    queue.remove(first)
    queue.remove(first)
    assert len(queue) == 1
    assert list(queue.lines) == ["b"]
    queue.remove(second)
    assert not queue.lines


def test_a_line_takes_the_version_that_was_asked_for_last(queue, model):
    add(queue, model)
    queue.add(Waiter("a", "x", 0.0, future=None), model("a", "2"))  # type: ignore[arg-type]
    assert queue.lines["a"].model.fingerprint == "2"


def serve(queue, running, count):
    """The clients in the order in which `count` free slots go to them; nobody finishes."""
    line, order = queue.lines["a"], []
    for _ in range(count):
        waiter = line.next(running)
        queue.remove(waiter)
        line.served(waiter.client)
        order.append(waiter.client)
    return "".join(order)


@pytest.mark.parametrize(
    ("arrivals", "running", "order"),
    [
        ("xyz", {}, "xyz"),
        ("xxxy", {}, "xyxx"),
        ("xxxxyyz", {}, "xyzxyxx"),
        ("xy", {"x": 1}, "yx"),
        ("xxyz", {"x": 2, "y": 1}, "zyxx"),
        ("", {}, ""),
    ],
)
def test_clients_take_turns_and_those_with_fewer_leases_go_first(
    queue, model, arrivals, running, order
):
    for client in arrivals:
        add(queue, model, client=client)
    assert (serve(queue, running, len(arrivals)) if arrivals else "") == order


def test_lines_rank_by_who_came_or_gave_way_longest_ago(queue, model):
    add(queue, model, "a", since=1)
    add(queue, model, "b", since=2)
    add(queue, model, "c", since=2)
    queue.yields("a", 2)
    queue.yields("nobody waits for this", 2)
    add(queue, model, "a", since=3)
    ranked = sorted(queue.lines.values(), key=lambda line: line.rank)
    assert [line.model.id for line in ranked] == ["b", "c", "a"]
    assert [line.homeless_since for line in ranked] == [2, 2, 2]
