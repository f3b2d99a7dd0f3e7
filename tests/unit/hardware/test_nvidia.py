"""NVIDIA's cards, by a library and a program that stand for the real ones."""

import sys

import pytest

from paddock.hardware import nvml
from paddock.hardware.fdinfo import Held, HeldReader
from paddock.hardware.gpus import GpuReader

GIB = 1 << 30
LIBRARY = """
class NVMLError(Exception): pass
class NVMLError_NotSupported(NVMLError): pass
class Told:
    def __init__(self, **values): self.__dict__.update(values)
NVML_TEMPERATURE_GPU = 0
def nvmlInit():
    if {broken}: raise NVMLError("NVML Shared Library Not Found")
def nvmlShutdown(): pass
def nvmlDeviceGetCount(): return 2
def nvmlDeviceGetHandleByIndex(number): return number
def nvmlDeviceGetName(card): return b"NVIDIA RTX A6000" if card else "NVIDIA GB10"
def nvmlDeviceGetUUID(card): return f"GPU-{{card}}"
def nvmlSystemGetDriverVersion(): return "550.1"
def nvmlDeviceGetTemperature(card, kind): return 40 + card
def refused(*given): raise NVMLError_NotSupported()
nvmlDeviceGetFanSpeed = refused
def nvmlDeviceGetUtilizationRates(card): return Told(gpu=12, memory=3)
def nvmlDeviceGetPowerUsage(card): return 71500
def nvmlDeviceGetMemoryInfo(card):
    return Told(used=1 << 30, total=48 << 30) if card else refused()
def nvmlDeviceGetPciInfo(card): return Told(busId=f"00000000:0{{card + 1}}:00.0")
def nvmlDeviceGetComputeRunningProcesses(card):
    return [Told(pid=7, usedGpuMemory=5 << 30), Told(pid=8, usedGpuMemory=None)] if card else []
"""


@pytest.fixture
def library(tmp_path, monkeypatch):
    def install(*, broken=False):
        folder = tmp_path / "library"
        folder.mkdir()
        (folder / "pynvml.py").write_text(LIBRARY.format(broken=broken))
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, nvml.LIBRARY, raising=False)

    yield install
    sys.modules.pop(nvml.LIBRARY, None)


@pytest.fixture
def program(tmp_path):
    """Answers with what it was asked."""
    path = tmp_path / "nvidia-smi"
    path.write_text(
        f"#!{sys.executable}\nimport sys\n"
        "if 'compute-apps' in sys.argv[1]:\n"
        "    print('7, 00000000:01:00.0, 1024\\n8, 00000000:01:00.0, [N/A]\\nx, y, z\\n9')\n"
    )
    path.chmod(0o755)
    return str(path)


def test_the_library_tells_what_the_cards_know(library, tmp_path):
    library()
    little, much = GpuReader(tmp_path, nvidia_smi="no-such-program").read()
    assert (much.index, much.name, much.uuid, much.pci) == (
        1,
        "NVIDIA RTX A6000",
        "GPU-1",
        "0000:02:00.0",
    )
    assert (much.memory_used, much.memory_total) == (GIB, 48 * GIB)
    assert (much.temperature, much.busy, much.power, much.fan) == (41, 12, 71.5, None)
    assert (little.name, little.memory_total) == ("NVIDIA GB10", None)


def test_the_library_tells_who_holds_what(library, tmp_path):
    library()
    reader = HeldReader(tmp_path, nvidia_smi="no-such-program")
    assert reader.read([7, 8]) == {7: {"0000:02:00.0": Held(5 * GIB, 0)}}


def test_a_library_without_a_driver_is_none(library, program, tmp_path):
    library(broken=True)
    assert nvml.gpus() is None
    assert nvml.held() is None
    reader = HeldReader(tmp_path, nvidia_smi=program)
    assert reader.read([7, 8, 9]) == {7: {"0000:01:00.0": Held(GIB, 0)}}
