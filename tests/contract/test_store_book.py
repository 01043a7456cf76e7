"""The book on SQLite and on Postgres: one transaction a tick, and nothing twice."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection, delete, func, select

from tests.databases import NOON
from tests.store.building import (
    Store,
    batch,
    evidence,
    key,
    merged,
    moved,
    opened,
    owed,
    poll,
    reopened,
    resolved,
    standing_at,
    unjudged,
    withdrawn,
)
from watcher.errors import LeaseLost
from watcher.model.incident import Change, Evidence, Resolution, Status, Transition
from watcher.model.ports import IncidentQuery, Tick
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE
from watcher.store import tables
from watcher.store.database import Database
from watcher.store.lease import Lease


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


async def everything(store: Store) -> list[object]:
    """The whole database as values, the lease's times left out."""

    def dump(connection: Connection) -> list[object]:
        names = [table for table in tables.metadata.sorted_tables if table.name != "lease"]
        return [connection.execute(select(table).order_by(*table.primary_key)).all() for table in names]

    return await store.database.read(dump)


async def test_an_opened_incident_is_read_back_as_it_was_committed(store: Store) -> None:
    committed = await store.apply(opened())

    incident = committed[0].incident
    assert committed[0].change is Change.OPENED
    assert await store.history.incident(incident.id) == incident
    assert (incident.key, incident.status, incident.severity) == (key(), Status.OPEN, Severity.WARNING)
    assert (incident.opened_at, incident.detected_at, incident.resolved_at) == (NOON, NOON + MINUTE, None)
    assert incident.evidence == evidence()


async def test_a_resolved_incident_keeps_its_id_and_says_how_it_recovered(store: Store) -> None:
    first = await store.apply(opened())
    second = await store.apply(resolved(opened(), end=NOON + 9 * MINUTE))

    incident = second[0].incident
    assert incident.id == first[0].incident.id
    assert (incident.status, incident.resolution) == (Status.RESOLVED, Resolution.RECOVERED)
    assert incident.resolved_at == NOON + 9 * MINUTE
    assert incident.recovery == evidence("5xx 0.2 %")
    story = await store.history.timeline(incident.id)
    assert [(entry.kind, entry.text) for entry in story] == [
        ("opened", "resource shop: 5xx 12.4 %"),
        ("resolved", "recovered after 9 min: 5xx 0.2 %"),
    ]


async def test_opening_and_resolving_in_one_tick_leaves_one_incident_that_is_over(store: Store) -> None:
    committed = await store.apply(opened(), resolved(opened(), end=NOON + MINUTE))

    assert [one.incident.status for one in committed] == [Status.RESOLVED, Status.RESOLVED]
    assert len({one.incident.id for one in committed}) == 1


async def test_applying_a_tick_twice_changes_nothing(store: Store) -> None:
    first = opened()
    over = resolved(first, end=NOON + 5 * MINUTE)
    younger = opened(at=NOON + HOUR)
    other = opened(key("img"))
    ticks: list[list[Transition]] = [
        [first, other],
        [over, younger],
        [moved(over, start=NOON - MINUTE, decided=NOON + HOUR)],
        [reopened(first, decided=NOON + 2 * HOUR), merged(younger, first, decided=NOON + 2 * HOUR)],
        [unjudged(first, decided=NOON + 3 * HOUR), withdrawn(other, decided=NOON + 3 * HOUR)],
    ]
    for tick in ticks:
        assert await store.apply(*tick, owed=[owed()])
    before = await everything(store)

    for tick in ticks:
        assert not await store.apply(*tick, owed=[owed()])
    assert await everything(store) == before


async def test_an_episode_already_held_is_found_by_overlap_and_not_opened_again(store: Store) -> None:
    await store.apply(opened())

    assert not await store.apply(opened(at=NOON + 30 * MINUTE))
    assert not await store.apply(opened(at=NOON - 30 * MINUTE))


async def test_an_episode_after_one_that_ended_is_another_incident(store: Store) -> None:
    first = opened()
    await store.apply(first, resolved(first, end=NOON + 5 * MINUTE))
    late = replace(opened(at=NOON - 6 * MINUTE), resolved_at=NOON - MINUTE)
    committed = await store.apply(opened(at=NOON + 6 * MINUTE), late)

    assert [one.change for one in committed] == [Change.OPENED, Change.OPENED]
    assert len(await store.history.incidents(IncidentQuery())) == 3


async def test_a_moved_start_keeps_the_id_and_tells_nobody(store: Store) -> None:
    first = await store.apply(opened(), owed=[owed()])
    later = await store.apply(
        moved(opened(), start=NOON - 3 * MINUTE, decided=NOON + HOUR), owed=[owed("slack/0")]
    )

    assert later[0].incident.id == first[0].incident.id
    assert later[0].incident.opened_at == NOON - 3 * MINUTE
    assert later[0].incident.detected_at == first[0].incident.detected_at
    assert set(await store.history.backlog()) == {"mail/0"}


async def test_an_end_that_moves_with_the_start_is_found_by_its_former_start(store: Store) -> None:
    """The engine says both of the episode as it was told."""
    first = opened()
    await store.apply(first)
    start = moved(first, start=NOON - MINUTE, decided=NOON + HOUR)
    end = resolved(start, end=NOON + 7 * MINUTE)
    committed = await store.apply(start, replace(end, was=NOON))

    assert (committed[1].incident.opened_at, committed[1].incident.resolved_at) == (
        NOON - MINUTE,
        NOON + 7 * MINUTE,
    )


