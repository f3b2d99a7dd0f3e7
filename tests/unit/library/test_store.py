"""The store: Ollama's layout, both ways, and nothing outside of it is touched."""

import json
import os
import shutil

import pytest
from tests.fakes.ollama_store import OllamaStore

from paddock.errors import (
    DigestMismatch,
    InvalidManifest,
    StoreError,
    StoreReadOnly,
    UnknownModel,
)
from paddock.library import manifest as kinds
from paddock.library.adopt import How
from paddock.library.digest import Digest, Hashed, Stamp
from paddock.library.manifest import Layer, Manifest
from paddock.library.ollama_name import OllamaName
from paddock.library.store import Store


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def store(root):
    return Store(root)


@pytest.fixture
def ollama(root):
    return OllamaStore(root)


@pytest.fixture
def gguf(tmp_path):
    path = tmp_path / "some.gguf"
    path.write_bytes(b"GGUF weights")
    return path


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious").write_text("keep me")
    return folder


def name(text):
    return OllamaName.parse(text)


def manifest_of(store, *texts):
    config = store.put(b"{}", kinds.CONFIG)
    return Manifest(config, tuple(store.put(text, kinds.SYSTEM) for text in texts))


def hashed(path):
    return Hashed(path, Digest.of(path.read_bytes()), Stamp.of(path.stat()))


def test_an_absent_store_is_empty_and_ours(store, root):
    assert list(store.names()) == []
    assert store.read(name("x")) is None
    assert not store.has(Digest.of(b""))
    assert store.writable
    store.prune()
    assert not root.exists()


def test_what_ollama_wrote_is_read(store, ollama, gguf):
    ollama.add("llama3.2:3b", gguf, system="Be brief.")
    ollama.add("hf.co/User/Repo:Q4_K_M.gguf", gguf)
    assert set(map(str, store.names())) == {"llama3.2:3b", "hf.co/User/Repo:Q4_K_M.gguf"}
    manifest = store.read(name("LLAMA3.2:3B"))
    (layer,) = manifest.of_type(kinds.SYSTEM)
    assert store.read_blob(layer.digest, 100) == b"Be brief."
    assert store.blob(manifest.of_type(kinds.MODEL)[0].digest).read_bytes() == b"GGUF weights"


def test_what_is_written_is_where_ollama_looks_and_can_be_read_by_all(store, root):
    manifest = manifest_of(store, b"Be brief.")
    assert store.write(name("User/M"), manifest) == ()
    path = root / "manifests" / "registry.ollama.ai" / "User" / "M" / "latest"
    assert json.loads(path.read_bytes())["layers"][0]["digest"] == str(Digest.of(b"Be brief."))
    blob = root / "blobs" / f"sha256-{Digest.of(b'Be brief.').hex}"
    assert blob.read_bytes() == b"Be brief."
    assert [oct(file.stat().st_mode & 0o777) for file in (path, blob)] == ["0o644"] * 2
    assert {entry.name for entry in (root / "manifests").iterdir()} == {"registry.ollama.ai"}


def test_a_name_keeps_its_case_when_it_is_written_again(store):
    store.write(name("User/M:Q4"), manifest_of(store, b"one"))
    assert store.write(name("user/m:q4"), manifest_of(store, b"two")) == (Digest.of(b"one"),)
    assert list(map(str, store.names())) == ["User/M:Q4"]
    assert store.find(name("USER/M:Q4")) == name("User/M:Q4")


def test_removing_lets_go_of_what_nobody_else_names(store, root):
    store.write(name("a"), manifest_of(store, b"own", b"shared"))
    store.write(name("b"), manifest_of(store, b"shared"))
    assert store.remove(name("A:latest")) == (Digest.of(b"own"),)
    assert list(map(str, store.names())) == ["b:latest"]
    assert not store.has(Digest.of(b"own"))
    assert not (root / "manifests/registry.ollama.ai/library/a").exists()
    assert set(store.remove(name("b"))) == {Digest.of(b"shared"), Digest.of(b"{}")}
    assert list((root / "blobs").iterdir()) == []
    assert list((root / "manifests").iterdir()) == []


