"""Severities, wider incidents and rules on trial, in the book and the outbox, on SQLite and on Postgres."""

from dataclasses import replace

import pytest

from tests.contract.outboxes import FIRST, claim, tell
from tests.databases import NOON
from tests.store.building import Store, evidence, key, opened, owed, resolved
from watcher.model.incident import Change, Incident, IncidentKey, Transition, Wider
from watcher.model.labels import label_set
from watcher.model.message import Telling
from watcher.model.ports import IncidentQuery
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE
from watcher.store.database import Database

ACCOUNT = IncidentKey(
    "http_5xx_spike", label_set({"source": "cdnv", "vendor": "cdnvideo", "account": "acme"})
)
WIDE = opened(ACCOUNT)


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


def graded(of: Transition, change: Change, severity: Severity, *, after: int = 5) -> Transition:
    summary = "resource shop: 5xx 60 %" if change is Change.ROSE else ""
    told = replace(of, change=change, severity=severity, summary=summary, decided_at=NOON + after * MINUTE)
    return replace(told, evidence=evidence("5xx 60 %"))


def explained(of: Transition, by: Transition = WIDE) -> Transition:
    return replace(of, wider=Wider(by.key, by.opened_at), quiet=True)


def joined(of: Transition, *, after: int = 5) -> Transition:
    return replace(explained(of), change=Change.JOINED, decided_at=NOON + after * MINUTE)


def parted(of: Transition, *, after: int = 6) -> Transition:
    return replace(of, change=Change.PARTED, wider=None, decided_at=NOON + after * MINUTE)


async def held(store: Store, of: IncidentKey) -> Incident:
    return next(one for one in await store.history.incidents(IncidentQuery()) if one.key == of)


async def test_a_rise_is_written_with_its_evidence_and_its_line_in_the_timeline(store: Store) -> None:
    (committed,) = await store.apply(FIRST)
    await store.apply(graded(FIRST, Change.ROSE, Severity.CRITICAL))
    incident = await held(store, FIRST.key)
    timeline = await store.history.timeline(committed.incident.id)

    assert (incident.severity, incident.summary) == (Severity.CRITICAL, "resource shop: 5xx 60 %")
    assert [(entry.kind, entry.text) for entry in timeline][-1] == (
        "rose",
        "warning before, critical now: resource shop: 5xx 60 %",
    )


async def test_a_fall_is_recorded_and_leaves_the_evidence_alone(store: Store) -> None:
    await store.apply(opened(severity=Severity.CRITICAL), owed=[owed()])
    await tell(store)
    await store.apply(graded(FIRST, Change.FELL, Severity.WARNING), owed=[owed()])

    assert (await held(store, FIRST.key)).severity is Severity.WARNING
    assert (await held(store, FIRST.key)).summary == FIRST.summary
    assert await tell(store, at=NOON + HOUR) == []


async def test_a_rise_is_told_to_who_heard_of_the_opening(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])
    await tell(store)
    await store.apply(graded(FIRST, Change.ROSE, Severity.CRITICAL), owed=[owed()])

    assert await tell(store, at=NOON + HOUR) == [Telling.ROSE]


async def test_a_rise_is_an_opening_to_who_has_not_heard_of_it(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])
    await tell(store)
    await store.apply(graded(FIRST, Change.ROSE, Severity.CRITICAL), owed=[owed("oncall/0")])
    rows = await claim(store, at=NOON + HOUR, target="oncall/0")

    assert [row.telling for row in rows] == [Telling.OPENED]


async def test_a_rise_before_the_opening_was_delivered_is_told_with_it(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])
    await store.apply(graded(FIRST, Change.ROSE, Severity.CRITICAL), owed=[owed()])
    rows = await claim(store, at=NOON + HOUR)

    assert [(row.telling, row.incident.severity) for row in rows] == [(Telling.OPENED, Severity.CRITICAL)]


async def test_reminders_go_on_after_a_rise(store: Store) -> None:
    await store.apply(FIRST, owed=[owed(repeat=HOUR)])
    await tell(store)
    await store.apply(graded(FIRST, Change.ROSE, Severity.CRITICAL), owed=[owed(repeat=HOUR)])

    assert await tell(store, at=NOON + 5 * MINUTE) == [Telling.ROSE]
    assert await tell(store, at=NOON + 2 * HOUR) == [Telling.REMINDER]


async def test_a_wider_incident_and_what_it_explains_are_linked_in_one_tick(store: Store) -> None:
    committed = await store.apply(WIDE, explained(FIRST))
    wide, leaf = (one.incident for one in committed)

    assert leaf.parent_id == wide.id
    assert (await held(store, FIRST.key)).parent_id == wide.id


async def test_what_joins_later_finds_the_wider_one_in_the_book(store: Store) -> None:
    (wide,) = await store.apply(WIDE)
    (leaf,) = await store.apply(explained(opened(key("video"), at=NOON + MINUTE)))

    assert leaf.incident.parent_id == wide.incident.id


async def test_what_a_wider_incident_takes_over_is_not_told_any_more(store: Store) -> None:
    await store.apply(FIRST, owed=[owed(repeat=HOUR)])
    await store.apply(WIDE, joined(FIRST))

    assert await tell(store, at=NOON + 3 * HOUR) == []
    assert (await held(store, FIRST.key)).parent_id == (await held(store, ACCOUNT)).id


async def test_who_was_told_of_a_leaf_is_not_reminded_of_it_under_a_wider_one(store: Store) -> None:
    await store.apply(FIRST, owed=[owed(repeat=HOUR)])
    rows = await claim(store)
    await store.apply(WIDE, joined(FIRST))
    await store.outbox.done(rows, at=NOON + MINUTE, reason="told", detail="250 OK")

    assert await tell(store, at=NOON + 3 * HOUR) == []


async def test_what_no_wider_incident_explains_after_all_is_told_as_an_opening(store: Store) -> None:
    await store.apply(WIDE, explained(FIRST))
    await store.apply(parted(FIRST), owed=[owed()])

    assert await tell(store, at=NOON + HOUR) == [Telling.OPENED]
    assert (await held(store, FIRST.key)).parent_id is None


async def test_applying_a_link_twice_changes_nothing(store: Store) -> None:
    await store.apply(FIRST)
    assert len(await store.apply(WIDE, joined(FIRST))) == 2
    assert await store.apply(WIDE, joined(FIRST)) == []


async def test_an_incident_of_a_rule_on_trial_is_recorded_and_told_to_nobody(store: Store) -> None:
    shadow = replace(FIRST, shadow=True)
    await store.apply(shadow, owed=[owed()])
    live = replace(resolved(FIRST, end=NOON + MINUTE), shadow=False)
    await store.apply(live, owed=[owed()])

    assert (await held(store, FIRST.key)).shadow
    assert await tell(store, at=NOON + HOUR) == []


async def test_those_on_trial_can_be_left_out(store: Store) -> None:
    await store.apply(replace(FIRST, shadow=True), opened(key("video")))

    for shadow, expected in ((None, 2), (False, 1), (True, 1)):
        assert len(await store.history.incidents(IncidentQuery(shadow=shadow))) == expected
