"""kill -9 at random moments: the same incidents as without, none twice, none untold."""

import random
from pathlib import Path

import anyio
import pytest

from tests.databases import Server
from tests.e2e.town import (
    Catchers,
    Town,
    assert_each_was_told,
    catching,
    found,
    settled,
    stop,
    town,
    until,
    watching,
)


async def run_undisturbed(place: Town, name: str, catchers: Catchers) -> Path:
    config = place.configure(name, catchers)
    async with watching(config) as daemon:
        await until(config, settled, seconds=60)
        assert await stop(daemon) == 0
    return config


async def kill_repeatedly(config: Path, *, times: int, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's moments
    for _ in range(times):
        async with watching(config) as daemon:
            # Start-up takes about a second; the rest falls into backfill, telling and idling.
            await anyio.sleep(chance.uniform(0.6, 3.2))
            daemon.kill()
            await daemon.wait()


@pytest.mark.timeout(300)
async def test_twenty_kills_lose_nothing_and_double_nothing_on_sqlite(tmp_path: Path) -> None:
    async with town(tmp_path) as place, catching() as whole, catching() as killed:
        reference = await run_undisturbed(place, "reference", whole)
        config = place.configure("killed", killed, limit=12)
        await kill_repeatedly(config, times=20, seed=20261122)
        async with watching(config) as daemon:
            await until(config, settled, seconds=90)
            assert await stop(daemon) == 0

        assert await found(config) == await found(reference)
        await assert_each_was_told(config, killed)


@pytest.mark.postgres
@pytest.mark.timeout(300)
async def test_kills_lose_nothing_and_double_nothing_on_postgres(
    tmp_path: Path, postgres_server: Server
) -> None:
    database = postgres_server.named(await postgres_server.empty())
    async with town(tmp_path) as place, catching() as whole, catching() as killed:
        reference = await run_undisturbed(place, "reference", whole)
        config = place.configure("killed", killed, database=database, limit=12)
        await kill_repeatedly(config, times=6, seed=7)
        async with watching(config) as daemon:
            await until(config, settled, seconds=90)
            assert await stop(daemon) == 0

        assert await found(config) == await found(reference)
        await assert_each_was_told(config, killed)
