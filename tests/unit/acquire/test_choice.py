"""What a quantization, a file or a pattern means in a repository."""

import pytest
from tests.unit.acquire.listings import LLAMA_8B, repository

from paddock.acquire.choice import choose
from paddock.acquire.fits import GIB, Memory
from paddock.acquire.offer import offer
from paddock.errors import AcquireError, NotThere

MEMORY = Memory(ram=16 * GIB)


def _choose(files, **asked):
    choice = choose(offer(repository(files), MEMORY, 8192), **asked)
    return [file.path for file in choice.files], choice.note


def test_nobody_said_which():
    paths, note = _choose(LLAMA_8B)
    assert paths == ["Llama-8B-Q8_0.gguf"]
    assert note.startswith("Q8_0 8.5 GB: the best that fits")
    assert _choose(LLAMA_8B, quant="latest")[0] == paths


@pytest.mark.parametrize(
    ("asked", "taken", "note"),
    [
        ("Q4_K_M", ["x-Q4_K_M.gguf"], ""),
        ("q4_k_m", ["x-Q4_K_M.gguf"], ""),
        ("Q4_K", ["x-Q4_K_M.gguf"], "Q4_K_M is what Q4_K means here"),
        ("UD-Q4_K_XL", ["x-UD-Q4_K_XL.gguf"], ""),
        ("Q4_K_XL", ["x-UD-Q4_K_XL.gguf"], "UD-Q4_K_XL is what Q4_K_XL means here"),
        ("fp16", ["x-F16.gguf"], "F16 is what fp16 means here"),
        ("Q5", ["x-Q5_K_M.gguf", "x-Q5_K_S.gguf"], "Q5_K_M, Q5_K_S"),
    ],
)
def test_a_quantization(asked, taken, note):
    files = ["x-Q4_K_M.gguf", "x-UD-Q4_K_XL.gguf", "x-Q5_K_S.gguf", "x-Q5_K_M.gguf", "x-F16.gguf"]
    paths, told = _choose(files, quant=asked)
    assert paths == taken
    assert note in told if note else told == ""


def test_it_comes_with_its_shards_and_its_projector():
    shards = [f"Q8_0/x-Q8_0-0000{n}-of-00002.gguf" for n in (1, 2)]
    files = [*shards, "mmproj-F16.gguf", "mmproj-F32.gguf", "x-Q4_K_M.gguf"]
    assert _choose(files, quant="Q8_0")[0] == [*shards, "mmproj-F16.gguf"]
    assert _choose(files, file=shards[0])[0] == [*shards, "mmproj-F16.gguf"]
    taken, _ = _choose(files, quant="q")
    assert taken == [*shards, "mmproj-F16.gguf", "x-Q4_K_M.gguf"]


def test_a_quantization_that_is_not_there():
    with pytest.raises(NotThere, match="u/r has nothing called 'Q4_K_N'") as caught:
        _choose(LLAMA_8B, quant="Q4_K_N")
    assert "did you mean Q4_K_" in caught.value.hint
    assert "Q8_0" in caught.value.hint


def test_one_quantization_of_several_models_has_to_be_chosen():
    files = ["x-2B-Q8_0.gguf", "y-4B-Q8_0.gguf", "y-4B-Q4_0.gguf"]
    with pytest.raises(AcquireError, match="holds 2 models in Q8_0") as caught:
        _choose(files, quant="Q8_0")
    assert "u/r/x-2B-Q8_0.gguf" in caught.value.hint
    assert _choose(files, quant="Q4_0")[0] == ["y-4B-Q4_0.gguf"]
    assert _choose(files, quant="y-4B")[0] == ["y-4B-Q8_0.gguf", "y-4B-Q4_0.gguf"]
    with pytest.raises(AcquireError, match="it holds 2 models"):
        _choose(files)


def test_what_nothing_can_use_is_not_taken():
    with pytest.raises(NotThere, match="shard 2 of 2 is missing"):
        _choose(["x-Q8_0-00001-of-00002.gguf"], quant="Q8_0")
    with pytest.raises(NotThere, match="joined before use"):
        _choose(["x.Q8_0.gguf.part1of2", "x.Q8_0.gguf.part2of2"], quant="Q8_0")
    with pytest.raises(NotThere, match="no GGUF model"):
        _choose(["README.md"])


def test_what_other_engines_run_is_taken_when_it_is_named():
    paths, note = _choose(["x-IQ4_KSS.gguf", "x-Q8_0.gguf"], quant="IQ4_KSS")
    assert paths == ["x-IQ4_KSS.gguf"]
    assert "ik_llama.cpp" in note


def test_a_file_by_its_path_or_its_name():
    files = ["a/x-Q8_0.gguf", "b/x-Q8_0.gguf", "c/y-Q8_0.gguf", "mmproj-F16.gguf", "README.md"]
    assert _choose(files, file="a/x-Q8_0.gguf")[0] == ["a/x-Q8_0.gguf"]
    assert _choose(files, file="Y-q8_0.gguf")[0] == ["c/y-Q8_0.gguf"]
    assert _choose(files, file="mmproj-F16.gguf")[0] == ["mmproj-F16.gguf"]
    with pytest.raises(AcquireError, match="2 files of that name"):
        _choose(files, file="x-Q8_0.gguf")
    with pytest.raises(NotThere) as caught:
        _choose(files, file="z-Q8_0.gguf")
    assert "c/y-Q8_0.gguf" in caught.value.hint
    with pytest.raises(NotThere):
        _choose(files, file="README.md")


def test_patterns_and_everything():
    files = ["a/x-Q8_0.gguf", "x-Q4_0.gguf", "mmproj-F16.gguf", "README.md", "x.imatrix"]
    assert _choose(files, patterns=["*q8_0*"])[0] == ["a/x-Q8_0.gguf"]
    assert _choose(files, patterns=["x-*", "mmproj*"])[0] == files[:3]
    assert _choose(files, patterns=["a/*"])[0] == ["a/x-Q8_0.gguf"]
    assert _choose(files, everything=True)[0] == files[:3]
    shards = [f"b-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    assert sorted(_choose([*files, *shards], patterns=["*-00002-*"])[0]) == shards
    with pytest.raises(NotThere, match="no GGUF file like \\*\\.md"):
        _choose(files, patterns=["*.md"])
    with pytest.raises(NotThere):
        _choose(["README.md"], everything=True)


def test_nothing_fits_so_somebody_has_to_choose():
    offered = offer(repository(LLAMA_8B), Memory(ram=GIB), 8192)
    with pytest.raises(AcquireError, match="no quantization fits") as caught:
        choose(offered)
    assert "paddock quants u/r" in caught.value.hint
    assert choose(offered, quant="Q2_K").files