async def test_a_change_without_a_summary_keeps_the_evidence_of_the_opening(store: Store) -> None:
    """The engine explains an episode once, when it opens."""
    await store.apply(opened())
    bare = replace(resolved(opened(), end=NOON + MINUTE), summary="", evidence=Evidence(NOON, NOON + MINUTE))
    committed = await store.apply(bare)

    assert committed[0].incident.summary == "resource shop: 5xx 12.4 %"
    assert committed[0].incident.evidence == evidence()


async def test_what_had_not_ended_is_open_again_under_its_id(store: Store) -> None:
    first = opened()
    before = await store.apply(first, resolved(first, end=NOON + 5 * MINUTE))
    after = await store.apply(reopened(first, decided=NOON + HOUR))

    incident = after[0].incident
    assert incident.id == before[0].incident.id
    assert (incident.status, incident.resolution, incident.resolved_at) == (Status.OPEN, None, None)
    assert incident.recovery is None


async def test_a_merged_incident_is_withdrawn_into_the_older_one(store: Store) -> None:
    first, younger = opened(), opened(at=NOON + HOUR)
    before = await store.apply(first, resolved(first, end=NOON + 5 * MINUTE), younger)
    after = await store.apply(
        reopened(first, decided=NOON + 2 * HOUR), merged(younger, first, decided=NOON + 2 * HOUR)
    )

    older, gone = after[0].incident, after[1].incident
    assert (older.id, older.status) == (before[0].incident.id, Status.OPEN)
    assert (gone.id, gone.status) == (before[2].incident.id, Status.WITHDRAWN)
    assert (gone.resolution, gone.merged_into) == (Resolution.MERGED, older.id)


async def test_an_episode_that_comes_back_after_being_withdrawn_is_a_new_incident(store: Store) -> None:
    first = await store.apply(opened())
    await store.apply(withdrawn(opened(), decided=NOON + HOUR))
    again = await store.apply(opened(decided=NOON + 2 * HOUR))

    assert again[0].incident.id != first[0].incident.id
    assert again[0].incident.status is Status.OPEN


async def test_long_blindness_is_a_note_and_no_end(store: Store) -> None:
    await store.apply(opened())
    noted = await store.apply(unjudged(opened(), decided=NOON + 24 * HOUR), owed=[owed()])

    incident = noted[0].incident
    assert incident.status is Status.OPEN
    assert [entry.kind for entry in await store.history.timeline(incident.id)] == ["opened", "unjudged"]
    assert await store.history.backlog() == {"mail/0": 1}


async def test_a_transition_about_nothing_the_book_holds_changes_nothing(store: Store) -> None:
    assert not await store.apply(withdrawn(opened(), decided=NOON))
    assert not await store.apply(resolved(opened(), end=NOON + MINUTE))


async def test_a_decision_after_the_clock_was_set_back_still_counts(store: Store) -> None:
    await store.apply(opened(decided=NOON + HOUR))
    committed = await store.apply(resolved(opened(), end=NOON + MINUTE, decided=NOON + 2 * MINUTE))

    assert committed[0].incident.status is Status.RESOLVED


async def test_labels_longer_than_an_index_allows_are_no_matter(store: Store) -> None:
    long = opened(key("x" * 10_000))

    assert await store.apply(long)
    assert not await store.apply(long)


async def test_a_storm_is_one_transaction_and_each_incident_exists_once(store: Store) -> None:
    storm = [opened(key(f"resource-{number}")) for number in range(1_200)]

    assert len(await store.apply(*storm, owed=[owed()])) == 1_200
    assert not await store.apply(*storm, owed=[owed()])
    assert await store.history.backlog() == {"mail/0": 1_200}


async def test_a_tick_of_an_owner_that_was_replaced_writes_nothing(store: Store) -> None:
    """The fence is inside the transaction, so polls and transitions fall together."""
    await store.lease.release()
    await Lease(store.database, holder="elsewhere:1:1").acquire()

    polls, states = [poll(batch())], [standing_at(NOON)]
    with pytest.raises(LeaseLost):
        await store.book.commit(Tick(at=NOON, polls=polls, changes=[(opened(), [owed()])], engine=states))
    assert not await store.batches()
    assert not await store.journal.engine()
    assert not await store.history.incidents(IncidentQuery())


async def test_a_tick_that_fails_half_way_writes_nothing(store: Store) -> None:
    """The cursor, the journal and the incident are one."""
    broken = replace(opened(), summary=None)  # type: ignore[arg-type]

    polls, states = [poll(batch())], [standing_at(NOON)]
    with pytest.raises(Exception, match=r"(?i)null"):
        await store.book.commit(Tick(at=NOON, polls=polls, changes=[(broken, [])], engine=states))
    assert not await store.journal.cursors()
    assert not await store.journal.engine()
    assert not await store.batches()


async def test_ids_of_the_journal_are_never_used_again(store: Store) -> None:
    """A snapshot names the last row it holds."""
    await store.book.commit(Tick(at=NOON, polls=[poll(batch())]))
    await store.database.write(lambda connection: connection.execute(delete(tables.journal)).rowcount)
    await store.book.commit(Tick(at=NOON, polls=[poll(batch())]))

    highest = await store.database.read(lambda one: one.scalar(select(func.max(tables.journal.c.id))))
    assert highest == 2
