"""The outbox on SQLite and on Postgres: what is owed is told in order, and a crash loses none of it."""

import pytest

from tests.contract.outboxes import FIRST, OVER, REPEATED, claim, tell
from tests.databases import NOON
from tests.store.building import Store, key, opened, owed, reopened, resolved, withdrawn
from watcher.model.incident import Status, Transition
from watcher.model.message import Owed, Telling
from watcher.model.ports import Delivery, IncidentQuery, Tick
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE
from watcher.store.database import Database
from watcher.store.lease import Lease


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


async def deliveries(store: Store, transition: Transition = FIRST) -> list[tuple[str, str]]:
    def told(delivery: Delivery) -> tuple[str, str]:
        return delivery.telling, delivery.state

    incident = next(
        one for one in await store.history.incidents(IncidentQuery()) if one.key == transition.key
    )
    return [told(delivery) for delivery in await store.history.deliveries(incident.id)]


async def test_what_a_tick_owes_is_due_with_the_incident_as_it_stands(store: Store) -> None:
    committed = await store.apply(FIRST, owed=[owed()])
    rows = await claim(store)

    assert [(row.telling, row.target, row.attempts, row.held) for row in rows] == [
        (Telling.OPENED, "mail/0", 0, False)
    ]
    assert rows[0].incident == committed[0].incident
    assert rows[0].created_at == NOON


async def test_a_claimed_row_is_nobody_elses_until_its_lease_ends(store: Store) -> None:
    """A courier that dies in between has its rows delivered again, under the same key."""
    await store.apply(FIRST, owed=[owed()])
    first = await claim(store)

    assert not await claim(store, at=NOON + MINUTE - 1)
    assert await store.outbox.next_due("mail/0") == NOON + MINUTE
    again = await claim(store, at=NOON + MINUTE)
    assert [row.key for row in again] == [row.key for row in first]


async def test_a_daemon_that_starts_again_delivers_at_once_what_the_last_one_was_sending(
    store: Store,
) -> None:
    await store.apply(FIRST, owed=[owed()])
    await claim(store)
    await store.lease.release()
    await Lease(store.database).acquire()

    assert len(await claim(store)) == 1


async def test_a_row_not_due_yet_waits_and_says_until_when(store: Store) -> None:
    await store.apply(FIRST, owed=[owed(due=NOON + MINUTE)])

    assert not await claim(store)
    assert await store.outbox.next_due("mail/0") == NOON + MINUTE
    assert len(await claim(store, at=NOON + MINUTE)) == 1


async def test_each_target_has_its_own_rows(store: Store) -> None:
    await store.apply(FIRST, owed=[owed("mail/0"), owed("slack/1")])
    await tell(store)

    assert await store.outbox.next_due("mail/0") is None
    assert await store.outbox.next_due("slack/1") == NOON
    assert await store.history.backlog() == {"slack/1": 1}


async def test_critical_comes_first_and_openings_before_endings(store: Store) -> None:
    old = opened(key("old"), at=NOON - HOUR)
    await store.apply(old, owed=[owed()])
    await tell(store)
    await store.apply(
        resolved(old, end=NOON),
        opened(key("a")),
        opened(key("b"), severity=Severity.CRITICAL),
        opened(key("c"), severity=Severity.INFO),
        owed=[owed()],
    )

    rows = await claim(store)
    assert [(str(row.incident.severity), row.telling) for row in rows] == [
        ("critical", Telling.OPENED),
        ("warning", Telling.OPENED),
        ("warning", Telling.RESOLVED),
        ("info", Telling.OPENED),
    ]


async def test_a_failed_row_comes_again_when_it_is_to_be_retried(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])
    await store.outbox.failed(await claim(store), at=NOON, error="451 later", retry_at=NOON + 2 * MINUTE)

    assert not await claim(store, at=NOON + MINUTE)
    assert await store.outbox.next_due("mail/0") == NOON + 2 * MINUTE
    again = await claim(store, at=NOON + 2 * MINUTE)
    assert [row.attempts for row in again] == [1]


