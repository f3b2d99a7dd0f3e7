import asyncio

import pytest

from paddock.errors import (
    InstanceUnloaded,
    InvalidRequest,
    ModelGone,
    RequestCancelled,
    ShuttingDown,
    UpstreamLost,
    WaitExpired,
)
from paddock.observe.activity import Activity
from paddock.observe.answer import Answer
from paddock.observe.captures import Captures
from paddock.observe.journal import MOST_WAITING, Began, Gone, Journal, Moved, News, Recorded
from paddock.observe.record import Asked
from paddock.storage.activity import Query
from paddock.storage.database import Database
from paddock.tasks import spawn

CHAT = Asked("m", "/v1/chat/completions", requested="alias", client="key:1", session="s")


class Desk:
    """A journal with its list, and what it has told."""

    def __init__(self, path=None, most=100):
        self.database = Database(path)
        self.activity = Activity(self.database, most)
        self.captures = Captures(lambda: 1 << 20)
        self.journal = Journal(self.activity, self.captures, lambda _: 418)
        self.news: list[News] = []
        self.journal.watch(self.news.append)

    async def rows(self, **query):
        await self.journal.settle()
        return (await self.activity.page(Query(**query))).rows


@pytest.fixture
async def desk():
    desk = Desk()
    yield desk
    await desk.journal.aclose()
    await desk.database.aclose()


def answered(**fields):
    return lambda: Answer(200, "application/json", **fields)


async def test_a_request_is_running_and_then_a_row(desk):
    with desk.journal.record(CHAT, answered(sent=7)) as record:
        assert desk.journal.running() == (record,)
        record.granted(0.25, 0.5)
    assert desk.journal.running() == ()

    (row,) = await desk.rows()
    assert (row.model, row.requested, row.client, row.session) == ("m", "alias", "key:1", "s")
    assert (row.status, row.bytes, row.queued, row.loading) == (200, 7, 250.0, 500.0)
    assert (row.cancelled, row.error) == ("", "")
    assert [type(one) for one in desk.news] == [Began, Moved, Gone, Recorded]
    assert desk.news[-1] == Recorded(row)


async def test_a_request_that_is_only_seen_gets_no_row(desk):
    with desk.journal.record(Asked("m", "/tokenize", is_kept=False), answered()):
        assert len(desk.journal.running()) == 1
    assert await desk.rows() == ()


@pytest.mark.parametrize(
    ("error", "status", "cancelled"),
    [
        (InvalidRequest("no"), 418, ""),
        (UpstreamLost("no"), 418, ""),
        (InstanceUnloaded("no"), 418, "unloaded"),
        (ModelGone("no"), 418, "unloaded"),
        (WaitExpired("no"), 418, "timeout"),
        (ShuttingDown("no"), 418, "shutdown"),
        (ConnectionResetError("no"), 499, "client_left"),
        (ValueError("no"), 500, ""),
    ],
)
async def test_an_error_is_told_in_the_row(desk, error, status, cancelled):
    with pytest.raises(type(error)), desk.journal.record(CHAT, Answer):
        raise error
    (row,) = await desk.rows()
    assert (row.status, row.cancelled) == (status, cancelled)
    assert row.error == ("no" if status == 418 else "")


async def test_the_status_that_was_answered_wins(desk):
    with pytest.raises(UpstreamLost), desk.journal.record(CHAT, answered()):
        raise UpstreamLost("died")
    (row,) = await desk.rows()
    assert (row.status, row.error) == (200, "died")


async def until_cancelled(desk, report=Answer):
    with desk.journal.record(CHAT, report):
        await asyncio.Event().wait()


@pytest.mark.parametrize(("stalled", "why"), [(False, "client_left"), (True, "stalled")])
async def test_a_client_that_leaves_is_told_in_the_row(desk, stalled, why):
    task = spawn(until_cancelled(desk, lambda: Answer(stalled=stalled)), name="request")
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (row,) = await desk.rows()
    assert (row.status, row.cancelled) == (499, why)


async def test_a_request_ended_by_its_id_gets_an_error_to_tell(desk):
    async def told():
        with pytest.raises(RequestCancelled):
            await until_cancelled(desk)
        current = asyncio.current_task()
        assert current is not None
        assert current.cancelling() == 0
        await asyncio.sleep(0)  # the task goes on: it answers the client

    task = spawn(told(), name="request")
    await asyncio.sleep(0)
    (record,) = desk.journal.running()
    assert desk.journal.cancel(record.id)
    await task
    assert not desk.journal.cancel(record.id)
    (row,) = await desk.rows()
    assert (row.status, row.cancelled) == (418, "cancelled")


