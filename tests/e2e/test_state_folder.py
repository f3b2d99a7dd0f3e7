"""A state folder that cannot be used is told in one line, not in a traceback."""

from __future__ import annotations

import pytest
from tests.fakes.house import Answer, House


@pytest.mark.parametrize("occupied", ["state", "state/run", "state/daemon.lock/x"])
def test_a_state_folder_that_cannot_be_written_is_named(house: House, occupied: str) -> None:
    path = house.folder / occupied
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()

    with pytest.raises(AssertionError, match="did not start"):
        house.start()

    assert f"the state folder {house.state} cannot be used" in house.said
    assert "--state-dir" in house.said
    assert "Traceback" not in house.said
    assert house.stop() == 1


def test_a_state_folder_that_breaks_is_named_and_its_mending_seen(house: House) -> None:
    house.add("m")
    house.start()
    run, away = house.state / "run", house.state / "away"
    run.rename(away)
    run.touch()

    def ask() -> Answer:
        return house.ask("POST", "/v1/completions", {"model": "m", "prompt": "hi"})

    refused = ask()
    assert refused.status == 503
    assert str(run) in refused.json()["error"]["message"]
    assert "room" in refused.json()["error"]["hint"]

    run.unlink()
    away.rename(run)
    house.until(lambda: ask().status == 200, "it is loaded again")
    assert "Traceback" not in house.said
    assert house.stop() == 0
