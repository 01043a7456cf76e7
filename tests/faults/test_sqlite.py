"""SQLite when the power fails, the disk is full, or nobody may write: whole ticks or none."""

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final

import anyio
import pytest
from sqlalchemy import Connection, func, select, text

from tests.databases import NOON, HandClock
from tests.faults.tapped import tapped
from tests.store.building import Store, batch, key, opened, owed, poll
from watcher.errors import DatabaseUnusable, StoreReplaced
from watcher.model.ports import IncidentQuery, Tick
from watcher.model.time import MINUTE
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.lease import Lease
from watcher.store.migrate import upgrade
from watcher.store.tables import incident, journal, outbox, timeline

TICKS: Final = 60
A_TICK: Final = 40
"""Incidents, so that a tick is many pages."""
CUTS: Final = 40


def tick(number: int) -> Tick:
    at = NOON + number * MINUTE
    changes = [(opened(key(f"r{number}-{one}"), at=at), [owed()]) for one in range(A_TICK)]
    return Tick(at, polls=[poll(batch(start=at), position=at)], changes=changes)


class Mains:
    """The power: a cut leaves what was synced, and any part or none of what came after it."""

    def __init__(self, folder: Path, rng: Random) -> None:
        self.folder = folder
        self.synced = 0
        """Bytes of the write-ahead log that the last commit has made sure of."""
        self.acknowledged = 0
        """Ticks."""
        self.left: list[tuple[Path, int]] = []
        """What cuts have left, and how many ticks had been acknowledged."""
        self._rng = rng

    def maybe_cut(self, _connection: Connection) -> None:
        """Half the time."""
        if self._rng.random() < CUTS / (2 * TICKS):
            self._cut()

    def _cut(self) -> None:
        place = self.folder / f"cut{len(self.left)}"
        place.mkdir()
        for name in ("watcher.db", "watcher.db-wal"):  # the index of the log is memory, and gone
            (place / name).write_bytes((self.folder / name).read_bytes())
        log = place / "watcher.db-wal"
        end = self._rng.randint(min(self.synced, log.stat().st_size), log.stat().st_size)
        rest = log.stat().st_size - end
        torn = self._rng.randbytes(rest) if self._rng.random() < 0.5 else b""
        log.write_bytes(log.read_bytes()[:end] + torn)
        self.left.append((place / "watcher.db", self.acknowledged))


def counted(connection: Connection) -> tuple[int, ...]:
    assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    tables = incident, timeline, outbox, journal
    return tuple(connection.scalar(select(func.count()).select_from(one)) or 0 for one in tables)


async def test_what_a_power_cut_leaves_opens_and_holds_whole_ticks(tmp_path: Path) -> None:
    """Whatever was acknowledged is there, and of the one after it all or nothing."""
    mains = Mains(tmp_path, Random(20261122))  # noqa: S311 - a test's moments
    log = tmp_path / "watcher.db-wal"
    async with await Database.open(f"sqlite:///{tmp_path}/watcher.db", clock=HandClock()) as database:
        await upgrade(database)
        store = await Store.on(tapped(database, before=mains.maybe_cut, after=mains.maybe_cut))
        mains.left.clear()  # those of the start held no tick
        for number in range(TICKS):
            await store.book.commit(tick(number))
            mains.acknowledged, mains.synced = number + 1, log.stat().st_size
    for path, acknowledged in mains.left:
        async with await Database.open(f"sqlite:///{path}", clock=HandClock()) as database:
            incidents, stories, letters, batches = await database.read(counted)
        assert (incidents, stories, letters) == (batches * A_TICK,) * 3, path
        assert acknowledged <= batches <= acknowledged + 1, path
    sys.stdout.write(
        f"\n{len(mains.left)} power cuts in {TICKS} ticks: each left whole ticks, none was lost\n"
    )
    assert len(mains.left) > CUTS / 2


FILLED: Final = """
import asyncio, resource, signal, sys
from pathlib import Path
from tests.databases import HandClock
from tests.faults.test_sqlite import tick
from tests.store.building import Store
from watcher.errors import StoreUnavailable
from watcher.store.database import Database

async def main(path):
    async with await Database.open(f"sqlite:///{path}", clock=HandClock()) as database:
        store = await Store.on(database)
        room = Path(path + "-wal").stat().st_size + 300_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        done = 0
        try:
            for number in range(1000):
                await store.book.commit(tick(number))
                done += 1
        except StoreUnavailable as error:
            print(done, error)
        assert len(await store.history.sights()) == 1, "readers go on"
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await store.book.commit(tick(done))

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
asyncio.run(main(sys.argv[1]))
"""


