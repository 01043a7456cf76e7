"""Acts of people on SQLite and on Postgres: each applied once, in order, with its row in the timeline."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from tests.contract.acting import act, begun, held, story, tell
from tests.databases import NOON
from tests.store.building import (
    Store,
    batch,
    merged,
    moved,
    opened,
    owed,
    poll,
    reopened,
    resolved,
    tick_of,
    withdrawn,
)
from watcher.model.act import ActKind, ActState
from watcher.model.incident import Change, Resolution, Status
from watcher.model.message import Telling
from watcher.model.ports import IncidentQuery, Tick
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE, rfc3339
from watcher.store import tables
from watcher.store.acts import MOST
from watcher.store.database import Database


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


async def test_an_acknowledgement_says_who_and_since_when_and_how_long_it_holds(store: Store) -> None:
    incident = await begun(store)

    [done] = await store.act(act(incident, ActKind.ACKNOWLEDGE, at=NOON + 3 * MINUTE), at=NOON + 3 * MINUTE)

    assert (done.state, done.applied_at, done.detail) == (ActState.APPLIED, NOON + 3 * MINUTE, "")
    after = await held(store, incident)
    assert (after.status, after.acknowledged_by) == (Status.ACKNOWLEDGED, "ada")
    assert (after.acknowledged_at, after.unack_at) == (NOON + 3 * MINUTE, NOON + 3 * MINUTE + 12 * HOUR)
    until = rfc3339(NOON + 3 * MINUTE + 12 * HOUR)
    assert (await story(store, incident))[-1] == ("acknowledged", "ada", f"until {until}")


async def test_who_acknowledges_again_takes_it_over_and_how_soon_it_was_acknowledged_stays(
    store: Store,
) -> None:
    incident = await begun(store)
    await store.act(act(incident, ActKind.ACKNOWLEDGE))
    other = replace(act(incident, ActKind.ACKNOWLEDGE, at=NOON + HOUR, until=NOON + 2 * HOUR), who="bob")
    await store.act(other, at=NOON + HOUR)

    after = await held(store, incident)
    assert (after.acknowledged_by, after.acknowledged_at) == ("bob", NOON)
    assert after.unack_at == NOON + 2 * HOUR


async def test_an_acknowledgement_that_runs_out_is_open_again_and_told_of(store: Store) -> None:
    incident = await begun(store)
    await store.act(act(incident, ActKind.ACKNOWLEDGE, until=NOON + HOUR))
    await store.take_up(NOON + HOUR - 1)
    assert (await held(store, incident)).status is Status.ACKNOWLEDGED

    await store.take_up(NOON + HOUR)

    after = await held(store, incident)
    assert (after.status, after.acknowledged_at, after.acknowledged_by) == (Status.OPEN, None, "")
    assert (await story(store, incident))[-1] == (
        "unacknowledged",
        "watcher",
        "the acknowledgement by ada has run out",
    )
    [again] = await store.outbox.claim("mail/0", at=NOON + HOUR, lease=MINUTE, limit=9)
    assert again.telling is Telling.REMINDER
    assert await store.acts.waiting(NOON + 2 * HOUR) == []


async def test_an_acknowledgement_that_was_prolonged_meanwhile_does_not_run_out(store: Store) -> None:
    """The lapse was seen, and before it was applied somebody acknowledged again."""
    incident = await begun(store)
    await store.act(act(incident, ActKind.ACKNOWLEDGE, until=NOON + HOUR))
    seen = await store.acts.waiting(NOON + HOUR)
    await store.act(act(incident, ActKind.ACKNOWLEDGE, until=NOON + 9 * HOUR), at=NOON + 1)

    await store.book.commit(tick_of(seen, NOON + HOUR))

    assert (await held(store, incident)).status is Status.ACKNOWLEDGED
    assert len(await store.acts.of(incident)) == 2


async def test_reminders_rest_while_it_is_acknowledged_and_resume_with_one_chain(store: Store) -> None:
    incident = await begun(store, repeat=HOUR)
    await store.act(act(incident, ActKind.ACKNOWLEDGE))
    await store.act(act(incident, ActKind.UNACKNOWLEDGE), at=NOON + MINUTE)

    assert await tell(store, NOON + MINUTE) == 1
    assert await tell(store, NOON + HOUR) == 0
    assert await tell(store, NOON + HOUR + MINUTE) == 1
    due = [one for one in await store.history.deliveries(incident) if one.state == "due"]
    assert [one.telling for one in due] == [Telling.REMINDER]


async def test_a_policy_of_no_lapse_acknowledges_for_good(store: Store) -> None:
    incident = await begun(store)
    store.book._unacknowledge_after = 0
    await store.act(act(incident, ActKind.ACKNOWLEDGE, "mine"))

    assert (await held(store, incident)).unack_at is None
    assert (await story(store, incident))[-1] == ("acknowledged", "ada", "for good: mine")


async def test_notes_and_assignments_are_the_incidents_story(store: Store) -> None:
    incident = await begun(store)
    await store.act(
        act(incident, ActKind.NOTE, "the origin was deployed at 12:00"),
        act(incident, ActKind.ASSIGN, "bob"),
    )

    assert (await held(store, incident)).assignee == "bob"
    assert (await story(store, incident))[1:] == [
        ("note", "ada", "the origin was deployed at 12:00"),
        ("assigned", "ada", "to bob"),
    ]
    assert [one.id for one in await store.history.incidents(IncidentQuery(assignee="bob"))] == [incident]
    assert await store.history.incidents(IncidentQuery(assignee="ada")) == []
    await store.act(act(incident, ActKind.ASSIGN))
    assert (await held(store, incident)).assignee == ""


async def test_a_snooze_is_on_the_incident_and_who_knows_of_it_is_told_at_its_end(store: Store) -> None:
    incident = await begun(store)
    await store.act(act(incident, ActKind.SNOOZE, "waits for the vendor", until=NOON + 2 * HOUR))

    assert (await held(store, incident)).snoozed_until == NOON + 2 * HOUR
    assert (await story(store, incident))[-1][0] == "snoozed"
    assert await tell(store, NOON + HOUR) == 0
    assert await tell(store, NOON + 2 * HOUR) == 1


async def test_a_snooze_that_ends_early_lets_what_waited_for_it_be_told_then(store: Store) -> None:
    incident = await begun(store, repeat=HOUR)
    await store.act(act(incident, ActKind.SNOOZE, until=NOON + 9 * HOUR))
    assert await tell(store, NOON + 2 * HOUR) == 0

    await store.act(act(incident, ActKind.SNOOZE, at=NOON + 2 * HOUR), at=NOON + 2 * HOUR)

    assert (await held(store, incident)).snoozed_until is None
    assert (await story(store, incident))[-1] == ("snoozed", "ada", "no longer")
    assert await tell(store, NOON + 2 * HOUR) == 1


async def test_a_snooze_that_has_ended_before_it_is_applied_is_refused(store: Store) -> None:
    incident = await begun(store)
    [done] = await store.act(act(incident, ActKind.SNOOZE, until=NOON + MINUTE), at=NOON + HOUR)

    assert done.state is ActState.REFUSED
    assert done.detail.endswith("has passed")


async def test_a_manual_resolve_ends_it_at_the_event_time_of_the_act_and_tells_who_was_told(
    store: Store,
) -> None:
    incident = await begun(store)
    await store.acts.leave([act(incident, ActKind.RESOLVE, "we switched the origin off")])
    ended = tick_of(await store.acts.waiting(NOON + HOUR), NOON + HOUR, [owed(due=NOON + HOUR)])
    [committed] = await store.book.commit(ended)

    after = await held(store, incident)
    assert committed.incident == after
    assert (after.status, after.resolution, after.resolved_at) == (
        Status.RESOLVED,
        Resolution.MANUAL,
        NOON + HOUR,
    )
    assert (await story(store, incident))[-1] == (
        "resolved",
        "ada",
        "resolved by hand after 1 h: we switched the origin off",
    )
    [told] = await store.outbox.claim("mail/0", at=NOON + HOUR, lease=MINUTE, limit=9)
    assert told.telling is Telling.RESOLVED
    assert (told.incident.resolved_by, told.incident.resolved_why) == ("ada", "we switched the origin off")
    [done] = await store.acts.of(incident)
    assert (done.state, done.effective_at) == (ActState.APPLIED, NOON + HOUR)


async def test_what_a_person_ended_numbers_end_and_open_no_more(store: Store) -> None:
    first = opened()
    incident = await begun(store)
    await store.act(act(incident, ActKind.RESOLVE), at=NOON + HOUR)
    end = resolved(first, end=NOON + 2 * HOUR)
    before = await held(store, incident)

    assert not await store.apply(end, reopened(first, decided=NOON + 2 * HOUR))
    assert not await store.apply(
        replace(first, change=Change.ROSE, severity=Severity.CRITICAL, decided_at=NOON + HOUR)
    )
    await store.apply(
        replace(end, change=Change.MOVED, resolved_at=NOON + 3 * HOUR, decided_at=NOON + 3 * HOUR)
    )
    assert await held(store, incident) == before
    await store.apply(moved(first, start=NOON - MINUTE, decided=NOON + 2 * HOUR))
    assert (await held(store, incident)).opened_at == NOON - MINUTE
    [again] = await store.apply(opened(at=NOON + 4 * HOUR))
    assert again.incident.id != incident


async def test_of_two_ends_by_hand_the_second_is_refused(store: Store) -> None:
    incident = await begun(store)
    first, second = await store.act(act(incident, ActKind.RESOLVE), act(incident, ActKind.RESOLVE))

    assert (first.state, second.state) == (ActState.APPLIED, ActState.REFUSED)
    assert second.detail == "it is over: somebody has resolved it"


async def test_acts_of_one_tick_are_done_in_the_order_in_which_they_were_asked(store: Store) -> None:
    incident = await begun(store)
    acts = await store.act(
        act(incident, ActKind.ACKNOWLEDGE),
        act(incident, ActKind.RESOLVE),
        act(incident, ActKind.NOTE, "a broken cable"),
        act(incident, ActKind.SNOOZE, until=NOON + HOUR),
    )

    assert [one.state.value for one in acts] == ["applied", "applied", "applied", "refused"]
    kinds = [kind for kind, _, _ in await story(store, incident)]
    assert kinds == ["opened", "acknowledged", "resolved", "note"]


async def test_an_end_by_the_numbers_in_the_same_tick_comes_first(store: Store) -> None:
    incident = await begun(store)
    await store.acts.leave([act(incident, ActKind.RESOLVE), act(incident, ActKind.ACKNOWLEDGE)])
    tick = tick_of(await store.acts.waiting(NOON), NOON)
    end = (resolved(opened(), end=NOON + MINUTE), [owed()])
    await store.book.commit(replace(tick, changes=[end, *tick.changes]))

    assert (await held(store, incident)).resolution is Resolution.RECOVERED
    details = {one.detail for one in await store.acts.of(incident)}
    assert details == {"it is over: it has recovered"}


@pytest.mark.parametrize("kind", [kind for kind in ActKind if kind is not ActKind.NOTE])
async def test_what_is_over_takes_notes_and_nothing_else(store: Store, kind: ActKind) -> None:
    incident = await begun(store)
    await store.apply(resolved(opened(), end=NOON + MINUTE))
    before = await held(store, incident)

    refused, noted = await store.act(
        act(incident, kind, "x", until=NOON + HOUR), act(incident, ActKind.NOTE, "the cause was a cable")
    )

    assert (refused.state, refused.detail) == (ActState.REFUSED, "it is over: it has recovered")
    assert noted.state is ActState.APPLIED
    assert await held(store, incident) == before


async def test_what_never_was_takes_nothing_and_says_where_it_went(store: Store) -> None:
    incident, younger = await begun(store), opened(at=NOON + HOUR)
    await store.apply(resolved(opened(), end=NOON + MINUTE), younger)
    [newer] = [one for one in await store.history.incidents(IncidentQuery()) if one.id != incident]
    await store.apply(merged(younger, opened(), decided=NOON + HOUR))
    [there] = await store.act(act(newer.id, ActKind.NOTE, "x"))
    await store.apply(withdrawn(opened(), decided=NOON + HOUR))
    [nowhere] = await store.act(act(incident, ActKind.NOTE, "x"))

    assert there.detail == f"it was merged into {incident}: act on that one"
    assert nowhere.detail.startswith("it was withdrawn")


async def test_an_acknowledgement_that_is_not_there_cannot_be_taken_back(store: Store) -> None:
    incident = await begun(store)
    [done] = await store.act(act(incident, ActKind.UNACKNOWLEDGE))

    assert (done.state, done.detail) == (ActState.REFUSED, "it is not acknowledged")


async def test_a_restatement_that_reopens_finds_it_acknowledged_as_it_was(store: Store) -> None:
    incident, first = await begun(store), opened()
    await store.act(act(incident, ActKind.ACKNOWLEDGE))
    await store.apply(resolved(first, end=NOON + MINUTE))
    await store.apply(reopened(first, decided=NOON + HOUR))

    after = await held(store, incident)
    assert (after.status, after.acknowledged_by) == (Status.ACKNOWLEDGED, "ada")
    assert [one.act.kind for one in await store.acts.waiting(NOON + 13 * HOUR)] == [ActKind.UNACKNOWLEDGE]


async def test_applying_acts_twice_changes_nothing(store: Store) -> None:
    incident = await begun(store)
    acts = (
        act(incident, ActKind.ACKNOWLEDGE, until=NOON + HOUR),
        act(incident, ActKind.NOTE, "x"),
        act(incident, ActKind.SNOOZE, until=NOON + HOUR),
        act(incident, ActKind.ASSIGN, "bob"),
        act(incident, ActKind.RESOLVE),
    )
    await store.acts.leave(acts)
    tick = tick_of(await store.acts.waiting(NOON), NOON, [owed()])
    await store.book.commit(tick)
    before = (await held(store, incident), await story(store, incident), await rows(store))

    assert not await store.book.commit(tick)
    assert not await store.book.commit(replace(tick, at=NOON + HOUR))
    assert (await held(store, incident), await story(store, incident), await rows(store)) == before


async def rows(store: Store) -> list[int]:
    names = (tables.act, tables.timeline, tables.outbox, tables.incident)
    return await store.database.read(
        lambda connection: [connection.scalar(select(func.count()).select_from(one)) or 0 for one in names]
    )


async def test_a_tick_that_fails_applies_no_act_and_the_next_one_does(store: Store) -> None:
    incident = await begun(store)
    await store.acts.leave([act(incident, ActKind.ACKNOWLEDGE)])
    tick = tick_of(await store.acts.waiting(NOON), NOON)
    bad = replace(tick, polls=[replace(poll(batch()), cursor=None)], kept="nonsense")  # type: ignore[arg-type]

    with pytest.raises(AttributeError):
        await store.book.commit(bad)
    assert (await held(store, incident)).status is Status.OPEN
    await store.take_up()
    assert (await held(store, incident)).status is Status.ACKNOWLEDGED


async def test_an_act_names_the_journal_row_that_it_comes_after(store: Store) -> None:
    incident = await begun(store)
    await store.book.commit(Tick(NOON, polls=[poll(batch()), poll(batch(start=NOON + MINUTE))]))
    [done] = await store.act(act(incident, ActKind.NOTE, "x"))

    assert done.row == await store.journal.reached() == 2


async def test_a_replay_finds_the_ends_by_hand_that_it_has_to_put_again(store: Store) -> None:
    """By the journal's row or by event time, whichever reaches further back; nothing but ends."""
    incident = await begun(store)
    await store.book.commit(Tick(NOON, polls=[poll(batch())]))
    await store.act(act(incident, ActKind.NOTE, "x"))
    assert await store.acts.ends(row=0, since=0) == []
    await store.act(act(incident, ActKind.RESOLVE, at=NOON))

    [end] = await store.acts.ends(row=1, since=10**15)
    assert (end.key, end.row) == ((await held(store, incident)).key, 1)
    assert end.at == (await held(store, incident)).resolved_at
    assert await store.acts.ends(row=2, since=end.at) == [end]
    assert await store.acts.ends(row=2, since=end.at + 1) == []


async def test_many_acts_are_taken_up_a_part_at_a_time_in_order(store: Store) -> None:
    incident = await begun(store)
    await store.acts.leave([act(incident, ActKind.NOTE, str(number)) for number in range(MOST + 1)])

    assert len(await store.acts.waiting(NOON)) == MOST
    await store.take_up()
    await store.take_up()
    texts = [text for kind, _, text in await story(store, incident) if kind == "note"]
    assert texts == [str(number) for number in range(MOST + 1)]
