import pytest

from paddock.engine.buffers import Buffers, Parts

MIB = 1 << 20

TOLD = """\
0.00.127.758 I cmn  common_param:   - Vulkan0 : llvmpipe (2048 MiB, 2048 MiB free)
0.00.175.966 I common_params_fit_impl: projected to use 2 MiB of device memory vs. 4096 MiB of free
0.00.181.800 I load_tensors:   CPU_Mapped model buffer size =     0.25 MiB
0.00.181.801 I load_tensors:      Vulkan0 model buffer size =     8.50 MiB
0.00.181.801 I load_tensors:      Vulkan1 model buffer size =     3.00 MiB
0.00.182.441 I llama_context: n_ctx                 = 512
0.00.182.473 I llama_context: n_ctx_seq             = 256
0.00.182.811 I llama_context: n_ctx_seq (256) < n_ctx_train (2048) -- the full capacity is not used
0.00.182.871 I llama_context: Vulkan_Host  output buffer size =     0.50 MiB
0.00.182.927 I llama_kv_cache:    Vulkan0 KV buffer size =     1.00 MiB
0.00.182.928 I llama_kv_cache:    Vulkan0 KV buffer size =     0.50 MiB
0.00.182.930 I llama_memory_recurrent:    Vulkan1 RS buffer size =     2.00 MiB
0.00.185.567 I sched_reserve:    Vulkan0 compute buffer size =     2.00 MiB
0.00.185.626 I sched_reserve: Vulkan_Host compute buffer size =     0.25 MiB
"""


def heard(*lines):
    buffers = Buffers()
    for line in lines:
        buffers.hear(line)
    return buffers


def test_the_buffers_of_a_device_add_up_and_all_host_memory_is_one_device():
    buffers = heard(*TOLD.splitlines())
    assert buffers.memory == {"CPU": 1 * MIB, "Vulkan0": 12 * MIB, "Vulkan1": 5 * MIB}
    assert buffers.context == 256
    assert buffers.parts == {
        "CPU": Parts(weights=MIB // 4, compute=MIB // 4, output=MIB // 2),
        "Vulkan0": Parts(weights=round(8.5 * MIB), kv=round(1.5 * MIB), compute=2 * MIB),
        "Vulkan1": Parts(weights=3 * MIB, kv=2 * MIB),
    }
    assert buffers.memory == {name: part.total for name, part in buffers.parts.items()}


@pytest.mark.parametrize(
    ("line", "addresses"),
    [
        (
            "x: using device Vulkan1 (AMD Radeon (RADV GFX1201)) (0000:C3:00.0) - 9 MiB free",
            {"Vulkan1": "0000:c3:00.0"},
        ),
        ("x: using device Vulkan0 (llvmpipe (LLVM 15.0.6)) (unknown id) - 2048 MiB free", {}),
        ("x: using device " + "(" * 8000, {}),
    ],
)
def test_devices_tell_their_addresses(line, addresses):
    assert heard(line).addresses == addresses


@pytest.mark.parametrize(
    ("line", "device"),
    [
        ("load_tensors:        CPU model buffer size =   1.00 MiB", "CPU"),
        ("load_tensors:   CPU_REPACK model buffer size =   1.00 MiB", "CPU"),
        ("load_tensors:    ROCm_Host model buffer size =   1.00 MiB", "CPU"),
        ("load_tensors:        CUDA0 model buffer size =   1.00 MiB", "CUDA0"),
        ("x: RPC[127.0.0.1:50052] model buffer size =   1.00 MiB", "RPC[127.0.0.1:50052]"),
        ("   MTL0_Private compute buffer size = 1 MiB", "MTL0_Private"),
    ],
)
def test_devices_by_the_names_that_engines_give_them(line, device):
    assert heard(line).memory == {device: MIB}


@pytest.mark.parametrize(
    "line",
    [
        "Requested buffer size exceeds device buffer size limit",
        "load_tensors: CPU model buffer size = lots",
        "load_tensors: CPU model buffer size = 99999999999999999999 MiB",
        "load_tensors: CPU model buffer size = nan MiB",
        "x" * 8000 + " buffer size = 1.00 MiB",
        " buffer size" * 600,
        " n_ctx_seq " * 700,
        "",
    ],
)
def test_what_cannot_be_read_is_passed_over(line):
    buffers = heard(line)
    assert (buffers.memory, buffers.context) == ({}, 0)


def test_a_child_that_makes_devices_up_fills_no_memory():
    lines = (f"x: GPU{n} model buffer size = 1.00 MiB" for n in range(10_000))
    assert len(heard(*lines).memory) == 64
