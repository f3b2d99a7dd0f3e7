from pathlib import Path

import pytest

from paddock.engine.environment import child_environment, named_values

HOME = Path("/nowhere/config")


@pytest.mark.parametrize(
    "name",
    [
        "LLAMA_ARG_CTX_SIZE",
        "LLAMA_API_KEY",
        "LLAMA_TRACE",
        "LLAMA_SERVER_SLOTS_DEBUG",
        "LLAMA_CACHE",
        "AIP_HTTP_PORT",
        "HF_TOKEN",
        "OPENAI_API_KEY",
        "PYTHONSTARTUP",
        "LD_PRELOAD",
        "BASH_ENV",
        "PADDOCK_CHILD",
    ],
)
def test_what_could_change_a_child_or_is_secret_does_not_pass(name):
    assert name not in child_environment({name: "x"}, HOME)


@pytest.mark.parametrize(
    "name",
    ["PATH", "LC_ALL", "GGML_VK_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES",
     "VK_ICD_FILENAMES", "RADV_PERFTEST", "HSA_OVERRIDE_GFX_VERSION", "ROCR_VISIBLE_DEVICES",
     "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH", "MESA_SHADER_CACHE_DIR", "NVIDIA_VISIBLE_DEVICES"],
)  # fmt: skip
def test_what_libraries_and_devices_need_passes(name):
    assert child_environment({name: "x"}, HOME)[name] == "x"


def test_config_files_of_the_user_are_out_of_sight():
    env = child_environment({"XDG_CONFIG_HOME": "/home/me/.config"}, HOME)
    assert env == {"GGML_NO_BACKTRACE": "1", "XDG_CONFIG_HOME": str(HOME)}


def test_the_owners_values_win_in_order():
    env = child_environment({"PATH": "a"}, HOME, {"PATH": "b", "X": "1"}, {"X": "2"})
    assert (env["PATH"], env["X"]) == ("b", "2")


def test_pairs_are_cut_at_the_first_equals_sign():
    assert named_values(["A=1", "B=x=y", "C"]) == {"A": "1", "B": "x=y", "C": ""}
