"""The history of samples, beside SQLite and in Postgres: nothing lost, nothing twice, all in order."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Connection, delete, func, select, text
from structlog.testing import capture_logs

from tests.databases import NOON
from tests.store.building import batch
from tests.store.recorded import Recorder
from watcher.errors import LeaseLost
from watcher.model.labels import label_set
from watcher.model.ports import Wanted
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, SECOND
from watcher.store import codec, tables
from watcher.store.chunks import SPAN, Entry, Gathering
from watcher.store.compaction import SLACK, Compactor, Pace, Span, forgotten_before
from watcher.store.database import Database
from watcher.store.samples import Written, blocks_of, places, write_chunk
from watcher.store.succession import succeed


@pytest.fixture
async def recorder(database: Database) -> AsyncIterator[Recorder]:
    async with Recorder.on(database) as opened:
        yield opened


def said(batches: Sequence[SampleBatch]) -> list[tuple[str, int, list[float]]]:
    """Stream, first minute and values of each."""
    return [
        (
            one.stream,
            int(one.starts[0] - NOON) // MINUTE if one.starts.size else -1,
            one.values.ravel().tolist(),
        )
        for one in batches
    ]


def minute(number: int, value: float, **other: str) -> SampleBatch:
    return batch(start=NOON + number * MINUTE, value=value, **other)


async def rows(recorder: Recorder) -> int:
    count = select(func.count()).select_from(tables.journal)
    return await recorder.store.database.read(lambda connection: int(connection.scalar(count) or 0))


async def test_what_became_history_reads_as_it_did_in_the_journal(recorder: Recorder) -> None:
    for number in range(5):
        await recorder.commit(
            minute(number, number / 4), minute(number, 7, stream="other"), minute(number, 1, source="lsw")
        )
    before = said(await recorder.read())
    await recorder.snapshot()
    done = await recorder.compact()

    assert said(await recorder.read()) == before
    assert (done.rows, done.samples) == (12, 12)
    assert await rows(recorder) == 3  # what each stream gives at present


async def test_nothing_becomes_history_that_no_snapshot_holds(recorder: Recorder) -> None:
    await recorder.commit(minute(0, 1))
    await recorder.commit(minute(1, 2))
    await recorder.snapshot()
    for number in range(2, 5):
        await recorder.commit(minute(number, 3))
    await recorder.compact()

    assert await rows(recorder) == 3
    assert [start for _, start, _ in said(await recorder.read())] == [0, 1, 2, 3, 4]


async def test_rows_wait_until_they_make_a_chunk(recorder: Recorder) -> None:
    for number in range(3):
        await recorder.commit(minute(number, 1))
    await recorder.snapshot()
    fetched = NOON + 5 * MINUTE
    early = await recorder.compactor().round(fetched + SPAN + SLACK - 1)
    late = await recorder.compactor().round(fetched + SPAN + SLACK)

    assert (early.rows, late.rows) == (0, 2)


async def test_a_shorter_span_makes_smaller_chunks_sooner(recorder: Recorder) -> None:
    for number in range(7):
        await recorder.commit(minute(number, number))
    before = said(await recorder.read())
    await recorder.snapshot()
    brisk = recorder.compactor(pace=Pace(recent=0, span=2 * MINUTE))
    fetched = NOON + 5 * MINUTE
    moved = [(await brisk.round(fetched + at)).rows for at in (2 * MINUTE, 2 * MINUTE + 5 * SECOND, HOUR)]
    chunks = await recorder.samples.read(places)

    assert (moved, len(chunks)) == ([0, 3, 3], 2)
    assert said(await recorder.read()) == before


async def test_what_came_within_hours_stays_in_the_journal(recorder: Recorder) -> None:
    """So that a restart which has lost its samples still has what may be judged again."""
    for hour in range(30):
        await recorder.commit(batch(start=NOON + hour * HOUR))
    await recorder.snapshot()
    done = await recorder.compactor().round(NOON + 30 * HOUR)

    assert (done.rows, await rows(recorder)) == (24, 6)


async def test_a_crash_between_the_two_databases_loses_and_doubles_nothing(recorder: Recorder) -> None:
    """The chunk is written, and its rows are still in the journal."""
    for number in range(4):
        await recorder.commit(minute(number, number))
    before = said(await recorder.read())
    await recorder.snapshot()
    held = await recorder.store.database.read(copied)
    await recorder.compact()
    await recorder.store.database.write(lambda connection: put_back(connection, held))

    assert said(await recorder.read()) == before
    again = await recorder.compact()
    assert (again.rows, said(await recorder.read())) == (0, before)
    assert await rows(recorder) == 1


def copied(connection: Connection) -> Sequence[dict[str, object]]:
    return [dict(row) for row in connection.execute(select(tables.journal)).mappings()]


def put_back(connection: Connection, held: Sequence[dict[str, object]]) -> None:
    connection.execute(delete(tables.journal))
    if held:
        connection.execute(tables.journal.insert(), list(held))


async def test_history_and_journal_are_read_in_the_order_of_their_commits(recorder: Recorder) -> None:
    for number in range(4):
        await recorder.commit(minute(number, number), minute(number, number, stream="other"))
        if number == 1:
            await recorder.snapshot()
            await recorder.compact()
    await recorder.commit(minute(0, 9))

    found = [(stream, start) for stream, start, _ in said(await recorder.read())]
    assert found == [
        *((stream, number) for number in range(4) for stream in ("traffic", "other")),
        ("traffic", 0),
    ]


async def test_what_is_asked_for_is_read_and_nothing_else(recorder: Recorder) -> None:
    other = replace(minute(0, 1), metrics=(("cdn_bytes", ()),))
    for number in range(6):
        await recorder.commit(
            minute(number, number), minute(number, 1, source="lsw"), replace(other, stream="bytes")
        )
    await recorder.snapshot()
    for compacted in (False, True):
        if compacted:
            await recorder.compact()
        wanted = Wanted("cdnv", NOON + 2 * MINUTE, NOON + 4 * MINUTE, frozenset({"cdn_requests"}))
        found = [one for one in await recorder.read(wanted) if one.metrics]

        assert said(found) == [("traffic", 2, [2]), ("traffic", 3, [3])]
    assert await recorder.recording.sources() == ["cdnv", "lsw"]


def hour(number: int) -> SampleBatch:
    return replace(batch(start=NOON + number * HOUR), width=HOUR)


async def recorded_days(recorder: Recorder, days: range) -> None:
    """An hour's bin every hour, made history but for the newest."""
    await recorder.commit(*(hour(24 * day + number) for day in days for number in range(24)))
    await recorder.snapshot()
    await recorder.compact(at=NOON)


