import os

import pytest

from paddock.config.source import Source
from paddock.errors import ConfigError


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "paddock.yaml"
    file.write_text("defaultTtl: 1\n")
    return file


def loaded(file, **more):
    source = Source(file, {"HOME": "/nowhere"}, **more)
    source.load()
    return source


def write_in_place(file):
    file.write_text("defaultTtl: 2\n")


def replace(file):
    other = file.with_suffix(".new")
    other.write_text("defaultTtl: 1\n")
    other.rename(file)


def replace_by_an_older_copy(file):
    status = file.stat()
    write_in_place(file)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [write_in_place, replace, replace_by_an_older_copy, os.unlink],
    ids=lambda f: f.__name__,
)
def test_every_way_to_change_a_file_is_seen(file, change):
    source = loaded(file)
    assert not source.has_changed()
    change(file)
    assert source.has_changed()


def test_what_was_read_is_no_change_any_more_even_when_it_was_refused(file):
    source = loaded(file)
    file.write_text("defaultTtl: [\n")
    with pytest.raises(ConfigError):
        source.load()
    assert not source.has_changed()


def test_a_link_that_leads_elsewhere_is_a_change(tmp_path, file):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "c.yaml").write_text("defaultTtl: 1\n")
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "c.yaml").symlink_to("..data/c.yaml")
    source = loaded(tmp_path / "c.yaml")
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "..data")
    assert source.has_changed()


def test_the_files_of_a_folder_and_presets_are_looked_at(tmp_path, file):
    folder = tmp_path / "conf.d"
    folder.mkdir()
    presets = tmp_path / "models.ini"
    presets.write_text("")
    file.write_text(f"presets: [{presets}]\n")
    source = loaded(file, config_dir=folder)
    assert not source.has_changed()
    presets.write_text("\n")
    assert source.has_changed()
    source.load()
    (folder / "a.yaml").write_text("maxQueue: 5\n")
    assert source.has_changed()
    assert source.load().max_queue == 5
    assert source.files() == (file, folder / "a.yaml", presets)


@pytest.mark.parametrize("before", [None, "[a]\nmodel\n"])
def test_presets_that_were_refused_are_looked_at_until_they_are_right(tmp_path, file, before):
    source = loaded(file)
    presets = tmp_path / "models.ini"
    if before:
        presets.write_text(before)
    file.write_text("presets: [models.ini]\n")
    with pytest.raises(ConfigError):
        source.load()
    assert not source.has_changed()
    presets.write_text("[a]\nmodel = /m/a.gguf\n")
    assert source.has_changed()
    assert list(source.load().models) == ["a"]
    assert source.files() == (file, presets)


@pytest.mark.parametrize(
    ("text", "blank"),
    [("", True), (" \n\n", True), ("# a\n---\n", True), ("a: 1", False), ("# a\n\nb: 2\n", False)],
)
def test_a_file_that_says_nothing_is_blank(file, text, blank):
    file.write_text(text)
    assert Source(file, {}).is_blank() is blank


def test_a_missing_file_is_blank_and_no_file_is_not(tmp_path):
    assert Source(tmp_path / "no.yaml", {}).is_blank()
    assert not Source(None, {}).is_blank()


def test_flags_stay_as_they_were(file):
    flags = {"models": {"a": {"cmd": "x ${PORT}"}}}
    source = loaded(file, overrides=flags)
    assert list(source.load().models) == ["a"]
    assert flags == {"models": {"a": {"cmd": "x ${PORT}"}}}
