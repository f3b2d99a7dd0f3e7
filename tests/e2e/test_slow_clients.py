"""A client that stops reading holds up nobody but itself, and not for ever; no byte is lost."""

from __future__ import annotations

import time

import psutil
from tests.fakes.caller import DIALECTS, Caller, Child, Crowd, Load, load_of, seconds_until
from tests.fakes.house import House

MEGABYTE = 1 << 20
FLOOD = "tokens=400000"
"""About 80 MB of events, as fast as they go."""


def memory(house: House) -> int:
    return int(psutil.Process(house.pid).memory_info().rss)


def quiet_for(child: Child, seconds: float) -> bool:
    """Whether the engine uses hardly any processor time for so long."""
    process = psutil.Process(child.state()["pid"])
    before = sum(process.cpu_times()[:2])
    time.sleep(seconds)
    return sum(process.cpu_times()[:2]) - before < seconds / 4


def test_a_client_that_stops_reading_holds_back_its_child_only(house: House, crowd: Crowd) -> None:
    house.add("llama-a")
    house.add("llama-b")
    house.start(house.config(maxLoadedModels=2, parallel=16))
    assert house.chat("llama-b").status == 200
    crowd.ask("llama-a", "tokens=2").finish()
    before = memory(house)
    slow = [crowd.ask("llama-a", FLOOD, receive_buffer=65536) for _ in range(4)]
    for caller in slow:
        caller.until("t0 ")
    child = Child(house, "llama-a")

    house.until(lambda: quiet_for(child, 0.5), "the child is held back")
    assert memory(house) - before < 16 * MEGABYTE
    assert child.running == len(slow)
    for model in ("llama-a", "llama-b"):
        began = time.monotonic()
        assert b"[DONE]" in crowd.ask(model, "tokens=50 tps=100").finish().body
        assert time.monotonic() - began < 5
    for caller in slow:
        caller.leave("fin")
    seconds_until(lambda: child.running == 0 and load_of(house) == Load(0, 0))


def test_a_client_that_reads_again_gets_all_of_it(house: House, crowd: Crowd) -> None:
    house.add("llama-a")
    house.start()
    slow = crowd.ask("llama-a", "tokens=60000", receive_buffer=65536).until("t0 ")
    child = Child(house, "llama-a")
    house.until(lambda: quiet_for(child, 0.3), "the child is held back")
    assert child.running == 1

    body = slow.finish().body

    assert slow.whole
    assert body.endswith(b"data: [DONE]\n\n")
    assert body.count(b'"content":"t') == 60000


def test_a_client_that_reads_nothing_is_dropped_after_a_while(house: House, crowd: Crowd) -> None:
    house.add("llama-a")
    house.start(house.config(parallel=1, stallTimeout=2))
    stalled = crowd.ask("llama-a", FLOOD, receive_buffer=65536).until("t0 ")
    began = time.monotonic()

    assert house.chat("llama-a").status == 200

    assert 2 <= time.monotonic() - began < 8
    assert not stalled.finish().whole
    assert DIALECTS["chat"].ending not in stalled.body
    assert Child(house, "llama-a").state()["aborted"] == 1


def test_a_client_that_reads_slowly_but_reads_is_not_dropped(house: House, crowd: Crowd) -> None:
    house.add("llama-a")
    house.start(house.config(stallTimeout=2))
    slow = crowd.ask("llama-a", "tokens=30000", receive_buffer=65536).until("t0 ")
    began = time.monotonic()
    while time.monotonic() - began < 5:
        slow.body += slow.answer.read(16384)
        time.sleep(0.1)

    assert slow.finish().body.endswith(b"data: [DONE]\n\n")
    assert slow.whole


def directly(child: Child, switches: str) -> bytearray:
    """What the engine itself answers on its own route, where nothing is random."""
    state = child.state()
    body = {**DIALECTS["native"].body(f"fake {switches}"), "model": "llama-a", "stream": True}
    address = f"http://127.0.0.1:{state['argv'][state['argv'].index('--port') + 1]}"
    asked = Caller(address, "/completion", body, key=state["env"]["LLAMA_API_KEY"])
    try:
        return asked.finish().body
    finally:
        asked.close()


def test_two_hundred_streams_at_once_lose_no_byte(house: House, crowd: Crowd) -> None:
    house.add("llama-a")
    house.start(house.config(parallel=256))
    house.chat("llama-a")
    switches = "tokens=100 tps=50"
    expected = directly(Child(house, "llama-a"), switches)
    assert expected.count(b'"content":"t') == 100

    streams = [crowd.ask("llama-a", switches, dialect="native") for _ in range(200)]

    for stream in streams:
        assert stream.finish().body == expected
        assert stream.whole
    seconds_until(lambda: load_of(house) == Load(0, 0))
