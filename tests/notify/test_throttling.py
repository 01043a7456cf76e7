"""More messages than the rate allows become fewer that tell of many; critical ones never wait."""

from tests.notify.doubles import T, due, incident, resolved
from watcher.model.message import Due, Telling
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE
from watcher.notify.stages import DIGEST, DIGEST_SIZE, IN_FULL, Reason, View, decide


def storm(count: int, severity: Severity = Severity.WARNING, *, start: int = 1) -> list[Due]:
    return [
        due(incident(id=f"{severity}-{n:05}", severity=severity), row=n) for n in range(start, start + count)
    ]


def test_with_room_for_all_each_is_told_by_itself() -> None:
    plans = decide(storm(5), View(T, room=5)).plans

    assert [plan.kind for plan in plans] == ["opened"] * 5


def test_more_than_there_is_room_for_is_told_in_one_message_and_critical_ones_each() -> None:
    plans = decide([*storm(40), *storm(3, Severity.CRITICAL, start=100)], View(T, room=10)).plans

    assert [plan.kind for plan in plans] == ["opened"] * 3 + [DIGEST]
    rest = plans[-1]
    assert rest.reason is Reason.THROTTLED
    assert (len(rest.incidents), len(rest.more)) == (IN_FULL, 40 - IN_FULL)


def test_the_most_severe_are_told_first_and_in_full() -> None:
    rows = storm(100, Severity.INFO) + storm(5, Severity.CRITICAL, start=200)

    plans = decide(rows, View(T, room=3)).plans

    assert [plan.severity for plan in plans] == [Severity.CRITICAL, Severity.CRITICAL]
    assert {one.severity for one in plans[1].incidents[:4]} == {Severity.CRITICAL}
    assert {one.severity for one in plans[1].more} == {Severity.INFO}


def test_recoveries_are_never_in_one_message_with_what_stands() -> None:
    over = [due(resolved(id=f"over-{n}"), Telling.RESOLVED, row=1_000 + n) for n in range(30)]

    plans = decide([*storm(30, Severity.CRITICAL), *over], View(T + HOUR, room=2)).plans

    assert sorted((plan.ends, len(plan.every)) for plan in plans) == [(False, 30), (True, 30)]


def test_without_any_room_what_is_critical_is_told_at_once_in_as_few_messages_as_can_be() -> None:
    decision = decide(storm(1_000, Severity.CRITICAL), View(T, room=0))

    assert [len(plan.every) for plan in decision.plans] == [DIGEST_SIZE] * (1_000 // DIGEST_SIZE)
    assert not decision.waits


def test_who_takes_one_incident_a_message_waits_for_room_but_for_what_is_critical() -> None:
    rows = storm(5) + storm(5, Severity.CRITICAL, start=100)

    decision = decide(rows, View(T, room=7, gathers=False, more_room_at=T + MINUTE))

    assert [plan.severity for plan in decision.plans] == [Severity.CRITICAL] * 5 + [Severity.WARNING] * 2
    assert [(wait.reason, wait.until) for wait in decision.waits] == [(Reason.AWAITS_RATE, T + MINUTE)] * 3