async def test_samples_are_kept_as_long_as_is_asked_and_no_longer(recorder: Recorder) -> None:
    """Their labels go with them."""
    old = replace(hour(0), entities=(label_set({"resource": "gone"}),))
    await recorder.commit(old)
    await recorded_days(recorder, range(1, 32))
    kept = await recorder.compact(at=NOON + 29 * DAY)
    gone = await recorder.compact(at=NOON + 33 * DAY)

    assert (kept.forgotten, gone.forgotten > 0) == (0, True)
    oldest = min(int(one.starts[0]) for one in await recorder.read())
    assert NOON + DAY < oldest < NOON + 5 * DAY
    labels = select(tables.sample_label.c.labels).where(tables.sample_label.c.metric == "")
    assert await recorder.samples.read(lambda one: list(one.scalars(labels))) == ['{"resource":"shop"}']


async def test_neither_a_clock_that_runs_ahead_nor_a_long_stop_takes_the_history(recorder: Recorder) -> None:
    await recorded_days(recorder, range(20))
    ahead = await recorder.compact(at=NOON + 60 * DAY)
    await recorded_days(recorder, range(60, 62))
    later = await recorder.compact(at=NOON + 62 * DAY)

    assert (ahead.forgotten, later.forgotten) == (0, 0)


def test_only_recorded_time_makes_samples_older() -> None:
    days = [Span(day * DAY, (day + 1) * DAY) for day in range(40)]

    assert forgotten_before(days, 40 * DAY, 30 * DAY) == 10 * DAY
    assert forgotten_before(days, 90 * DAY, 30 * DAY) == 11 * DAY
    assert forgotten_before(days[::-1] * 3, 20 * DAY, 30 * DAY) <= 0
    leapt = [*days[:30], Span(29 * DAY, 99 * DAY)]
    assert forgotten_before(leapt, 100 * DAY, 30 * DAY) <= 3 * DAY


async def test_two_that_gather_the_same_rows_keep_all_of_them(recorder: Recorder) -> None:
    """One was stopped for longer than its lease; what the other gathered meanwhile goes further."""
    await recorder.commit(*(minute(number, number) for number in range(20)))
    rows_of = select(tables.journal.c.id, tables.journal.c.at, tables.journal.c.payload)
    await recorder.snapshot()
    short = await recorder.store.database.read(lambda one: one.execute(rows_of.limit(15)).all())
    await recorder.commit(*(minute(number, number) for number in range(20, 30)))
    gathering = Gathering()
    for row in short:
        gathering.take(Entry(row.id, row.at, codec.decode(row.payload)))
    chunk = gathering.chunk()

    def write(connection: Connection) -> Written:
        return write_chunk(connection, chunk, blocks_of(chunk))

    assert (await recorder.samples.write(write)).last_row == short[-1].id
    await recorder.snapshot()
    await recorder.compact()
    assert (await recorder.samples.write(write)).samples == 0

    assert [start for _, start, _ in said(await recorder.read())] == list(range(30))


async def test_one_that_has_lost_its_lease_deletes_nothing(recorder: Recorder) -> None:
    for number in range(4):
        await recorder.commit(minute(number, number))
    await recorder.snapshot()

    def lost(_connection: Connection) -> None:
        raise LeaseLost("another")

    fenced = Compactor(recorder.store.database, recorder.samples, retention=30 * DAY, fence=lost)
    with pytest.raises(LeaseLost):
        await fenced.round(NOON, everything=True)
    assert await rows(recorder) == 4


