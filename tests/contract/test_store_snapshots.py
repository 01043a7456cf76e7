"""Snapshots of the engine, beside SQLite and in Postgres: exact, checked, and only the named one counts."""

from collections.abc import AsyncIterator

import numpy as np
import pytest
from sqlalchemy import func, select

from tests.store.recorded import Recorder
from watcher.errors import DumpUnusable
from watcher.model.snapshot import EngineDump, Kept
from watcher.store import tables
from watcher.store.database import Database


@pytest.fixture
async def recorder(database: Database) -> AsyncIterator[Recorder]:
    async with Recorder.on(database) as opened:
        yield opened


async def test_a_snapshot_comes_back_exactly_and_writable(recorder: Recorder) -> None:
    rng = np.random.default_rng(1)
    arrays = {
        "ring": rng.normal(size=(700, 3, 800)).astype(np.float32),
        "nan": np.array([np.nan, np.inf, -0.0]),
        "none": np.zeros((0, 5), np.int8),
        "flags": rng.integers(0, 2, 1000).astype(bool),
        "turned": np.arange(12, dtype=np.int64).reshape(3, 4).T,
    }
    dump = EngineDump({"names": {"a": [1, 2.5, None]}}, arrays, {"http_5xx_spike": "digest"})
    kept = await recorder.snapshots.keep(dump, 41)
    found = await recorder.snapshots.load(kept)

    assert found is not None
    assert (found.meta, found.rules) == (dump.meta, dump.rules)
    for name, array in arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert np.array_equal(found.arrays[name], array, equal_nan=array.dtype.kind == "f")
        assert found.arrays[name].flags.writeable


async def test_a_snapshot_counts_only_where_the_book_names_it(recorder: Recorder) -> None:
    """Written and never adopted: the one before is what a restart begins from."""
    first = await recorder.snapshot()
    await recorder.snapshots.keep(EngineDump({"later": 1}, {}), 7)

    assert await recorder.store.journal.kept() == first
    assert await recorder.snapshots.load(first) is not None
    await recorder.snapshots.prune(first)
    assert await recorder.snapshots.load(first) is not None
    assert await recorder.snapshots.load(Kept("another", 7)) is None


async def test_a_snapshot_of_a_later_row_is_not_pruned_with_the_earlier_ones(recorder: Recorder) -> None:
    """It is that of another daemon, which the one that was fenced off does not know."""
    kept = [await recorder.snapshots.keep(EngineDump({}, {"a": np.arange(9)}), row) for row in (3, 5, 7)]
    await recorder.snapshots.prune(kept[1])

    assert [await recorder.snapshots.load(one) is not None for one in kept] == [False, True, True]
    pieces = select(func.count()).select_from(tables.snapshot_piece)
    assert await recorder.samples.read(lambda one: one.scalar(pieces)) == 2


async def test_a_large_snapshot_is_written_and_read_in_parts(recorder: Recorder) -> None:
    ring = np.random.default_rng(2).integers(0, 255, 45 * 2**20, np.uint8)
    kept = await recorder.snapshots.keep(EngineDump({}, {"ring": ring}), 1)
    found = await recorder.snapshots.load(kept)

    assert found is not None
    assert np.array_equal(found.arrays["ring"], ring)


async def test_a_damaged_snapshot_is_refused(recorder: Recorder) -> None:
    kept = await recorder.snapshots.keep(EngineDump({}, {"ring": np.arange(10_000.0)}), 1)
    piece = tables.snapshot_piece
    payload = await recorder.samples.read(lambda one: one.scalar(select(piece.c.payload)))
    assert payload
    damaged = payload[:-2000] + bytes(1) + payload[-1999:]
    await recorder.samples.write(lambda one: one.execute(piece.update().values(payload=damaged)).rowcount)

    with pytest.raises(DumpUnusable, match="damaged"):
        await recorder.snapshots.load(kept)
    await recorder.samples.write(lambda one: one.execute(piece.delete()).rowcount)
    with pytest.raises(DumpUnusable, match="damaged: 0 pieces"):
        await recorder.snapshots.load(kept)
