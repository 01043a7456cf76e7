"""All of the book on SQLite and on Postgres: read page by page, for statistics and export."""

from dataclasses import replace

import pytest

from tests.databases import NOON
from tests.store.building import Store, key, opened, resolved, withdrawn
from watcher.model.act import Act, ActKind
from watcher.model.ports import IncidentQuery
from watcher.model.rule import Severity
from watcher.model.statistics import statistics
from watcher.model.time import HOUR, MINUTE
from watcher.store import archive
from watcher.store.database import Database


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


async def test_every_incident_comes_once_the_oldest_first_however_many_start_together(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_STORIES", 2)
    monkeypatch.setattr(archive, "_BRIEFS", 2)
    names = [f"r{number}" for number in range(7)]
    await store.apply(*(opened(key(name), at=NOON + number // 4) for number, name in enumerate(names)))
    query = IncidentQuery(limit=1)

    pages = [page async for page in store.history.stories(query)]
    found = [dict(one.incident.key.labels)["resource"] for page in pages for one in page]
    assert sorted(found[:4]) == names[:4]
    assert sorted(found[4:]) == names[4:]
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert sum([len(page) async for page in store.history.briefs(query)]) == 7


async def test_a_story_has_its_timeline_with_who_did_what(store: Store) -> None:
    [committed] = await store.apply(opened())
    await store.act(Act(committed.incident.id, ActKind.NOTE, "ada", NOON, text="x"))
    await store.apply(opened(key("other")))

    [page] = [page async for page in store.history.stories(IncidentQuery(labels={"resource": "shop"}))]
    [story] = page
    assert story.incident == committed.incident
    assert [(one.kind, one.who) for one in story.timeline] == [("opened", ""), ("note", "ada")]


async def test_figures_are_of_real_incidents_and_of_the_first_acknowledgement(store: Store) -> None:
    first, never, drill = opened(decided=NOON + MINUTE), opened(key("never")), opened(key("drill"))
    [shop, *_] = await store.apply(first, never, replace(drill, drill=True))
    await store.apply(withdrawn(never, decided=NOON + HOUR))
    at = NOON + 3 * MINUTE
    await store.act(Act(shop.incident.id, ActKind.ACKNOWLEDGE, "ada", at, until=NOON + HOUR), at=at)
    await store.take_up(NOON + HOUR)
    await store.act(Act(shop.incident.id, ActKind.ACKNOWLEDGE, "bob", NOON + 2 * HOUR), at=NOON + 2 * HOUR)
    await store.apply(resolved(first, end=NOON + 3 * HOUR))

    [page] = [page async for page in store.history.briefs(IncidentQuery())]
    total = statistics(page).total
    assert (total.incidents, total.withdrawn, total.standing) == (1, 1, 0)
    assert total.to_acknowledge.mean == 2 * MINUTE
    assert total.to_detect.mean == MINUTE
    assert total.to_resolve.mean == 3 * HOUR - MINUTE


async def test_a_time_to_resolve_by_hand_ends_when_the_person_acted(store: Store) -> None:
    [shop] = await store.apply(opened(decided=NOON + MINUTE))
    await store.act(Act(shop.incident.id, ActKind.RESOLVE, "ada", NOON + 20 * MINUTE), at=NOON + 25 * MINUTE)

    [page] = [page async for page in store.history.briefs(IncidentQuery())]
    assert statistics(page).total.to_resolve.mean == 19 * MINUTE


async def test_filters_are_those_of_a_list(store: Store) -> None:
    await store.apply(
        opened(key("shop"), severity=Severity.CRITICAL),
        replace(opened(key("video")), shadow=True),
        opened(key("cert", rule="certificate_expiry"), at=NOON + HOUR),
    )

    async def count(query: IncidentQuery) -> int:
        return sum([len(page) async for page in store.history.briefs(query)])

    assert await count(IncidentQuery()) == 3
    assert await count(IncidentQuery(shadow=False)) == 2
    assert await count(IncidentQuery(severity=Severity.CRITICAL)) == 1
    assert await count(IncidentQuery(rule="certificate_expiry", until=NOON)) == 0
    assert await count(IncidentQuery(labels={"resource": "video"})) == 1
