"""Pauses that hubs want, and limits that owners want."""

from __future__ import annotations

import asyncio

import pytest

from paddock.acquire.pace import LONGEST_PAUSE, Bucket, Hosts, pause_before, wanted_wait


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 0.5 "}, 0.5),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"RateLimit": '"resolvers";r=0;t=228'}, 229),
        ({"RateLimit": '"api";r=5;t=9, "resolvers";r=0;t=30'}, 31),
        ({"RateLimit": '"resolvers";r=2999;t=228', "Retry-After": "3"}, 3),
        ({"RateLimit": '"' * 1000}, None),
    ],
)
def test_what_a_refusal_asks_for(headers, seconds):
    assert wanted_wait(headers) == seconds


def test_pauses_grow_and_end_growing():
    assert 0.25 <= pause_before(1, 0.5) <= 0.5
    assert LONGEST_PAUSE / 2 <= pause_before(50, 0.5) <= LONGEST_PAUSE
    assert len({pause_before(3, 0.5) for _ in range(20)}) > 1


async def test_a_bucket_lets_through_what_it_was_made_for():
    bucket, loop = Bucket(1e6), asyncio.get_running_loop()
    begun = loop.time()
    for _ in range(5):
        await bucket.take(20_000)
    assert loop.time() - begun >= 0.08  # the first one is free


async def test_a_bucket_without_a_limit_never_waits():
    await asyncio.wait_for(Bucket(0).take(1 << 60), 1)


async def test_a_paused_host_is_left_alone_and_others_are_not():
    hosts, loop = Hosts(), asyncio.get_running_loop()
    hosts.pause("http://a", 0.1)
    begun = loop.time()
    async with hosts.connection("http://b"):
        pass
    async with hosts.connection("http://a"):
        assert loop.time() - begun >= 0.1


async def test_a_host_has_so_many_connections_and_no_more():
    hosts = Hosts(1)
    async with hosts.connection("http://a"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), hosts.connection("http://a"):
                pass
    async with hosts.connection("http://a"):
        pass
