import pytest
from tests.unit.hardware.trees import add_process, put

from paddock.hardware.fdinfo import Held, HeldReader, together

MIB = 1 << 20
CARD = "0000:03:00.0"
OLD = (
    "pos: 0\nflags: 02100002\ndrm-driver: amdgpu\ndrm-client-id: 7\ndrm-pdev: 0000:03:00.0\n"
    "drm-memory-vram: 2048 KiB\ndrm-memory-gtt: 1 MiB\ndrm-memory-cpu: 0\ndrm-engine-gfx: 12 ns"
)
NEW = (
    "drm-driver:\tamdgpu\ndrm-client-id:\t9\ndrm-pdev:\t0000:03:00.0\n"
    "drm-total-vram:\t900 MiB\ndrm-shared-vram:\t1 MiB\ndrm-resident-vram:\t600 MiB\n"
    "drm-memory-vram:\t700 MiB\ndrm-resident-gtt:\t5 MiB\ndrm-purgeable-vram:\t0"
)
XE = (
    "drm-driver: xe\ndrm-client-id: 1\ndrm-pdev: 0000:04:00.0\ndrm-total-system: 0\n"
    "drm-total-vram0: 8 MiB\ndrm-resident-vram0: 4 MiB\ndrm-total-cycles-rcs: 5"
)


@pytest.fixture
def reader(tmp_path):
    return HeldReader(tmp_path, nvidia_smi="no-such-program")


def test_what_older_and_newer_drivers_tell(tmp_path, reader):
    add_process(tmp_path, 10, OLD)
    add_process(tmp_path, 11, NEW)
    add_process(tmp_path, 12, XE)
    assert reader.read() == {
        10: {CARD: Held(2 * MIB, MIB)},
        11: {CARD: Held(600 * MIB, 5 * MIB)},
        12: {"0000:04:00.0": Held(4 * MIB, 0)},
    }


def test_a_client_with_several_files_counts_once_and_clients_add_up(tmp_path, reader):
    add_process(tmp_path, 10, NEW, NEW, OLD)
    assert reader.read([10]) == {10: {CARD: Held(602 * MIB, 6 * MIB)}}


def test_other_files_and_broken_ones_are_nothing(tmp_path, reader):
    add_process(tmp_path, 10, NEW, target="/tmp/x")
    add_process(tmp_path, 11, "drm-pdev: nowhere\ndrm-memory-vram: 5 MiB")
    add_process(tmp_path, 12, f"drm-pdev: {CARD}\ndrm-memory-vram: lots\ndrm-memory-gtt: 1 furlong")
    add_process(tmp_path, 13, "\0\0")
    assert reader.read() == {}
    assert reader.read([99]) == {}


def test_rocms_memory_is_told_elsewhere_and_not_counted_twice(tmp_path, reader):
    kfd = "sys/class/kfd/kfd"
    put(
        tmp_path,
        {
            f"{kfd}/topology/nodes/0/gpu_id": 0,
            f"{kfd}/topology/nodes/0/properties": "location_id 0\ndomain 0",
            f"{kfd}/topology/nodes/1/gpu_id": 51138,
            f"{kfd}/topology/nodes/1/properties": "simd_count 64\nlocation_id 768\ndomain 0",
            f"{kfd}/proc/20/vram_51138": 800 * MIB,
            f"{kfd}/proc/10/vram_51138": 650 * MIB,
        },
    )
    add_process(tmp_path, 10, NEW)
    add_process(tmp_path, 20)
    assert reader.read() == {
        10: {CARD: Held(650 * MIB, 5 * MIB)},
        20: {CARD: Held(800 * MIB, 0)},
    }


def test_several_processes_together():
    held = [{CARD: Held(1, 2)}, {CARD: Held(3, 4), "b": Held(5, 0)}, {}]
    assert together(held) == {CARD: Held(4, 6), "b": Held(5, 0)}


def test_a_machine_without_proc_tells_nothing(reader):
    assert reader.read() == {}