async def test_a_row_that_will_never_be_taken_is_dead_and_says_why(store: Store) -> None:
    committed = await store.apply(FIRST, owed=[owed()])
    await store.outbox.failed(await claim(store), at=NOON + 1, error="550 no such user", retry_at=None)

    assert await store.outbox.next_due("mail/0") is None
    assert await store.history.deliveries(committed[0].incident.id) == [
        Delivery("mail/0", Telling.OPENED, "dead", 1, NOON + 1, "550 no such user", "given up")
    ]


async def test_no_word_overtakes_one_before_it_about_the_same_incident(store: Store) -> None:
    """The opening is being sent when the recovery comes; it fails, and the recovery waits for it."""
    await store.apply(FIRST, owed=[owed()])
    sending = await claim(store)
    await store.apply(OVER, owed=[owed()])

    assert not await claim(store)
    assert await store.outbox.next_due("mail/0") == NOON + MINUTE
    await store.outbox.failed(sending, at=NOON, error="timeout", retry_at=NOON + 3 * MINUTE)
    assert not await claim(store, at=NOON + 2 * MINUTE)
    assert await tell(store, at=NOON + 3 * MINUTE) == [Telling.OPENED]
    assert await tell(store, at=NOON + 3 * MINUTE) == [Telling.RESOLVED]


async def test_an_opening_not_told_when_it_is_over_is_told_once_as_the_recovery(store: Store) -> None:
    await store.apply(FIRST, owed=[owed(held=True, due=NOON + MINUTE)])
    await store.apply(OVER, owed=[owed()])

    rows = await claim(store)
    assert [(row.telling, row.incident.status) for row in rows] == [(Telling.RESOLVED, Status.RESOLVED)]
    assert await deliveries(store) == [("opened", "skipped"), ("resolved", "due")]


async def test_opened_and_over_in_one_tick_is_told_once(store: Store) -> None:
    await store.apply(FIRST, OVER, owed=[owed()])

    assert await tell(store) == [Telling.RESOLVED]


async def test_a_withdrawal_is_told_where_the_opening_was_told(store: Store) -> None:
    await store.apply(FIRST, owed=[owed("mail/0"), owed("slack/0")])
    await tell(store)
    await store.apply(withdrawn(FIRST, decided=NOON + HOUR), owed=[owed("mail/0"), owed("slack/0")])

    assert await tell(store) == [Telling.WITHDRAWN]
    assert not await claim(store, target="slack/0")
    assert await store.history.backlog() == {}


FOLLOWING: list[Owed] = [Owed("mail/0", NOON), Owed("slack/0", NOON, follows=True)]
"""What today's routes say of an end: `mail/0` is pointed to, `slack/0` is not any more."""


async def test_an_end_is_told_where_the_opening_was_told_whatever_the_routes_say_now(store: Store) -> None:
    await store.apply(FIRST, owed=[owed("slack/0")])
    opening = await claim(store, target="slack/0")
    await store.outbox.done(opening, at=NOON, reason="told", detail="")
    await store.apply(OVER, owed=FOLLOWING)

    assert [row.telling for row in await claim(store, target="slack/0")] == [Telling.RESOLVED]


async def test_nobody_is_told_of_the_end_of_what_they_were_never_told(store: Store) -> None:
    """An all-clear of what one has not heard of is a riddle: that routes point here today changes nothing."""
    await store.apply(FIRST, owed=[owed("slack/0")])
    committed = await store.apply(OVER, owed=FOLLOWING)

    assert await claim(store, target="mail/0") == []
    [*_, row] = [
        row for row in await store.history.deliveries(committed[0].incident.id) if row.target == "mail/0"
    ]
    assert (row.telling, row.state, row.reason) == (
        Telling.RESOLVED,
        "skipped",
        "it was not told of the opening",
    )


