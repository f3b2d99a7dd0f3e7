"""The chat's database, on SQLite and PostgreSQL: transactions, steps, what cannot be used."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, func, insert, select, text
from tests.fakes import postgres

from paddock.errors import PaddockError, StorageError
from paddock.storage import chat_migrations, chats
from paddock.storage.chat_migrations import NEWEST, STEPS, migrate
from paddock.storage.chat_store import Store
from paddock.storage.chat_tables import CHATS, MESSAGES, METADATA, USERS
from paddock.storage.chats import Chat


def add_user(connection: Connection, user_id: str = "u") -> None:
    row: dict[str, Any] = {"id": user_id, "login": user_id, "name": user_id, "password": ""}
    row |= {"must_change": False, "role": "user", "created": 1, "last_seen": 1}
    connection.execute(insert(USERS).values(row | {"settings": {}, "limits": {}}))


def add_message(connection: Connection, message_id: str, chat_id: str, **changes: Any) -> None:
    row: dict[str, Any] = {"id": message_id, "user_id": "u", "chat_id": chat_id, "role": "user"}
    row |= {"content": "words", "reasoning": "", "files": [], "created": 1, "state": "done"}
    connection.execute(insert(MESSAGES).values(row | {"meta": {}} | changes))


async def test_a_change_is_kept_whole_or_not_at_all(store: Store) -> None:
    def fail(connection: Connection) -> None:
        add_user(connection)
        raise PaddockError("on the way")

    with pytest.raises(PaddockError, match="on the way"):
        await store.write(fail)
    assert await store.read(lambda c: c.scalar(select(func.count()).select_from(USERS))) == 0
    await store.write(add_user)
    assert await store.read(lambda c: c.scalar(select(func.count()).select_from(USERS))) == 1


async def test_a_read_sees_one_state_and_does_not_wait_for_a_write(store: Store) -> None:
    began, written = threading.Event(), threading.Event()

    def look(connection: Connection) -> tuple[int, int]:
        count = select(func.count()).select_from(USERS)
        before = connection.scalar(count)
        began.set()
        assert written.wait(20)
        return before or 0, connection.scalar(count) or 0

    looking = asyncio.gather(store.read(look), asyncio.to_thread(began.wait, 20))
    await asyncio.to_thread(began.wait, 20)
    await store.write(add_user)
    written.set()
    assert (await looking)[0] == (0, 0)


async def test_a_read_cannot_change_anything_on_postgresql(
    postgres_server: postgres.Server,
) -> None:
    with postgres_server.database() as url:
        store = Store(url)
        with pytest.raises(StorageError, match="read-only"):
            await store.read(add_user)
        await store.aclose()


async def test_nothing_is_lost_among_many_writers(store: Store) -> None:
    await store.write(add_user)
    await store.write(lambda c: chats.add(c, Chat("c", "u", 1, 1, settings={"n": 0})))

    def count(connection: Connection) -> None:
        chat = chats.get(connection, "u", "c")
        assert chat is not None
        chats.change(connection, "u", "c", settings={"n": chat.settings["n"] + 1})

    await asyncio.gather(*(store.write(count) for _ in range(50)))
    chat = await store.read(lambda c: chats.get(c, "u", "c"))
    assert chat is not None
    assert chat.settings == {"n": 50}


async def test_texts_that_no_database_keeps_are_mended(store: Store) -> None:
    await store.write(add_user)
    odd = "a\0b\ud800c \N{GRINNING FACE}"
    await store.write(lambda c: chats.add(c, Chat("c", "u", 1, 1, title=odd)))
    chat = await store.read(lambda c: chats.get(c, "u", "c"))
    assert chat is not None
    assert chat.title == "a\ufffdb\ufffdc \N{GRINNING FACE}"


async def test_what_belongs_to_a_user_goes_with_the_user(store: Store) -> None:
    def fill(connection: Connection) -> None:
        add_user(connection)
        chats.add(connection, Chat("c", "u", 1, 1))
        add_message(connection, "m", "c")

    await store.write(fill)
    await store.write(lambda c: c.execute(USERS.delete()))
    counts = [select(func.count()).select_from(table) for table in (CHATS, MESSAGES)]
    assert await store.read(lambda c: [c.scalar(count) for count in counts]) == [0, 0]


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.aclose()
    await store.aclose()
    with pytest.raises(StorageError, match="closed"):
        await store.read(lambda c: None)


# --- steps


@pytest.fixture
def engine(empty_database: Path | str) -> Iterator[Engine]:
    """An engine as the store makes it, on a database without a table."""
    store = Store(empty_database)
    engine = store.connected()
    yield engine
    engine.dispose()
    asyncio.run(store.aclose())


def version(engine: Engine) -> str:
    with engine.begin() as connection:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()


def test_the_steps_are_those_in_the_folder() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(chat_migrations.__file__).parent))
    found = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(step.revision for step in reversed(list(found))) == STEPS


@pytest.mark.parametrize("older", STEPS)
def test_from_every_version_to_the_newest_with_all_that_is_in_it(
    engine: Engine, older: str
) -> None:
    migrate(engine, older)
    with engine.begin() as connection:
        add_user(connection)
        chats.add(connection, Chat("c", "u", 1, 2, title="Bread", settings={"model": "m"}))
        add_message(connection, "m1", "c", content="How is it baked?", meta={"tokens": 3})
        add_message(connection, "m2", "c", parent_id="m1", role="assistant", files=["f"])
    migrate(engine)
    assert version(engine) == NEWEST
    with engine.begin() as connection:
        assert chats.get(connection, "u", "c") == Chat(
            "c", "u", 1, 2, title="Bread", settings={"model": "m"}
        )
        rows = connection.execute(select(MESSAGES).order_by(MESSAGES.c.id)).all()
        assert [(row.id, row.parent_id, row.files) for row in rows] == [
            ("m1", None, []),
            ("m2", "m1", ["f"]),
        ]
        assert rows[0].meta == {"tokens": 3}


def test_the_tables_are_those_of_the_code(engine: Engine) -> None:
    migrate(engine)
    ours = {table.name for table in METADATA.sorted_tables}

    def include(thing: Any, name: str | None, kind: str, *_: Any) -> bool:
        table = name if kind == "table" else thing.table.name
        return table in ours and not (name or "").endswith(("search_words", "with_files"))

    with engine.begin() as connection:
        options = {"include_object": include}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []


def test_nothing_is_done_twice_and_alembic_stays_out(empty_database: Path | str) -> None:
    code = """if True:
        import asyncio, sys
        from pathlib import Path
        from paddock.storage.chat_store import Store
        where = sys.argv[1]
        async def main():
            store = Store(where if "://" in where else Path(where))
            await store.open()
            await store.aclose()
            print("alembic" in sys.modules)
        asyncio.run(main())
    """
    words = [sys.executable, "-c", code, str(empty_database)]
    said = [subprocess.run(words, capture_output=True, text=True).stdout for _ in range(2)]
    assert said == ["True\n", "False\n"]


def test_one_that_a_newer_paddock_wrote_is_refused(engine: Engine) -> None:
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="newer Paddock") as caught:
        migrate(engine)
    assert "chat.database" in caught.value.hint
    assert version(engine) == "9999"


IN_THE_WAY = {
    "sqlite": "CREATE TRIGGER messages_search_change AFTER DELETE ON files BEGIN SELECT 1; END",
    "postgresql": "CREATE INDEX ix_messages_search_words ON files (name)",
}
"""Has the name of the last thing that step 0002 makes."""


def test_a_step_that_breaks_leaves_what_was(engine: Engine) -> None:
    migrate(engine, "0001")
    with engine.begin() as connection:
        add_user(connection)
        connection.execute(text(IN_THE_WAY[engine.dialect.name]))
    with pytest.raises(Exception, match="already exists"):
        migrate(engine)
    assert version(engine) == "0001"
    with engine.begin() as connection:
        kind, name = IN_THE_WAY[engine.dialect.name].split()[1:3]
        connection.execute(text(f"DROP {kind} {name}"))
    migrate(engine)
    assert version(engine) == NEWEST


async def test_two_that_open_it_at_once_take_the_steps_once(empty_database: Path | str) -> None:
    stores = [Store(empty_database) for _ in range(2)]
    await asyncio.gather(*(store.open() for store in stores))
    await stores[0].write(add_user)
    count = select(func.count()).select_from(USERS)
    assert await stores[1].read(lambda c: c.scalar(count)) == 1
    for store in stores:
        await store.aclose()


# --- what cannot be used


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("mysql://root@localhost/chat", "mysql is not supported"),
        ("sqlite:///chat.db", "sqlite is not supported"),
        ("not a url", "neither a file nor a URL"),
        ("postgresql://:badport:/x", "neither a file nor a URL"),
    ],
)
def test_a_url_of_another_kind(where: str, said: str) -> None:
    with pytest.raises(StorageError, match=said):
        Store(where)


async def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    store = Store("postgresql://me:secret@127.0.0.1:1/chat?connect_timeout=2")
    with pytest.raises(StorageError, match=r"127\.0\.0\.1/chat") as caught:
        await store.open()
    assert "secret" not in str(caught.value)
    await store.aclose()


async def test_what_is_missing_for_postgresql_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    store = Store("postgresql://me@127.0.0.1:1/chat")
    with pytest.raises(StorageError) as caught:
        await store.open()
    assert "llama-paddock[postgres]" in caught.value.hint
    await store.aclose()


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    path.write_bytes(b"no database at all" * 1000)
    store = Store(path)
    with pytest.raises(StorageError, match="not a database"):
        await store.open()
    await store.aclose()


async def test_the_file_is_its_users_only(tmp_path: Path) -> None:
    store = Store(tmp_path / "chat" / "chat.db")
    await store.open()
    await store.write(add_user)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "chat").iterdir()}
    assert set(modes.values()) == {0o600}
    await store.aclose()
