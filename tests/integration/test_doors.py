"""Opening a door whose port is taken."""

from __future__ import annotations

import logging
import os
import socket

import pytest

from paddock.access.hosts import HostRules
from paddock.access.keys import KeyRing
from paddock.config.schema import OllamaDoor
from paddock.daemon.doors import DoorBusy, Wanted, open_or_warn
from paddock.gateway.door import Door
from paddock.gateway.gate import Gate
from paddock.gateway.routes import RouteTable


def door() -> Door:
    return Door("ollama", RouteTable(()), Gate(HostRules("nas"), (), KeyRing(())))


async def test_one_that_nobody_asked_for_stays_closed_and_the_log_names_who_has_its_port(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = OllamaDoor(port=taken.getsockname()[1])
        with caplog.at_level(logging.WARNING):
            assert await open_or_warn(Wanted("ollama", config, False), door()) is None

    assert f"process {os.getpid()}" in caplog.text
    assert "OLLAMA_HOST" in caplog.text


async def test_one_that_the_owner_wrote_must_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = OllamaDoor(port=taken.getsockname()[1])
        with pytest.raises(DoorBusy) as raised:
            await open_or_warn(Wanted("ollama", config, True), door())

    assert "listen.ollama.port" in raised.value.hint


async def test_a_free_one_opens_either_way() -> None:
    for is_said in (True, False):
        opened = await open_or_warn(Wanted("ollama", OllamaDoor(port=0), is_said), door())
        assert opened is not None
        assert opened.port
        await opened.aclose()
