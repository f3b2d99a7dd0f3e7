import sqlite3
import stat

import pytest

from paddock.errors import StorageError
from paddock.storage.database import Database
from paddock.storage.migrations import MIGRATIONS


async def test_work_is_done_in_a_file_that_is_made_for_this_user_only(tmp_path):
    path = tmp_path / "deep" / "activity.sqlite"
    database = Database(path)
    await database.run(lambda db: db.execute("CREATE TABLE mine (x)"))
    await database.aclose()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = Database(path)
    assert await again.run(lambda db: db.execute("SELECT count(*) FROM mine").fetchone()) == (0,)
    await again.aclose()


async def test_the_file_is_at_the_version_of_the_last_step_and_in_wal_mode(tmp_path):
    database = Database(tmp_path / "a.sqlite")
    version = await database.run(lambda db: db.execute("PRAGMA user_version").fetchone())
    mode = await database.run(lambda db: db.execute("PRAGMA journal_mode").fetchone())
    await database.aclose()

    assert (version, mode) == ((len(MIGRATIONS),), ("wal",))


async def test_work_that_fails_leaves_nothing_behind():
    database = Database(None)

    def fail(db):
        db.execute(
            "INSERT INTO requests SELECT 1, 1, 'm', 'm', '/', 200, '', 0, 0, 0, 0, 0, 0, 0, 0, "
            "NULL, 0, 0, 0, '', '', '', '', '', '', '{}'"
        )
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.run(fail)
    count = await database.run(lambda db: db.execute("SELECT count(*) FROM requests").fetchone())
    await database.aclose()
    assert count == (0,)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"this is no database, and never was one" * 100, "not a database"), (None, "directory")],
)
async def test_what_is_no_database_is_refused_with_what_to_do(tmp_path, content, told):
    path = tmp_path / "a.sqlite"
    path.mkdir() if content is None else path.write_bytes(content)
    database = Database(path)

    with pytest.raises(StorageError) as caught:
        await database.open()
    await database.aclose()

    assert str(path) in caught.value.message
    assert told in caught.value.message or "unable to open" in caught.value.message
    assert "store.path" in caught.value.hint


async def test_a_file_of_a_newer_version_is_not_touched(tmp_path):
    path = tmp_path / "a.sqlite"
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 999")
    other.close()
    database = Database(path)

    with pytest.raises(StorageError, match="newer"):
        await database.open()
    await database.aclose()


async def test_the_tables_of_another_program_in_the_same_file_stay(tmp_path):
    path = tmp_path / "a.sqlite"
    other = sqlite3.connect(path)
    other.executescript("CREATE TABLE activity (id); INSERT INTO activity VALUES (7)")
    other.close()
    database = Database(path)

    assert await database.run(lambda db: db.execute("SELECT id FROM activity").fetchall()) == [(7,)]
    await database.aclose()


async def test_closing_twice_is_fine_and_nothing_works_afterwards():
    database = Database(None)
    await database.open()
    await database.aclose()
    await database.aclose()

    with pytest.raises(StorageError, match="closed"):
        await database.open()
