from paddock.engine.program import Device, parse_devices


def test_devices_are_read_with_their_memory():
    text = """\
Available devices:
  Vulkan0: llvmpipe (LLVM 15.0.6, 256 bits) (2048 MiB, 2000 MiB free)
  ROCm1: AMD Radeon PRO W7900 (49136 MiB, 49000 MiB free)
  broken line
"""
    assert parse_devices(text) == (
        Device("Vulkan0", "llvmpipe (LLVM 15.0.6, 256 bits)", 2048 << 20, 2000 << 20),
        Device("ROCm1", "AMD Radeon PRO W7900", 49136 << 20, 49000 << 20),
    )
    assert parse_devices("Available devices:\n") == ()