async def test_an_end_follows_no_opening_that_went_elsewhere(store: Store) -> None:
    await store.apply(FIRST, owed=[owed("mail/0")])
    committed = await store.apply(OVER, owed=FOLLOWING)

    told = await store.history.deliveries(committed[0].incident.id)
    assert {delivery.target for delivery in told} == {"mail/0"}


async def test_an_end_replaces_an_opening_that_is_yet_to_be_told_by_routes_of_before(store: Store) -> None:
    await store.apply(FIRST, owed=[owed("slack/0")])
    await store.apply(OVER, owed=FOLLOWING)

    assert [row.telling for row in await claim(store, target="slack/0")] == [Telling.RESOLVED]


async def test_an_end_follows_no_opening_that_never_arrived(store: Store) -> None:
    await store.apply(FIRST, owed=[owed("slack/0", repeat=HOUR)])
    dead = await claim(store, target="slack/0")
    await store.outbox.failed(dead, at=NOON, error="550 no such user", retry_at=None)
    await store.apply(OVER, owed=FOLLOWING)

    assert await store.outbox.next_due("slack/0") is None


async def test_what_is_owed_to_a_target_that_is_gone_is_owed_no_more_and_says_why(store: Store) -> None:
    committed = await store.apply(FIRST, owed=[owed("mail/0"), owed("slack/0", repeat=HOUR)])
    await claim(store, target="slack/0")

    assert await store.outbox.retire(["mail/0", "hook/0"], at=NOON) == 1
    assert await store.outbox.retire(["mail/0", "hook/0"], at=NOON) == 0
    assert await store.history.backlog() == {"mail/0": 1}
    rows = await store.history.deliveries(committed[0].incident.id)
    assert [(row.target, row.state, row.detail) for row in rows] == [
        ("mail/0", "due", ""),
        ("slack/0", "dead", "its target is no longer configured"),
    ]
    [lost] = await store.history.given_up(since=NOON)
    assert (lost.target, lost.count, lost.detail) == ("slack/0", 1, "its target is no longer configured")
    assert await store.history.given_up(since=NOON + 1) == []


async def test_without_any_target_nothing_is_owed(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])

    assert await store.outbox.retire([], at=NOON) == 1
    assert await store.history.backlog() == {}


async def test_a_withdrawal_without_receivers_still_takes_back_what_was_not_told(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])
    await store.apply(withdrawn(FIRST, decided=NOON + HOUR))

    assert await store.history.backlog() == {}


async def test_a_withdrawal_follows_an_opening_that_is_being_sent(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])
    sending = await claim(store)
    await store.apply(withdrawn(FIRST, decided=NOON + HOUR), owed=[owed()])
    await store.outbox.done(sending, at=NOON, reason="told", detail="")

    assert await tell(store) == [Telling.WITHDRAWN]


async def test_a_recovery_taken_back_before_it_was_told_tells_nothing_new(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])
    await tell(store)
    await store.apply(OVER, owed=[owed()])
    await store.apply(reopened(FIRST, decided=NOON + HOUR), owed=[owed()])

    assert await tell(store) == []


async def test_a_recovery_that_was_told_and_taken_back_is_told(store: Store) -> None:
    await store.apply(FIRST, OVER, owed=[owed()])
    await tell(store)
    await store.apply(reopened(FIRST, decided=NOON + HOUR), owed=[owed()])

    assert await tell(store) == [Telling.REOPENED]


async def test_what_is_held_is_due_when_its_source_has_caught_up(store: Store) -> None:
    other = opened(key(source="lsw"))
    await store.apply(FIRST, other, owed=[owed(held=True, due=NOON + MINUTE)])
    await store.book.commit(Tick(at=NOON + 1, released=["cdnv"]))

    rows = await claim(store, at=NOON + 1)
    assert [(row.incident.key, row.held) for row in rows] == [(FIRST.key, True)]
    assert len(await claim(store, at=NOON + MINUTE)) == 1