@pytest.mark.parametrize("bad", [b"no json", b'{"layers": 1}'])
def test_one_unreadable_manifest_means_that_no_blob_is_removed(store, ollama, bad):
    store.write(name("a"), manifest_of(store, b"own"))
    ollama.write("broken", bad)
    assert store.remove(name("a")) == ()
    assert store.has(Digest.of(b"own"))
    assert list(map(str, store.names())) == ["broken:latest"]
    assert store.remove(name("broken")) == ()
    assert list(store.names()) == []


def test_a_manifest_of_a_name_that_is_none_still_counts(store, root):
    store.write(name("a"), manifest_of(store, b"own"))
    strange = root / "manifests" / "host" / "-strange" / "x"
    strange.mkdir(parents=True)
    shutil.copy(store.path_of(name("a")), strange / "latest")
    assert store.remove(name("a")) == ()
    assert store.has(Digest.of(b"own"))


def test_an_unknown_name_cannot_be_removed_or_copied(store):
    for act in (store.remove, lambda n: store.copy(n, name("b"))):
        with pytest.raises(UnknownModel):
            act(name("a"))


def test_a_copy_is_the_same_byte_for_byte(store, ollama, gguf):
    path = ollama.add("a", gguf)
    store.copy(name("A"), name("c:2"))
    assert store.path_of(name("c:2")).read_bytes() == path.read_bytes()


# --- blobs ---------------------------------------------------------------------------------------


def test_a_blob_comes_in_pieces(store):
    digest = Digest.of(b"one two")
    with store.receive(digest) as receiving:
        receiving.write(b"one ")
        receiving.write(b"two")
        assert not store.has(digest)
        receiving.commit()
    assert store.blob(digest).read_bytes() == b"one two"
    assert len(list(store.blobs.iterdir())) == 1


def test_a_blob_with_other_bytes_leaves_nothing(store):
    with store.receive(Digest.of(b"this")) as receiving:
        receiving.write(b"that")
        with pytest.raises(DigestMismatch, match="digest mismatch, expected sha256:"):
            receiving.commit()
    assert list(store.blobs.iterdir()) == []


def test_a_broken_upload_leaves_nothing(store):
    def break_off():
        with store.receive(Digest.of(b"this")) as receiving:
            receiving.write(b"th")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        break_off()
    assert list(store.blobs.iterdir()) == []


def test_two_may_receive_the_same_blob(store):
    digest = Digest.of(b"x")
    with store.receive(digest) as one, store.receive(digest) as other:
        for receiving in (one, other):
            receiving.write(b"x")
            receiving.commit()
    assert store.blob(digest).read_bytes() == b"x"


def test_only_old_partial_blobs_are_pruned(store):
    store.put(b"whole", kinds.SYSTEM)
    old = store.blobs / f"sha256-{'0' * 64}-partial-0"
    new = store.blobs / f"sha256-{'1' * 64}-partial"
    other = store.blobs / "my-partial-notes"
    for path in (old, new, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (0, 0))
    store.prune()
    left = {path.name for path in store.blobs.iterdir()}
    assert left == {new.name, other.name, Digest.of(b"whole").file_name}


# --- adopting ------------------------------------------------------------------------------------


def test_a_file_is_adopted_by_hard_link(store, gguf):
    file = hashed(gguf)
    assert store.adopt(file) is How.LINKED
    assert store.blob(file.digest).samefile(gguf)
    assert store.adopt(file) is How.PRESENT
    assert len(list(store.blobs.iterdir())) == 1


