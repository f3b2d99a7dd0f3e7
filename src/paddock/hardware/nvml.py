"""NVIDIA's graphics processors by NVML, where its library for Python is installed already.

It tells what `nvidia-smi` tells, without a program to start for every look. A card that does not
know a value says so, for each of them.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

from paddock.hardware.gpus import Gpu, address

LIBRARY = "pynvml"


def gpus() -> tuple[Gpu, ...] | None:
    """All of them now; None without the library or a driver. Blocks."""
    library = _library()
    if library is None:
        return None
    try:
        return tuple(_gpu(library, number, card) for number, card in _cards(library))
    finally:
        _told(library.nvmlShutdown)


def held() -> dict[int, dict[str, int]] | None:
    """Bytes that each process holds, by PCI address; None without the library. Blocks."""
    library = _library()
    if library is None:
        return None
    found: dict[int, dict[str, int]] = {}
    try:
        for _, card in _cards(library):
            place = _address(library, card)
            for one in _told(library.nvmlDeviceGetComputeRunningProcesses, card) or ():
                if place and one.usedGpuMemory:
                    found.setdefault(int(one.pid), {})[place] = int(one.usedGpuMemory)
    finally:
        _told(library.nvmlShutdown)
    return found


def _library() -> Any:
    if importlib.util.find_spec(LIBRARY) is None:
        return None
    library = importlib.import_module(LIBRARY)
    try:
        library.nvmlInit()
    except library.NVMLError:
        return None
    return library


def _cards(library: Any) -> Iterator[tuple[int, Any]]:
    for number in range(_told(library.nvmlDeviceGetCount) or 0):
        card = _told(library.nvmlDeviceGetHandleByIndex, number)
        if card is not None:
            yield number, card


def _gpu(library: Any, number: int, card: Any) -> Gpu:
    memory = _told(library.nvmlDeviceGetMemoryInfo, card)
    busy = _told(library.nvmlDeviceGetUtilizationRates, card)
    power = _told(library.nvmlDeviceGetPowerUsage, card)
    return Gpu(
        index=number,
        name=_text(_told(library.nvmlDeviceGetName, card)),
        uuid=_text(_told(library.nvmlDeviceGetUUID, card)),
        vendor="NVIDIA",
        driver=_text(_told(library.nvmlSystemGetDriverVersion)),
        temperature=_told(library.nvmlDeviceGetTemperature, card, library.NVML_TEMPERATURE_GPU),
        busy=None if busy is None else busy.gpu,
        memory_busy=None if busy is None else busy.memory,
        memory_used=None if memory is None else int(memory.used),
        memory_total=None if memory is None else int(memory.total),
        fan=_told(library.nvmlDeviceGetFanSpeed, card),
        power=None if power is None else power / 1000,
        pci=_address(library, card),
    )


def _address(library: Any, card: Any) -> str:
    place = _told(library.nvmlDeviceGetPciInfo, card)
    return "" if place is None else address(_text(place.busId))


def _told(ask: Callable[..., Any], *given: Any) -> Any:
    """What the library tells; None for what this card does not know."""
    try:
        return ask(*given)
    except Exception as error:  # its errors are made when it is loaded
        if type(error).__name__.startswith("NVMLError"):
            return None
        raise


def _text(told: Any) -> str:
    """Older libraries tell bytes."""
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told or "")
