"""What is put off: snoozed, muted, gathered for a digest, waiting for its group. An all-clear never is."""

from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notify.doubles import T, due, incident, resolved, withdrawn
from watcher.model.incident import Incident
from watcher.model.message import Due, Policy, Telling
from watcher.model.recurrence import Recurrence
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE, SECOND, Instant
from watcher.notify.stages import DIGEST, GROUP, Decision, Reason, View, decide

OPENED, RESOLVED, REMINDER = Telling.OPENED, Telling.RESOLVED, Telling.REMINDER
NIGHTS: Final = {"nights": (Recurrence(22 * 60, 7 * 60),)}
"""`T` is 03:00 UTC: in the night."""
MORNING: Final[Instant] = T + 4 * HOUR
QUIET: Final = Policy(mute=("nights",))
HOURLY: Final = Policy(digest=HOUR)
GROUPED: Final = Policy(group_interval=5 * MINUTE)
INFO: Final = incident(severity=Severity.INFO)


def waiting(decision: Decision) -> list[tuple[Reason, Instant]]:
    return [(wait.reason, wait.until) for wait in decision.waits]


def told(decision: Decision) -> list[tuple[str, Reason, list[str]]]:
    return [(str(plan.kind), plan.reason, [one.id for one in plan.every]) for plan in decision.plans]


def member(
    name: str,
    telling: Telling = OPENED,
    *,
    row: int = 1,
    of: Incident | None = None,
    **changes: Any,  # noqa: ANN401 - any field of a row
) -> Due:
    """A row of the group `{"source": "cdnv"}` of a route."""
    group = {"route": "ops", "group": '{"source": "cdnv"}', "policy": GROUPED}
    return due(replace(of or incident(), id=name), telling, row=row, **group | changes)


# --- muted


@pytest.mark.parametrize("telling", [OPENED, Telling.REOPENED, Telling.ROSE, Telling.UNJUDGED, REMINDER])
def test_nothing_new_is_told_while_its_route_is_muted(telling: Telling) -> None:
    decision = decide([due(incident(), telling, policy=QUIET)], View(T, times=NIGHTS))

    assert waiting(decision) == [(Reason.MUTED, MORNING)]
    assert not decision.plans


def test_an_all_clear_is_told_in_the_night_to_who_heard_of_the_opening() -> None:
    ends = [
        due(resolved(), RESOLVED, policy=QUIET),
        due(withdrawn(id="w"), Telling.WITHDRAWN, row=2, policy=QUIET),
    ]

    assert [kind for kind, _, _ in told(decide(ends, View(T + HOUR, times=NIGHTS)))] == [
        "resolved",
        "withdrawn",
    ]


def test_what_began_and_ended_in_the_night_is_told_in_the_morning() -> None:
    end = due(resolved(), RESOLVED, policy=QUIET, heard=False)

    assert waiting(decide([end], View(T + HOUR, times=NIGHTS))) == [(Reason.MUTED, MORNING)]
    morning = decide([replace(end, reason=Reason.MUTED)], View(MORNING, times=NIGHTS))
    assert told(morning) == [("resolved", Reason.WITH_ITS_END, [resolved().id])]


def test_in_the_morning_the_night_is_one_digest_and_critical_incidents_are_told_each() -> None:
    rows = [
        due(incident(id=f"i{n}", severity=severity), row=n, policy=QUIET, reason=Reason.MUTED)
        for n, severity in enumerate([Severity.WARNING, Severity.CRITICAL, Severity.INFO])
    ]

    assert told(decide(rows, View(MORNING, times=NIGHTS))) == [
        ("opened", Reason.TOLD, ["i1"]),
        (DIGEST, Reason.AFTER_MUTE, ["i0", "i2"]),
    ]


def test_a_time_that_is_configured_no_more_mutes_nothing() -> None:
    assert told(decide([due(incident(), policy=QUIET)], View(T))) != []


# --- snoozed


def test_a_snoozed_incident_is_told_of_when_the_snooze_ends() -> None:
    row = due(incident(snoozed_until=T + HOUR), REMINDER)

    assert waiting(decide([row], View(T))) == [(Reason.SNOOZED, T + HOUR)]
    assert told(decide([row], View(T + HOUR))) == [("reminder", Reason.REPEATED, [row.incident.id])]


def test_the_end_of_a_snoozed_incident_is_told_to_who_heard_of_it_and_to_nobody_else() -> None:
    over = resolved(snoozed_until=T + 5 * HOUR)

    assert told(decide([due(over, RESOLVED)], View(T + HOUR))) == [("resolved", Reason.TOLD, [over.id])]
    decision = decide([due(over, RESOLVED, heard=False)], View(T + HOUR))
    assert [skip.reason for skip in decision.skips] == [Reason.OVER_WHILE_SNOOZED]


