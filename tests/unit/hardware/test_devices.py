"""What an engine lists, joined with what drivers tell: trees of files stand for the machines."""

import pytest
from tests.unit.hardware.trees import APU, CARD, GIB, add_card, add_memory

from paddock.hardware.devices import Device, Devices, join
from paddock.hardware.gpus import Gpu, GpuReader, address
from paddock.hardware.listed import Listed
from paddock.hardware.ram import RamReader

R9700 = "AMD Radeon AI PRO R9700 (RADV GFX1201)"


@pytest.fixture
def read(tmp_path):
    add_memory(tmp_path, 200 * GIB)

    def read(*listed):
        gpus = GpuReader(tmp_path, nvidia_smi="no-such-program")
        return Devices(listed, gpus, RamReader(tmp_path)).read()

    return read


def vulkan(number, free=32 * GIB, pci="", total=32 * GIB):
    return Listed(f"Vulkan{number}", R9700, total, free, pci)


def test_one_card_is_joined_with_its_driver(tmp_path, read):
    slot = add_card(tmp_path, 0, mem_info_vram_used=20 * GIB)
    (device,) = read(vulkan(0))
    assert (device.name, device.free, device.total) == ("Vulkan0", 12 * GIB, 32 * GIB)
    assert (device.pci, device.vendor, device.integrated) == (slot, "AMD", False)
    assert (device.busy, device.temperature, device.power) == (10, 41.0, 33.0)
    assert device.measured


def test_two_cards_by_their_addresses(tmp_path, read):
    first = add_card(tmp_path, 0, mem_info_vram_used=2 * GIB)
    second = add_card(tmp_path, 1, mem_info_vram_used=9 * GIB)
    devices = read(vulkan(0, pci=second), vulkan(1, pci=first))
    assert [device.free for device in devices] == [23 * GIB, 30 * GIB]


def test_two_that_look_the_same_are_told_apart_by_what_is_free(tmp_path, read):
    add_card(tmp_path, 0, mem_info_vram_used=16 * GIB)
    add_card(tmp_path, 1, mem_info_vram_used=1 * GIB)
    devices = read(vulkan(0, free=31 * GIB), vulkan(1, free=17 * GIB))
    assert [device.free for device in devices] == [31 * GIB, 16 * GIB]


def test_a_library_that_counts_only_its_own_says_nothing_about_which_is_which(tmp_path, read):
    add_card(tmp_path, 0, mem_info_vram_used=16 * GIB)
    add_card(tmp_path, 1, mem_info_vram_used=1 * GIB)
    listed = [Listed(f"ROCm{n}", "AMD Radeon Graphics", 32 * GIB, 32 * GIB) for n in range(2)]
    assert [device.free for device in read(*listed)] == [16 * GIB, 31 * GIB]


def test_four_cards_and_two_backends_of_one_engine(tmp_path, read):
    for number in range(4):
        add_card(tmp_path, number, mem_info_vram_used=(number + 1) * GIB)
    devices = read(
        *(vulkan(number) for number in range(4)),
        *(Listed(f"ROCm{n}", "AMD Radeon Graphics", 32 * GIB, 32 * GIB) for n in range(4)),
    )
    free = [(31 - number) * GIB for number in range(4)]
    assert [device.free for device in devices] == [*free, *free]
    assert len({device.pci for device in devices}) == 4


def test_which_of_two_it_sees_nobody_knows_so_it_gets_the_fullest(tmp_path, read):
    add_card(tmp_path, 0, mem_info_vram_used=3 * GIB)
    add_card(tmp_path, 1, mem_info_vram_used=20 * GIB)
    (device,) = read(vulkan(0))
    assert (device.free, device.pci, device.temperature) == (12 * GIB, "", None)


