import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from typing import cast

import pytest

from paddock.observe.lines import RING_BYTES, LineRing
from paddock.observe.logs import Logs, RedactingFormatter
from paddock.observe.upstream_log import UpstreamLog


def record(text, level=logging.INFO):
    return logging.LogRecord("paddock.x", level, "file", 1, text, (), None)


@pytest.mark.parametrize(
    ("shown", "history"),
    [
        ("proxy", "from the daemon\n"),
        ("upstream", "m| from a model\n"),
        ("both", "from the daemon\nm| from a model\n"),
        ("none", ""),
    ],
)
def test_what_is_shown_is_chosen_and_the_parts_are_kept(shown, history):
    logs = Logs(shown)
    logs.daemon.handle(record("from the daemon"))
    logs.upstream.hear("m", "from a model\n")
    assert logs.shown.history() == history
    assert logs.daemon.history() == "from the daemon\n"
    assert logs.upstream.lines.history() == "m| from a model\n"


def test_every_line_of_a_model_has_its_id_in_front():
    upstream = UpstreamLog()
    upstream.hear("a/b", "one\n\ntwo\n")
    assert upstream.lines.history() == "a/b| one\na/b| \na/b| two\n"


@pytest.mark.parametrize(
    ("time_format", "line"),
    [("", r"INFO    paddock\.x: hello"), ("kitchen", r"\d+:\d\d[AP]M INFO    paddock\.x: hello")],
)
def test_a_line_begins_with_the_time_where_that_is_asked_for(time_format, line):
    assert re.fullmatch(line, RedactingFormatter(time_format).format(record("hello")))


def test_secrets_are_made_unreadable():
    told = RedactingFormatter().format(record("GET /?key=abcdef Authorization: Bearer xyz"))
    assert "abcdef" not in told
    assert "xyz" not in told


def test_warnings_and_errors_are_troubles():
    logs = Logs()
    for level in (logging.INFO, logging.WARNING, logging.ERROR):
        logs.daemon.handle(record(f"level {level}", level))
    assert logs.daemon.troubles() == ("level 30", "level 40")


def test_old_lines_go_when_there_are_too_many():
    ring = LineRing()
    for number in range(3000):
        ring.add(f"{number:0100}\n")
    assert len(ring.history()) <= RING_BYTES
    assert ring.history().endswith(f"{2999:0100}\n")


async def test_a_follower_gets_history_and_what_comes_from_any_thread():
    ring = LineRing()
    ring.add("before\n")
    following = cast("AsyncGenerator[bytes]", ring.follow())
    assert await anext(following) == b"before\n"
    coming = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    await asyncio.to_thread(ring.add, "after\n")
    async with asyncio.timeout(10):
        assert await coming == b"after\n"
    await following.aclose()


async def test_a_follower_may_leave_the_history_out():
    ring = LineRing()
    ring.add("before\n")
    following = cast("AsyncGenerator[bytes]", ring.follow(history=False))
    coming = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    ring.add("after\n")
    async with asyncio.timeout(10):
        assert await coming == b"after\n"
    await following.aclose()
