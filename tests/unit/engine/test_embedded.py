import subprocess
import sys
from typing import Any

import pytest

from paddock.engine import embedded
from paddock.engine.embedded_flags import DEVICES, SETTINGS, by_name


def run(*argv):
    return subprocess.run(
        [sys.executable, "-m", "paddock.engine.embedded", *argv],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("argv", "wishes"),
    [
        (["-c", "4096"], [("n_ctx", 4096)]),
        (["--ctx_size", "4096"], [("n_ctx", 4096)]),
        (["--no-webui"], [("ui", False)]),
        (["-dev", "none"], [("devices", ())]),
        (["--device", "Vulkan1,Vulkan0"], [("devices", ("Vulkan1", "Vulkan0"))]),
        (["-fa", "off"], [("flash_attn_type", 0)]),
        (["-ngl", "all", "-ngl", "7"], [("n_gpu_layers", -2), ("n_gpu_layers", 7)]),
        (["-ctk", "q8_0"], [("cache_type_k", 8)]),
        (["-lm", "mmap+mlock"], [("load_mode", 3)]),
        (["--slot-save-path", "/tmp/x"], [("slot_save_path", "/tmp/x/")]),
        (["--rerank"], [("pooling_type", 4), ("embedding", True)]),
        (["-to", "9"], [("timeout_read", 9), ("timeout_write", 9)]),
        (["-a", "b,c"], [("model_alias", {"b", "c"})]),
        (["--chat-template-kwargs", '{"a": false}'], [("default_template_kwargs", {"a": "false"})]),
        (["--lora-scaled", "a:0.5,b:2"], [("lora_adapters", [("a", 0.5), ("b", 2.0)])]),
    ],
)
def test_flags_become_settings(argv, wishes):
    assert embedded.wishes(argv) == wishes


def test_per_device_lists_have_the_length_that_llama_cpp_wants():
    (_, split), (_, margins) = embedded.wishes(["-ts", "3/1", "-fitt", "512"])
    assert split == [3.0, 1.0] + [0.0] * 126
    assert margins == [512 << 20] * 128


def test_no_flag_is_spelled_twice():
    assert len(by_name()) == sum(len(setting.names) for setting in SETTINGS)


def test_every_attribute_exists_in_xllamacpp():
    xllamacpp = pytest.importorskip("xllamacpp")
    for setting in (one for one in SETTINGS if one.attribute != DEVICES):
        target = xllamacpp.CommonParams()
        for step in filter(None, setting.attribute.split(".")):
            target = getattr(target, step)


def test_overrides_and_adapters_add_up():
    xllamacpp = pytest.importorskip("xllamacpp")
    params = xllamacpp.CommonParams()
    for attribute, value in embedded.wishes(
        ["-cmoe", "-ot", "x=CPU", "--lora", "a", "--lora", "b"]
    ):
        embedded.apply(params, attribute, value, xllamacpp.CommonAdapterLoraInfo)
    assert params.tensor_buft_overrides.endswith("=CPU,x=CPU")
    assert [adapter.path for adapter in params.lora_adapters] == ["a", "b"]


def device(name, kind="GPU", free=1, address=""):
    kind = f"GGML_BACKEND_DEVICE_TYPE_{kind}"
    return {"name": name, "type": kind, "memory_free": free, "device_id": address}


MACHINE = (
    device("CPU", "CPU"),
    device("inside", "IGPU"),
    device("a", free=5, address="1"),
    device("a again", address="1"),
    device("b", free=7),
    device("c", free=9),
)


@pytest.mark.parametrize(
    ("argv", "mode", "main", "split"),
    [
        ("-dev none", 0, -1, []),
        ("-dev b", 0, 1, []),
        ("-dev b,c -sm none -mg 1", 0, 2, []),
        ("-dev b,c -sm none -mg -1", 0, -1, []),
        ("-dev c,a", 1, 0, [5, 0, 9]),
        ("-dev c,a -ts 3,1", 1, 0, [1, 0, 3]),
    ],
)
def test_devices_are_chosen_by_what_xllamacpp_has_for_it(argv, mode, main, split):
    xllamacpp = pytest.importorskip("xllamacpp")
    params = xllamacpp.CommonParams()
    params.split_mode, params.main_gpu = 1, 0
    wanted = embedded.wishes(argv.split())
    for attribute, value in wanted:
        if attribute != DEVICES:
            embedded.apply(params, attribute, value, None)
    names: Any = dict(wanted)[DEVICES]
    embedded.place(params, names, MACHINE)
    assert (params.split_mode, params.main_gpu) == (mode, main)
    assert params.tensor_split[: len(split)] == split


def test_a_device_that_is_not_there_is_refused():
    pytest.importorskip("xllamacpp")
    ended = run("-dev", "Moon0")
    assert ended.returncode == 1
    assert ended.stderr == 'error while handling argument "--device": invalid device: Moon0\n'


def test_graphics_within_the_processor_count_where_there_is_nothing_else():
    assert list(embedded.usable(MACHINE)) == ["a", "b", "c"]
    assert list(embedded.usable(MACHINE[:2])) == ["inside"]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--rpc", "x"], "error: invalid argument: --rpc"),
        (["stray"], "error: invalid argument: stray"),
        (["-c", "many"], 'error while handling argument "-c": invalid literal'),
        (["-c"], 'error while handling argument "-c": expected value'),
        (["-fa", "maybe"], 'error while handling argument "-fa": unknown value'),
    ],
)
def test_other_flags_are_refused_by_name_in_llama_servers_manner(argv, line):
    ended = run(*argv)
    assert ended.returncode == 1
    assert ended.stderr.startswith(line)
    assert len(ended.stderr.splitlines()) == 1


def test_the_child_imports_nothing_of_the_daemon():
    program = (
        "import sys, paddock.engine.embedded; "
        "print(sorted(name for name in sys.modules if name.startswith('paddock')), "
        "'asyncio' in sys.modules, 'pydantic' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert said.split("] ")[1].split() == ["False", "False"]
    assert said.split("]")[0].count("paddock") == 4
