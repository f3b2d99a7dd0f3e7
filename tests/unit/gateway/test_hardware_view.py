"""What is said of a device, of what its driver and the engines tell."""

from types import SimpleNamespace
from typing import Any

import pytest

from paddock.gateway.hardware_view import device_view
from paddock.hardware.devices import Device
from paddock.hardware.fdinfo import Held

CARD = "0000:03:00.0"


def told(device: Device, claimed: int = 0, held: int | None = None) -> dict[str, Any]:
    instance: Any = SimpleNamespace(memory={"Vulkan0": claimed, "CPU": 99})
    cards = {} if held is None else {CARD: Held(held, 0)}
    return device_view(device, [instance], cards)


@pytest.mark.parametrize(
    ("claimed", "held", "ours", "others"),
    [(0, None, 0, 60), (40, None, 40, 20), (40, 50, 50, 10), (40, 30, 40, 20), (70, 70, 70, 0)],
)
def test_of_what_is_used_ours_is_told_apart(claimed, held, ours, others):
    device = Device("Vulkan0", "", total=100, free=40, measured=True, pci=CARD)
    seen = told(device, claimed, held)
    assert (seen["free_bytes"], seen["ours_bytes"], seen["others_bytes"]) == (40, ours, others)


def test_without_a_driver_ours_is_not_free_and_others_are_not_known():
    seen = told(Device("Vulkan0", "", total=100, free=100), claimed=40)
    assert (seen["free_bytes"], seen["ours_bytes"], seen["others_bytes"]) == (60, 40, None)
