"""The daemon's log and the models' output: once, followed, and ended when the daemon stops."""

from __future__ import annotations

import re
import select
from collections.abc import Iterator

import pytest
from tests.fakes.house import House


@pytest.fixture(scope="module")
def talking_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a model that prints much, one that has printed nothing, and a hostile one."""
    house = House(tmp_path_factory.mktemp("talking"))
    for name in ("llama-a", "chatty", "fresh", "silent"):
        house.add(name)
    house.start(
        house.config(
            maxLoadedModels=3,
            models={"chatty": {"args": "--fake chatter=30"}, "a/b": {"cmd": house.command()}},
        )
    )
    yield house
    house.stop()


@pytest.fixture
def talking(talking_house: House) -> Iterator[House]:
    """The daemon, without models in memory after the test."""
    yield talking_house
    talking_house.ask("GET", "/unload")


def test_the_daemons_log_tells_what_happened(talking: House) -> None:
    talking.load("llama-a")

    answer = talking.ask("GET", "/logs")

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "starting llama-a" in answer.text


@pytest.mark.parametrize("path", ["/logs/chatty", "/logs/CHATTY", "/logs/chatt%79"])
def test_a_models_output_is_shown(talking: House, path: str) -> None:
    talking.load("chatty")

    lines = talking.ask("GET", path).text.splitlines()

    assert [f"chatter {n}" for n in range(30)] == [line for line in lines if "chatter" in line][:30]
    assert any("model loaded" in line for line in lines)


@pytest.mark.parametrize("path", ["/logs/a/b", "/logs/a%2Fb", "/logs/stream/a/b"])
def test_the_output_of_a_model_with_a_slash_in_its_name_is_shown(talking: House, path: str) -> None:
    talking.load("a/b")

    with talking.wire() as wire:
        wire.ask("GET", path)
        assert b"model loaded" in wire.bytes_until(b"model loaded")


def test_output_outlives_its_instance(talking: House) -> None:
    talking.load("chatty")
    talking.ask("GET", "/unload")

    assert "chatter 29" in talking.ask("GET", "/logs/chatty").text


def test_a_model_that_never_ran_has_said_nothing(talking: House) -> None:
    answer = talking.ask("GET", "/logs/silent")

    assert (answer.status, answer.text) == (200, "")


def test_a_followed_log_has_history_and_goes_on(talking: House) -> None:
    talking.load("llama-a")
    with talking.wire() as wire:
        lines = wire.ask("GET", "/logs/stream").lines()
        wait_for(lines, "starting llama-a")
        talking.load("chatty")

        assert "starting chatty" in wait_for(lines, "starting chatty")


@pytest.mark.parametrize("name", ["proxy", "paddock"])
def test_the_daemons_log_has_llama_swaps_name_too(talking: House, name: str) -> None:
    talking.load("llama-a")
    with talking.wire() as wire:
        assert wait_for(wire.ask("GET", f"/logs/stream/{name}").lines(), "starting llama-a")


def test_followed_output_has_history_and_goes_on(talking: House) -> None:
    talking.load("chatty")
    with talking.wire() as wire:
        lines = wire.ask("GET", "/logs/stream/chatty").lines()
        wait_for(lines, "chatter 29")
        talking.ask("GET", "/unload")
        talking.load("chatty")

        assert wait_for(lines, "chatter 29")


def test_following_without_history_begins_with_what_comes(talking: House) -> None:
    talking.load("chatty")
    with talking.wire() as wire:
        wire.ask("GET", "/logs/stream/chatty?no-history")
        assert select.select([wire.sock], [], [], 10)[0]
        lines = wire.lines()
        talking.ask("GET", "/unload")
        talking.load("chatty")

        assert "chatter 0" in wait_for(lines, "chatter")


def test_output_may_be_followed_before_the_first_start(talking: House) -> None:
    with talking.wire() as wire:
        wire.ask("GET", "/logs/stream/fresh")
        assert select.select([wire.sock], [], [], 10)[0]
        talking.load("fresh")

        assert wait_for(wire.lines(), "model loaded")


def test_the_lines_of_all_models_are_one_log(talking: House) -> None:
    with talking.wire() as wire:
        lines = wire.ask("GET", "/logs/stream/upstream").lines()
        talking.load("chatty")

        assert wait_for(lines, "chatter 29").startswith("chatty| ")
    assert "chatty| " not in talking.ask("GET", "/logs").text
    assert "chatty| " in talking.ask("GET", "/logs/upstream").text


def test_a_stream_of_no_log_is_a_bad_request(talking: House) -> None:
    answer = talking.ask("GET", "/logs/stream/chaty")

    assert answer.status == 400
    assert "chatty" in answer.text


@pytest.mark.parametrize(
    ("shown", "daemon", "model"),
    [("upstream", False, True), ("both", True, True), ("none", False, False)],
)
def test_the_owner_chooses_whose_lines_are_shown(
    house: House, shown: str, daemon: bool, model: bool
) -> None:
    house.add("llama-a")
    house.start(house.config(logToStdout=shown, logTimeFormat="kitchen"))
    house.load("llama-a")
    own, other = "starting llama-a", "llama-a| "
    with house.wire() as wire:
        wait_for(wire.ask("GET", "/logs/stream/upstream").lines(), other)

    shown_text = house.ask("GET", "/logs").text
    assert ((own in shown_text), (other in shown_text)) == (daemon, model)
    assert re.search(rf"^\d+:\d\d[AP]M .*{own}", house.ask("GET", "/logs/proxy").text, re.MULTILINE)
    house.stop()
    assert ((own in house.said), (other in house.said)) == (daemon, model)


def test_a_stop_ends_those_who_follow(house: House) -> None:
    house.add("llama-a")
    house.start()
    house.load("llama-a")
    with house.wire() as log, house.wire() as output, house.wire() as events:
        followed = [
            log.ask("GET", "/logs/stream").lines(),
            output.ask("GET", "/logs/stream/llama-a").lines(),
            events.ask("GET", "/models/sse").lines(),
        ]
        for wire in (log, output, events):
            assert select.select([wire.sock], [], [], 10)[0]

        assert house.stop() == 0
        for lines in followed:
            list(lines)  # each ends as a whole answer does


def wait_for(lines: Iterator[str], text: str) -> str:
    for line in lines:
        if text in line:
            return line
    raise AssertionError(f"the stream ended before {text!r}")