def test_nothing_is_cancelled_by_an_id_that_nobody_has():
    assert not Desk().journal.cancel("1")


async def test_rows_are_written_without_being_asked_for(desk):
    recorded = asyncio.Event()

    def watcher(news):
        if isinstance(news, Recorded):
            recorded.set()

    desk.journal.watch(watcher)
    with desk.journal.record(CHAT, answered()):
        pass
    await asyncio.wait_for(recorded.wait(), 10)


async def test_only_the_newest_rows_are_kept_in_memory():
    desk = Desk(most=3)
    for _ in range(5):
        with desk.journal.record(CHAT, answered()):
            pass
    assert [row.id for row in await desk.rows()] == [5, 4, 3]
    await desk.journal.aclose()
    await desk.database.aclose()


async def test_a_file_keeps_the_rows_and_is_not_pruned(tmp_path):
    for _ in range(2):
        desk = Desk(tmp_path / "a.sqlite", most=1)
        with desk.journal.record(CHAT, answered()):
            pass
        await desk.journal.aclose()
        await desk.database.aclose()
    desk = Desk(tmp_path / "a.sqlite")
    assert [row.id for row in await desk.rows()] == [2, 1]
    await desk.database.aclose()


async def test_a_list_that_cannot_be_written_is_told_once_and_stops_nobody(tmp_path, caplog):
    desk = Desk(tmp_path)
    for _ in range(3):
        with desk.journal.record(CHAT, answered()):
            pass
        await desk.journal.settle()
    assert [record.getMessage()[:27] for record in caplog.records] == [
        "past requests are not kept:"
    ]
    await desk.journal.aclose()
    await desk.database.aclose()


async def test_a_full_disk_costs_rows_until_there_is_room_again(tmp_path, caplog):
    desk = Desk(tmp_path / "a.sqlite")

    async def room(pages):
        await desk.database.run(lambda db: db.execute(f"PRAGMA max_page_count = {pages}"))

    async def row():
        with desk.journal.record(CHAT, answered(head=b"x" * 9000, copy=[b""])):
            pass
        await desk.journal.settle()

    await row()
    await room(1)  # it cannot grow from now on
    for _ in range(40):
        await row()
    (told,) = (record.getMessage() for record in caplog.records)
    assert "full" in told
    kept = len(await desk.rows(limit=100))
    assert 0 < kept < 41
    await room(10_000)
    await row()
    assert len(await desk.rows(limit=100)) == kept + 1
    await desk.journal.aclose()
    await desk.database.aclose()


async def test_rows_that_wait_for_a_disk_too_long_are_lost_and_told(desk, caplog):
    for _ in range(MOST_WAITING + 2):
        with desk.journal.record(CHAT, answered()):
            pass
    (told,) = (record.getMessage() for record in caplog.records)
    assert f"{MOST_WAITING} of them wait" in told
    assert desk.journal.running() == ()


async def test_who_leaves_while_rows_are_written_takes_none_of_them_along(desk):
    with desk.journal.record(CHAT, answered(copy=[b""])):
        pass
    asking = spawn(desk.journal.settle(), name="asks for rows")
    await asyncio.sleep(0)
    asking.cancel()
    (row,) = await desk.rows()
    assert row.id in desk.captures
    assert [news for news in desk.news if isinstance(news, Recorded)] == [Recorded(row)]


async def test_a_copied_answer_is_a_capture_of_its_row(desk):
    wire = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"]
    with desk.journal.record(CHAT, answered(copy=wire)):
        pass
    (row,) = await desk.rows()
    assert row.id in desk.captures


async def test_stats_are_sums_and_distributions(desk):
    head = b'{"timings": {"prompt_n": 3, "predicted_n": 8, "predicted_per_second": 50.0}}'
    for _ in range(4):
        with desk.journal.record(CHAT, answered(head=head)):
            pass
    await desk.journal.settle()
    stats = await desk.activity.stats("m")
    assert (stats.totals.requests, stats.totals.output_tokens) == (4, 32)
    speeds = stats.distributions["generation_speed"]
    assert speeds is not None
    assert (speeds.bars, speeds.p50) == ((4,), 50.0)
    assert (await desk.activity.stats("other")).totals.requests == 0
