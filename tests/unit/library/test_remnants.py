"""What is left of downloads: found, told apart from what is under way, and removed."""

import os

import pytest

from paddock.library.manifest import MODEL, Manifest
from paddock.library.ollama_name import OllamaName
from paddock.library.remnants import remnants, remove, split
from paddock.library.store import Store

HEX = "0123456789abcdef" * 4
HOUR = 3600


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "models" / "store")
    store.blobs.mkdir(parents=True)
    store.manifests.mkdir()
    return store


def _make(path, *, age=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 5000)
    stamp = path.stat().st_mtime - age
    os.utime(path, (stamp, stamp))
    return path


def _names(found):
    return sorted(one.path.name for one in found)


def test_parts_in_a_models_folder(tmp_path, store):
    folder = tmp_path / "models"
    for name in ("x.gguf", ".x.gguf.part", ".x.gguf.part.json", "a/b/.y.gguf.part", "z.part"):
        _make(folder / name)
    for name in (".hidden/.w.gguf.part", "store/blobs/.v.gguf.part", "folder.part/x.gguf"):
        _make(folder / name)
    found = remnants([folder], store)
    assert _names(found) == [".x.gguf.part", ".x.gguf.part.json", ".y.gguf.part"]
    assert all(one.size >= 4096 for one in found)
    busy, free = split(found, {folder / ".x.gguf.part"})
    assert _names(busy) == [".x.gguf.part", ".x.gguf.part.json"]
    assert _names(remove(free)) == [".y.gguf.part"]
    assert not (folder / "a/b/.y.gguf.part").exists()
    assert (folder / ".x.gguf.part").exists()


def test_what_hf_download_forgot(tmp_path, store):
    folder = tmp_path / "models"
    cache = folder / "repo" / ".cache" / "huggingface" / "download"
    _make(cache / "Q8" / "abc.def.12345678.incomplete", age=30 * HOUR)
    _make(cache / "young.incomplete", age=HOUR)
    _make(cache / "x.gguf.metadata", age=30 * HOUR)
    assert _names(remnants([folder], store)) == ["abc.def.12345678.incomplete"]


def test_links_are_not_followed(tmp_path, store):
    outside = tmp_path / "outside"
    _make(outside / ".x.gguf.part")
    (tmp_path / "models" / "linked").symlink_to(outside)
    (tmp_path / "models" / ".cache").mkdir()
    (tmp_path / "models" / ".cache" / "huggingface").symlink_to(outside)
    link = tmp_path / "models" / ".l.gguf.part"
    link.symlink_to(outside / ".x.gguf.part")
    found = remnants([tmp_path / "models"], store)
    assert _names(found) == [".l.gguf.part"]
    remove(found)
    assert (outside / ".x.gguf.part").exists()
    assert not link.is_symlink()


def test_what_is_left_in_a_store(tmp_path, store):
    needed = store.put(b"needed", MODEL)
    store.write(OllamaName.parse("x"), Manifest(needed, (needed,)))
    blobs = store.blobs
    os.utime(store.blob(needed.digest), (0, 0))
    _make(blobs / f"sha256-{HEX}", age=2 * HOUR)
    _make(blobs / f"sha256-{HEX[::-1]}", age=HOUR / 2)
    _make(blobs / f"sha256-{HEX}-partial")
    _make(blobs / f"sha256-{HEX}-partial.json")
    _make(blobs / f"sha256-{HEX[::-1]}-partial")
    _make(blobs / f"sha256-{HEX[::-1]}-partial-3", age=2 * HOUR)
    _make(blobs / "README", age=100 * HOUR)
    (blobs / ".adopt-xyz").mkdir()
    os.utime(blobs / ".adopt-xyz", (0, 0))
    found = remnants([tmp_path / "models"], store)
    assert _names(found) == sorted(
        [
            ".adopt-xyz",
            f"sha256-{HEX}",
            f"sha256-{HEX}-partial",
            f"sha256-{HEX}-partial.json",
            f"sha256-{HEX[::-1]}-partial-3",
        ]
    )
    busy, free = split(found, [blobs / f"sha256-{HEX}-partial"])
    assert len(busy) == 2
    assert len(remove(free)) == 3
    assert remove(free) == []
    assert store.has(needed.digest)


def test_nothing_is_needless_while_a_manifest_cannot_be_read(store):
    _make(store.blobs / f"sha256-{HEX}", age=2 * HOUR)
    assert _names(remnants([], store)) == [f"sha256-{HEX}"]
    _make(store.manifests / "h" / "n" / "m" / "t")
    assert remnants([], store) == []


def test_a_store_of_another_program_is_left_alone(store):
    _make(store.blobs / f"sha256-{HEX}", age=2 * HOUR)
    moved = store.blobs.rename(store.root / "elsewhere")
    store.blobs.symlink_to(moved)
    assert remnants([], store) == []


def test_folders_that_are_absent(tmp_path, store):
    assert remnants([tmp_path / "gone"], Store(tmp_path / "none")) == []
