"""Drills in the database, on SQLite and on Postgres; the engine never hears of their incidents."""

from dataclasses import replace

import pytest

from tests.databases import NOON
from tests.store.building import Store
from watcher.model.drill import LABEL, Drill
from watcher.model.labels import label_set
from watcher.model.ports import IncidentQuery
from watcher.model.rule import Severity
from watcher.model.time import MINUTE
from watcher.store.database import Database
from watcher.store.drills import SqlDrills

DRILL = Drill(
    name="d1",
    rule="http_5xx_spike",
    severity=Severity.CRITICAL,
    labels=label_set({"source": "cdnv", "vendor": "cdnvideo", "resource": "shop"}),
    who="ada",
    asked_at=NOON,
    lasts=MINUTE,
)


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


async def test_a_drill_is_under_way_from_when_it_is_asked_for_until_it_is_over(store: Store) -> None:
    drills = SqlDrills(store.database)

    await drills.ask(DRILL)
    assert await drills.under_way() == [DRILL]
    await drills.opened(DRILL)
    assert await drills.under_way() == [replace(DRILL, opened=True)]
    await drills.over(DRILL)
    assert not await drills.under_way()


async def test_its_incident_is_one_however_often_its_steps_are_taken(store: Store) -> None:
    for step in (DRILL.opening(), DRILL.opening(), DRILL.ending(), DRILL.ending()):
        await store.apply(step)

    [incident] = await store.history.incidents(IncidentQuery(labels={LABEL: "d1"}))
    assert incident.drill
    assert (incident.opened_at, incident.resolved_at) == (NOON, NOON + MINUTE)


async def test_no_engine_is_told_of_it_at_a_restart(store: Store) -> None:
    await store.apply(DRILL.opening())

    assert not await store.journal.standing()