async def test_a_full_disk_refuses_a_tick_whole_and_takes_it_once_there_is_room(tmp_path: Path) -> None:
    """The disk of a process of its own, which may write so much and no more."""
    path = tmp_path / "watcher.db"
    async with await Database.open(f"sqlite:///{path}", clock=HandClock()) as database:
        await upgrade(database)
    done = await anyio.run_process([sys.executable, "-c", FILLED, str(path)])
    committed, _, words = done.stdout.decode().partition(" ")
    async with await Database.open(f"sqlite:///{path}", clock=HandClock()) as database:
        incidents, stories, letters, batches = await database.read(counted)

    assert words.startswith(f"database {path}: ")
    assert 0 < int(committed) < 1000
    assert batches == int(committed) + 1
    assert (incidents, stories, letters) == (batches * A_TICK,) * 3


def allow(path: Path, mode: int) -> None:
    path.chmod(mode)


@pytest.fixture(params=["file", "folder"])
async def unwritable(request: pytest.FixtureRequest) -> AsyncIterator[Path]:
    """A database that may be read and not written: root gives up its rights meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "watcher.db"
        async with await Database.open(f"sqlite:///{path}", clock=HandClock()) as database:
            await upgrade(database)
            await (await Store.on(database)).apply(opened())
        allow(path, 0o444)
        allow(path.parent, 0o777 if request.param == "file" else 0o555)
        was = os.geteuid()
        if was == 0:
            os.seteuid(65_534)
        yield path
        os.seteuid(was)
        allow(path.parent, 0o755)


async def test_what_may_only_be_read_is_read(unwritable: Path) -> None:
    address = f"sqlite:///{unwritable}"
    async with await Database.open(address, clock=HandClock(), create=False) as database:
        assert len(await SqlHistory(database).incidents(IncidentQuery())) == 1


async def test_a_daemon_says_at_once_that_it_may_not_write(unwritable: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="attempt to write a readonly database; it must be"):
        await Database.open(f"sqlite:///{unwritable}", clock=HandClock())


def removed(path: Path) -> None:
    path.unlink()


def moved_with_its_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def replaced_by_a_copy(path: Path) -> None:
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    copy.rename(path)


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("away", [removed, moved_with_its_folder, replaced_by_a_copy])
async def test_a_daemon_whose_file_is_removed_or_replaced_says_so_and_writes_no_more(
    tmp_path: Path, away: Callable[[Path], None], *, inline: bool
) -> None:
    """It would go on writing what nobody can read. The next beat of its lease is enough."""
    path = tmp_path / "book" / "watcher.db"
    async with await Database.open(f"sqlite:///{path}", clock=HandClock(), inline=inline) as database:
        await upgrade(database)
        lease = Lease(database)
        await lease.acquire()
        away(path)

        with pytest.raises(StoreReplaced, match=f"database {path} was removed or replaced while in use"):
            await lease.heartbeat()


async def test_a_file_that_is_put_back_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    async with await Database.open(f"sqlite:///{path}", clock=HandClock()) as database:
        await upgrade(database)
        lease = Lease(database)
        await lease.acquire()
        path.rename(tmp_path / "away.db")
        with pytest.raises(StoreReplaced):
            await lease.heartbeat()
        (tmp_path / "away.db").rename(path)

        await lease.heartbeat()


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("left", ["-wal", "-shm"])
async def test_a_log_without_its_file_is_told_and_left_as_it_is(
    tmp_path: Path, left: str, *, create: bool
) -> None:
    """SQLite would delete the log, and with it what was committed last, as it makes a new file."""
    path = tmp_path / "watcher.db"
    beside = tmp_path / f"watcher.db{left}"
    beside.write_bytes(b"committed")

    with pytest.raises(DatabaseUnusable, match=f"is gone, though {beside} is there: it was removed under a"):
        await Database.open(f"sqlite:///{path}", clock=HandClock(), create=create)
    assert beside.read_bytes() == b"committed"
    assert not path.exists()


async def test_what_is_written_by_hand_meanwhile_is_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    async with await Database.open(f"sqlite:///{path}", clock=HandClock()) as database:
        await upgrade(database)
        lease = Lease(database)
        await lease.acquire()
        with closing(sqlite3.connect(path)) as other:
            other.execute("VACUUM")

        await lease.heartbeat()