async def test_what_is_held_and_released_still_waits_for_its_group(store: Store) -> None:
    row = Owed("mail/0", NOON + MINUTE, held=True, ready_at=NOON + MINUTE // 2)
    await store.apply(FIRST, owed=[row])
    await store.book.commit(Tick(at=NOON + 1, released=["cdnv"]))

    assert await store.outbox.next_due("mail/0") == NOON + MINUTE // 2


async def test_what_is_held_waits_no_longer_than_its_own_time(store: Store) -> None:
    await store.apply(FIRST, owed=[owed(held=True, due=NOON + MINUTE)])

    assert not await claim(store)
    assert [row.held for row in await claim(store, at=NOON + MINUTE)] == [True]


async def test_marking_a_row_twice_is_marking_it_once(store: Store) -> None:
    """A courier whose lease ran out may come late."""
    await store.apply(FIRST, owed=REPEATED)
    rows = await claim(store)
    await store.outbox.done(rows, at=NOON, reason="told", detail="first")
    await store.outbox.done(rows, at=NOON + 1, reason="told", detail="second")
    await store.outbox.failed(rows, at=NOON + 2, error="third", retry_at=NOON + 3)

    assert await deliveries(store) == [("opened", "done"), ("reminder", "due")]


async def test_a_skipped_row_says_why(store: Store) -> None:
    committed = await store.apply(FIRST, owed=[owed()])
    await store.outbox.skipped(await claim(store), at=NOON, reason="silenced")

    rows = await store.history.deliveries(committed[0].incident.id)
    assert [(row.state, row.detail) for row in rows] == [("skipped", "silenced")]


async def test_a_large_backlog_is_claimed_in_parts_each_row_once(store: Store) -> None:
    await store.apply(*(opened(key(f"r{number}")) for number in range(700)), owed=[owed()])
    parts = [await claim(store, limit=300) for _ in range(4)]

    assert [len(part) for part in parts] == [300, 300, 100, 0]
    assert len({row.id for part in parts for row in part}) == 700
    await store.outbox.done([row for part in parts for row in part], at=NOON, reason="told", detail="")
    assert await store.history.backlog() == {}


async def test_a_recovery_says_whether_its_target_heard_of_the_opening(store: Store) -> None:
    """Who was owed an opening that was given up learns with the end that there was an incident."""
    await store.apply(FIRST, owed=[owed(), owed("hook/0")])
    assert await tell(store) == [Telling.OPENED]
    given_up = await claim(store, target="hook/0")
    await store.outbox.failed(given_up, at=NOON, error="410 gone", retry_at=None)
    await store.apply(OVER, owed=[owed(), owed("hook/0")])

    assert [row.heard for row in await claim(store)] == [True]
    assert [row.heard for row in await claim(store, target="hook/0")] == [False]


async def test_what_the_rate_keeps_from_being_claimed_says_so_and_stays_due(store: Store) -> None:
    await store.apply(opened(key("shop")), owed=[owed(), owed("hook/0")])
    await store.apply(opened(key("worst"), severity=Severity.CRITICAL), owed=[owed()])
    await store.apply(opened(key("later")), owed=[owed(due=NOON + HOUR)])

    await store.outbox.noted("mail/0", at=NOON, reason="waits, for there are many")

    rows = await claim(store, at=NOON + HOUR)
    assert sorted(row.reason for row in rows) == ["", "", "waits, for there are many"]
    assert [row.reason for row in await claim(store, target="hook/0")] == [""]


async def test_what_was_sent_lately_is_known_after_a_restart(store: Store) -> None:
    await store.apply(opened(key("shop")), owed=[owed(), owed("hook/0")])
    await store.apply(opened(key("news")), owed=[owed()])
    await store.outbox.done(await claim(store), at=NOON + MINUTE, reason="told", detail="")
    failing = await claim(store, target="hook/0")
    await store.outbox.failed(failing, at=NOON + 2 * MINUTE, error="500", retry_at=NOON + HOUR)

    assert await store.outbox.attempted(since=NOON) == {
        "hook/0": [NOON + 2 * MINUTE],
        "mail/0": [NOON + MINUTE],
    }
    assert await store.outbox.attempted(since=NOON + HOUR) == {}
