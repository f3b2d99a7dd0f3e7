"""Manifests: what is written reads as the same, and nothing hostile is believed."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.errors import InvalidManifest
from paddock.library import manifest as kinds
from paddock.library.digest import Digest
from paddock.library.manifest import Layer, Manifest

DIGEST = f"sha256:{'0a' * 32}"
LAYER = {"mediaType": kinds.MODEL, "digest": DIGEST, "size": 3}

texts = st.text(max_size=50)
digests = st.binary(max_size=4).map(Digest.of)
layers = st.builds(Layer, texts, digests, st.integers(0, kinds.MAX_SIZE), texts, texts)


def told(**changes):
    """A manifest's bytes; a change to None leaves the key out."""
    whole = {"schemaVersion": 2, "config": LAYER, "layers": [LAYER], **changes}
    return json.dumps({k: v for k, v in whole.items() if v is not None}).encode()


@given(layers, st.lists(layers, max_size=5))
def test_what_is_written_reads_as_the_same(config, many):
    manifest = Manifest(config, tuple(many))
    assert Manifest.parse(manifest.to_json()) == manifest
    assert manifest.size == config.size + sum(layer.size for layer in many)


def test_it_is_written_as_ollama_does():
    manifest = Manifest.parse(told())
    assert json.loads(manifest.to_json()) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": LAYER,
        "layers": [LAYER],
    }


def test_layers_are_found_by_their_type():
    adapter = {**LAYER, "mediaType": kinds.ADAPTER, "from": "base:latest", "name": "a"}
    manifest = Manifest.parse(told(layers=[LAYER, adapter]))
    (found,) = manifest.of_type(kinds.ADAPTER)
    assert (found.from_, found.name, found.size) == ("base:latest", "a", 3)
    assert manifest.digests == {Digest.parse(DIGEST)}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"9" * 10_000, "not JSON"),
        (b"[]", "not an object"),
        (b" " * (kinds.MAX_BYTES + 1), "more than 4 MiB"),
        (told(layers=None), "without layers"),
        (told(layers={"0": LAYER}), "without layers"),
        (told(layers=[LAYER] * 10_000), "10000 layers"),
        (told(layers=[None]), "layer 1 is no object"),
        (told(config=None), "config is no object"),
        (told(config=[]), "config is no object"),
        (told(layers=[{**LAYER, "size": -1}]), "layer 1 has no believable size"),
        (told(layers=[{**LAYER, "size": True}]), "layer 1 has no believable size"),
        (told(layers=[{**LAYER, "size": "3"}]), "layer 1 has no believable size"),
        (told(layers=[{**LAYER, "size": 1e3}]), "layer 1 has no believable size"),
        (told(layers=[{**LAYER, "size": 1 << 60}]), "layer 1 has no believable size"),
        (told(layers=[LAYER, {**LAYER, "digest": "sha256:../../etc"}]), "layer 2: invalid digest"),
        (told(layers=[{**LAYER, "digest": 7}]), "digest is no short text"),
        (told(layers=[{**LAYER, "mediaType": ["x"]}]), "mediaType is no short text"),
        (told(layers=[{**LAYER, "from": "x" * 2000}]), "from is no short text"),
    ],
)
def test_what_cannot_be_believed_is_refused_with_the_reason(data, reason):
    with pytest.raises(InvalidManifest) as refused:
        Manifest.parse(data)
    assert reason in refused.value.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["config", "layers", "schemaVersion"]), json_values))
def test_any_json_is_read_or_refused(value):
    with suppress(InvalidManifest):
        Manifest.parse(json.dumps(value).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    with pytest.raises(InvalidManifest):
        Manifest.parse(data)
