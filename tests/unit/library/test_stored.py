"""The store's manifests as models, and what is left out of them."""

import hashlib
import json
import os
import shutil
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.gguf_maker import Gguf
from tests.fakes.ollama_store import IMAGE, OllamaStore

from paddock.library.cache import HeaderCache
from paddock.library.model import LoadOptions, Said, Trait
from paddock.library.scan import scan
from paddock.library.store import Store
from paddock.library.stored import Shelf


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def ollama(root):
    return OllamaStore(root)


@pytest.fixture
def gguf(tmp_path):
    return Gguf(metadata={"general.name": "Tiny"}).write(tmp_path / "some" / "model.gguf")


@pytest.fixture
def eyes(tmp_path):
    return Gguf(architecture="clip").write(tmp_path / "some" / "mmproj.gguf")


@pytest.fixture
def look(root, models, tmp_path):
    """Scans both, with a cache and a shelf that live as long as the test."""
    cache, shelf = HeaderCache(tmp_path / "cache"), Shelf(Store(root))
    return lambda: scan([models], cache, Event(), shelf)


@pytest.fixture
def only(look):
    """The one model that there is."""

    def find():
        found = look()
        assert found.left_out == ()
        (model,) = found.models
        return model

    return find


@pytest.fixture
def reason(look):
    """Why the one thing that is left out is."""

    def find():
        found = look()
        assert found.models == ()
        (left,) = found.left_out
        return left.reason

    return find


def test_an_absent_store_costs_and_has_nothing(look, root):
    found = look()
    assert (found.models, found.left_out) == ((), ())
    assert not any(path.startswith(str(root)) for path, _, _ in found.folders)


def test_a_manifest_is_a_model(only, ollama, gguf):
    path = ollama.add(
        "llama3.2:3b",
        gguf,
        template="{{ .Prompt }}",
        system="Be brief.",
        params={"stop": ["</s>"], "temperature": 1, "num_ctx": 2048, "num_gpu": -1},
        messages=[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}],
        license="MIT",
        config={"renderer": "qwen3", "parser": "qwen3", "requires": "0.6.0"},
    )
    os.utime(path, (1e9, 1e9))
    model = only()
    assert model.id == "llama3.2:3b"
    blob = f"sha256-{hashlib.sha256(gguf.read_bytes()).hexdigest()}"
    assert model.path == ollama.root / "blobs" / blob
    assert model.shards == (model.path,)
    assert model.header.name == "Tiny"
    assert model.traits == {Trait.CHAT, Trait.COMPLETION}
    assert model.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.modified == 1e9
    manifest = json.loads(path.read_bytes())
    assert model.size == sum(one["size"] for one in (*manifest["layers"], manifest["config"]))
    recipe = model.recipe
    assert (recipe.template, recipe.system) == ("{{ .Prompt }}", "Be brief.")
    assert recipe.parameters == {
        "stop": ["</s>"],
        "temperature": 1.0,
        "num_ctx": 2048,
        "num_gpu": -1,
    }
    assert recipe.messages == (Said("user", "hi"), Said("assistant", "ho"))
    assert (recipe.renderer, recipe.parser, recipe.requires) == ("qwen3", "qwen3", "0.6.0")
    assert model.options == LoadOptions(context=2048)
    assert Store(ollama.root).licenses("LLAMA3.2:3b") == ("MIT",)


def test_a_projector_and_an_adapter_are_its_own(only, ollama, gguf, eyes, tmp_path):
    adapter = tmp_path / "lora.gguf"
    adapter.write_bytes(b"GGUF adapter")
    ollama.add("v", gguf, projector=eyes, adapter=adapter)
    model = only()
    assert Trait.VISION in model.traits
    assert model.projector.read_bytes() == eyes.read_bytes()
    assert [path.read_bytes() for path in model.adapters] == [b"GGUF adapter"]


@pytest.mark.parametrize(
    "name", ["x:latest", "user/x:Q4", "hf.co/User/Repo:Q4_K_M.gguf", "localhost:5000/a/b:c"]
)
def test_every_name_is_an_id(only, ollama, gguf, name):
    ollama.add(name, gguf)
    assert only().id == name


def test_a_reference_to_a_file_elsewhere_is_followed(only, ollama, gguf, tmp_path):
    ollama.add("x", gguf)
    (blob,) = (b for b in (ollama.root / "blobs").iterdir() if b.read_bytes()[:4] == b"GGUF")
    blob.unlink()
    blob.symlink_to(gguf)
    assert only().path == blob


