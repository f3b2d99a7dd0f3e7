from dataclasses import replace
from pathlib import Path

import pytest

from paddock.config.model_entry import ModelEntry
from paddock.config.schema import Config
from paddock.errors import UnknownModel
from paddock.library.catalog import EMPTY, build
from paddock.library.model import LeftOut, LoadOptions, Model, Recipe


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


# --- models of the store -------------------------------------------------------------------------


def stored(model_id, fingerprint="1", modified=0.0, options=None):
    path = Path("/store/blobs/sha256-0")
    made = Model(
        model_id, path, (path,), fingerprint=fingerprint, modified=modified, recipe=Recipe()
    )
    return made if options is None else replace(made, options=options)


def twins(made):
    return {model.id: model.twin for model in made.models.values() if model.twin}


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("x:latest", "x"),
        ("x:latest", "X:Latest"),
        ("x:latest", "library/x"),
        ("x:latest", "registry.ollama.ai/library/x"),
        ("x:3b", "Registry.Ollama.ai/library/X:3B"),
        ("user/m:latest", "registry.ollama.ai/user/m"),
        ("hf.co/User/Repo:Q4_K_M", "hf.co/user/repo:q4_k_m"),
        ("folder-model", "library/folder-model:latest"),
    ],
)
def test_every_form_of_a_name_leads_to_its_model(id_, name):
    assert catalog(stored(id_)).resolve(name).id == id_


def test_the_same_file_loaded_in_the_same_way_is_a_twin():
    made = catalog(model("a"), stored("b:latest"), stored("c:latest", "2"))
    assert twins(made) == {"b:latest": "a"}
    assert made.models["a"].fingerprint == made.models["b:latest"].fingerprint


def test_files_of_the_folders_alone_are_no_twins():
    assert twins(catalog(model("a"), model("b"))) == {}


def test_the_oldest_of_the_store_runs_for_its_copies():
    made = catalog(stored("new:1", modified=2.0), stored("old:1", modified=1.0))
    assert twins(made) == {"new:1": "old:1"}


def test_what_the_owner_wrote_about_runs_for_the_others_if_that_changes_nothing():
    made = catalog(model("a"), stored("b:latest"), b={"ttl": 5})
    assert twins(made) == {"a": "b:latest"}
    assert twins(catalog(model("a"), stored("b:latest"), b={"args": "-fa on"})) == {}


@pytest.mark.parametrize(
    ("options", "alike"),
    [
        (LoadOptions(), True),
        (LoadOptions(context=4096), False),
        (LoadOptions(threads=2), False),
        (LoadOptions(mmap=False), False),
    ],
)
def test_another_way_of_loading_is_no_twin(options, alike):
    assert bool(twins(catalog(model("a"), stored("b:latest", options=options)))) is alike


def test_the_owners_context_makes_the_parameters_no_matter():
    both = {"a": {"contextLength": 2048}, "b": {"contextLength": 2048}}
    options = LoadOptions(context=4096)
    assert twins(catalog(model("a"), stored("b:latest", options=options), **both))


def test_the_stores_models_have_an_engine_of_their_own():
    config = Config.model_validate({"engines": {"v": {}}, "ollama": {"engine": "v"}})
    made = build([model("a"), stored("b:latest")], (), config)
    assert made.models["b:latest"].settings.engine == "v"
    assert made.models["a"].settings.engine != "v"


def test_a_model_made_of_a_file_is_loaded_as_the_owner_loads_the_file():
    entry = {"args": "-fa on", "contextLength": 2048, "name": "Ay", "ttl": 7, "aliases": ["ay"]}
    made = catalog(model("a"), stored("b:latest"), a=entry)
    assert twins(made) == {"b:latest": "a"}
    settings = made.models["b:latest"].settings
    assert (settings.args, settings.context_length) == ("-fa on", 2048)
    assert (settings.name, settings.ttl, settings.aliases) == ("", None, [])


def test_what_a_model_of_the_store_says_itself_goes_before_what_its_file_has():
    entry = {"args": "-fa on", "contextLength": 2048}
    own = stored("b:latest", options=LoadOptions(context=4096))
    settings = catalog(model("a"), own, a=entry).models["b:latest"].settings
    assert (settings.args, settings.context_length) == ("-fa on", None)
    settings = catalog(model("a"), own, a=entry, b={"ttl": 7}).models["b:latest"].settings
    assert (settings.args, settings.ttl) == ("", 7)


def test_an_entry_with_a_command_wins_over_the_store():
    made = catalog(stored("a:latest"), A={"cmd": "serve"})
    assert list(made.models) == ["A"]
    assert "with a cmd of its own" in made.left_out[0].reason
