"""The `chat` section: where its database is, what of it is secret, and who said what."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddock.config.difference import difference
from paddock.config.load import load
from paddock.config.show import as_yaml_text
from paddock.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    file = folder / "house.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("chats.db", "{folder}/chats.db"),
        ("~/chats.db", "/home/x/chats.db"),
        ("/var/chats.db", "/var/chats.db"),
        ("postgresql://me:s3cret@db.lan/chat", "postgresql://me:s3cret@db.lan/chat"),
    ],
)
def test_a_database_is_a_file_or_a_url(tmp_path, said, meant):
    file = written(tmp_path, f"chat: {{database: '{said}'}}\n")
    config = load(file, {"HOME": "/home/x"}, {})
    assert config.chat.database == meant.format(folder=tmp_path)


@pytest.mark.parametrize("url", ["mysql://a:hunter22@b/c", "''", "http://db"])
def test_another_database_is_refused_without_telling_its_password(tmp_path, url):
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, f"chat: {{database: {url}}}\n"), {"HOME": "/h"}, {})
    assert "chat.database" in str(caught.value)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:pa%24%24word@db.lan/chat",
        "postgresql://db.lan/chat?user=me&password=pa%24%24word",
    ],
)
def test_its_password_is_never_shown(tmp_path, url):
    config = load(written(tmp_path, f"chat: {{database: '{url}'}}\n"), {"HOME": "/h"}, {})
    shown = as_yaml_text(config) + (config.chat.shown_database or "")
    assert "db.lan/chat" in shown
    assert "word" not in shown.replace("password", "")
    assert "pa$$word" not in config.masking.text("could not connect as me:pa$$word")


def test_who_said_what_is_known(tmp_path):
    text = "chat:\n  title: Home\n  signUp:\n  uploads: {largest: 5MB}\n"
    env = {"HOME": "/h", "PADDOCK_CHAT_DATABASE": "postgresql://db/chat"}
    config = load(written(tmp_path, text), env, {})
    assert config.origin("chat.title") == "house.yaml"
    assert config.origin("chat.uploads.largest") == "house.yaml"
    assert config.origin("chat.database") == "PADDOCK_CHAT_DATABASE"
    assert [config.origin(key) for key in ("chat.signUp", "chat.sessionDays", "title")] == [""] * 3


def test_a_file_in_the_environment_is_one_of_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load(None, {"HOME": "/h", "PADDOCK_CHAT_DATABASE": "chats.db"}, {})
    assert config.chat.database == str(tmp_path / "chats.db")


def test_another_database_waits_for_a_restart(tmp_path):
    old = load(written(tmp_path, "chat: {title: A, database: a.db}\n"), {"HOME": "/h"}, {})
    new = load(written(tmp_path, "chat: {title: B, database: b.db}\n"), {"HOME": "/h"}, {})
    found = difference(old, new)
    assert [change.key for change in found.changes] == ["chat.title"]
    assert found.needs_restart == ("chat.database",)
    assert (found.config.chat.title, found.config.chat.database) == ("B", old.chat.database)
