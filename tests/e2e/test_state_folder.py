"""A state folder that cannot be used is told in one line, not in a traceback."""

from __future__ import annotations

import pytest
from tests.fakes.house import House


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
