"""Whose the bytes are: on real files, with links of every kind."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddock.errors import UnknownModel
from paddock.library.catalog import EMPTY
from paddock.library.digest import Digest
from paddock.library.manifest import MODEL, PROJECTOR, Manifest
from paddock.library.ollama_name import OllamaName
from paddock.library.store import Store
from paddock.library.usage import ELSEWHERE, Holder, Usage, holders, resolve, room_of


def _file(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def test_a_model_alone(tmp_path):
    files = (_file(tmp_path / "a-1.gguf", 10), _file(tmp_path / "a-2.gguf", 5))
    usage = Usage([Holder("a", files)])
    assert usage.total == usage.inside(tmp_path) == 15
    (share,) = usage.shares()
    assert share == ("a", 15, 15, 0, ())
    removal = usage.removal("a")
    assert (removal.freed, removal.shared, removal.breaks) == (15, (), ())
    assert removal.files == ((files[0], 10), (files[1], 5))
    with pytest.raises(UnknownModel):
        usage.removal("b")


def test_a_projector_of_two_models_stays_until_the_last_goes(tmp_path):
    eyes = _file(tmp_path / "mmproj.gguf", 3)
    small, large = _file(tmp_path / "q4.gguf", 4), _file(tmp_path / "q8.gguf", 8)
    usage = Usage([Holder("q4", (small, eyes)), Holder("q8", (large, eyes))])
    assert usage.total == 15
    assert usage.shares() == (("q8", 11, 8, 3, ("q4",)), ("q4", 7, 4, 3, ("q8",)))
    removal = usage.removal("q4")
    assert removal.freed == 4
    assert removal.files == ((small, 4),)
    assert removal.shared == ((eyes, 3, ("q8",)),)
    assert Usage([Holder("q8", (large, eyes))]).removal("q8").freed == 11


def test_a_hard_link_holds_the_bytes(tmp_path):
    file, blob = _file(tmp_path / "x.gguf", 9), tmp_path / "blob"
    os.link(file, blob)
    usage = Usage([Holder("x", (file,)), Holder("y:latest", (blob,))])
    assert usage.total == 9
    assert usage.shares()[0] == ("x", 9, 0, 9, ("y:latest",))
    removal = usage.removal("x")
    assert (removal.freed, removal.files, removal.breaks) == (0, ((file, 0),), ())
    assert removal.shared == ((file, 9, ("y:latest",)),)


def test_a_hard_link_of_somebody_else_holds_the_bytes_too(tmp_path):
    file = _file(tmp_path / "x.gguf", 9)
    os.link(file, tmp_path / "elsewhere")
    usage = Usage([Holder("x", (file,))])
    assert usage.shares() == (("x", 9, 0, 9, (ELSEWHERE,)),)
    assert usage.removal("x").freed == 0


def test_a_reference_goes_alone_and_breaks_with_its_file(tmp_path):
    file, blob = _file(tmp_path / "x.gguf", 9), tmp_path / "blob"
    blob.symlink_to(file)
    usage = Usage([Holder("x", (file,)), Holder("y:latest", (blob,))])
    assert usage.total == 9
    assert usage.removal("y:latest").freed == 0
    assert usage.removal("y:latest").breaks == ()
    assert usage.removal("x").freed == 9
    assert usage.removal("x").breaks == ("y:latest",)


def test_what_is_absent_or_no_file_does_not_count(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    names = ("gone", "folder", "nowhere")
    usage = Usage([Holder("x", tuple(tmp_path / name for name in names))])
    assert usage.total == 0
    assert usage.shares() == (("x", 0, 0, 0, ()),)
    assert usage.removal("x").files == ()


def test_the_names_of_a_store_share_blobs(tmp_path):
    store = Store(tmp_path / "store")
    weights, eyes = store.put(b"w" * 100, MODEL), store.put(b"e" * 10, PROJECTOR)
    config = store.put(b"{}", "config")
    for name, layers in (("a", (weights,)), ("b", (weights, eyes))):
        store.write(OllamaName.parse(name), Manifest(config, layers))
    bad = store.manifests / "registry.ollama.ai" / "library" / "bad" / "latest"
    bad.parent.mkdir()
    bad.write_text("no manifest")

    found = holders(EMPTY, store)
    assert [holder.name for holder in found] == ["a:latest", "b:latest"]
    usage = Usage(found)
    assert usage.total == 112
    removal = usage.removal("b:latest")
    assert removal.freed == 10
    assert removal.files == ((store.blob(eyes.digest), 10),)
    assert {kept.others for kept in removal.shared} == {("a:latest",)}
    assert resolve("B", found) == found[1]
    assert resolve("b:other", found) is None
    bad.unlink()
    assert store.remove(OllamaName.parse("b")) == (eyes.digest,)
    assert Usage(holders(EMPTY, store)).removal("a:latest").freed == 102
    assert Digest.of(b"w" * 100) == weights.digest


def test_the_room_of_a_folder(tmp_path):
    told = os.statvfs(tmp_path)
    room = room_of(tmp_path / "not" / "there", 7)
    assert room.used == 7
    assert room.total == told.f_blocks * told.f_frsize
    assert 0 < room.free <= room.total


_NAMES = ["m1", "m2", "m3"]


@st.composite
def _links(draw):
    """Files, hard links to them, references to any of these, and who holds what."""
    files = draw(st.lists(st.integers(0, 50), min_size=1, max_size=4))
    hard = draw(st.lists(st.integers(0, len(files) - 1), max_size=4))
    entries = len(files) + len(hard)
    references = draw(st.lists(st.integers(0, entries - 1), max_size=3))
    held = st.lists(st.integers(0, entries + len(references) - 1), max_size=6)
    return files, hard, references, {name: draw(held) for name in _NAMES}


def _make(folder, files, hard, references):
    paths = [_file(folder / f"file{n}", size) for n, size in enumerate(files)]
    for number, target in enumerate(hard):
        os.link(paths[target], path := folder / f"hard{number}")
        paths.append(path)
    for number, target in enumerate(references):
        (path := folder / f"reference{number}").symlink_to(paths[target])
        paths.append(path)
    return paths


def _on_disk(folder):
    """Bytes of all files in a folder, each once."""
    files = [path.lstat() for path in folder.iterdir() if not path.is_symlink()]
    return sum({one.st_ino: one.st_size for one in files}.values())


@settings(max_examples=200, deadline=None)
@given(_links(), st.sampled_from(_NAMES))
def test_what_is_told_is_what_happens(links, name):
    files, hard, references, held = links
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = _make(folder, files, hard, references)
        known = [Holder(one, tuple(paths[n] for n in numbers)) for one, numbers in held.items()]
        usage = Usage(known)
        shares = {share.name: share for share in usage.shares()}
        assert all(share.size == share.unique + share.shared for share in shares.values())
        assert sum(share.unique for share in shares.values()) <= usage.total <= _on_disk(folder)
        assert usage.total <= sum(share.size for share in shares.values())
        removal = usage.removal(name)
        assert shares[name].unique <= removal.freed <= shares[name].size
        before = _on_disk(folder)
        for file in removal.files:
            file.path.unlink()
        assert before - _on_disk(folder) == removal.freed == sum(f.size for f in removal.files)
        for other in set(_NAMES) - {name} - set(removal.breaks):
            assert all(paths[number].is_file() for number in held[other])
