"""Snapshots beside the ticks: when they are made, when one fails, and the last one at a stop."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest
from structlog.testing import capture_logs

from watcher.errors import StoreUnavailable
from watcher.model.snapshot import EngineDump, Kept
from watcher.model.time import MINUTE
from watcher.runtime.keeping import Keeping

pytestmark = pytest.mark.looptime


@dataclass
class Shelf:
    """Keeps snapshots in memory; takes `seconds` for each, and fails as it was told to."""

    failures: list[Exception] = field(default_factory=list)
    seconds: float = 0
    kept: list[Kept] = field(default_factory=list)
    pruned: list[Kept] = field(default_factory=list)

    async def keep(self, dump: EngineDump, row: int) -> Kept:
        await anyio.sleep(self.seconds)
        if self.failures:
            raise self.failures.pop(0)
        self.kept.append(Kept(f"{dump.meta['ticks']}", row))
        return self.kept[-1]

    async def prune(self, kept: Kept) -> None:
        self.pruned.append(kept)


@dataclass
class Ticking:
    """A pump of which only the ticks matter: each writes one row."""

    keeping: Keeping
    rows: list[int]

    async def tick(self, seconds: float = 60) -> None:
        await anyio.sleep(seconds)
        if self.keeping.durable is not None:
            self.keeping.named(self.keeping.durable)
        self.rows[0] += 1
        await self.keeping.after_tick(self.dump)

    def dump(self) -> EngineDump:
        return EngineDump({"ticks": self.rows[0]}, {})


@asynccontextmanager
async def ticking(shelf: Shelf, *, soon: bool = False) -> AsyncIterator[Ticking]:
    rows = [0]

    async def reached() -> int:
        return rows[0]

    keeping = Keeping(shelf, reached, every=5 * MINUTE, soon=soon)
    async with anyio.create_task_group() as group:
        group.start_soon(keeping.run)
        yield Ticking(keeping, rows)
        group.cancel_scope.cancel()


def held(shelf: Shelf) -> Sequence[int]:
    return [one.row for one in shelf.kept]


async def test_a_snapshot_is_kept_every_few_minutes_and_names_the_row_it_holds() -> None:
    shelf = Shelf()
    async with ticking(shelf) as pump:
        for _ in range(11):
            await pump.tick()

    assert held(shelf) == [5, 10]


@pytest.mark.parametrize("soon", [True, False])
async def test_after_a_rebuild_one_is_kept_that_the_first_tick_names(soon: bool) -> None:  # noqa: FBT001 - a case
    shelf = Shelf()
    async with ticking(shelf, soon=soon) as pump:
        pump.rows[0] = 7
        await pump.keeping.at_start(pump.dump)

        assert (held(shelf), pump.keeping.durable is not None) == ([7] if soon else [], soon)


async def test_the_ones_before_it_go_when_a_tick_has_named_it() -> None:
    shelf = Shelf()
    async with ticking(shelf) as pump:
        for _ in range(5):
            await pump.tick()
        await anyio.sleep(1)
        assert shelf.pruned == []
        await pump.tick()
        await anyio.sleep(1)

    assert shelf.pruned == [Kept("5", 5)]


async def test_ticks_do_not_wait_for_a_slow_disk_and_the_next_pause_is_longer() -> None:
    shelf = Shelf(seconds=60)
    async with ticking(shelf) as pump:
        began = anyio.current_time()
        for _ in range(30):
            await pump.tick()
        assert anyio.current_time() - began == 1800

    assert held(shelf) == [5, 26]


async def test_one_that_fails_is_told_once_and_tried_again() -> None:
    shelf = Shelf([StoreUnavailable("full"), StoreUnavailable("full")])
    with capture_logs() as logs:
        async with ticking(shelf) as pump:
            for _ in range(16):
                await pump.tick()

    assert held(shelf) == [15]
    assert [log["event"] for log in logs] == ["snapshot_failed", "snapshot_kept"]


async def test_a_stop_keeps_what_the_last_tick_made_after_what_is_under_way() -> None:
    shelf = Shelf(seconds=5)
    async with ticking(shelf) as pump:
        for _ in range(5):
            await pump.tick()
        await pump.tick(1)
        await pump.keeping.at_end(pump.dump)

    assert held(shelf) == [5, 6]
    assert pump.keeping.durable == Kept("6", 6)


async def test_a_stop_without_news_writes_nothing() -> None:
    shelf = Shelf()
    async with ticking(shelf) as pump:
        for _ in range(5):
            await pump.tick()
        await anyio.sleep(1)
        await pump.keeping.at_end(pump.dump)

    assert held(shelf) == [5]
