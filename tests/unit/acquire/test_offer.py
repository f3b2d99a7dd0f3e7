"""What a repository offers to a machine, and which is the best of it."""

import json

import pytest
from tests.unit.acquire.listings import LLAMA_8B, LLAMA_70B, QWEN_32B, repository

from paddock.acquire.fits import GIB, Memory
from paddock.acquire.offer import Offer, Row, offer


def best_of(offered: Offer) -> Row:
    assert offered.best is not None
    return offered.best


ONE_GPU = Memory(gpus=(32 * GIB,), ram=64 * GIB)
TWO_GPUS = Memory(gpus=(32 * GIB, 32 * GIB), ram=252 * GIB)
SMALL_GPU = Memory(gpus=(8 * GIB,), ram=32 * GIB)
LAPTOP = Memory(ram=16 * GIB)
NOTHING_KNOWN = Memory()


@pytest.mark.parametrize(
    ("files", "parameters", "memory", "best"),
    [
        (LLAMA_8B, 8.03e9, ONE_GPU, "Q8_0"),
        (LLAMA_8B, 8.03e9, SMALL_GPU, "Q5_K_M"),
        (LLAMA_8B, 8.03e9, LAPTOP, "Q8_0"),
        (LLAMA_8B, 8.03e9, Memory(ram=8 * GIB), "Q4_K_M"),
        (LLAMA_8B, 8.03e9, NOTHING_KNOWN, "Q4_K_M"),
        (QWEN_32B, 32.8e9, ONE_GPU, "Q6_K"),
        (QWEN_32B, 32.8e9, Memory(gpus=(24 * GIB,), ram=64 * GIB), "Q4_K_M"),
        (LLAMA_70B, 70.6e9, TWO_GPUS, "Q6_K"),
        (LLAMA_70B, 70.6e9, ONE_GPU, "Q2_K"),
        (LLAMA_70B, 70.6e9, Memory(gpus=(8 * GIB,), ram=128 * GIB), "Q4_K_M"),
        (LLAMA_70B, 70.6e9, Memory(gpus=(24 * GIB,)), "IQ1_S"),
    ],
)
def test_the_best_that_fits(files, parameters, memory, best):
    offered = offer(repository(files, parameters=parameters), memory, 8192)
    assert best_of(offered).label == best


def test_two_gpus_do_more_than_fewer_bits():
    offered = offer(repository(LLAMA_70B, parameters=70.6e9), TWO_GPUS, 8192)
    fits = {row.label: row.fit.words for row in offered.rows}
    assert fits["Q2_K"] == "1 GPU"
    assert best_of(offered).fit.words == "2 GPUs"
    assert fits["Q8_0"] == "GPU + RAM"


def test_it_says_why():
    offered = offer(repository(QWEN_32B, parameters=32.8e9), TWO_GPUS, 8192)
    assert offered.note.startswith("Q6_K 26 GB: the best that fits on one GPU")
    assert "context of 8k tokens" in offered.note
    assert offered.note.endswith("Q8_0 would need 2 GPUs")
    offered = offer(repository(LLAMA_8B, parameters=8e9), NOTHING_KNOWN, 8192)
    assert offered.note == "Q4_K_M 4.9 GB: the usual choice"


def test_a_difference_nobody_sees_is_not_paid_for():
    offered = offer(repository({"x-F16.gguf": 2, "x-Q8_0.gguf": 1}), ONE_GPU, 8192)
    assert best_of(offered).label == "Q8_0"


def test_an_original_that_is_quantized_is_the_best():
    files = {"gpt-oss-20b-mxfp4.gguf": 12.1, "gpt-oss-20b-Q8_0.gguf": 12.3}
    offered = offer(repository(files, architecture="gpt-oss", parameters=21e9), ONE_GPU, 8192)
    assert best_of(offered).label == "MXFP4"
    assert best_of(offered).words == "the original"


def test_the_rows_go_from_the_best_to_those_that_cannot_be_used():
    files = ["x-Q2_K.gguf", "x-Q8_0.gguf", "x-IQ4_KSS.gguf", "x-Q4_K_M.gguf", "x-F16.gguf"]
    offered = offer(repository(files), LAPTOP, 8192)
    assert [row.label for row in offered.rows] == ["F16", "Q8_0", "Q4_K_M", "Q2_K", "IQ4_KSS"]
    assert offered.rows[-1].told()["warning"]


def test_nothing_fits():
    offered = offer(repository(LLAMA_70B), Memory(ram=4 * GIB), 8192)
    assert offered.best is None
    assert "IQ1_S, the smallest, needs" in offered.note
    assert {row.fit.words for row in offered.rows} == {"no"}


@pytest.mark.parametrize(
    ("files", "note"),
    [
        ([], "it holds no GGUF model"),
        (["README.md"], "it holds no GGUF model"),
        (["x-IQ4_KSS.gguf"], "ik_llama.cpp"),
        (["x.gguf.part1of2", "x.gguf.part2of2"], "joined before use"),
        (["x-1B-Q8_0.gguf", "y-2B-Q8_0.gguf"], "it holds 2 models: x-1B, y-2B"),
    ],
)
def test_nothing_to_take_by_itself(files, note):
    offered = offer(repository(files), LAPTOP, 8192)
    assert offered.best is None
    assert note in offered.note


def test_the_projector_is_counted():
    offered = offer(repository({"x-Q8_0.gguf": 8, "mmproj-F16.gguf": 1}), LAPTOP, 8192)
    (row,) = offered.rows
    assert row.size == 9 * 10**9
    assert row.told()["files"] == ["x-Q8_0.gguf", "mmproj-F16.gguf"]


def test_the_context_that_is_counted_is_what_the_owner_configured():
    large = offer(repository(QWEN_32B, parameters=32.8e9), ONE_GPU, 65536)
    small = offer(repository(QWEN_32B, parameters=32.8e9), ONE_GPU, 4096)
    assert (large.context, small.context) == (65536, 4096)
    assert best_of(large).size < best_of(small).size


def test_parameters_of_another_file_are_not_believed():
    offered = offer(repository({"x-Q8_0.gguf": 8}, parameters=1000), LAPTOP, 8192)
    assert offered.rows[0].bits == 8.5
    assert offered.rows[0].fit.need < 12 * 10**9


def test_it_can_be_told_as_json():
    told = offer(repository(LLAMA_8B, parameters=8e9), TWO_GPUS, 0).told("hf.co/u/r")
    assert json.loads(json.dumps(told)) == told
    assert told["name"] == "hf.co/u/r"
    assert told["context"] == 131072
    best = [row for row in told["rows"] if row["best"]]
    assert [row["quant"] for row in best] == ["Q8_0"]
    assert best[0]["words"].startswith("best")