def test_a_file_on_another_disk_is_adopted_by_reference(store, gguf, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    file = hashed(gguf)
    monkeypatch.setattr("os.link", refuse)
    monkeypatch.setattr("fcntl.ioctl", refuse)
    assert store.adopt(file) is How.REFERENCED
    blob = store.blob(file.digest)
    assert (blob.is_symlink(), blob.read_bytes()) == (True, b"GGUF weights")
    assert store.adopt(file) is How.PRESENT
    store.write(name("a"), Manifest(store.put(b"{}", kinds.CONFIG), (layer(file),)))
    store.remove(name("a"))
    assert not blob.is_symlink()
    assert gguf.read_bytes() == b"GGUF weights"


def test_a_file_that_shares_blocks_is_adopted_by_reflink(store, gguf, monkeypatch):
    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    def clone(target, number, source):
        assert number == 0x40049409
        target.write(os.pread(source, 1000, 0))
        target.flush()

    monkeypatch.setattr("os.link", refuse)
    monkeypatch.setattr("fcntl.ioctl", clone)
    file = hashed(gguf)
    assert store.adopt(file) is How.REFLINKED
    blob = store.blob(file.digest)
    assert (blob.read_bytes(), blob.is_symlink()) == (b"GGUF weights", False)
    assert blob.stat().st_mode & 0o777 == 0o644


def layer(file):
    return Layer(kinds.MODEL, file.digest, file.stamp.size)


def test_a_file_that_changed_since_it_was_hashed_is_not_adopted(store, gguf):
    file = hashed(gguf)
    with gguf.open("ab") as more:
        more.write(b"!")
    with pytest.raises(StoreError, match="changed while it was taken"):
        store.adopt(file)
    assert not store.has(file.digest)


def test_a_reference_to_nothing_is_replaced(store, gguf):
    file = hashed(gguf)
    store.blobs.mkdir(parents=True)
    store.blob(file.digest).symlink_to("/nowhere")
    assert not store.has(file.digest)
    assert store.adopt(file) is How.LINKED


# --- what is hostile -----------------------------------------------------------------------------


def test_links_on_the_way_are_neither_read_nor_written(store, outside):
    store.write(name("a"), manifest_of(store, b"own"))
    (store.manifests / "evil").symlink_to(outside)
    (store.manifests / "registry.ollama.ai" / "evil").symlink_to(outside)
    assert list(map(str, store.names())) == ["a:latest"]
    for text in ("evil/x/y", "evil/y"):
        with pytest.raises(StoreReadOnly, match="reached by a link"):
            store.write(name(text), manifest_of(store, b"own"))
    assert [path.name for path in outside.iterdir()] == ["precious"]


def test_a_blob_that_is_a_link_is_only_unlinked(store, outside):
    digest = Digest.of(b"x")
    store.write(name("a"), Manifest(manifest_of(store).config, (Layer(kinds.MODEL, digest, 1),)))
    store.blob(digest).symlink_to(outside / "precious")
    assert digest in store.remove(name("a"))
    assert (outside / "precious").read_text() == "keep me"


def test_a_blobs_folder_that_is_a_link_is_only_read(store, root, ollama, gguf, outside):
    ollama.add("a", gguf)
    shutil.move(root / "blobs", outside / "blobs")
    (root / "blobs").symlink_to(outside / "blobs")
    assert store.has(Digest.of(b"GGUF weights"))
    assert not store.writable
    with pytest.raises(StoreReadOnly, match="is a link"):
        store.remove(name("a"))
    assert store.has(Digest.of(b"GGUF weights"))


@pytest.mark.parametrize("kind", ["folder", "fifo", "link", "huge"])
def test_what_is_no_small_file_is_no_manifest(store, outside, kind):
    path = store.path_of(name("a"))
    path.parent.mkdir(parents=True)
    if kind == "folder":
        path.mkdir()
        assert store.read(name("a")) is None
        return
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(outside / "precious")
    else:
        path.touch()
        os.truncate(path, 1 << 40)
    with pytest.raises(InvalidManifest):
        store.read(name("a"))
    store.remove(name("a"))
    assert (outside / "precious").read_text() == "keep me"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_store_of_another_user_is_only_read(store, root, ollama, gguf, tmp_path):
    ollama.add("a", gguf)
    other = 54321
    for path in (root, *root.rglob("*")):
        os.chown(path, other, other)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    assert store.read(name("a"))
    assert not store.writable
    acts = (
        lambda: store.write(name("b"), store.read(name("a"))),
        lambda: store.remove(name("a")),
        lambda: store.copy(name("a"), name("b")),
        lambda: store.put(b"x", kinds.SYSTEM),
        lambda: store.receive(Digest.of(b"x")).__enter__(),
        lambda: store.adopt(hashed(tmp_path / "new")),
        lambda: store.drop([Digest.of(b"GGUF weights")]),
    )
    (tmp_path / "new").write_bytes(b"new")
    for act in acts:
        with pytest.raises(StoreReadOnly, match="belongs to another user"):
            act()
    (tmp_path / "new").unlink()
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before
