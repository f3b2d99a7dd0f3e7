from pathlib import Path

import pytest

from paddock.config.model_entry import ModelEntry
from paddock.config.schema import Config
from paddock.errors import UnknownModel
from paddock.library.catalog import EMPTY, build
from paddock.library.model import LeftOut, Model


def model(model_id, fingerprint="1"):
    path = Path(f"/m/{model_id}.gguf")
    return Model(id=model_id, path=path, shards=(path,), fingerprint=fingerprint)


def catalog(*models, left_out=(), **entries):
    made = {name.replace("_", "-"): ModelEntry.model_validate(e) for name, e in entries.items()}
    return build(models, left_out, Config(models=made))


def test_models_are_sorted_and_found_by_id():
    made = catalog(model("b"), model("a"))
    assert list(made.models) == ["a", "b"]
    assert made.resolve("a").id == "a"
    assert made.resolve("A").id == "a"
    assert made.resolve("b:latest").id == "b"
    assert made.resolve(" B:LATEST ").id == "b"


def test_an_unknown_name_gets_the_nearest_ones():
    made = catalog(model("qwen3-8b"), model("gemma"), gemma={"aliases": ["qwen3-9b"]})
    with pytest.raises(UnknownModel) as caught:
        made.resolve("qwen3-7b")
    assert caught.value.nearest[:2] == ("qwen3-8b", "qwen3-9b")
    with pytest.raises(UnknownModel, match="not found"):
        EMPTY.resolve("x" * 1_000_000)


def test_a_command_is_a_model_of_its_own():
    made = catalog(model("a"), Mine={"cmd": "serve ${PORT}", "aliases": ["m"]})
    mine = made.resolve("mine")
    assert mine.id == "Mine"
    assert mine.path is None
    assert mine.settings.cmd == "serve ${PORT}"
    assert made.resolve("m") is mine


def test_a_command_wins_over_a_found_model():
    made = catalog(model("a"), A={"cmd": "serve"})
    assert made.resolve("a").path is None
    assert list(made.models) == ["A"]
    (left,) = made.left_out
    assert left.path == Path("/m/a.gguf")
    assert "cmd" in left.reason


def test_an_entry_changes_the_found_model():
    made = catalog(model("a"), A={"ttl": 5, "aliases": ["x", "x"], "name": "Ay"})
    assert made.resolve("X").settings.ttl == 5
    assert made.resolve("a").aliases == ("x",)
    assert made.resolve("a").path is not None


def test_an_entry_without_a_model_waits():
    assert dict(catalog(a={"ttl": 5, "aliases": ["x"]}).models) == {}
    assert catalog(model("a"), a={"aliases": ["x"]}).resolve("x").id == "a"


def test_an_id_beats_an_alias_and_the_first_alias_the_second():
    made = catalog(
        model("a"), model("b"), a={"aliases": ["b", "x"]}, b={"aliases": ["X", "y", "B"]}
    )
    assert made.resolve("b").id == "b"
    assert made.resolve("x").id == "a"
    assert made.resolve("y").id == "b"
    assert made.models["a"].aliases == ("x",)
    assert made.models["b"].aliases == ("y",)
    assert [(d.alias, d.model, d.reason) for d in made.dropped_aliases] == [
        ("b", "a", "it leads to b already"),
        ("X", "b", "it leads to a already"),
    ]


def test_left_out_files_are_sorted():
    made = catalog(left_out=[LeftOut(Path("/z"), "why"), LeftOut(Path("/a"), "why")])
    assert [str(left.path) for left in made.left_out] == ["/a", "/z"]


def test_changes_tell_what_came_went_and_changed():
    before = catalog(*map(model, ("same", "gone", "file", "entry", "live")))
    after = catalog(
        *(model("same"), model("new"), model("file", "2"), model("entry"), model("live")),
        entry={"args": "-fa on"},
        live={"ttl": 1},
    )
    changes = after.changes_since(before)
    assert changes is not None
    assert changes.added == {"new"}
    assert changes.removed == {"gone"}
    assert changes.replaced == {"file", "entry"}
    assert changes.refreshed == {"live"}
    assert after.changes_since(after) is None


def test_a_snapshot_cannot_be_changed():
    made = catalog(model("a"))
    with pytest.raises(TypeError):
        made.models["b"] = model("b")


def test_the_names_of_params_by_id_are_aliases():
    by_id = {"setParamsByID": {"a:high": {"x": 1}, "a": {"x": 2}}}
    made = catalog(model("a"), a={"aliases": ["b"], "filters": by_id})

    assert made.resolve("a:high").id == "a"
    assert made.models["a"].aliases == ("b", "a:high")
