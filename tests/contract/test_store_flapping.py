"""What the outbox holds of what flaps, on SQLite and on Postgres: nothing is lost, nothing told twice."""

from dataclasses import replace

import pytest

from tests.contract.outboxes import claim, tell
from tests.databases import NOON, HandClock
from tests.store.building import Store, key, opened, owed, reopened, resolved
from watcher.model.incident import Change, Figures, Status, Transition
from watcher.model.message import Owed, Policy, Telling
from watcher.model.ports import IncidentQuery
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE, Duration, Instant
from watcher.store.database import Database
from watcher.store.threads import SqlThreads

FIRST = opened()
REST: Duration = 30 * MINUTE


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


def back(returns: int, at: Instant, *, flapping: bool = True) -> Transition:
    """It came back so often by then."""
    return replace(reopened(FIRST, decided=at), figures=Figures(returns=returns, flapping=flapping))


def flaps(returns: int, at: Instant) -> Transition:
    return replace(back(returns, at), change=Change.FLAPPING)


def over(at: Instant) -> Transition:
    """It ended, and may come back for half an hour."""
    return replace(resolved(FIRST, end=at), rest=REST)


def rested(at: Instant) -> Owed:
    return replace(owed(due=at + REST), ready_at=at + REST, reason="flapping")


async def begin_to_flap(store: Store) -> None:
    """Opened, over, back: so often that it flaps; and all of that is told."""
    await store.apply(FIRST, owed=[owed()])
    await tell(store)
    await store.apply(resolved(FIRST, end=NOON + MINUTE), owed=[owed()])
    await tell(store)
    at = NOON + 2 * MINUTE
    await store.apply(back(3, at, flapping=False), flaps(3, at), owed=[owed()])
    assert await tell(store) == [Telling.FLAPPING]


async def reasons(store: Store) -> list[tuple[Telling, str, str]]:
    (one,) = await store.history.incidents(IncidentQuery())
    rows = await store.history.deliveries(one.id)
    return [(row.telling, row.state, row.reason) for row in rows]


async def test_a_return_takes_the_end_back_that_was_not_told_and_neither_is_told(store: Store) -> None:
    await begin_to_flap(store)
    for minutes in (10, 20):
        await store.apply(over(NOON + minutes * MINUTE), owed=[rested(NOON + minutes * MINUTE)])
        assert await tell(store, at=NOON + (minutes + 5) * MINUTE) == []
        await store.apply(back(4, NOON + (minutes + 6) * MINUTE), owed=[owed()])
        assert await tell(store, at=NOON + (minutes + 6) * MINUTE) == []

    assert await tell(store, at=NOON + 5 * HOUR) == []
    assert (await reasons(store))[-4:] == [
        (Telling.RESOLVED, "skipped", "flapping"),
        (Telling.REOPENED, "skipped", "flapping"),
    ] * 2


async def test_an_end_that_lasts_is_told_when_it_has_lasted(store: Store) -> None:
    """The book says at once that it is over; the row waits, and says why."""
    await begin_to_flap(store)
    end = NOON + 10 * MINUTE
    await store.apply(over(end), owed=[rested(end)])

    (one,) = await store.history.incidents(IncidentQuery(flapping=True))
    assert (one.status, one.resolved_at) == (Status.RESOLVED, end)
    assert (await reasons(store))[-1] == (Telling.RESOLVED, "due", "flapping")
    assert await tell(store, at=end + REST - 1) == []
    assert await tell(store, at=end + REST) == [Telling.RESOLVED]
    assert await store.history.incidents(IncidentQuery(flapping=False)) == []


async def test_what_comes_back_worse_than_ever_is_told_at_once(store: Store) -> None:
    await begin_to_flap(store)
    await store.apply(over(NOON + 10 * MINUTE), owed=[rested(NOON + 10 * MINUTE)])
    worse = replace(back(4, NOON + 12 * MINUTE), severity=Severity.CRITICAL)
    await store.apply(worse, owed=[owed()])

    assert await tell(store, at=NOON + 12 * MINUTE) == [Telling.ROSE]
    assert await tell(store, at=NOON + 5 * HOUR) == []


async def test_an_opening_that_was_not_delivered_yet_does_not_wait_with_the_end(store: Store) -> None:
    """And it is told as an opening, whatever came after it."""
    await store.apply(FIRST, owed=[owed()])
    at = NOON + 2 * MINUTE
    await store.apply(flaps(3, at), owed=[owed()])
    await store.apply(over(NOON + 10 * MINUTE), owed=[rested(NOON + 10 * MINUTE)])

    assert await tell(store) == [Telling.OPENED]
    assert await tell(store, at=NOON + HOUR) == [Telling.RESOLVED]


async def test_who_could_not_be_told_that_it_flaps_is_told_with_the_next_return(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])
    await tell(store)
    await store.apply(flaps(3, NOON + MINUTE), owed=[owed()])
    await store.apply(over(NOON + 2 * MINUTE), owed=[rested(NOON + 2 * MINUTE)])
    await store.apply(back(4, NOON + 3 * MINUTE), owed=[owed()])

    assert await tell(store, at=NOON + 3 * MINUTE) == [Telling.FLAPPING]