async def test_what_becomes_history_while_it_is_read_is_read_once(recorder: Recorder) -> None:
    await recorder.commit(*(minute(number, number) for number in range(400)))
    pages = recorder.recording.pages(Wanted())
    found = list(await anext(pages))
    assert len(found) < 400
    await recorder.snapshot()
    await recorder.compact()
    async for page in pages:
        found += page

    assert [start for _, start, _ in said(found)] == list(range(400))


async def test_a_chunk_forgotten_while_others_are_read_is_not_missed(recorder: Recorder) -> None:
    await recorder.commit(*(minute(number, 1) for number in range(300)))
    await recorder.snapshot()
    await recorder.compact()
    await recorder.commit(*(minute(number, 2) for number in range(300, 700)))
    pages = recorder.recording.pages(Wanted())
    await anext(pages)
    await recorder.snapshot()
    await recorder.compact()
    await recorder.samples.write(lambda one: one.execute(tables.sample_block.delete()).rowcount)
    await recorder.samples.write(lambda one: one.execute(tables.sample_chunk.delete()).rowcount)

    assert len([one async for page in pages for one in page]) < 700


async def test_a_damaged_chunk_is_left_out_and_told(recorder: Recorder) -> None:
    for stream in ("traffic", "other"):
        await recorder.commit(*(minute(number, number, stream=stream) for number in range(20)))
    await recorder.snapshot()
    await recorder.compact()
    block = tables.sample_block
    first = select(block.c.chunk_id, block.c.payload).order_by(block.c.chunk_id).limit(1)
    [(chunk, payload)] = await recorder.samples.read(lambda one: one.execute(first).all())
    spoilt = payload[:20] + bytes([payload[20] ^ 1]) + payload[21:]
    spoil = block.update().where(block.c.chunk_id == chunk).values(payload=spoilt)
    await recorder.samples.write(lambda one: one.execute(spoil).rowcount)
    with capture_logs() as logs:
        found = said(await recorder.read())

    [log] = logs
    assert (log["event"], log["source"]) == ("history_damaged", "cdnv")
    assert [start for stream, start, _ in found if stream != log["stream"]] == list(range(20))
    assert [start for stream, start, _ in found if stream == log["stream"]] == [19]  # still in the journal


async def test_nothing_read_is_settled_beyond_the_time_asked_for(recorder: Recorder) -> None:
    await recorder.commit(*(replace(minute(0, 1), settled_until=NOON + hour * HOUR) for hour in range(5)))
    for compacted in (False, True):
        if compacted:
            await recorder.snapshot()
            await recorder.compact()
        found = await recorder.read(Wanted(until=NOON + 2 * HOUR))

        assert max(one.settled_until for one in found) == NOON + 2 * HOUR


def numbered_from(connection: Connection, row: int) -> None:
    """Let the journal's next row be the one after it, as in a file that was never written further."""
    if connection.dialect.name == "postgresql":
        again = text("SELECT setval(pg_get_serial_sequence('journal', 'id'), :row, :used)")
        connection.execute(again, {"row": max(1, row), "used": row > 0})
    else:
        connection.execute(text("UPDATE sqlite_sequence SET seq = :row WHERE name = 'journal'"), {"row": row})


@pytest.mark.parametrize("rows_left", [0, 2])
async def test_samples_outlive_a_book_that_is_new_or_was_put_back(recorder: Recorder, rows_left: int) -> None:
    for number in range(6):
        await recorder.commit(minute(number, 1))
    old = (await recorder.store.database.read(copied))[:rows_left]
    await recorder.snapshot()
    await recorder.compact()
    before = said(await recorder.read())[:5]  # the newest was in the journal alone

    def lose(connection: Connection) -> None:
        connection.execute(delete(tables.kept))
        put_back(connection, old)
        numbered_from(connection, rows_left)

    await recorder.store.database.write(lose)
    assert await succeed(recorder.store.database, recorder.samples) == 5 - rows_left
    assert said(await recorder.read()) == before
    for number in range(6, 9):
        await recorder.commit(minute(number, 2))
        assert (await recorder.compact()).rows == 0  # a restart would judge them again
    await recorder.snapshot()
    await recorder.compact()

    assert said(await recorder.read()) == [*before, *(("traffic", number, [2]) for number in range(6, 9))]
    assert await rows(recorder) == 1
    assert await succeed(recorder.store.database, recorder.samples) == 0


async def test_ticks_are_read_as_they_were_committed(recorder: Recorder) -> None:
    await recorder.commit(minute(0, 1), at=NOON)
    await recorder.commit(minute(1, 1), minute(1, 2, stream="other"), at=NOON + HOUR)
    await recorder.commit(minute(2, 1), at=NOON + HOUR)

    found = [tick async for tick in recorder.store.journal.ticks(after=1)]
    assert [(tick.at, [one.stream for one in tick.batches]) for tick in found] == [
        (NOON + HOUR, ["traffic", "other"]),
        (NOON + HOUR, ["traffic"]),
    ]