def test_what_is_read_is_kept_until_the_manifest_changes(look, ollama, gguf):
    path = ollama.add("x", gguf, system="one")
    first = look().models[0]
    ollama.add("x", gguf, system="three")
    second = look().models[0]
    assert (first.recipe.system, second.recipe.system) == ("one", "three")
    assert first.fingerprint == second.fingerprint
    assert first.digest != second.digest
    path.unlink()
    assert look().models == ()


# --- what cannot run -----------------------------------------------------------------------------


def weights(ollama, gguf):
    return ollama.layer("model", gguf.read_bytes())


def test_a_missing_blob(reason, ollama, gguf):
    ollama.add("x", gguf)
    ollama.blob_path(weights(ollama, gguf)["digest"]).unlink()
    assert "is missing" in reason()


def test_a_dangling_reference(reason, ollama, gguf):
    ollama.add("x", gguf)
    blob = ollama.blob_path(weights(ollama, gguf)["digest"])
    blob.unlink()
    blob.symlink_to("/nowhere")
    assert "is missing" in reason()


def test_a_size_that_is_a_lie(reason, ollama, gguf):
    ollama.add_layers("x", [{**weights(ollama, gguf), "size": 1}])
    assert "and 1 belong to it" in reason()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_blob_that_is_no_file(reason, ollama, gguf, make):
    layer = weights(ollama, gguf)
    ollama.add_layers("x", [layer])
    ollama.blob_path(layer["digest"]).unlink()
    make(ollama.blob_path(layer["digest"]))
    assert "is not a regular file" in reason()


def test_weights_that_are_no_gguf(reason, ollama):
    ollama.add_layers("x", [ollama.layer("model", b"PK zip")])
    assert reason() == "not a GGUF file"


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        ([], "names no weights"),
        (["tensor", "tensor"], "single tensors"),
        (["model", "model"], "its weights are 2 files"),
    ],
)
def test_layers_that_are_no_model(reason, ollama, gguf, layers, why):
    ollama.add_layers(
        "x", [{**weights(ollama, gguf), "mediaType": IMAGE + kind} for kind in layers]
    )
    assert why in reason()


def test_one_part_of_a_split_model(reason, ollama, tmp_path):
    part = Gguf(metadata={"split.count": 2, "split.no": 0}).write(tmp_path / "part")
    ollama.add("x", part)
    assert "one of 2 parts" in reason()


def test_a_projector_as_the_model(reason, ollama, eyes):
    ollama.add("x", eyes)
    assert "a projector" in reason()


def test_a_cloud_model(reason, ollama, gguf):
    ollama.add("x:cloud", gguf, config={"remote_host": "https://elsewhere", "remote_model": "x"})
    assert "a cloud model" in reason()


@pytest.mark.parametrize(
    "made",
    [
        Gguf(architecture="gptoss"),
        Gguf(architecture="gemma3"),
        Gguf(tensors=(("token_embd.weight", 0, (32,)), ("v.blk.0.attn_q.weight", 0, (32,)))),
    ],
)
def test_what_only_ollamas_own_llama_cpp_loads(reason, ollama, tmp_path, made):
    ollama.add("x", made.write(tmp_path / "made"))
    assert "only Ollama's own llama.cpp loads" in reason()


@pytest.mark.parametrize(
    "data", [b"", b"[" * 100_000, b"null", b'{"layers": []}', b"\x00" * 5_000_000]
)
def test_a_manifest_that_is_none(reason, ollama, data):
    ollama.write("x", data)
    assert reason()


@pytest.mark.parametrize("kind", ["params", "messages"])
@pytest.mark.parametrize("data", [b"", b"[[", b"7", b'"x"', b"[" * 100_000])
def test_a_small_layer_that_is_damaged(reason, ollama, gguf, kind, data):
    ollama.add_layers("x", [weights(ollama, gguf), ollama.layer(kind, data)])
    assert reason() == f"its {'params is' if kind == 'params' else 'messages are'} damaged"


@pytest.mark.parametrize("kind", ["template", "system", "params", "messages"])
def test_a_small_layer_that_is_huge_or_a_link_or_gone(reason, ollama, gguf, tmp_path, kind):
    layer = ollama.layer(kind, b"x")
    ollama.add_layers("x", [weights(ollama, gguf), layer])
    blob = ollama.blob_path(layer["digest"])
    os.truncate(blob, 1 << 33)
    assert "is larger than" in reason()
    blob.unlink()
    assert "cannot be read" in reason()
    secret = tmp_path / "secret"
    secret.write_text("secret")
    blob.symlink_to(secret)
    assert "a link" in reason()


def test_a_config_that_is_missing(reason, ollama, gguf):
    path = ollama.add("x", gguf)
    manifest = json.loads(path.read_bytes())
    ollama.blob_path(manifest["config"]["digest"]).unlink()
    assert "cannot be read" in reason()


