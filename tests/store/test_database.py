"""What a database does when it cannot do what it is asked."""

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import asyncpg
import pytest
from sqlalchemy import Connection, select, text

from tests.databases import NOON, HandClock, Server
from tests.store.building import Store, batch, opened, owed, poll
from watcher.errors import DatabaseUnusable, StoreUnavailable
from watcher.model.ports import Tick
from watcher.store import tables
from watcher.store.database import Database
from watcher.store.migrate import upgrade

SLOW = {
    "sqlite": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c",
    "postgresql": "SELECT pg_sleep(60)",
}
TICK = Tick(at=NOON, polls=[poll(batch())], changes=[(opened(), [owed()])])


def slow(connection: Connection) -> object:
    return connection.scalar(text(SLOW[connection.dialect.name]))


def answer(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT 42")))


def copy_files(folder: Path) -> Path:
    """The database and its write-ahead log as they are on disk now."""
    (folder / "copy").mkdir()
    for part in folder.glob("watcher.db*"):
        (folder / "copy" / part.name).write_bytes(part.read_bytes())
    return folder / "copy" / "watcher.db"


async def open_file(path: Path, *, create: bool = True, patience: int = 50) -> Database:
    return await Database.open(f"sqlite:///{path}", clock=HandClock(), create=create, patience=patience)


async def test_a_locked_database_refuses_a_tick_whole_and_takes_it_later(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    async with await open_file(path) as database:
        await upgrade(database)
        store = await Store.on(database)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="database is locked"):
                await store.book.commit(TICK)
            assert await store.history.sights() == []  # readers go on meanwhile

        assert len(await store.book.commit(TICK)) == 1


async def test_a_full_database_refuses_a_tick_whole_and_takes_it_later(tmp_path: Path) -> None:
    async with await open_file(tmp_path / "watcher.db") as database:
        await upgrade(database)
        store = await Store.on(database)
        full = Tick(at=NOON, polls=[poll(*(batch(value=float(number)) for number in range(500)))])
        await database.write(lambda one: one.scalar(text("PRAGMA max_page_count = 1")))
        with pytest.raises(StoreUnavailable, match="database or disk is full"):
            await store.book.commit(full)
        assert not await store.journal.cursors()

        await database.write(lambda one: one.scalar(text("PRAGMA max_page_count = 100000")))
        await store.book.commit(full)
        assert len(await store.batches()) == 500


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all\n" * 100)

    with pytest.raises(DatabaseUnusable, match=f"database {path}: file is not a database; it must be"):
        await open_file(path)
    assert path.read_text() == "not a database at all\n" * 100


async def test_a_file_that_another_program_holds_is_not_called_a_wrong_file(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    async with await open_file(path) as database:
        await upgrade(database)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnusable, match="database is locked; another program holds it: end that"):
            await open_file(path)


async def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    async with await open_file(tmp_path / "var" / "watcher.db") as database:
        assert await database.read(answer) == 42


async def test_a_missing_folder_of_a_missing_folder_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match=f"folder {tmp_path / 'a'} does not exist; make it"):
        await open_file(tmp_path / "a" / "b" / "watcher.db")


