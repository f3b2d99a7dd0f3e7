import os
from pathlib import Path

import pytest

from paddock.library.walk import walk


def names(found):
    return sorted(Path(file.path).name for file in found.files)


def reasons(found):
    return {left.path.name: left.reason for left in found.left_out}


def test_ggufs_are_found_at_any_depth_and_in_any_case(models):
    for name in ("a.gguf", "b.GGUF", "x/y/z/c.gguf", "readme.txt", "d.gguf.part", "e.gguf.tmp"):
        path = models / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found = walk([models])
    assert names(found) == ["a.gguf", "b.GGUF", "c.gguf"]
    assert found.left_out == []
    assert sorted(found.folders.values()) == sorted(
        str(models / folder) for folder in ("", "x", "x/y", "x/y/z")
    )


def test_hidden_files_and_folders_are_passed_by(models):
    (models / ".zfs").mkdir()
    (models / ".zfs" / "a.gguf").touch()
    (models / ".b.gguf").touch()
    found = walk([models])
    assert names(found) == []
    assert found.left_out == []


def test_what_is_no_file_is_left_out_with_its_kind(models):
    os.mkfifo(models / "fifo.gguf")
    (models / "folder.gguf").mkdir()
    (models / "folder.gguf" / "inside.gguf").touch()
    found = walk([models])
    assert reasons(found) == {
        "fifo.gguf": "a FIFO, not a file",
        "folder.gguf": "a folder, not a file",
    }
    assert names(found) == ["inside.gguf"]


def test_links_count_only_inside_the_folders(models, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.gguf").touch()
    (models / "real.gguf").touch()
    (models / "blob").touch()
    (models / "inside.gguf").symlink_to("real.gguf")
    (models / "to-blob.gguf").symlink_to("blob")
    (models / "out.gguf").symlink_to(outside / "secret.gguf")
    (models / "out-twice.gguf").symlink_to("out.gguf")
    (models / "out-folder").symlink_to(outside)
    (models / "up").symlink_to("..")
    (models / "zero.gguf").symlink_to("/dev/zero")
    (models / "nothing.gguf").symlink_to("no-such-file")
    (models / "circle.gguf").symlink_to("circle.gguf")
    (models / "circle").symlink_to("circle")
    (models / "self").symlink_to(".")
    (models / "text").symlink_to("/etc/hostname")
    found = walk([models])
    assert names(found) == ["inside.gguf", "real.gguf", "to-blob.gguf"]
    left = reasons(found)
    assert left.pop("nothing.gguf") == "a link to nothing"
    assert "symbolic links" in left.pop("circle.gguf")
    assert set(left) == {"out.gguf", "out-twice.gguf", "out-folder", "up", "zero.gguf"}
    assert all("out of the models folder" in reason for reason in left.values())


def test_a_sister_folder_with_a_longer_name_is_outside(models, tmp_path):
    (tmp_path / "models-private").mkdir()
    (tmp_path / "models-private" / "a.gguf").touch()
    (models / "a.gguf").symlink_to(tmp_path / "models-private" / "a.gguf")
    assert names(walk([models])) == []


def test_a_link_between_two_models_folders_counts(models, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.gguf").touch()
    (models / "b.gguf").symlink_to(other / "a.gguf")
    assert names(walk([models, other])) == ["a.gguf", "b.gguf"]


def test_a_models_folder_that_is_a_link_is_followed(models, tmp_path):
    (models / "a.gguf").touch()
    (tmp_path / "link").symlink_to(models)
    found = walk([tmp_path / "link"])
    assert [file.path for file in found.files] == [str(tmp_path / "link" / "a.gguf")]


def test_a_folder_named_twice_or_inside_another_is_looked_into_once(models):
    (models / "sub").mkdir()
    (models / "sub" / "a.gguf").touch()
    assert names(walk([models, models / "sub", models])) == ["a.gguf"]


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_models_folder_that_is_none_is_told(tmp_path, kind):
    folder = tmp_path / "models"
    if kind == "file":
        folder.touch()
    found = walk([folder])
    assert found.files == []
    assert "cannot be read" in reasons(found)["models"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_told(models):
    (models / "closed").mkdir(mode=0)
    (models / "a.gguf").touch()
    found = walk([models])
    assert names(found) == ["a.gguf"]
    assert reasons(found) == {"closed": "this folder cannot be read: permission denied"}
    (models / "closed").chmod(0o700)


@pytest.mark.parametrize("name", [b"a\nb.gguf", b"a\x1b[31m.gguf", b"a\xff.gguf"])
def test_a_name_that_cannot_be_shown_is_left_out_and_shown_escaped(models, name):
    Path(os.fsdecode(bytes(models) + b"/" + name)).touch()
    found = walk([models])
    assert found.files == []
    (left,) = found.left_out
    assert str(left.path).isprintable()
    assert str(left.path).encode()
    assert "rename it" in left.reason


def test_a_folder_with_such_a_name_is_not_entered(models):
    (models / "a\nb").mkdir()
    (models / "a\nb" / "c.gguf").touch()
    found = walk([models])
    assert found.files == []
    assert "rename it" in found.left_out[0].reason