def test_names_that_are_none_and_links_on_the_way(look, ollama, gguf, tmp_path):
    good = ollama.add("good", gguf)
    manifests = ollama.root / "manifests"
    shutil.copytree(manifests / "registry.ollama.ai", tmp_path / "else")
    (manifests / "linked").symlink_to(tmp_path / "else")
    shutil.copy(good, good.with_name("-bad"))
    os.mkfifo(good.with_name("fifo"))
    (good.parent / "folder").mkdir()
    (good.parent / ".hidden").write_text("x")
    found = look()
    assert [model.id for model in found.models] == ["good:latest"]
    assert {left.path.name for left in found.left_out} == {"linked", "-bad", "fifo", "folder"}


def test_two_names_that_differ_in_case_only(look, ollama, gguf):
    ollama.add("Foo:x", gguf)
    ollama.add("foo:x", gguf)
    found = look()
    assert [model.id for model in found.models] == ["Foo:x"]
    assert "has the same name" in found.left_out[0].reason


def test_parameters_of_a_wrong_type_are_passed_by(only, ollama, gguf):
    params = {
        "temperature": "hot",
        "num_ctx": True,
        "seed": 1e400,
        "top_k": 40.0,
        "stop": "x",
        "use_mmap": 1,
        "unknown": 1,
        "min_p": [1],
    }
    ollama.add("x", gguf, params=params)
    assert only().recipe.parameters == {"top_k": 40, "stop": ["x"]}


def test_what_is_no_text_does_not_get_further(only, ollama, gguf):
    ollama.add(
        "x",
        gguf,
        params={"stop": ["\ud800"]},
        messages=[{"role": "user", "content": "\udfff"}, {"role": "thief", "content": "x"}, 7],
    )
    recipe = only().recipe
    assert (recipe.parameters, recipe.messages) == ({"stop": ["?"]}, (Said("user", "?"),))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
places = [
    ("layers",),
    ("config",),
    ("layers", 0),
    ("layers", 0, "digest"),
    ("layers", 0, "size"),
    ("layers", 0, "mediaType"),
    ("config", "digest"),
    ("config", "size"),
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(places), anything)
def test_a_manifest_with_anything_in_it_is_a_model_or_left_out(look, ollama, gguf, place, value):
    manifest = json.loads(ollama.add("x", gguf).read_bytes())
    inner = manifest
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    ollama.write("x", manifest)
    found = look()
    assert len(found.models) + len(found.left_out) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["params", "messages"]), anything)
def test_a_layer_with_anything_in_it_is_read_or_refused(look, ollama, gguf, kind, value):
    layer = ollama.layer(kind, json.dumps(value))
    ollama.add_layers("x", [weights(ollama, gguf), layer])
    found = look()
    assert len(found.models) + len(found.left_out) == 1


# --- one world -----------------------------------------------------------------------------------


def adopted(ollama, gguf, name):
    """A model of the store whose blob is the very file."""
    ollama.add(name, gguf)
    blob = ollama.blob_path(weights(ollama, gguf)["digest"])
    blob.unlink()
    os.link(gguf, blob)


def test_the_same_file_has_one_fingerprint(look, ollama, models, gguf):
    folder = models / "a.gguf"
    shutil.copy(gguf, folder)
    adopted(ollama, folder, "b")
    a, b = look().models
    assert a.fingerprint == b.fingerprint
    assert (len(a.digest), a.recipe) == (64, None)


def test_another_file_has_another(look, ollama, models, gguf):
    shutil.copy(gguf, models / "a.gguf")
    ollama.add("b", gguf)
    a, b = look().models
    assert a.fingerprint != b.fingerprint


def test_the_stores_name_wins_over_another_file(look, ollama, models, gguf):
    shutil.copy(gguf, models / "x.gguf")
    ollama.add("X", gguf)
    found = look()
    assert [model.id for model in found.models] == ["X:latest"]
    (left,) = found.left_out
    assert (left.path.name, left.reason) == ("x.gguf", "X:latest of the store has the same name")


def test_the_same_file_under_the_same_name_is_one_model(look, ollama, models, gguf):
    shutil.copy(gguf, models / "x.gguf")
    adopted(ollama, models / "x.gguf", "x")
    found = look()
    assert [model.id for model in found.models] == ["x:latest"]
    assert found.left_out == ()


def test_a_store_inside_the_models_folder_is_no_part_of_it(models, tmp_path, gguf):
    inside = OllamaStore(models / "ollama")
    inside.add("hf.co/u/r:Model.gguf", gguf)
    cache = HeaderCache(tmp_path / "cache")
    found = scan([models], cache, Event(), Shelf(Store(models / "ollama")))
    assert [model.id for model in found.models] == ["hf.co/u/r:Model.gguf"]
    assert found.left_out == ()