async def test_a_reader_makes_no_database(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"

    with pytest.raises(DatabaseUnusable, match="there is no such file; `watcher run` makes it"):
        await open_file(path, create=False)
    assert not path.exists()


@pytest.fixture
def foreign() -> Iterator[Path]:
    """A folder of this test's, which it cannot write to: root gives up its rights meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with closing(sqlite3.connect(folder / "watcher.db")) as connection:
            connection.execute("CREATE TABLE t (x)")
        (folder / "watcher.db").chmod(0o444)
        was = os.geteuid()
        if was == 0:
            os.seteuid(65_534)
        else:
            folder.chmod(0o555)
        yield folder
        os.seteuid(was)
        folder.chmod(0o755)


async def test_a_file_that_may_not_be_written_is_refused(foreign: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="attempt to write a readonly database; it must be"):
        await open_file(foreign / "watcher.db")


async def test_a_folder_that_may_not_be_written_is_refused(foreign: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="unable to open database file; it must be"):
        await open_file(foreign / "new.db")
    with pytest.raises(DatabaseUnusable, match=r"folder .*/var cannot be made: Permission denied"):
        await open_file(foreign / "var" / "new.db")


async def test_a_query_that_takes_too_long_is_ended(database: Database) -> None:
    with pytest.raises(StoreUnavailable, match=r"took too long|no answer in time"):
        await database.read(slow, within=50)

    assert await database.read(answer) == 42


async def test_queries_that_were_cancelled_leave_nothing_running(tmp_path: Path) -> None:
    """A task left behind by one can keep the process from ending."""
    async with await open_file(tmp_path / "watcher.db", patience=5_000) as database:
        for _ in range(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(database.read, slow)
                await anyio.sleep(0.002)
                tasks.cancel_scope.cancel()

        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await database.read(answer) == 42


async def test_a_query_whose_caller_is_cancelled_is_ended(database: Database) -> None:
    """SQLite goes on in its thread after a cancellation, unless it is told."""
    with anyio.fail_after(5), anyio.move_on_after(0.1):
        await database.read(slow)

    assert await database.read(answer) == 42


async def test_a_transaction_whose_caller_is_cancelled_is_whole(database: Database) -> None:
    store = await Store.on(database)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.book.commit, TICK)
        await asyncio.sleep(0)
        tasks.cancel_scope.cancel()

    assert len(await store.batches()) == len(await store.journal.standing())


async def test_a_query_cannot_write(tmp_path: Path) -> None:
    async with await open_file(tmp_path / "watcher.db") as database:
        await upgrade(database)
        with pytest.raises(StoreUnavailable, match="readonly"):
            await database.read(lambda one: one.execute(text("DELETE FROM lease")).rowcount)


async def test_readers_see_whole_ticks_while_one_is_written(database: Database) -> None:
    store = await Store.on(database)

    def half(connection: Connection) -> None:
        connection.execute(tables.cursor.insert().values(source="a", stream="b", position=1, since=1))
        raise StoreUnavailable("the cable is out")

    with pytest.raises(StoreUnavailable, match="cable"):
        await database.write(half)
    assert not await store.journal.cursors()


async def test_inline_everything_happens_before_the_call_returns(tmp_path: Path) -> None:
    """For virtual time: no thread, so the loop's clock has nothing to wait for."""
    url = f"sqlite:///{tmp_path / 'watcher.db'}"
    async with await Database.open(url, clock=HandClock(), inline=True) as database:
        await upgrade(database)
        store = await Store.on(database)
        running = store.book.commit(TICK)
        with pytest.raises(StopIteration) as finished:
            running.send(None)

        assert len(finished.value.value) == 1
        assert len(await store.batches()) == 1
        assert await store.history.backlog() == {"mail/0": 1}


async def test_what_was_committed_is_on_disk_when_the_process_dies(tmp_path: Path) -> None:
    """A copy of the files, taken without closing anything, opens and holds the tick."""
    async with await open_file(tmp_path / "watcher.db") as database:
        await upgrade(database)
        await (await Store.on(database)).book.commit(TICK)
        copied = copy_files(tmp_path)

    async with await open_file(copied, create=False) as copy:
        rows = await copy.read(lambda one: one.execute(select(tables.incident)).all())
    assert len(rows) == 1


@pytest.mark.postgres
async def test_connections_cut_by_the_server_are_an_outage_and_then_over(postgres_server: Server) -> None:
    name = await postgres_server.migrated()
    async with await Database.open(postgres_server.named(name), clock=HandClock()) as database:
        store = await Store.on(database)
        await postgres_server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
        )
        with pytest.raises(StoreUnavailable):
            await store.book.commit(TICK)

        assert len(await store.book.commit(TICK)) == 1
    await postgres_server.give_back(name)


@pytest.mark.postgres
async def test_a_row_that_is_locked_too_long_refuses_a_tick_whole(postgres_server: Server) -> None:
    name = await postgres_server.migrated()
    url = postgres_server.named(name)
    async with await Database.open(url, clock=HandClock(), patience=100) as database:
        store = await Store.on(database)
        other = await asyncpg.connect(url)
        await other.execute("BEGIN; SELECT * FROM lease FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await store.book.commit(TICK)
        await other.close()

        assert len(await store.book.commit(TICK)) == 1
    await postgres_server.give_back(name)


@pytest.mark.postgres
async def test_what_a_tick_is_changing_gets_no_reason_and_holds_up_nobody(postgres_server: Server) -> None:
    """Who notes why rows wait takes them in another order than a tick: neither may wait for the other."""
    name = await postgres_server.migrated()
    url = postgres_server.named(name)
    async with await Database.open(url, clock=HandClock(), patience=100) as database:
        store = await Store.on(database)
        await store.book.commit(TICK)
        other = await asyncpg.connect(url)
        await other.execute("BEGIN; UPDATE outbox SET reason = 'superseded'")
        await store.outbox.noted("mail/0", at=NOON, reason="waits, for there are many")
        await other.execute("COMMIT")
        await other.close()

        [row] = await store.outbox.claim("mail/0", at=NOON, lease=1, limit=1)
        assert row.reason == "superseded"
    await postgres_server.give_back(name)
