"""Queries on SQLite and on Postgres: what people ask of the book."""

import pytest

from tests.databases import NOON
from tests.store.building import Store, batch, key, opened, owed, poll, resolved, withdrawn
from watcher.model.incident import Incident, Status
from watcher.model.ports import Failing, IncidentQuery, Tick
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE
from watcher.store.database import Database
from watcher.store.history import SqlHistory
from watcher.store.lease import Lease


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


def names(incidents: list[Incident] | object) -> list[str]:
    assert isinstance(incidents, list)
    return [dict(one.key.labels)["resource"] for one in incidents]


async def test_incidents_come_newest_first_and_no_more_than_asked(store: Store) -> None:
    await store.apply(
        opened(key("a"), at=NOON), opened(key("b"), at=NOON + HOUR), opened(key("c"), at=NOON - HOUR)
    )

    assert names(await store.history.incidents(IncidentQuery())) == ["b", "a", "c"]
    assert names(await store.history.incidents(IncidentQuery(limit=2))) == ["b", "a"]


async def test_filters_are_joined_by_and(store: Store) -> None:
    over = opened(key("over"), at=NOON - HOUR)
    never = opened(key("never"))
    await store.apply(
        opened(key("shop"), severity=Severity.CRITICAL),
        opened(key("shop", source="lsw")),
        opened(key("cert", rule="certificate_expiry")),
        over,
        resolved(over, end=NOON - 30 * MINUTE),
        never,
        withdrawn(never, decided=NOON),
    )
    ask = store.history.incidents

    assert names(await ask(IncidentQuery(status=frozenset({Status.RESOLVED})))) == ["over"]
    assert names(await ask(IncidentQuery(severity=Severity.CRITICAL))) == ["shop"]
    assert names(await ask(IncidentQuery(rule="certificate_expiry"))) == ["cert"]
    assert len(await ask(IncidentQuery(labels={"resource": "shop"}))) == 2
    assert len(await ask(IncidentQuery(labels={"resource": "shop", "source": "lsw"}))) == 1
    assert not await ask(IncidentQuery(labels={"resource": "SHOP"}))


async def test_a_span_selects_what_lasted_into_it(store: Store) -> None:
    over = opened(key("over"), at=NOON - HOUR)
    never = opened(key("never"), at=NOON - 3 * HOUR)
    await store.apply(
        over,
        resolved(over, end=NOON - 30 * MINUTE),
        opened(key("open"), at=NOON - 2 * HOUR),
        never,
        withdrawn(never, decided=NOON),
    )
    ask = store.history.incidents

    assert names(await ask(IncidentQuery(since=NOON))) == ["open"]
    assert names(await ask(IncidentQuery(since=NOON - 40 * MINUTE))) == ["over", "open"]
    assert names(await ask(IncidentQuery(until=NOON - HOUR))) == ["open", "never"]


@pytest.mark.parametrize("value", ['a"b', "a\\", "%", "_", "é", 'x","source":"lsw'])
async def test_a_label_is_matched_as_a_whole_whatever_it_holds(store: Store, value: str) -> None:
    await store.apply(opened(key(value)), opened(key("other")))

    assert names(await store.history.incidents(IncidentQuery(labels={"resource": value}))) == [value]
    assert not await store.history.incidents(IncidentQuery(labels={"resource": value[:-1] or "?"}))
    assert not await store.history.incidents(IncidentQuery(labels={"source": "lsw"}))


async def test_an_incident_is_found_by_a_prefix_that_names_only_it(store: Store) -> None:
    committed = await store.apply(opened(key("a")), opened(key("b"), at=NOON + HOUR))
    first, second = (one.incident for one in committed)

    assert await store.history.incident(first.id) == first
    assert await store.history.incident(second.id[:-1].upper()) == second
    assert await store.history.incident(first.id[:3]) is None
    assert await store.history.incident("zzz") is None
    assert await store.history.incident("%") is None


async def test_the_last_sight_of_each_stream_is_kept(store: Store) -> None:
    await store.book.commit(Tick(at=NOON, polls=[poll(batch()), poll(source="lsw", up=False)]))
    await store.book.commit(Tick(at=NOON + MINUTE, polls=[poll(position=NOON + MINUTE)]))

    sights = await store.history.sights()
    assert [(one.source, one.at, one.up, one.family) for one in sights] == [
        ("cdnv", NOON + MINUTE, True, ""),
        ("lsw", NOON, False, "network"),
    ]


async def test_the_owner_is_named_while_it_holds_the_lease(store: Store) -> None:
    owner = await store.history.owner()
    assert owner is not None
    assert (owner.holder, owner.alive) == (store.lease.holder, True)

    await store.lease.release()
    assert await store.history.owner() is None


async def test_an_owner_that_was_killed_is_named_as_dead(database: Database) -> None:
    """Its machine is this one, and no process of that pid began when it did."""
    alive = Lease(database)
    gone = alive.holder.rpartition(":")[0] + ":1"
    await Lease(database, holder=gone).acquire()

    owner = await SqlHistory(database).owner()
    assert owner is not None
    assert not owner.alive


async def test_a_target_that_takes_nothing_is_named_with_since_when_and_why_until_it_takes_it(
    store: Store,
) -> None:
    targets = ("chat/0", "mail/0")
    await store.apply(opened(), owed=[owed(target) for target in targets])
    rows = await store.outbox.claim("chat/0", at=NOON, lease=MINUTE, limit=9)
    await store.outbox.failed(rows, at=NOON, error="answered 502", retry_at=NOON + MINUTE)
    await store.apply(opened(key("blog"), at=NOON + MINUTE), owed=[owed(target) for target in targets])
    rows = await store.outbox.claim("chat/0", at=NOON + MINUTE, lease=MINUTE, limit=1)
    await store.outbox.failed(rows, at=NOON + MINUTE, error="answered 503", retry_at=NOON + HOUR)

    assert await store.history.failing() == {"chat/0": Failing("chat/0", NOON, "answered 503")}
    rows = await store.outbox.claim("chat/0", at=NOON + HOUR, lease=MINUTE, limit=9)
    await store.outbox.done(rows, at=NOON + HOUR, reason="told", detail="200")
    assert not await store.history.failing()
