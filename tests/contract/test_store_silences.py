"""Silences in the database, on SQLite and on Postgres, and what they do to what waits for them."""

from dataclasses import replace

import pytest

from tests.contract.outboxes import FIRST, REPEATED, claim
from tests.databases import NOON
from tests.store.building import Store
from watcher.model.labels import Matcher
from watcher.model.recurrence import Recurrence
from watcher.model.silence import Silence
from watcher.model.time import DAY, HOUR, MINUTE
from watcher.store.database import Database
from watcher.store.silences import SqlSilences

NIGHTS = Recurrence(22 * 60, 6 * 60, frozenset({0, 1, 2, 3, 4}), "Europe/Berlin")
SILENCE = Silence(
    id="s-4a1f09c2",
    matchers=(
        Matcher("resource", regex="cdn-.*"),
        Matcher("severity", ("info", "warning")),
        Matcher("source", ("~odd",)),
    ),
    starts_at=NOON,
    ends_at=NOON + HOUR,
    author="ada",
    reason="the origin moves",
    created_at=NOON,
)
NIGHTLY = replace(SILENCE, id="s-4a2b7d10", ends_at=None, recurrence=NIGHTS, created_at=NOON + 1)


@pytest.fixture
def silences(database: Database) -> SqlSilences:
    return SqlSilences(database)


async def test_a_silence_is_read_as_it_was_written(silences: SqlSilences) -> None:
    await silences.add(SILENCE)
    await silences.add(NIGHTLY)

    assert await silences.every() == [SILENCE, NIGHTLY]


async def test_an_id_may_be_shortened_and_written_without_its_prefix(silences: SqlSilences) -> None:
    await silences.add(SILENCE)
    await silences.add(NIGHTLY)

    assert await silences.beginning("s-4a1") == [SILENCE]
    assert await silences.beginning("4A2") == [NIGHTLY]
    assert await silences.beginning("s-4a") == [SILENCE, NIGHTLY]
    assert not await silences.beginning("s-_")


async def test_a_silence_is_ended_once(silences: SqlSilences) -> None:
    await silences.add(SILENCE)

    assert await silences.end(SILENCE.id, at=NOON + MINUTE, who="bob")
    assert not await silences.end(SILENCE.id, at=NOON + 2 * MINUTE, who="eve")
    assert not await silences.end("s-none", at=NOON, who="eve")
    assert await silences.every() == [replace(SILENCE, ended_at=NOON + MINUTE, ended_by="bob")]


async def test_the_version_changes_with_every_silence_that_is_added_or_ended(silences: SqlSilences) -> None:
    versions = [await silences.version()]
    await silences.add(SILENCE)
    versions.append(await silences.version())
    await silences.add(NIGHTLY)
    versions.append(await silences.version())
    await silences.end(SILENCE.id, at=NOON + MINUTE, who="bob")
    versions.append(await silences.version())

    assert len(set(versions)) == len(versions)
    assert await silences.version() == versions[-1]


async def test_what_waits_for_a_silence_is_due_when_a_person_ends_it(
    database: Database, silences: SqlSilences
) -> None:
    store = await Store.on(database)
    await silences.add(SILENCE)
    await store.apply(FIRST, owed=REPEATED)
    rows = await claim(store)
    reason = f"silenced by {SILENCE.id}: {SILENCE.reason}"
    await store.outbox.postponed(rows, at=NOON, reason=reason, until=NOON + DAY)
    assert not await claim(store, at=NOON + MINUTE)

    await silences.end("s-4a1f09", at=NOON + MINUTE, who="bob")
    assert not await claim(store, at=NOON + MINUTE)
    await silences.end(SILENCE.id, at=NOON + MINUTE, who="bob")

    assert [row.id for row in await claim(store, at=NOON + MINUTE)] == [row.id for row in rows]
