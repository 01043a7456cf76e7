"""The journal on SQLite and on Postgres: what the engine is rebuilt from."""

import pytest

from tests.databases import NOON
from tests.store.building import NEVER, Store, batch, key, opened, poll, resolved, standing_at, withdrawn
from watcher.model.ports import Tick
from watcher.model.sample import Cursor, Poll
from watcher.model.time import HOUR, MINUTE
from watcher.store.database import Database


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


async def test_batches_come_back_in_the_order_in_which_they_were_committed(store: Store) -> None:
    later, earlier = batch(start=NOON + HOUR, value=2.0), batch(start=NOON, value=3.0)
    await store.book.commit(Tick(at=NOON, polls=[poll(later), poll(earlier)]))
    await store.book.commit(Tick(at=NOON, polls=[poll(later)]))

    found = await store.batches()
    assert [float(one.values[0, 0, 0]) for one in found] == [2.0, 3.0, 2.0]
    assert (found[0].entities, found[0].metrics) == (later.entities, later.metrics)


async def test_a_journal_of_many_rows_is_read_whole(store: Store) -> None:
    batches = [batch(start=NOON + number * MINUTE) for number in range(150)]
    await store.book.commit(Tick(at=NOON, polls=[poll(*batches)]))

    found = await store.batches()
    assert [int(one.starts[0]) for one in found] == [int(one.starts[0]) for one in batches]


async def test_a_cursor_moves_with_its_batches_and_is_kept_whole(store: Store) -> None:
    coarse = Cursor("cdnv", "older", NOON, since=NOON - HOUR, until=NOON + HOUR)
    moved = Poll(poll().sight, (), coarse)
    await store.book.commit(Tick(at=NOON, polls=[poll(batch()), moved]))
    await store.book.commit(Tick(at=NOON, polls=[poll(position=NOON + 1), poll(position=NOON + 2)]))

    assert await store.journal.cursors() == {
        ("cdnv", "traffic"): Cursor("cdnv", "traffic", NOON + 2, since=NOON - HOUR),
        ("cdnv", "older"): coarse,
    }


async def test_a_poll_that_failed_moves_no_cursor(store: Store) -> None:
    await store.book.commit(Tick(at=NOON, polls=[poll()]))
    await store.book.commit(Tick(at=NOON, polls=[poll(position=NOON + MINUTE, up=False)]))

    assert (await store.journal.cursors())["cdnv", "traffic"].position == NOON


async def test_what_is_open_stands_and_what_ended_within_the_journal(store: Store) -> None:
    recent, old, never = (opened(key(name), at=NOON - 5 * HOUR) for name in ("recent", "old", "never"))
    await store.apply(
        opened(key("open"), at=NOON - 9 * HOUR),
        recent,
        resolved(recent, end=NOON + MINUTE),
        old,
        resolved(old, end=NOON - HOUR),
        never,
        withdrawn(never, decided=NOON),
    )
    await store.book.commit(Tick(at=NOON, polls=[poll(batch(start=NOON))]))

    standing = [dict(one.key.labels)["resource"] for one in await store.journal.standing()]
    assert standing == ["open", "recent"]


async def test_the_engine_stands_where_it_stood_at_the_last_tick_that_moved_it(store: Store) -> None:
    first, second = [standing_at(NOON)], [standing_at(NOON + HOUR), standing_at(NEVER, rule="tls_expiry")]
    await store.book.commit(Tick(at=NOON, engine=first))
    assert await store.journal.engine() == tuple(first)

    await store.book.commit(Tick(at=NOON, engine=second))
    await store.book.commit(Tick(at=NOON))
    assert await store.journal.engine() == tuple(second)

    await store.book.commit(Tick(at=NOON, engine=()))
    assert await store.journal.engine() == ()


async def test_nothing_that_ended_stands_where_there_is_nothing_to_judge_it_by(store: Store) -> None:
    await store.apply(opened(), resolved(opened(), end=NOON + MINUTE))

    assert not await store.journal.standing()


async def test_what_ended_within_a_day_of_the_oldest_frozen_edge_stands(store: Store) -> None:
    """However far back the journal goes: it also holds what baselines need."""
    edge, later, old = (opened(key(name), at=NOON - 90 * HOUR) for name in ("edge", "later", "old"))
    await store.apply(
        edge,
        resolved(edge, end=NOON - 24 * HOUR),
        later,
        resolved(later, end=NOON),
        old,
        resolved(old, end=NOON - 24 * HOUR - 1),
    )
    polls, states = [poll(batch(start=NOON - 90 * HOUR))], [standing_at(NOON + HOUR), standing_at(NOON)]
    await store.book.commit(Tick(at=NOON, polls=polls, engine=states))

    standing = [dict(one.key.labels)["resource"] for one in await store.journal.standing()]
    assert standing == ["edge", "later"]


async def test_a_new_database_holds_nothing(store: Store) -> None:
    assert not await store.batches()
    assert not await store.journal.cursors()
    assert not await store.journal.standing()
    assert not await store.journal.engine()
