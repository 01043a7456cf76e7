"""SQLite locked under a running daemon, as a backup or a shell does it: late, and nothing lost."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.town import (
    assert_each_was_told,
    catching,
    polled,
    settled,
    stop,
    town,
    until,
    watching,
)


@pytest.mark.timeout(400)
async def test_a_database_that_others_lock_delays_the_daemon_and_loses_nothing(tmp_path: Path) -> None:
    """Locked for longer than it waits, while it reads the past."""
    async with town(tmp_path) as place, catching() as catchers:
        config = place.configure("locked", catchers, limit=12, probed="1s")
        log = config.with_suffix(".log")
        async with watching(config) as daemon:
            await until(config, lambda incidents, _owed, _behind: len(incidents) > 0, seconds=60)
            with closing(sqlite3.connect(config.with_suffix(".db"), isolation_level=None)) as other:
                other.execute("PRAGMA busy_timeout = 10000")
                other.execute("BEGIN IMMEDIATE")
                await polled(lambda: "event=database_unavailable" in log.read_text(), seconds=60)
                other.execute("ROLLBACK")
            await until(config, settled, seconds=150)
            assert await stop(daemon) == 0

        assert "event=database_available" in log.read_text()
        await assert_each_was_told(config, catchers)
