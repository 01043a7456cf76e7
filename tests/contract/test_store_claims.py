"""Claims on SQLite and on Postgres: groups come together, a claim that ran out marks nothing."""

import pytest

from tests.contract.outboxes import FIRST, OVER, claim, tell
from tests.databases import NOON
from tests.store.building import Store, key, opened, owed, resolved
from watcher.model.incident import Change, Transition
from watcher.model.message import Due, Owed, Policy, Telling
from watcher.model.ports import IncidentQuery
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE, SECOND, Duration, Instant
from watcher.store.database import Database

SHOP, BLOG = opened(key("shop")), opened(key("blog"))
POLICY = Policy(group_interval=5 * MINUTE, mute=("nights",), digest_below=Severity.CRITICAL)


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


def grouped(*, due: Instant = NOON, repeat: Duration = 0) -> list[Owed]:
    group = '{"source": "cdnv"}'
    return [Owed("mail/0", due, repeat=repeat, route="ops", group=group, policy=POLICY)]


def rose(of: Transition, severity: Severity = Severity.CRITICAL) -> Transition:
    return Transition(
        Change.ROSE, of.key, severity, of.was, of.opened_at, None, NOON + MINUTE, of.summary, of.evidence
    )


def resources(rows: list[Due]) -> list[str]:
    return sorted(dict(row.incident.key.labels)["resource"] for row in rows)


async def states(store: Store) -> list[tuple[str, str]]:
    one = (await store.history.incidents(IncidentQuery()))[0]
    return [(delivery.telling, delivery.reason) for delivery in await store.history.deliveries(one.id)]


async def test_a_row_keeps_how_it_is_to_be_told(store: Store) -> None:
    await store.apply(SHOP, owed=grouped())

    row = (await claim(store))[0]

    assert (row.route, row.group, row.policy) == ("ops", '{"source": "cdnv"}', POLICY)
    assert (row.group_told_at, row.group_stands, row.reason, row.fence) == (None, False, "", 1)


async def test_members_that_still_wait_for_their_group_come_with_the_first_that_is_due(store: Store) -> None:
    await store.apply(SHOP, owed=grouped(due=NOON + 30 * SECOND))
    await store.apply(BLOG, owed=grouped(due=NOON + 50 * SECOND))
    await store.apply(opened(key("other")), owed=[owed(due=NOON + 50 * SECOND)])

    assert not await claim(store, at=NOON + 29 * SECOND)
    rows = await claim(store, at=NOON + 30 * SECOND)

    assert resources(rows) == ["blog", "shop"]


async def test_a_member_knows_when_its_group_was_told_and_whether_others_of_it_stand(store: Store) -> None:
    await store.apply(SHOP, owed=grouped())
    await tell(store, at=NOON)
    await store.apply(BLOG, owed=grouped(due=NOON + MINUTE))

    assert await store.outbox.next_due("mail/0") == NOON + MINUTE
    row = (await claim(store, at=NOON + MINUTE))[0]
    assert (row.group_told_at, row.group_stands) == (NOON, True)
    await store.outbox.done([row], at=NOON + MINUTE, reason="told", detail="")

    await store.apply(resolved(SHOP, end=NOON + HOUR), owed=[owed()])
    end = (await claim(store, at=NOON + HOUR))[0]
    assert (end.group, end.group_told_at, end.group_stands) == (row.group, NOON + MINUTE, True)
    await store.outbox.done([end], at=NOON + HOUR, reason="told", detail="")

    await store.apply(resolved(BLOG, end=NOON + HOUR), owed=[owed()])
    assert [one.group_stands for one in await claim(store, at=NOON + HOUR)] == [False]


async def test_an_end_goes_the_way_its_opening_went_whatever_the_routes_say_now(store: Store) -> None:
    await store.apply(FIRST, owed=grouped())
    await tell(store)
    await store.apply(OVER, owed=[Owed("mail/0", NOON, follows=True)])

    assert [(row.route, row.policy) for row in await claim(store)] == [("ops", POLICY)]