async def test_a_reminder_outlives_ends_and_returns(store: Store) -> None:
    repeated = [owed(repeat=HOUR)]
    await store.apply(FIRST, owed=repeated)
    await tell(store)
    await store.apply(flaps(3, NOON + MINUTE), owed=repeated)
    await tell(store)
    for minutes in range(10, 50, 10):
        at = NOON + minutes * MINUTE
        await store.apply(over(at), owed=[rested(at)])
        await store.apply(back(minutes, at + MINUTE), owed=[owed(due=at + MINUTE, repeat=HOUR)])

    assert await tell(store, at=NOON + HOUR) == [Telling.REMINDER]


async def test_an_end_by_hand_is_told_at_once(store: Store) -> None:
    """Of what a person ended nothing comes back: the engine gives it no rest."""
    await begin_to_flap(store)
    await store.apply(resolved(FIRST, end=NOON + 10 * MINUTE), owed=[owed()])

    assert await tell(store, at=NOON + 10 * MINUTE) == [Telling.RESOLVED]


async def test_what_is_told_of_flapping_stays_what_it_stands_for(store: Store, hand: HandClock) -> None:
    """For who is told again of what stands: until its end is told, or it would end there by itself."""
    await begin_to_flap(store)
    threads, (one,) = SqlThreads(store.database), await store.history.incidents(IncidentQuery())
    await threads.keep("mail/0", {one.id: "warning"})
    end = NOON + 10 * MINUTE
    await store.apply(over(end), owed=[rested(end)])

    assert await threads.standing("mail/0", ended_since=NOON + HOUR) == [(one, "warning")]
    hand.at = end + REST
    rows = await claim(store, at=hand.at)
    assert await threads.standing("mail/0", ended_since=NOON) == []
    await store.outbox.done(rows, at=hand.at, reason="told", detail="")
    ((found, _),) = await threads.standing("mail/0", ended_since=NOON)
    assert (found.id, found.resolved_at) == (one.id, end)


async def test_an_end_that_may_have_arrived_is_not_told_again_as_standing(
    store: Store, hand: HandClock
) -> None:
    await begin_to_flap(store)
    threads, (one,) = SqlThreads(store.database), await store.history.incidents(IncidentQuery())
    await threads.keep("mail/0", {one.id: "warning"})
    end = NOON + 10 * MINUTE
    await store.apply(over(end), owed=[rested(end)])
    hand.at = end + REST
    rows = await claim(store, at=hand.at)
    await store.outbox.failed(rows, at=hand.at, error="no answer within 30 s", retry_at=hand.at + HOUR)

    assert await threads.standing("mail/0", ended_since=NOON) == []


async def test_a_tick_applied_twice_owes_and_records_once(store: Store) -> None:
    await begin_to_flap(store)
    at = NOON + 2 * MINUTE
    assert not await store.apply(back(3, at, flapping=False), flaps(3, at), owed=[owed()])
    assert await claim(store) == []


async def test_another_key_is_not_concerned(store: Store) -> None:
    await begin_to_flap(store)
    await store.apply(over(NOON + 10 * MINUTE), owed=[rested(NOON + 10 * MINUTE)])
    await store.apply(opened(key("blog")), owed=[owed()])

    assert await tell(store, at=NOON + 11 * MINUTE) == [Telling.OPENED]


async def test_what_flaps_is_reminded_of_no_more_often_than_its_route_allows(store: Store) -> None:
    """Its returns, of which nobody is told, do not begin the count anew."""
    once = [replace(owed(repeat=HOUR), policy=Policy(repeat_times=1))]
    await store.apply(FIRST, owed=once)
    await tell(store)
    await store.apply(flaps(3, NOON + MINUTE), owed=once)
    await tell(store)
    told: list[Telling] = []
    for minutes in range(10, 400, 10):
        at = NOON + minutes * MINUTE
        await store.apply(over(at), owed=[rested(at)])
        await store.apply(back(minutes, at + MINUTE), owed=[replace(once[0], not_before=at + MINUTE)])
        told += await tell(store, at=at + 2 * MINUTE)

    assert told == [Telling.REMINDER]


async def test_a_reminder_that_came_due_while_it_was_over_is_not_lost(store: Store) -> None:
    once = [replace(owed(repeat=HOUR), policy=Policy(repeat_times=1))]
    await store.apply(FIRST, owed=once)
    await tell(store)
    await store.apply(flaps(3, NOON + MINUTE), owed=once)
    await tell(store)
    at = NOON + 55 * MINUTE
    await store.apply(over(at), owed=[rested(at)])
    due = await claim(store, at=NOON + 62 * MINUTE)
    await store.outbox.skipped(due, at=NOON + 62 * MINUTE, reason="over already")
    await store.apply(back(4, at + 8 * MINUTE), owed=[replace(once[0], not_before=at + 8 * MINUTE)])

    assert [row.telling for row in due] == [Telling.REMINDER]
    assert await tell(store, at=at + 8 * MINUTE + HOUR) == [Telling.REMINDER]
