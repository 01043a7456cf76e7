"""What holds the daemon together: its lease is kept for as long as it works."""

import anyio
import pytest

from watcher.errors import LeaseLost, StoreUnavailable
from watcher.runtime.daemon import kept

pytestmark = pytest.mark.looptime


class Heart:
    """Counts its beats; fails as it was told to."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.beats = 0

    async def beat(self) -> None:
        self.beats += 1
        if self.failures:
            raise self.failures.pop(0)


async def test_the_lease_is_renewed_while_a_long_rebuild_lasts_and_no_longer() -> None:
    heart = Heart()

    async with kept(heart.beat):
        await anyio.sleep(61)
    await anyio.sleep(60)

    assert heart.beats == 12


async def test_a_database_that_is_away_for_a_while_ends_nothing() -> None:
    heart = Heart(StoreUnavailable("locked"), StoreUnavailable("locked"))

    async with kept(heart.beat):
        await anyio.sleep(21)

    assert heart.beats == 4


async def test_work_ends_when_another_daemon_has_taken_over() -> None:
    begun = anyio.current_time()

    with pytest.raises(ExceptionGroup) as caught:
        async with kept(Heart(LeaseLost("taken over")).beat):
            await anyio.sleep(3600)

    assert caught.group_contains(LeaseLost)
    assert anyio.current_time() - begun < 10
