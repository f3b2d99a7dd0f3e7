import subprocess
import sys

import pytest

from paddock.hardware.gpus import GpuReader
from paddock.hardware.host import HostReader, Network
from paddock.hardware.snapshot import machine


def put(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


PROC = {
    "proc/stat": "cpu  10 0 10 80 0 0 0 0 0 0\ncpu0 5 0 5 40 0 0 0 0 0 0\n"
    "cpu1 5 0 5 40 0 0 0 0\nintr 1",
    "proc/meminfo": "MemTotal: 1000 kB\nMemFree: 200 kB\nMemAvailable: 600 kB\n"
    "SwapTotal: 50 kB\nSwapFree: 20 kB",
    "proc/loadavg": "0.50 1.50 2.50 1/100 123",
    "proc/net/dev": "Inter-|   Receive  | Transmit\n face |bytes packets\n"
    "    lo: 1 0 0 0 0 0 0 0 1 0\n  eth0: 700 1 0 0 0 0 0 0 900 1 0 0 0 0 0 0",
}


def test_the_host_is_read(tmp_path):
    put(tmp_path, PROC)
    host = HostReader(tmp_path).read()
    assert (host.memory_total, host.memory_available, host.memory_free) == (
        1000 * 1024,
        600 * 1024,
        200 * 1024,
    )
    assert (host.swap_total, host.swap_used) == (50 * 1024, 30 * 1024)
    assert host.load == (0.5, 1.5, 2.5)
    assert host.network == (Network("eth0", 700, 900),)
    assert host.processors == ()


def test_processors_are_as_busy_as_since_the_last_look(tmp_path):
    put(tmp_path, PROC)
    reader = HostReader(tmp_path)
    reader.read()
    put(tmp_path, {"proc/stat": "cpu0 5 0 5 140 0 0 0 0\ncpu1 30 0 5 115 0 0 0 0\ncpu2 1 0 0 1"})
    assert reader.read().processors == (0.0, 25.0)
    assert reader.read().processors == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", PROC)
@pytest.mark.parametrize("content", ["", "\0\0", "cpu0 a b c d", "MemTotal: x kB", "x: y z"])
def test_what_makes_no_sense_is_nothing(tmp_path, name, content):
    put(tmp_path, PROC | {name: content})
    HostReader(tmp_path).read()


def test_a_machine_without_proc_tells_nothing(tmp_path):
    host = HostReader(tmp_path).read()
    assert (host.memory_total, host.load, host.network) == (0, (0.0, 0.0, 0.0), ())


CARD = {
    "vendor": "0x1002",
    "device": "0x744c",
    "product_name": "Radeon PRO W7900",
    "unique_id": "abc123",
    "gpu_busy_percent": 42,
    "mem_busy_percent": 7,
    "mem_info_vram_total": 48 << 30,
    "mem_info_vram_used": 3 << 30,
    "hwmon/hwmon3/temp1_input": 51000,
    "hwmon/hwmon3/temp1_label": "edge",
    "hwmon/hwmon3/temp2_input": 60000,
    "hwmon/hwmon3/temp2_label": "junction",
    "hwmon/hwmon3/temp3_input": 64000,
    "hwmon/hwmon3/temp3_label": "mem",
    "hwmon/hwmon3/pwm1": 51,
    "hwmon/hwmon3/pwm1_max": 255,
    "hwmon/hwmon3/power1_average": 77000000,
}


def card(number, **changes):
    place = f"sys/class/drm/card{number}/device"
    return {f"{place}/{name}": value for name, value in (CARD | changes).items()}


def gpus(root):
    return GpuReader(root, nvidia_smi="no-such-program").read()


def test_an_amd_gpu_is_read(tmp_path):
    put(tmp_path, card(0))
    (gpu,) = gpus(tmp_path)
    assert (gpu.name, gpu.uuid, gpu.vendor) == ("Radeon PRO W7900", "abc123", "AMD")
    assert (gpu.temperature, gpu.memory_temperature) == (51.0, 64.0)
    assert (gpu.busy, gpu.memory_busy, gpu.fan, gpu.power) == (42, 7, 20.0, 77.0)
    assert (gpu.memory_used, gpu.memory_total) == (3 << 30, 48 << 30)


def test_gpus_are_counted_in_the_order_of_their_cards(tmp_path):
    for number in (10, 2, 1):
        put(tmp_path, card(number, product_name=f"card {number}"))
    put(tmp_path, card(0, vendor="0x8086"))
    put(tmp_path, {"sys/class/drm/card1-DP-1/status": "connected"})
    assert [(gpu.index, gpu.name) for gpu in gpus(tmp_path)] == [
        (0, "card 1"),
        (1, "card 2"),
        (2, "card 10"),
    ]


def test_a_gpu_that_tells_little_is_listed(tmp_path):
    put(tmp_path, {"sys/class/drm/card0/device/vendor": "0x1002"})
    put(tmp_path, {"sys/class/drm/card0/device/device": "0x1"})
    put(tmp_path, {"sys/class/drm/card0/device/gpu_busy_percent": "not a number"})
    (gpu,) = gpus(tmp_path)
    assert gpu.name == "AMD GPU 0x1"
    assert (gpu.busy, gpu.temperature, gpu.fan, gpu.power, gpu.memory_total) == (None,) * 5


@pytest.fixture
def nvidia(tmp_path):
    def write(output, code=0):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!{sys.executable}\nprint('''{output}''')\nraise SystemExit({code})\n")
        program.chmod(0o755)
        return GpuReader(tmp_path, nvidia_smi=str(program)).read()

    return write


def test_nvidias_program_is_asked(nvidia):
    first, second = nvidia(
        "0, NVIDIA RTX A6000, GPU-1, 40, [N/A], 12, 3, 1024, 49140, 30, 71.5, 550.1, "
        "00000000:01:00.0\n"
        "1, NVIDIA GB10, GPU-2, 41, N/A, [Not Supported], 0, [N/A], [N/A], [N/A], 20.0, 550.1, "
        "[N/A]"
    )
    assert (first.index, first.name, first.uuid) == (0, "NVIDIA RTX A6000", "GPU-1")
    assert (first.temperature, first.memory_temperature, first.busy) == (40.0, None, 12.0)
    assert (first.memory_used, first.memory_total) == (1 << 30, 49140 << 20)
    assert (first.power, first.fan, first.driver) == (71.5, 30.0, "550.1")
    assert (first.pci, second.pci) == ("0000:01:00.0", "")
    assert (second.index, second.busy, second.memory_total) == (1, None, None)


@pytest.mark.parametrize(
    ("output", "code"), [("NVIDIA-SMI has failed", 0), ("", 9), ("a, b", 0), ("", 0)]
)
def test_a_driver_that_does_not_work_tells_of_no_gpu(nvidia, output, code):
    assert nvidia(output, code) == ()


CPUINFO = """processor : 0
vendor_id : GenuineIntel
model name : Some CPU
physical id : 0
core id : 0

processor : 1
physical id : 0
core id : 0

processor : 2
physical id : 1
core id : 0

processor : 3
physical id : 1
core id : 0
"""


def test_the_machine_is_described(tmp_path):
    put(tmp_path, PROC | {"proc/cpuinfo": CPUINFO, "proc/1/environ": "A=b\0container=podman\0"})
    put(tmp_path, {"etc/os-release": 'NAME="NixOS"\nVERSION_ID="26.11"'})
    put(tmp_path, card(0))
    told = machine(tmp_path)
    assert (told.processor_vendor, told.processor) == ("GenuineIntel", "Some CPU")
    assert (told.sockets, told.cores, told.threads) == (2, 2, 4)
    assert (told.distribution, told.version, told.container) == ("NixOS", "26.11", "podman")
    assert told.memory == 1000 * 1024
    assert [gpu.vendor for gpu in told.gpus][:1] == ["AMD"]


def test_a_machine_that_tells_nothing_is_described(tmp_path):
    told = machine(tmp_path)
    assert (told.processor, told.threads, told.container) == ("", 0, "")


def test_the_daemon_starts_without_the_machines_room_and_the_database():
    readers = "'paddock.hardware.devices', 'paddock.hardware.gpus', 'paddock.hardware.ram'"
    heavy = f"{{'sqlite3', 'psutil', {readers}, 'paddock.observe.prometheus'}}"
    code = f"import sys, paddock.daemon.run; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
