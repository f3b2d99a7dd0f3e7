"""What an engine's dry run says, as it was printed by llama.cpp b11434."""

import pytest

from paddock.engine.buffers import Parts
from paddock.engine.dry_run import DryRun, kept, off, parse, read, says_all

MIB = 1 << 20
HEAD = "0.1 I common_memory_breakdown_print: | memory breakdown [MiB] | total free self model |"
GPU = "0.1 I common_memory_breakdown_print: |   - Vulkan{n} (llvmpipe (LLVM 15.0.6, 256 bits)) |  2048 = 2048 + ({total} =   {w} +     {kv} +     {c}) +        -571 |"  # noqa: E501
HOST = "0.1 I common_memory_breakdown_print: |   - {name} |       91 =    {w} +       {kv} +      {c}                |"  # noqa: E501
ENDED = "0.2 I common_fit_params: fitting params to free memory took 0.11 seconds"
SAME = "0.1 I x: targets for free memory can be met on all devices, no changes needed"
DONE = "0.1 I common_fit_params: successfully fit params to free device memory"


def gpu(n, w, kv, c):
    return GPU.format(n=n, total=w + kv + c, w=w, kv=kv, c=c)


def host(w, kv, c, name="Host"):
    return HOST.format(name=name, w=w, kv=kv, c=c)


def mib(w, kv, c):
    return Parts(w * MIB, kv * MIB, c * MIB)


def test_what_fits_is_taken_as_it_is():
    found = parse(
        [HEAD, gpu(0, 303, 144, 124), gpu(1, 271, 112, 104), host(35, 0, 56), SAME, ENDED]
    )
    assert found is not None
    assert found.wanted == {
        "Vulkan0": mib(303, 144, 124),
        "Vulkan1": mib(271, 112, 104),
        "CPU": mib(35, 0, 56),
    }
    assert found.chosen == found.wanted
    assert (found.fits, found.context, found.layers) == (True, 0, {})


def test_repacked_weights_are_the_machines_memory_too():
    found = parse([HEAD, host(35, 256, 72), host(575, 0, 0, "CPU_REPACK"), SAME, ENDED])
    assert found is not None
    assert found.wanted == {"CPU": mib(610, 256, 72)}


def test_of_many_tables_the_chosen_one_is_not_the_last():
    layers = "0.1 I x:   - Vulkan{n} (llvmpipe (LLVM 15.0.6, 256 bits)): {count} layers, {used} MiB used, 43 MiB free"  # noqa: E501
    found = parse(
        [
            HEAD, gpu(0, 5186, 2048, 184), gpu(1, 1366, 512, 68), host(70, 0, 36),
            "0.1 I x: context size reduced from 32768 to 4096 -> need 9 MiB less memory in total",
            HEAD, gpu(0, 0, 0, 89), gpu(1, 1447, 544, 68), host(7, 7, 7),
            layers.format(n=1, count=17, used=1946),
            HEAD, gpu(0, 1377, 544, 83), gpu(1, 1366, 512, 68), host(3878, 1504, 36),
            HEAD, gpu(0, 1458, 576, 83), gpu(1, 1366, 512, 68), host(3797, 1472, 36),
            layers.format(n=0, count=17, used=2004),
            DONE, ENDED,
        ]
    )  # fmt: skip
    assert found is not None
    assert found.chosen == {
        "Vulkan0": mib(1377, 544, 83),
        "Vulkan1": mib(1366, 512, 68),
        "CPU": mib(3878, 1504, 36),
    }
    assert found.wanted["Vulkan0"] == mib(5186, 2048, 184)
    assert (found.fits, found.context) == (True, 4096)
    assert found.layers == {"Vulkan0": 17, "Vulkan1": 17}


def test_layers_that_leave_their_experts_on_the_host():
    line = "0.1 I x:   - Vulkan0 (llvmpipe (LLVM)):  7 layers ( 1 overflowing),   1011 MiB used,   1036 MiB free"  # noqa: E501
    found = parse([HEAD, gpu(0, 695, 224, 92), host(1, 0, 1), line, DONE, ENDED])
    assert found is not None
    assert (found.layers, found.overflowing) == ({"Vulkan0": 7}, {"Vulkan0": 1})


def test_what_the_owner_has_said_is_not_changed():
    why = "0.1 W common_fit_params: failed to fit params to free device memory: n_gpu_layers already set by user to 30, abort"  # noqa: E501
    found = parse([HEAD, gpu(0, 1215, 960, 112), host(1, 0, 1), why, ENDED])
    assert found is not None
    assert (found.fits, found.chosen) == (False, found.wanted)
    assert found.why == "n_gpu_layers already set by user to 30, abort"


def test_what_comes_later_is_not_of_the_dry_run():
    found = parse([HEAD, gpu(0, 1, 1, 1), SAME, ENDED, HEAD, gpu(0, 9, 9, 9)])
    assert found is not None
    assert found.chosen == {"Vulkan0": mib(1, 1, 1)}


@pytest.mark.parametrize("lines", [[], [HEAD], [ENDED], [gpu(0, 1, 1, 1)], ["x" * 9000, HEAD]])
def test_without_a_table_nothing_is_known(lines):
    assert parse(lines) is None


def test_what_was_kept_is_read_again():
    parts = {"Vulkan0": mib(1, 2, 3)}
    found = DryRun(parts, {"CPU": mib(4, 5, 6)}, False, 7, {"Vulkan0": 8}, {"Vulkan0": 1}, "so")
    assert read(kept(found)) == found


@pytest.mark.parametrize("told", [None, 1, {}, {"wanted": 1}, {"wanted": {"a": [1, 2, 3, 4, 5]}}])
def test_what_was_kept_by_somebody_else_is_not(told):
    assert read(told) is None


@pytest.mark.parametrize(
    ("flags", "fixed"),
    [
        ("-m x -c 1", False),
        ("--gpu-layers 9 --tensor-split 1,1 -c 1", True),
        ("--gpu-layers 9 --tensor-split 1,1", False),
        ("-ngl 9 --split-mode none --fit off", True),
        ("-ngl 9 --split-mode layer --fit off", False),
        ("--n-gpu-layers 0 --device none -c 4096", True),
    ],
)
def test_whether_the_flags_say_all(flags, fixed):
    assert says_all(flags.split()) is fixed


def test_the_last_word_about_fitting_counts():
    assert off(["--fit", "on", "--fit", "off"])
    assert not off(["--fit", "off", "--fit", "on"])
    assert not off(["--fit"])
