import os
import threading

import pytest

from paddock.library.cache import HeaderCache
from paddock.library.model import Trait
from paddock.library.scan import ScanStopped, scan


def by_id(found):
    return {model.id: model for model in found.models}


def reasons(found):
    return {left.path.name: left.reason for left in found.left_out}


def test_each_gguf_is_a_model(models, look, make_gguf):
    path = make_gguf(models / "sub" / "Tiny-1B-Q4_K_M.gguf")
    make_gguf(models / "other.gguf")
    found = look()
    assert list(by_id(found)) == ["other", "tiny-1b-q4_k_m"]
    model = by_id(found)["tiny-1b-q4_k_m"]
    assert model.path == path
    assert model.shards == (path,)
    assert model.projector is None
    assert model.header.quantization == "Q4_K_M"
    assert model.traits == {Trait.CHAT, Trait.COMPLETION}
    assert model.size == path.stat().st_size
    assert model.modified == pytest.approx(path.stat().st_mtime)
    assert found.left_out == ()


def test_what_is_no_model_is_left_out_with_the_reason(models, look, make_gguf):
    (models / "empty.gguf").touch()
    (models / "text.gguf").write_text("hello")
    make_gguf(models / "cut.gguf", missing=100)
    make_gguf(models / "lora.gguf", metadata={"general.type": "adapter"})
    make_gguf(models / "x.imatrix.gguf", metadata={"general.type": "imatrix"})
    make_gguf(models / "vocab.gguf", tensors=())
    make_gguf(models / "nameless.gguf", metadata={"general.architecture": None})
    make_gguf(models / "big-endian.gguf", big_endian=True)
    make_gguf(models / "🙂.gguf")
    make_gguf(models / "odd.gguf", tensors=[("t", 77, (8,))])
    found = look()
    assert found.models == ()
    left = reasons(found)
    assert left.pop("empty.gguf") == "empty"
    assert left.pop("text.gguf") == "not a GGUF file"
    assert "truncated: tensor 'blk.0.attn_norm.weight'" in left.pop("cut.gguf")
    assert "LoRA" in left.pop("lora.gguf")
    assert "importance matrix" in left.pop("x.imatrix.gguf")
    assert "vocabulary" in left.pop("vocab.gguf")
    assert "architecture" in left.pop("nameless.gguf")
    assert "big-endian" in left.pop("big-endian.gguf")
    assert "no letter" in left.pop("🙂.gguf")
    assert left == {"odd.gguf": "tensor 't' has type 77, which this version does not know"}


def test_the_reasons_are_remembered_too(models, look, make_gguf):
    make_gguf(models / "cut.gguf", missing=100)
    assert reasons(look()) == reasons(look())


def test_of_two_files_with_one_id_the_first_path_wins(models, look, make_gguf):
    make_gguf(models / "b" / "Same.gguf")
    winner = make_gguf(models / "a" / "same.GGUF")
    found = look()
    assert by_id(found)["same"].path == winner
    assert reasons(found) == {"Same.gguf": f"{winner} has the same id, same"}


def shard(make_gguf, folder, number, total, **changes):
    metadata = {"split.no": number - 1, "split.count": total, **changes.pop("metadata", {})}
    if number > 1:
        metadata = {"general.architecture": None, "general.name": None, **metadata}
    name = changes.pop("name", f"Big-Q8_0-{number:05}-of-{total:05}.gguf")
    tensors = [(f"t{number}", 0, (1024,))]
    return make_gguf(folder / name, metadata=metadata, tensors=tensors, **changes)


def test_shards_are_one_model(models, look, make_gguf):
    paths = [shard(make_gguf, models, number, 3) for number in (1, 2, 3)]
    found = look()
    assert found.left_out == ()
    model = by_id(found)["big-q8_0"]
    assert model.path == paths[0]
    assert model.shards == tuple(paths)
    assert model.size == sum(path.stat().st_size for path in paths)
    assert model.header.parameters == 3 * 1024
    assert model.header.tensor_bytes == 3 * 4096
    assert model.header.split_count == 3
    before = model.fingerprint
    os.utime(paths[2], ns=(1, 1))
    assert by_id(look())["big-q8_0"].fingerprint != before


def test_shards_that_do_not_make_a_whole_are_left_out(models, look, make_gguf):
    shard(make_gguf, models / "a", 1, 3)
    shard(make_gguf, models / "a", 3, 3)
    shard(make_gguf, models / "b", 1, 2, metadata={"split.count": 5})
    shard(make_gguf, models / "b", 2, 2)
    shard(make_gguf, models / "c", 1, 2)
    shard(make_gguf, models / "c", 2, 2, metadata={"split.no": 0})
    shard(make_gguf, models / "d", 1, 2)
    shard(make_gguf, models / "d", 2, 2, missing=5)
    shard(make_gguf, models / "e", 1, 3, name="alone.gguf")
    make_gguf(models / "f" / "whole-00001-of-00002.gguf")
    make_gguf(models / "f" / "whole-00002-of-00002.gguf")
    found = look()
    assert found.models == ()
    left = {(left.path.parent.name, left.path.name[-8:-5]): left.reason for left in found.left_out}
    assert left["a", "003"] == "incomplete: shard 2 of 3 is missing"
    assert left["b", "002"] == "its header tells 5 shards and its name 2"
    assert "numbered in another order" in left["c", "002"]
    assert "truncated" in left["d", "002"]
    assert [reason for (folder, _), reason in left.items() if folder == "e"] == [
        "its header tells 3 shards and its name 1"
    ]
    assert left["f", "002"] == "its header tells 0 shards and its name 2"


