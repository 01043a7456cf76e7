"""The lease on SQLite and on Postgres: one daemon a database."""

import os
import subprocess
import sys

import pytest

from tests.databases import NOON, HandClock
from watcher.errors import DatabaseUnusable, LeaseLost
from watcher.model.time import HOUR
from watcher.store import process
from watcher.store.database import Database
from watcher.store.lease import Lease


async def test_a_second_daemon_is_refused_and_told_who_is_in_its_way(database: Database) -> None:
    await Lease(database).acquire()
    pid, host = process.parts(process.name())

    with pytest.raises(DatabaseUnusable, match=f"in use by watcher pid {pid} on host {host} since 20"):
        await Lease(database).acquire()


async def test_a_released_lease_is_free_at_once(database: Database) -> None:
    first, second = Lease(database), Lease(database, holder="elsewhere:1:1")
    await first.acquire()
    await first.release()
    await second.acquire()

    assert second.epoch == first.epoch + 1
    await second.heartbeat()


async def test_a_daemon_on_another_machine_keeps_the_lease_until_it_ends(database: Database) -> None:
    """Whether it lives cannot be known from here."""
    await Lease(database, holder="elsewhere:4711:1", ttl=HOUR).acquire()

    with pytest.raises(DatabaseUnusable, match="pid 4711 on host elsewhere"):
        await Lease(database).acquire()


async def test_a_lease_that_ended_is_taken_over_and_its_holder_notices(database: Database) -> None:
    first, second = Lease(database, holder="elsewhere:4711:1", ttl=0), Lease(database)
    await first.acquire()
    await second.acquire()

    with pytest.raises(LeaseLost):
        await first.heartbeat()
    await second.heartbeat()


async def test_giving_up_a_lost_lease_takes_nothing_from_its_new_holder(database: Database) -> None:
    first, second = Lease(database, holder="elsewhere:4711:1", ttl=0), Lease(database)
    await first.acquire()
    await second.acquire()
    await first.release()

    await second.heartbeat()


async def test_a_killed_daemon_is_replaced_at_once_on_its_own_machine(database: Database) -> None:
    """Even before anybody has collected the dead process."""
    script = "from watcher.store import process; print(process.name(), flush=True); input()"
    with subprocess.Popen(  # noqa: ASYNC220, S603 - a process to kill; its output is one line
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        holder = child.stdout.readline().strip()
        await Lease(database, holder=holder, ttl=HOUR).acquire()
        with pytest.raises(DatabaseUnusable):
            await Lease(database).acquire()

        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - it is dying
        await Lease(database).acquire()


async def test_a_pid_used_again_is_not_taken_for_the_daemon(database: Database) -> None:
    """In a container every watcher is pid 1."""
    before = process.name().rpartition(":")[0] + ":1"
    await Lease(database, holder=before, ttl=HOUR).acquire()

    await Lease(database).acquire()


async def test_the_lease_lasts_as_long_as_it_is_renewed(database: Database, hand: HandClock) -> None:
    first = Lease(database, holder="elsewhere:4711:1", ttl=HOUR)
    await first.acquire()
    hand.at = NOON + 2 * HOUR
    await first.heartbeat()

    with pytest.raises(DatabaseUnusable):
        await Lease(database).acquire()
