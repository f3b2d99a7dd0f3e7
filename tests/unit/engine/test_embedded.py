import subprocess
import sys

import pytest

from paddock.engine import embedded
from paddock.engine.embedded_flags import SETTINGS, by_name


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
    for setting in SETTINGS:
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


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--device", "none"], "error: invalid argument: --device"),
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
