"""What people ended stays ended, wherever the daemon dies, with its snapshot and without."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from tests.app.lives import TICKS, polls
from tests.app.test_restart import SEED, place_at, until
from watcher.store import tables


def spoil(connection: Connection) -> int:
    """No snapshot can be read any more."""
    return connection.execute(update(tables.snapshot_piece).values(payload=b"spoilt")).rowcount


@pytest.mark.parametrize("part", range(2))
async def test_what_people_ended_stays_ended_through_a_death_at_any_write(tmp_path: Path, part: int) -> None:
    hands = range(3, TICKS, 4)
    async with place_at(tmp_path, "whole", polls(SEED)) as place:
        place.hands = hands
        await place.survive()
        told, steps = await place.told(), place.fate.steps
    assert sum("manual" in row for row in told) >= 3
    for left in range(2 + 25 * part, steps, 50):
        async with place_at(tmp_path, f"killed-{left}", polls(SEED)) as place:
            place.hands, place.fate.left = hands, left
            await place.survive()

            assert (left, await place.told()) == (left, told)


async def test_what_people_ended_stays_ended_without_a_snapshot(tmp_path: Path) -> None:
    hands = range(3, TICKS, 4)
    async with place_at(tmp_path, "whole", polls(SEED)) as place:
        place.hands = hands
        await place.survive()
        told = await place.told()
    for cut in range(5, TICKS, 9):
        async with place_at(tmp_path, f"damaged-{cut}", polls(SEED)) as place:
            place.hands = hands
            await until(place, cut)
            await place.samples.write(spoil)
            await place.survive()

            assert (cut, await place.told()) == (cut, told)