async def test_who_was_claimed_again_since_is_not_marked_by_the_one_before(store: Store) -> None:
    await store.apply(FIRST, owed=[owed(repeat=HOUR)])
    late = await claim(store)
    again = await claim(store, at=NOON + MINUTE)

    await store.outbox.done(late, at=NOON + MINUTE, reason="told", detail="late")
    await store.outbox.failed(late, at=NOON + MINUTE, error="late", retry_at=None)
    assert await states(store) == [("opened", "")]

    await store.outbox.done(again, at=NOON + MINUTE, reason="told", detail="in time")
    assert await states(store) == [("opened", "told"), ("reminder", "")]


async def test_who_is_late_and_alone_may_still_say_that_it_was_told(store: Store) -> None:
    """Nobody else has it: telling again what has arrived would be worse."""
    await store.apply(FIRST, owed=[owed()])
    late = await claim(store)
    await store.outbox.done(late, at=NOON + HOUR, reason="told", detail="")

    assert not await claim(store, at=NOON + HOUR)


async def test_what_is_postponed_was_not_attempted_and_says_why_it_waits(store: Store) -> None:
    await store.apply(FIRST, owed=[owed()])
    await store.outbox.postponed(await claim(store), at=NOON, reason="muted", until=NOON + HOUR)

    assert not await claim(store, at=NOON + MINUTE)
    assert await states(store) == [("opened", "muted")]
    row = (await claim(store, at=NOON + HOUR))[0]
    assert (row.attempts, row.reason) == (0, "muted")
    await store.outbox.postponed([row], at=NOON + HOUR, reason="", until=NOON + HOUR)
    assert await states(store) == [("opened", "muted")]


async def test_urgent_is_what_is_critical(store: Store) -> None:
    await store.apply(SHOP, opened(key("blog"), severity=Severity.CRITICAL), owed=[owed()])

    assert await store.outbox.next_due("mail/0", urgent=True) == NOON
    rows = list(await store.outbox.claim("mail/0", at=NOON, lease=MINUTE, limit=9, urgent=True))
    assert [row.incident.severity for row in rows] == [Severity.CRITICAL]
    await store.outbox.done(rows, at=NOON, reason="told", detail="")
    assert await store.outbox.next_due("mail/0", urgent=True) is None
    assert await store.outbox.next_due("mail/0") == NOON


async def test_when_a_target_takes_messages_again_what_failed_is_due_at_once(store: Store) -> None:
    await store.apply(SHOP, owed=[owed("mail/0"), owed("hook/0")])
    await store.apply(BLOG, owed=[owed(due=NOON + HOUR)])
    for target in ("mail/0", "hook/0"):
        rows = await claim(store, target=target)
        await store.outbox.failed(rows, at=NOON, error="down", retry_at=NOON + 15 * MINUTE)

    await store.outbox.hurry("mail/0", at=NOON + MINUTE)

    assert await store.outbox.next_due("mail/0") == NOON + MINUTE
    assert await store.outbox.next_due("hook/0") == NOON + 15 * MINUTE


async def test_reminders_come_less_and_less_often_up_to_the_most(store: Store) -> None:
    row = Owed("mail/0", NOON, repeat=HOUR, route="ops", policy=Policy(repeat_max=3 * HOUR))
    await store.apply(FIRST, owed=[row])
    await tell(store)

    waits, at = [], NOON
    for _ in range(4):
        due = await store.outbox.next_due("mail/0")
        assert due is not None
        waits.append((due - at) // HOUR)
        at = due
        assert await tell(store, at=at) == [Telling.REMINDER]
    assert waits == [1, 2, 3, 3]


async def test_what_gets_worse_does_not_wait_with_an_opening_that_waits(store: Store) -> None:
    await store.apply(FIRST, owed=grouped(due=NOON + HOUR))
    await store.apply(rose(FIRST), owed=[Owed("mail/0", NOON, route="pager")])

    rows = await claim(store)
    assert [(row.telling, row.route, row.incident.severity) for row in rows] == [
        (Telling.OPENED, "pager", Severity.CRITICAL)
    ]


async def test_what_gets_worse_elsewhere_leaves_an_opening_that_waits_as_it_is(store: Store) -> None:
    await store.apply(FIRST, owed=grouped(due=NOON + HOUR))
    await store.apply(rose(FIRST), owed=[Owed("mail/0", NOON, follows=True), Owed("hook/0", NOON)])

    assert not await claim(store)
    assert [row.telling for row in await claim(store, target="hook/0")] == [Telling.OPENED]
    assert [row.route for row in await claim(store, at=NOON + HOUR)] == ["ops"]