def test_the_reason_that_a_snooze_leaves_in_the_book_is_the_word_that_acts_look_for() -> None:
    assert str(Reason.SNOOZED) == "snoozed"


# --- digested


def test_low_severities_wait_for_the_full_hour_and_are_told_together() -> None:
    rows = [due(replace(INFO, id=f"i{n}"), row=n, policy=HOURLY, route="ops") for n in range(3)]

    assert set(waiting(decide(rows, View(T + MINUTE)))) == {(Reason.AWAITS_DIGEST, T + HOUR)}
    waited = [replace(row, reason=Reason.AWAITS_DIGEST) for row in rows]
    assert told(decide(waited, View(T + HOUR + SECOND))) == [(DIGEST, Reason.DIGESTED, ["i0", "i1", "i2"])]


def test_an_end_goes_into_the_digest_too() -> None:
    over = resolved(severity=Severity.INFO)

    decision = decide([due(over, RESOLVED, policy=HOURLY)], View(T + 30 * MINUTE))
    assert waiting(decision) == [(Reason.AWAITS_DIGEST, T + HOUR)]


@pytest.mark.parametrize(
    ("severity", "below", "waits"),
    [
        (Severity.INFO, Severity.WARNING, True),
        (Severity.WARNING, Severity.WARNING, False),
        (Severity.WARNING, Severity.CRITICAL, True),
        (Severity.CRITICAL, Severity.CRITICAL, False),
    ],
)
def test_what_a_digest_gathers_is_below_its_severity(
    severity: Severity, below: Severity, *, waits: bool
) -> None:
    row = due(incident(severity=severity), policy=Policy(digest=HOUR, digest_below=below))

    assert bool(decide([row], View(T)).waits) is waits


def test_what_the_rate_kept_from_being_looked_at_still_waits_for_its_digest() -> None:
    row = due(incident(severity=Severity.INFO), policy=HOURLY, reason=Reason.AWAITS_RATE)

    assert [wait.reason for wait in decide([row], View(T)).waits] == [Reason.AWAITS_DIGEST]


def test_what_was_muted_does_not_wait_for_a_digest_as_well() -> None:
    row = due(INFO, policy=replace(HOURLY, mute=("nights",)))

    assert waiting(decide([row], View(T, times=NIGHTS))) == [(Reason.MUTED, MORNING)]
    assert told(decide([replace(row, reason=Reason.MUTED)], View(MORNING, times=NIGHTS))) != []


# --- grouped


def test_a_group_is_told_in_one_message() -> None:
    rows = [member("a", row=1), member("b", row=2), due(incident(id="alone"), row=3)]

    decision = decide(rows, View(T))

    assert told(decision) == [(GROUP, Reason.GROUPED, ["a", "b"]), ("opened", Reason.TOLD, ["alone"])]
    assert decision.plans[0].group == {"source": "cdnv"}
    assert decision.plans[0].tellings == {"a": OPENED, "b": OPENED}


def test_what_stands_and_what_is_over_are_told_apart() -> None:
    rows = [
        member("a", row=1),
        member("b", RESOLVED, row=2, of=resolved()),
        member("c", RESOLVED, row=3, of=resolved()),
        member("d", REMINDER, row=4),
    ]

    kinds = told(decide(rows, View(T + HOUR)))

    assert sorted(kinds) == [(GROUP, Reason.GROUPED, ["a", "d"]), (GROUP, Reason.GROUPED, ["b", "c"])]


def test_groups_of_other_labels_or_routes_are_other_groups() -> None:
    rows = [
        member("a", row=1),
        member("b", row=2, group='{"source": "lsw"}'),
        member("c", row=3, route="night"),
    ]

    assert [kind for kind, _, _ in told(decide(rows, View(T)))] == ["opened"] * 3


def test_a_new_member_waits_for_the_interval_and_one_that_got_worse_does_not() -> None:
    at, told_at = T + 2 * MINUTE, T
    fresh = member("a", group_told_at=told_at)

    assert waiting(decide([fresh], View(at))) == [(Reason.AWAITS_GROUP, T + 5 * MINUTE)]
    assert told(decide([fresh], View(T + 5 * MINUTE))) != []
    assert told(decide([member("a", Telling.ROSE, group_told_at=told_at)], View(at))) != []


