import gguf
import pytest

from paddock.library.ggml_types import FILE_TYPES, TENSOR_TYPES, quantization_name


def test_block_sizes_are_those_of_the_gguf_package():
    ours = {number: (kind.block, kind.size) for number, kind in TENSOR_TYPES.items()}
    theirs = {int(number): sizes for number, sizes in gguf.GGML_QUANT_SIZES.items()}
    theirs[9] = (32, 36)  # the package's Q8_1 is of an old layout
    assert theirs.items() <= ours.items()


def test_every_file_type_of_the_gguf_package_has_its_name():
    for kind in gguf.LlamaFileType:
        name = kind.name.removeprefix("MOSTLY_").removeprefix("ALL_").removesuffix("_MOE")
        assert FILE_TYPES.get(int(kind), "GUESSED") == name


@pytest.mark.parametrize(
    ("file_type", "tensors", "name"),
    [
        (15, {"Q4_K": 10, "F32": 1}, "Q4_K_M"),
        (15, {"Q5_0": 10, "F32": 1}, "Q4_K_M"),  # rows too short for K blocks: still that recipe
        (15 | 1024, {"Q4_K": 10}, "Q4_K_M"),
        (38, {"MXFP4": 10, "BF16": 3}, "MXFP4"),
        (1, {"F16": 10, "F32": 1}, "F16"),
        (0, {"F16": 10, "F32": 1}, "F32"),
        (1, {"Q4_0": 10, "F32": 1}, "Q4_0"),  # a converter's default that nobody corrected
        (15, {"BF16": 10}, "BF16"),
        (7, {}, "Q8_0"),
        (999, {"Q6_K": 9}, "Q6_K"),
        (None, {"Q5_K": 9, "Q6_K": 3}, "Q5_K_M"),
        (None, {"IQ4_XS": 9}, "IQ4_XS"),
        ("15", {"Q3_K": 9}, "Q3_K_M"),
        (-1, {}, ""),
        (None, {}, ""),
    ],
)
def test_a_quantization_is_named(file_type, tensors, name):
    assert quantization_name(file_type, tensors) == name
