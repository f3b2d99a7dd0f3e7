"""What a repository holds: sets of shards, projectors, and files that only look like models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.acquire.listings import remote

from paddock.acquire.weights import sort_out


def _sorted(files):
    sizes = files if isinstance(files, dict) else dict.fromkeys(files, 1.0)
    return sort_out([remote(path, size) for path, size in sizes.items()])


def _projectors(contents):
    return {
        one.files[0].path: one.projector.path if one.projector else None for one in contents.weights
    }


def test_shards_are_one_model_in_order():
    names = [f"Q8_0/big-Q8_0-0000{n}-of-00003.gguf" for n in (3, 1, 2)]
    (one,) = _sorted(names).weights
    assert [file.path[-15] for file in one.files] == ["1", "2", "3"]
    assert (one.model, one.quant, one.size, one.problem) == ("big", "Q8_0", 3 * 10**9, "")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["b-00001-of-00003.gguf", "b-00003-of-00003.gguf"], "shard 2 of 3 is missing"),
        (["b-00002-of-00002.gguf"], "shard 1 of 2 is missing"),
        (["b-00000-of-00002.gguf"], "shard 1 of 2 is missing"),
        (["b-00001-of-00001.gguf", "b-00002-of-00001.gguf"], "numbers that cannot be"),
    ],
)
def test_a_set_that_is_not_whole(names, problem):
    assert problem in _sorted(names).weights[0].problem


def test_two_sets_beside_each_other_stay_apart():
    contents = _sorted(
        [
            f"{folder}/x-{quant}-0000{n}-of-00002.gguf"
            for folder, quant in (("Q4", "Q4_K_M"), ("UD", "UD-Q4_K_M"))
            for n in (1, 2)
        ]
    )
    assert [(one.quant, len(one.files)) for one in contents.weights] == [
        ("Q4_K_M", 2),
        ("UD-Q4_K_M", 2),
    ]


def test_bytes_pieces_are_told_as_such():
    contents = _sorted(["k.Q6_K.gguf.part2of2", "k.Q6_K.gguf.part1of2", "k.Q4_K_M.gguf"])
    (pieces,) = contents.pieces
    assert len(pieces.files) == 2
    assert "joined before use" in pieces.problem
    assert [one.quant for one in contents.weights] == ["Q4_K_M"]


def test_what_other_engines_run_is_told():
    (one,) = _sorted(["GLM-IQ4_KSS.gguf"]).weights
    assert "ik_llama.cpp" in one.problem
    assert not one.broken


def test_a_measurement_is_no_model_unless_it_is_as_large_as_one():
    contents = _sorted({"x-Q4_K_M.gguf": 4.9, "x-imatrix.gguf": 0.005, "x.imatrix": 0.005})
    assert [one.quant for one in contents.weights] == ["Q4_K_M"]
    contents = _sorted({"x-chat-v2-imatrix.gguf": 87.0})
    assert [one.files[0].path for one in contents.weights] == ["x-chat-v2-imatrix.gguf"]


def test_layers_for_mtp_beside_a_model_or_in_it():
    contents = _sorted({"x-Q4_K_M.gguf": 5.0, "x-Q4_K_M-mtp.gguf": 0.4})
    assert [one.files[0].path for one in contents.weights] == ["x-Q4_K_M.gguf"]
    assert [file.path for file in contents.sidecars] == ["x-Q4_K_M-mtp.gguf"]
    contents = _sorted({"x-Q4_K_M.gguf": 5.0, "x-MTP-Q4_K_M.gguf": 5.3})
    assert len(contents.weights) == 2
    assert len(contents.models) == 1


def test_sidecars_are_offered_where_there_is_nothing_else():
    contents = _sorted(["eagle3-x-Q8_0.gguf"])
    assert [one.quant for one in contents.weights] == ["Q8_0"]
    assert contents.sidecars == ()
    contents = _sorted(["eagle3-x-Q8_0.gguf", "x-Q8_0.gguf"])
    assert [one.model for one in contents.weights] == ["x"]


def test_the_projector_of_one_model():
    contents = _sorted(["x-Q4_K_M.gguf", "mmproj-F32.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf"])
    assert _projectors(contents) == {"x-Q4_K_M.gguf": "mmproj-F16.gguf"}
    contents = _sorted(["pixtral-12b-Q4_K_M.gguf", "mmproj-mistral-community_pixtral-12b-f16.gguf"])
    assert list(_projectors(contents).values()) == ["mmproj-mistral-community_pixtral-12b-f16.gguf"]


def test_the_projector_of_ones_own_name():
    files = [f"InternVL3_5-{size}-Q8_0.gguf" for size in ("8B", "14B")]
    files += [f"mmproj-InternVL3_5-{size}-F16.gguf" for size in ("2B", "4B", "8B", "14B")]
    assert _projectors(_sorted(files)) == {
        "InternVL3_5-14B-Q8_0.gguf": "mmproj-InternVL3_5-14B-F16.gguf",
        "InternVL3_5-8B-Q8_0.gguf": "mmproj-InternVL3_5-8B-F16.gguf",
    }


def test_projectors_of_other_models_only_are_nobodys():
    files = ["InternVL3_5-8B-Q8_0.gguf", "mmproj-InternVL3_5-2B-F16.gguf", "mmproj-Other-F16.gguf"]
    assert _projectors(_sorted(files)) == {"InternVL3_5-8B-Q8_0.gguf": None}


def test_the_projector_nearest_to_the_models_folder():
    files = ["a/x-Q4_K_M.gguf", "b/y-Q4_K_M.gguf", "a/mmproj-F16.gguf", "b/mmproj-F16.gguf"]
    assert _projectors(_sorted(files)) == {
        "a/x-Q4_K_M.gguf": "a/mmproj-F16.gguf",
        "b/y-Q4_K_M.gguf": "b/mmproj-F16.gguf",
    }
    shards = [f"BF16/x-BF16-0000{n}-of-00002.gguf" for n in (1, 2)]
    assert _projectors(_sorted([*shards, "mmproj-F16.gguf"])) == {shards[0]: "mmproj-F16.gguf"}


def test_several_models_in_one_repository():
    contents = _sorted(["one/x-Q4_K_M.gguf", "y-Q4_K_M.gguf", "y-Q8_0.gguf", "Y.Q6_K.gguf"])
    assert {model.lower() for model in contents.models} == {"x", "y"}


def test_what_is_no_gguf_does_not_count():
    contents = _sorted(["README.md", ".gitattributes", "config.json", "x.safetensors"])
    assert contents.weights == contents.sidecars == contents.pieces == ()


_PARTS = st.sampled_from(
    ["x", "y-MTP", "mmproj", "-Q4_K_M", "-F16", "-00001-of-00002", "-00002-of-00002", "/", ".gguf",
     ".gguf.part1of2", "-imatrix", "IQ4_KSS"]
)  # fmt: skip


@given(st.lists(st.lists(_PARTS | st.text(max_size=3), max_size=6).map("".join), max_size=12))
def test_every_gguf_is_somewhere_once(paths):
    listing = [remote(path) for path in paths]
    contents = sort_out(listing)
    weights = [file.path for one in contents.weights for file in one.files]
    pieces = [file.path for one in contents.pieces for file in one.files]
    sidecars = [file.path for file in contents.sidecars]
    together = weights + pieces + sidecars
    assert len(together) == len(set(together))
    assert set(together) <= set(paths)
    assert all(one.projector is None or one.projector in listing for one in contents.weights)


def test_a_huge_repository_takes_time_in_proportion():
    files = [f"m{n}-Q4_K_M{mark}.gguf" for n in range(1500) for mark in ("", "-mtp", "-mmproj")]
    contents = _sorted(files)
    assert len(contents.weights) == 3000