def clip(make_gguf, path, width=256, **metadata):
    return make_gguf(
        path,
        architecture="clip",
        metadata={"clip.vision.projection_dim": width, **metadata},
        tensors=[("v.weight", 1, (64,))],
    )


def projectors(found):
    return {model.id: model.projector and model.projector.name for model in found.models}


def test_a_projector_beside_its_model_is_the_models(models, look, make_gguf):
    make_gguf(models / "eyes-Q4_K_M.gguf")
    path = clip(make_gguf, models / "mmproj-F16.gguf")
    found = look()
    model = by_id(found)["eyes-q4_k_m"]
    assert model.projector == path
    assert Trait.VISION in model.traits
    assert model.shards == (model.path,)
    assert found.left_out == ()
    before = model.fingerprint
    os.utime(path, ns=(1, 1))
    assert by_id(look())["eyes-q4_k_m"].fingerprint != before


def test_a_projector_of_sound_gives_no_sight(models, look, make_gguf):
    make_gguf(models / "ears.gguf")
    clip(make_gguf, models / "mmproj-ears.gguf", **{"clip.has_audio_encoder": True})
    assert by_id(look())["ears"].projector is not None
    assert Trait.VISION not in by_id(look())["ears"].traits


@pytest.mark.parametrize(
    ("weights", "clips", "expected"),
    [
        (["a-Q4_0", "a-Q8_0"], ["mmproj-F16"], {"a-q4_0": "mmproj-F16", "a-q8_0": "mmproj-F16"}),
        (["a", "b"], ["mmproj-a"], {"a": "mmproj-a", "b": None}),
        (["a", "b"], ["mmproj-a", "b-mmproj"], {"a": "mmproj-a", "b": "b-mmproj"}),
        (["a", "b"], ["mmproj-model-f16"], {"a": None, "b": None}),
        (["a"], ["mmproj-BF16", "mmproj-F16", "mmproj-F32"], {"a": "mmproj-F16"}),
        (
            ["qwen-vl-2b-Q4_0", "qwen-vl-Q4_0", "qwen-Q4_0"],
            ["mmproj-qwen-vl-2b-f16", "mmproj-qwen-vl"],
            {
                "qwen-vl-2b-q4_0": "mmproj-qwen-vl-2b-f16",
                "qwen-vl-q4_0": "mmproj-qwen-vl",
                "qwen-q4_0": None,
            },
        ),
    ],
)
def test_names_tell_which_projector_serves_whom(models, look, make_gguf, weights, clips, expected):
    for name in weights:
        make_gguf(models / f"{name}.gguf")
    for name in clips:
        kind = {"F16": 1, "BF16": 32, "F32": 0}.get(name.split("-")[-1], 1)
        clip(
            make_gguf,
            models / f"{name}.gguf",
            **{"general.file_type": kind, "clip.vision.projection_dim": 7},
        )
    assert projectors(look()) == {
        model: name and f"{name}.gguf" for model, name in expected.items()
    }


def test_where_names_do_not_tell_the_width_does(models, look, make_gguf):
    make_gguf(models / "a.gguf", metadata={"llama.embedding_length": 2048})
    make_gguf(models / "b.gguf", metadata={"llama.embedding_length": 4096})
    clip(make_gguf, models / "mmproj-F16.gguf", width=4096)
    assert projectors(look()) == {"a": None, "b": "mmproj-F16.gguf"}


def test_a_strangers_projector_is_not_taken(models, look, make_gguf):
    make_gguf(models / "a.gguf", metadata={"llama.embedding_length": 2048})
    clip(make_gguf, models / "mmproj-stranger.gguf", width=4096)
    found = look()
    assert projectors(found) == {"a": None}
    assert "name it mmproj-<model>.gguf" in reasons(found)["mmproj-stranger.gguf"]


def test_a_projector_in_another_folder_is_not_taken(models, look, make_gguf):
    make_gguf(models / "x" / "a.gguf")
    clip(make_gguf, models / "y" / "mmproj-a.gguf")
    assert projectors(look()) == {"a": None}


def test_a_projector_is_never_a_model_whatever_its_name(models, look, make_gguf):
    make_gguf(models / "a.gguf")
    clip(make_gguf, models / "a-vision-encoder.gguf")
    make_gguf(models / "mmproj-of-no-kind.gguf")
    assert list(by_id(look())) == ["a"]


def test_a_replaced_file_is_read_again(models, look, make_gguf):
    path = make_gguf(models / "a.gguf", metadata={"general.name": "before"})
    before = by_id(look())["a"]
    new = make_gguf(models.parent / "new", metadata={"general.name": "after!"})
    os.utime(new, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    new.rename(path)
    after = by_id(look())["a"]
    assert (before.header.name, after.header.name) == ("before", "after!")
    assert before.fingerprint != after.fingerprint


def test_a_link_gives_a_second_name(models, look, make_gguf):
    make_gguf(models / "real.gguf")
    (models / "other.gguf").symlink_to("real.gguf")
    assert list(by_id(look())) == ["other", "real"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_left_out_until_it_is_readable(models, look, make_gguf):
    make_gguf(models / "a.gguf").chmod(0)
    assert reasons(look()) == {"a.gguf": "cannot be read: permission denied"}
    (models / "a.gguf").chmod(0o600)
    assert list(by_id(look())) == ["a"]


def test_a_scan_can_be_stopped(models, tmp_path, make_gguf):
    make_gguf(models / "a.gguf")
    stop = threading.Event()
    stop.set()
    with pytest.raises(ScanStopped):
        scan([models], HeaderCache(tmp_path / "cache"), stop)
