"""What is told of the rows that are due, and why."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notify.doubles import T, due, incident, resolved, withdrawn
from watcher.model.incident import Incident, Resolution, Status
from watcher.model.message import Due, Telling
from watcher.model.rule import Severity
from watcher.model.time import DAY, HOUR, MINUTE
from watcher.notify.stages import DIGEST, DIGEST_SIZE, IN_FULL, Decision, Reason, View, decide

OPENED, RESOLVED, REOPENED = Telling.OPENED, Telling.RESOLVED, Telling.REOPENED
WITHDRAWN, UNJUDGED, REMINDER = Telling.WITHDRAWN, Telling.UNJUDGED, Telling.REMINDER
NOW = T + HOUR
ACKNOWLEDGED = incident(status=Status.ACKNOWLEDGED, acknowledged_at=T + MINUTE)


def outcome(decision: Decision) -> list[tuple[str | None, Reason]]:
    """What became of the rows: kinds told, None for skipped."""
    told = [(str(plan.kind), plan.reason) for plan in decision.plans]
    return [*told, *((None, skip.reason) for skip in decision.skips)]


def settled(decision: Decision) -> list[Due]:
    """The rows that were told or skipped."""
    told = [row for plan in decision.plans for row in plan.rows]
    return told + [row for skip in decision.skips for row in skip.rows]


@pytest.mark.parametrize(
    ("subject", "owed", "kind", "reason"),
    [
        (incident(), [OPENED], "opened", Reason.TOLD),
        (ACKNOWLEDGED, [OPENED], "opened", Reason.TOLD),
        (incident(), [REMINDER], "reminder", Reason.REPEATED),
        (ACKNOWLEDGED, [REMINDER], None, Reason.ACKNOWLEDGED),
        (incident(), [UNJUDGED], "unjudged", Reason.TOLD),
        (incident(), [UNJUDGED, REMINDER], "unjudged", Reason.TOLD),
        (incident(), [Telling.ROSE], "rose", Reason.TOLD),
        (incident(), [OPENED, Telling.ROSE], "opened", Reason.TOLD),
        (incident(), [Telling.WIDENED, Telling.ROSE], "rose", Reason.TOLD),
        (incident(), [Telling.WIDENED, REMINDER], "widened", Reason.TOLD),
        (resolved(), [Telling.ROSE], None, Reason.OVER),
        (incident(), [REOPENED], "reopened", Reason.TOLD),
        (incident(), [Telling.FLAPPING], "flapping", Reason.TOLD),
        (incident(), [REOPENED, Telling.FLAPPING], "flapping", Reason.TOLD),
        (incident(), [OPENED, Telling.FLAPPING], "opened", Reason.TOLD),
        (resolved(), [Telling.FLAPPING], None, Reason.OVER),
        (incident(), [OPENED, RESOLVED, REOPENED], "opened", Reason.TOLD),
        (incident(), [RESOLVED, REOPENED], None, Reason.NOTHING_NEW),
        (incident(), [RESOLVED], None, Reason.SUPERSEDED),
        (resolved(), [RESOLVED], "resolved", Reason.TOLD),
        (resolved(), [OPENED, RESOLVED], "resolved", Reason.WITH_ITS_END),
        (resolved(), [OPENED], "opened", Reason.TOLD),
        (resolved(), [REOPENED], "reopened", Reason.TOLD),
        (resolved(), [REMINDER], None, Reason.OVER),
        (resolved(), [UNJUDGED], None, Reason.OVER),
        (resolved(), [REMINDER, RESOLVED], "resolved", Reason.TOLD),
        (withdrawn(), [WITHDRAWN], "withdrawn", Reason.TOLD),
        (withdrawn(), [OPENED, WITHDRAWN], None, Reason.TAKEN_BACK),
        (withdrawn(), [OPENED, RESOLVED, WITHDRAWN], None, Reason.TAKEN_BACK),
        (withdrawn(), [OPENED], None, Reason.TAKEN_BACK),
        (withdrawn(), [RESOLVED], None, Reason.SUPERSEDED),
        (withdrawn(), [RESOLVED, WITHDRAWN], "withdrawn", Reason.TOLD),
        (withdrawn(), [REMINDER], None, Reason.SUPERSEDED),
    ],
)
def test_the_rows_of_one_incident_become_one_telling_of_it_as_it_stands(
    subject: Incident, owed: list[Telling], kind: str | None, reason: Reason
) -> None:
    rows = [due(subject, telling, row=number) for number, telling in enumerate(owed, 1)]

    decision = decide(rows, View(NOW))

    assert outcome(decision) == [(kind, reason)]
    assert settled(decision) == rows


def test_an_opening_whose_attempt_may_have_arrived_is_taken_back_aloud() -> None:
    rows = [due(withdrawn(), attempts=1), due(withdrawn(), WITHDRAWN, row=2)]

    assert outcome(decide(rows, View(NOW))) == [("withdrawn", Reason.TOLD)]


def test_an_end_whose_attempt_may_have_arrived_is_corrected_aloud() -> None:
    rows = [due(incident(), RESOLVED, attempts=2), due(incident(), REOPENED, row=2)]

    assert outcome(decide(rows, View(NOW))) == [("reopened", Reason.TOLD)]


@pytest.mark.parametrize(
    ("owed", "after", "kind", "reason"),
    [
        ([OPENED, RESOLVED], DAY, "resolved", Reason.WITH_ITS_END),
        ([OPENED, RESOLVED], DAY + 1, None, Reason.TOO_OLD),
        ([OPENED], DAY + 1, None, Reason.TOO_OLD),
        ([RESOLVED], 7 * DAY, "resolved", Reason.TOLD),
    ],
)
def test_what_ended_long_ago_is_told_only_to_those_who_heard_of_its_opening(
    owed: list[Telling], after: int, kind: str | None, reason: Reason
) -> None:
    rows = [due(resolved(), telling, row=number) for number, telling in enumerate(owed, 1)]

    assert outcome(decide(rows, View(T + 25 * MINUTE + after))) == [(kind, reason)]


@pytest.mark.parametrize(
    ("after", "kind", "reason"),
    [(DAY, "resolved", Reason.WITH_ITS_END), (DAY + 1, None, Reason.TOO_OLD)],
)
def test_an_old_end_alone_is_not_told_to_who_never_heard_of_the_opening(
    after: int, kind: str | None, reason: Reason
) -> None:
    decision = decide([due(resolved(), RESOLVED, heard=False)], View(T + 25 * MINUTE + after))

    assert outcome(decision) == [(kind, reason)]


def test_what_waited_for_its_source_is_told_in_a_digest_and_critical_incidents_each() -> None:
    quiet = [due(incident(id=f"quiet-{n}", severity=Severity.WARNING), row=n, held=True) for n in range(1, 4)]
    loud = [due(incident(id=f"loud-{n}"), row=n, held=True) for n in range(4, 6)]
    live = due(incident(id="live", severity=Severity.INFO), row=6)

    decision = decide([*quiet, live, *loud], View(NOW))

    told = [(plan.kind, [one.id for one in plan.incidents]) for plan in decision.plans]
    assert told == [
        ("opened", ["loud-4"]),
        ("opened", ["loud-5"]),
        (DIGEST, ["quiet-1", "quiet-2", "quiet-3"]),
        ("opened", ["live"]),
    ]


def test_one_that_waited_alone_is_told_as_itself() -> None:
    decision = decide([due(incident(severity=Severity.INFO), held=True)], View(NOW))

    assert outcome(decision) == [("opened", Reason.TOLD)]


def test_the_key_is_the_same_for_every_attempt_and_another_when_more_is_told() -> None:
    rows = [due(incident(id=f"i{n}", severity=Severity.INFO), row=n, held=True) for n in range(1, 4)]

    first, again, more = (
        decide(part, View(at)).plans[0].key
        for part, at in ((rows[:2], NOW), (rows[1::-1], NOW + HOUR), (rows, NOW))
    )

    assert first == again
    assert first != more


INCIDENTS = st.builds(
    replace,
    st.sampled_from(
        [incident(), ACKNOWLEDGED, resolved(), withdrawn(), withdrawn(resolution=Resolution.MERGED)]
    ),
    id=st.uuids(version=4).map(str),
    severity=st.sampled_from(Severity),
)


@st.composite
def claims(draw: st.DrawFn) -> list[Due]:
    """Any rows of some incidents, in any order."""
    subjects = draw(st.lists(INCIDENTS, max_size=8))
    owed = [
        (subject, telling)
        for subject in subjects
        for telling in draw(st.lists(st.sampled_from(Telling), max_size=4))
    ]
    rows = [
        due(subject, telling, row=n, held=draw(st.booleans()), attempts=draw(st.integers(0, 3)))
        for n, (subject, telling) in enumerate(owed)
    ]
    return draw(st.permutations(rows))


@given(claims(), st.integers(0, 3 * DAY))
def test_each_row_is_told_or_skipped_exactly_once(rows: list[Due], later: int) -> None:
    decision = decide(rows, View(T + later))

    assert sorted(row.id for row in settled(decision)) == sorted(row.id for row in rows)


@given(claims(), st.integers(0, 3 * DAY))
def test_each_incident_is_told_once_at_most_and_the_order_of_rows_changes_nothing(
    rows: list[Due], later: int
) -> None:
    decision = decide(rows, View(T + later))

    told = [one.id for plan in decision.plans for one in plan.every]
    assert len(told) == len(set(told))
    assert decision.plans == decide(reversed(rows), View(T + later)).plans
    assert [plan.severity for plan in decision.plans] == sorted(
        (plan.severity for plan in decision.plans), reverse=True
    )


def test_a_digest_is_bounded_and_lists_most_of_it_in_a_line_each() -> None:
    rows = [
        due(incident(id=f"i{n:03}", severity=Severity.INFO), row=n, held=True)
        for n in range(1, 2 * DIGEST_SIZE + 2)
    ]

    plans = decide(rows, View(NOW)).plans
    listed = DIGEST_SIZE - IN_FULL
    assert [(len(plan.incidents), len(plan.more)) for plan in plans] == [
        (IN_FULL, listed),
        (IN_FULL, listed),
        (1, 0),
    ]