def test_a_member_waits_for_one_interval_however_often_others_of_its_group_got_worse_meanwhile() -> None:
    fresh = member("a", group_told_at=T + 9 * MINUTE)  # owed at 5 min past

    assert waiting(decide([fresh], View(T + 9 * MINUTE))) == [(Reason.AWAITS_GROUP, T + 10 * MINUTE)]
    assert told(decide([fresh], View(T + 10 * MINUTE))) != []


def test_a_group_that_was_told_by_a_clock_that_was_set_back_keeps_nobody_waiting() -> None:
    fresh = member("a", group_told_at=T + HOUR, created_at=T)

    assert told(decide([fresh], View(T))) != []


def test_a_reminder_comes_no_sooner_than_its_group_is_told_again() -> None:
    """Though it was owed when the one before was told."""
    reminder = member("a", REMINDER, created_at=T - HOUR, group_told_at=T)

    assert waiting(decide([reminder], View(T))) == [(Reason.AWAITS_GROUP, T + 5 * MINUTE)]


def test_a_recovery_waits_while_others_stand_and_the_last_one_does_not() -> None:
    at = {"group_told_at": T + HOUR, "created_at": T + HOUR}
    end = member("a", RESOLVED, of=resolved(), group_stands=True, **at)

    assert waiting(decide([end], View(T + HOUR))) == [(Reason.AWAITS_GROUP, T + HOUR + 5 * MINUTE)]
    assert told(decide([replace(end, group_stands=False)], View(T + HOUR))) != []


# --- for a target that takes one incident a message


def test_who_takes_one_incident_a_message_is_told_of_each() -> None:
    rows = [member("a", row=1), member("b", row=2), due(incident(id="held"), row=3, held=True)]

    assert [kind for kind, _, _ in told(decide(rows, View(T, gathers=False)))] == ["opened"] * 3


# --- all of it at once

POLICIES = st.builds(
    Policy,
    group_interval=st.sampled_from([0, 5 * MINUTE]),
    mute=st.sampled_from([(), ("nights",)]),
    digest=st.sampled_from([0, HOUR]),
    digest_below=st.sampled_from([Severity.WARNING, Severity.CRITICAL]),
)
SUBJECTS = st.builds(
    replace,
    st.sampled_from([incident(), resolved(), withdrawn()]),
    id=st.uuids(version=4).map(str),
    severity=st.sampled_from(Severity),
    snoozed_until=st.none() | st.integers(T - HOUR, T + HOUR),
)
ROWS = st.lists(
    st.builds(
        due,
        SUBJECTS,
        st.sampled_from(Telling),
        row=st.integers(1, 10_000),
        held=st.booleans(),
        heard=st.booleans(),
        reason=st.sampled_from(["", Reason.MUTED, Reason.AWAITS_DIGEST]),
        route=st.sampled_from(["ops", "night"]),
        group=st.sampled_from(["", "{}", '{"source": "cdnv"}']),
        policy=POLICIES,
        group_told_at=st.none() | st.integers(T - HOUR, T),
        group_stands=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda row: row.id,
)
ROOMS = st.none() | st.integers(0, 5)


@given(rows=ROWS, room=ROOMS, gathers=st.booleans())
def test_whatever_is_claimed_each_row_is_told_waits_or_is_skipped_once(
    rows: list[Due], room: int | None, *, gathers: bool
) -> None:
    view = View(T, times=NIGHTS, room=room, gathers=gathers, more_room_at=T + MINUTE)

    decision = decide(rows, view)

    told_of = [row.id for plan in decision.plans for row in plan.rows]
    left = [row.id for wait in decision.waits for row in wait.rows]
    settled = told_of + left + [row.id for skip in decision.skips for row in skip.rows]
    assert sorted(settled) == sorted(row.id for row in rows)
    assert all(wait.until > T for wait in decision.waits)


@given(rows=ROWS, room=ROOMS, gathers=st.booleans())
def test_no_end_that_was_heard_of_is_suppressed_and_nothing_critical_waits_for_the_rate(
    rows: list[Due], room: int | None, *, gathers: bool
) -> None:
    decision = decide(rows, View(T, times=NIGHTS, room=room, gathers=gathers, more_room_at=T + MINUTE))

    for wait in decision.waits:
        subject = wait.rows[0].incident
        if wait.reason in {Reason.MUTED, Reason.SNOOZED}:
            ends = any(row.telling in {RESOLVED, Telling.WITHDRAWN} for row in wait.rows)
            assert not (subject.over and ends and any(row.heard for row in wait.rows))
        if wait.reason is Reason.AWAITS_RATE:
            assert subject.severity < Severity.CRITICAL
