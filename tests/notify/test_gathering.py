"""What messages of several incidents say: digests, groups, and what is listed a line each."""

import json
from collections.abc import Mapping, Sequence

import pytest

from tests.notify.doubles import T, due, incident, resolved, withdrawn
from watcher.model.incident import Incident
from watcher.model.message import Message, Telling
from watcher.model.rule import Severity
from watcher.model.time import MINUTE
from watcher.notify.render import Renderer
from watcher.notify.stages import DIGEST, GROUP, Plan, Reason

SUMMARY = "resource shop: 5xx 12.4 % of 48 210 requests, usually 0.2 %"


def told(
    *subjects: Incident,
    kind: str = DIGEST,
    reason: Reason = Reason.CAUGHT_UP,
    more: Sequence[Incident] = (),
    group: Mapping[str, str] | None = None,
) -> Message:
    rows = tuple(due(one, Telling.OPENED, row=number) for number, one in enumerate([*subjects, *more], 1))
    plan = Plan(kind, subjects, rows, reason, more=tuple(more), group=group or {})
    return Renderer({}).message(plan, now=T + 12 * MINUTE)


def test_a_digest_tells_of_each_incident_as_it_stands_and_lists_the_rest() -> None:
    message = told(
        incident(id="id-a", severity=Severity.WARNING),
        resolved(id="id-b", severity=Severity.INFO),
        more=[incident(id="id-c", severity=Severity.WARNING, summary="another")],
    )

    assert message.title == "[warning] 3 incidents found while catching up, 2 open"
    assert not message.recovery
    assert (
        message.text
        == f"""\
Found while catching up with what happened before: 3 incidents, 2 of them open.

[warning] {SUMMARY}
  Seen since:  2026-11-22 03:00 UTC (12 min ago)
  Seen:        12.4 %
  Usual:       0.2 % (0.1 % to 0.4 %)
  Where:       source cdnv (cdnvideo), resource shop
  Incident:    id-a

[resolved] {SUMMARY}
  When:        2026-11-22 03:00 UTC to 2026-11-22 03:25 UTC
  Now:         5xx 0.2 % of 47 001 requests
  Where:       source cdnv (cdnvideo), resource shop
  Incident:    id-b

And 1 more:
  [warning] id-c another

See all: watcher incidents list"""
    )


@pytest.mark.parametrize(
    ("reason", "title"),
    [
        (Reason.CAUGHT_UP, "[critical] 2 incidents found while catching up, 2 open"),
        (Reason.AFTER_MUTE, "[critical] 2 incidents while you were not to be disturbed, 2 open"),
        (Reason.DIGESTED, "[critical] 2 incidents in this digest, 2 open"),
        (Reason.THROTTLED, "[critical] 2 incidents at once, 2 open"),
    ],
)
def test_a_digest_s_title_says_why_it_is_one(reason: Reason, title: str) -> None:
    assert told(incident(id="id-a"), incident(id="id-b"), reason=reason).title == title


def test_a_digest_of_recoveries_is_a_recovery() -> None:
    message = told(resolved(id="id-a"), resolved(id="id-b"))

    assert message.recovery
    assert message.title == "Resolved: 2 incidents found while catching up"


def test_a_group_names_what_its_incidents_have_in_common() -> None:
    common = {"rule": "http_5xx_spike", "source": "cdnv"}

    standing = told(incident(id="id-a"), incident(id="id-b"), kind=GROUP, reason=Reason.GROUPED, group=common)
    over = told(resolved(id="id-a"), resolved(id="id-b"), kind=GROUP, reason=Reason.GROUPED, group=common)
    gone = told(withdrawn(id="id-a"), withdrawn(id="id-b"), kind=GROUP, reason=Reason.GROUPED)

    assert standing.title == "[critical] 2 incidents: rule http_5xx_spike, source cdnv"
    assert standing.text.startswith("2 incidents of rule http_5xx_spike, source cdnv, 2 of them open.")
    assert standing.facts["group"] == common
    assert over.title == "Resolved: 2 incidents: rule http_5xx_spike, source cdnv"
    assert gone.title == "Withdrawn: 2 incidents"
    assert (over.recovery, gone.recovery) == (True, False)


def test_the_largest_digest_stays_within_slack_s_limits_and_names_every_incident() -> None:
    subjects = [incident(id=f"id-{n:03}") for n in range(200)]

    message = told(*subjects[:20], more=subjects[20:], reason=Reason.THROTTLED)

    assert message.flaw == ""
    assert len(message.blocks) <= 50
    shown = json.dumps(message.blocks)
    for subject in subjects:
        assert subject.id in shown
        assert subject.id in message.text
        assert subject.id in message.html
