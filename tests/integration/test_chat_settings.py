"""What admins set and what they did, on SQLite and PostgreSQL."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from paddock.chat.settings import ChatSettings
from paddock.config.current import Current
from paddock.config.load import load
from paddock.config.schema import Config
from paddock.errors import InvalidRequest
from paddock.events import ConfigChanged, EventBus
from paddock.storage import audit, chat_settings
from paddock.storage.chat_store import Store


def written(folder: Path, text: str) -> Config:
    file = folder / "house.yaml"
    file.write_text(text)
    return load(file, {"HOME": "/h"}, {})


async def test_what_is_set_is_kept_until_it_is_not_set(store: Store) -> None:
    await store.write(lambda c: chat_settings.change(c, {"a": 1, "b": [True, "x"]}))
    await store.write(lambda c: chat_settings.change(c, {"a": 2, "b": None, "c": None}))
    assert await store.read(chat_settings.everything) == {"a": 2}


async def test_deeds_come_page_by_page_the_newest_first(store: Store) -> None:
    for number in range(5):
        detail = {"n": number}
        await store.write(
            partial(audit.note, actor="ada", action="did", subject="bob", detail=detail)
        )
    first = await store.read(lambda c: audit.page(c, 3))
    rest = await store.read(lambda c: audit.page(c, 3, before=first[-1].id))
    assert {deed.detail["n"] for deed in (*first, *rest)} == set(range(5))
    assert (len(first), len(rest)) == (3, 2)
    assert [deed.time for deed in first] == sorted((deed.time for deed in first), reverse=True)


async def test_what_was_done_to_an_account_before_it_was_made_is_not_about_it(store: Store) -> None:
    deed = await store.write(lambda c: audit.note(c, "ada", "did", "bob"))
    await store.write(lambda c: audit.note(c, "ada", "other", "bob"))
    assert await store.read(lambda c: audit.about(c, "bob", "did", deed.time, 9)) == [deed]
    assert not await store.read(lambda c: audit.about(c, "bob", "did", deed.time + 1, 9))


async def test_the_file_wins_from_the_moment_that_it_says_something(
    store: Store, tmp_path: Path
) -> None:
    current, bus = Current(written(tmp_path, "")), EventBus()
    settings = ChatSettings(current, store, bus)
    await settings.open()
    heard: list[str] = []
    settings.listen(lambda: heard.append(settings.now.title))
    await settings.change({"title": "Ours", "sessionDays": 3}, "ada")
    current.replace(written(tmp_path, "chat: {title: Theirs}"), (), ())
    bus.publish(ConfigChanged())
    assert (settings.get("title"), settings.get("sessionDays")) == ("Theirs", 3)
    current.replace(written(tmp_path, ""), (), ())
    bus.publish(ConfigChanged())
    settings.close()
    assert heard == ["Ours", "Theirs", "Ours"]
    (newest, *_) = await store.read(lambda c: audit.page(c, 1))
    assert (newest.actor, newest.action) == ("ada", "setting")


async def test_what_another_version_set_is_in_nobodys_way(store: Store, tmp_path: Path) -> None:
    strange = {"gone": 1, "sessionDays": 5}
    await store.write(lambda c: chat_settings.change(c, strange))
    settings = ChatSettings(Current(written(tmp_path, "")), store, EventBus())
    await settings.open()
    await store.write(lambda c: chat_settings.change(c, {"signUp": "sideways"}))
    await settings.open()
    assert (settings.now.session_days, settings.now.sign_up) == (5, "closed")


async def test_of_several_changes_all_or_none_is_made(store: Store, tmp_path: Path) -> None:
    settings = ChatSettings(Current(written(tmp_path, "")), store, EventBus())
    await settings.open()
    with pytest.raises(InvalidRequest) as caught:
        await settings.change({"title": "Ours", "sessionDays": "many"}, "ada")
    assert caught.value.param == "sessionDays"
    assert settings.now.title == "Paddock"
    assert await store.read(chat_settings.everything) == {}
