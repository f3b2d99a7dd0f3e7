from paddock.engine.devices import parse_devices
from paddock.hardware.listed import Listed


def test_devices_are_read_with_their_memory():
    text = """\
Available devices:
  Vulkan0: llvmpipe (LLVM 15.0.6, 256 bits) (2048 MiB, 2000 MiB free)
  ROCm1: AMD Radeon PRO W7900 (49136 MiB, 49000 MiB free)
  CUDA0: NVIDIA RTX A6000 (49140 MiB, 48000 MiB free) [0000:01:00.0]
  broken line
"""
    assert parse_devices(text) == (
        Listed("Vulkan0", "llvmpipe (LLVM 15.0.6, 256 bits)", 2048 << 20, 2000 << 20),
        Listed("ROCm1", "AMD Radeon PRO W7900", 49136 << 20, 49000 << 20),
        Listed("CUDA0", "NVIDIA RTX A6000", 49140 << 20, 48000 << 20, "0000:01:00.0"),
    )
    assert parse_devices("Available devices:\n") == ()