def test_an_apu_shares_the_machines_memory(tmp_path, read):
    add_card(tmp_path, 0, APU)
    listed = Listed("Vulkan0", "AMD Radeon 8060S (RADV STRIX_HALO)", 64 * GIB + GIB // 2, 60 * GIB)
    (device,) = read(listed)
    assert device.integrated
    assert device.free == 60 * GIB + GIB // 4
    add_memory(tmp_path, 10 * GIB)
    (device,) = read(listed)
    assert device.free == 10 * GIB + GIB // 4


def test_an_apu_beside_a_card_is_not_taken_for_it(tmp_path, read):
    add_card(tmp_path, 0, APU)
    slot = add_card(tmp_path, 1, mem_info_vram_used=4 * GIB)
    (device,) = read(vulkan(0))
    assert (device.pci, device.free, device.integrated) == (slot, 28 * GIB, False)


def test_a_card_that_sleeps_is_free_and_is_not_woken(tmp_path, read):
    add_card(tmp_path, 0, {**CARD, "power/runtime_status": "suspended"})
    (device,) = read(vulkan(0, free=7))
    assert (device.asleep, device.free, device.temperature) == (True, 32 * GIB, None)


def test_without_readings_the_engine_is_believed(tmp_path, read):
    add_card(tmp_path, 0)
    software, strange = read(
        Listed("Vulkan0", "llvmpipe (LLVM 15.0.6, 256 bits)", 2 * GIB, GIB),
        Listed("RPC0", "10.0.0.7:50052", 8 * GIB, 7 * GIB),
    )
    assert (software.free, software.measured, software.pci) == (GIB, False, "")
    assert (strange.free, strange.measured) == (7 * GIB, False)


def test_intels_graphics_in_the_processor_share_its_memory(read, tmp_path):
    add_memory(tmp_path, 3 * GIB)
    inside = Listed("Vulkan0", "Intel(R) UHD Graphics 770 (ADL-S GT1)", 16 * GIB, 15 * GIB)
    card = Listed("Vulkan1", "Intel(R) Arc(tm) A770 (DG2)", 16 * GIB, 15 * GIB)
    first, second = read(inside, card)
    assert (first.integrated, first.free) == (True, 3 * GIB)
    assert (second.integrated, second.free) == (False, 15 * GIB)


def test_a_card_of_another_maker_is_joined_by_its_name():
    gpus = [
        Gpu(0, "NVIDIA RTX A6000", vendor="NVIDIA", memory_total=48 * GIB, memory_used=8 * GIB),
        Gpu(1, "NVIDIA RTX 6000 Ada", vendor="NVIDIA", memory_total=48 * GIB, memory_used=GIB),
    ]
    listed = [Listed("CUDA0", "NVIDIA RTX 6000 Ada", 47 * GIB, 40 * GIB)]
    (device,) = join(listed, gpus, 0)
    assert (device.free, device.vendor) == (46 * GIB, "NVIDIA")


def test_a_driver_that_counts_more_than_there_is_leaves_nothing():
    gpu = Gpu(0, "x", vendor="AMD", memory_total=GIB, memory_used=2 * GIB, pci="0000:03:00.0")
    (device,) = join([vulkan(0, pci=gpu.pci, total=GIB)], [gpu], 0)
    assert device.free == 0


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("0000:03:00.0", "0000:03:00.0"),
        ("00000000:C1:00.1", "0000:c1:00.1"),
        ("00010000:01:00.0", "0000:01:00.0"),
        ("03:00.0", "0000:03:00.0"),
        ("unknown id", ""),
        ("", ""),
    ],
)
def test_addresses_however_they_are_written(told, meant):
    assert address(told) == meant


def test_what_is_left_counts_our_own_where_nobody_measures():
    engines = Device("Vulkan0", "", total=10, free=10)
    drivers = Device("Vulkan0", "", total=10, free=6, measured=True)
    assert (engines.left(3), engines.left(30), drivers.left(3)) == (7, 0, 6)
    assert Device("Vulkan0", "", total=10, free=2).left(3) == 2
