"""What messages say: golden texts, one a kind."""

import json
from dataclasses import replace
from typing import Final

import pytest

from tests.notify.doubles import HEALTHY, OPEN, PEAK, SPIKE, T, due, incident, resolved, withdrawn
from watcher.model.incident import Incident, Resolution, Status
from watcher.model.message import Message, Telling
from watcher.model.rule import Severity
from watcher.model.time import HOUR, MINUTE, SECOND, Instant, parse_rfc3339
from watcher.notify.render import Renderer
from watcher.notify.stages import DIGEST, Plan, Reason
from watcher.notify.story import TITLE_LENGTH, Guidance
from watcher.notify.voice import Voice

GUIDANCE: Final = {
    "http_5xx_spike": Guidance(why="Visitors see errors.", runbook="Compare with the origin.\nThen call it.")
}


def plan(*subjects: Incident, kind: str = "opened") -> Plan:
    telling = Telling.OPENED if kind == DIGEST else Telling(kind)
    rows = tuple(due(one, telling, row=number) for number, one in enumerate(subjects, 1))
    return Plan(kind, subjects, rows, Reason.TOLD)


def message(*subjects: Incident, kind: str = "opened", now: Instant = T + 12 * MINUTE) -> Message:
    return Renderer(GUIDANCE).message(plan(*subjects, kind=kind), now=now)


def test_an_opening_says_what_since_when_against_what_where_and_what_to_do() -> None:
    told = message(OPEN)

    assert told.title == (
        "[critical] http_5xx_spike: resource shop: 5xx 12.4 % of 48 210 requests, usually 0.2 %"
    )
    assert (
        told.text
        == """\
resource shop: 5xx 12.4 % of 48 210 requests, usually 0.2 %

Open for 12 min.

Seen since:  2026-11-22 03:00 UTC (12 min ago)
Seen:        12.4 %
Usual:       0.2 % (0.1 % to 0.4 %)
Requests:    48 210 in 5 min
Where:       source cdnv (cdnvideo), resource shop
Part:        status 502, share 11.9 %
Severity:    critical
Rule:        http_5xx_spike

Why it matters: Visitors see errors.

What to do:
Compare with the origin.
Then call it.

Details:     watcher incidents show 0192f0c1-0000-7000-8000-00000000000a
Acknowledge: watcher incidents ack 0192f0c1-0000-7000-8000-00000000000a
Silence:     watcher silences add --incident 0192f0c1-0000-7000-8000-00000000000a --for 2h
Incident:    0192f0c1-0000-7000-8000-00000000000a"""
    )


def test_a_recovery_shows_the_healthy_value_the_worst_one_and_whom_it_hurt() -> None:
    told = message(resolved(peak=PEAK, affected=5_683.2), kind="resolved", now=T + HOUR)

    assert told.recovery
    assert told.title == (
        "Resolved after 25 min: http_5xx_spike: resource shop: 5xx 12.4 % of 48 210 requests, usually 0.2 %"
    )
    assert (
        told.text
        == """\
resource shop: 5xx 12.4 % of 48 210 requests, usually 0.2 %

Over. It lasted 25 min.

When:        2026-11-22 03:00 UTC to 2026-11-22 03:25 UTC
Now:         5xx 0.2 % of 47 001 requests
Worst:       31.0 % at 2026-11-22 03:10 UTC
Usual:       0.2 % (0.1 % to 0.4 %)
Affected:    about 5 683 requests more than usual in 25 min
Where:       source cdnv (cdnvideo), resource shop
Part:        status 502, share 11.9 %
Severity:    critical
Rule:        http_5xx_spike

Details:     watcher incidents show 0192f0c1-0000-7000-8000-00000000000a
Incident:    0192f0c1-0000-7000-8000-00000000000a"""
    )


SUMMARY: Final = "resource shop: 5xx 12.4 % of 48 210 requests, usually 0.2 %"
STEADY = "Its ends and returns are not told one by one until it has stayed clear."


@pytest.mark.parametrize(
    ("subject", "kind", "title", "lead"),
    [
        (
            OPEN,
            "reminder",
            "Still open: [critical] http_5xx_spike: ",
            "Open for 2 h, and still going on.",
        ),
        (
            OPEN,
            "reopened",
            "Reopened: [critical] http_5xx_spike: ",
            "Later data show that it had not ended: it goes on.",
        ),
        (
            incident(returns=3, flapping=True),
            "reopened",
            "Reopened: [critical] http_5xx_spike: ",
            f"It flaps: it came back 3 times. {STEADY}",
        ),
        (
            incident(returns=3, flapping=True),
            "flapping",
            "Flapping: [critical] http_5xx_spike: ",
            f"It flaps: it came back 3 times. {STEADY}",
        ),
        (
            OPEN,
            "unjudged",
            "Not judged: [critical] http_5xx_spike: ",
            "No data come in to judge it by, so it stays open: it may be better or worse by now.",
        ),
        (
            withdrawn(),
            "withdrawn",
            "Withdrawn: http_5xx_spike: ",
            "By the numbers as they stand now this was no incident.",
        ),
        (
            withdrawn(resolution=Resolution.MERGED, merged_into="0192-older"),
            "withdrawn",
            "Merged: http_5xx_spike: ",
            "By the numbers as they stand now it is part of an earlier incident, 0192-older.",
        ),
        (
            resolved(resolution=Resolution.GONE),
            "resolved",
            "Resolved (gone): http_5xx_spike: ",
            "What it was about is no longer there. It lasted 25 min.",
        ),
        (
            resolved(resolution=Resolution.MANUAL, recovery=None),
            "resolved",
            "Resolved by hand: http_5xx_spike: ",
            "Resolved by a person. Watcher had not seen it recover. It lasted 25 min.",
        ),
        (
            resolved(resolution=Resolution.MANUAL, recovery=None, resolved_by="root", resolved_why="moved"),
            "resolved",
            "Resolved by root: http_5xx_spike: ",
            "Resolved by root: moved. Watcher had not seen it recover. It lasted 25 min.",
        ),
        (
            resolved(resolution=Resolution.UNJUDGED, recovery=None),
            "resolved",
            "Closed unjudged: http_5xx_spike: ",
            "Closed, as nothing judges it any more: it is not known to be well.",
        ),
        (
            resolved(recovery=replace(HEALTHY, words={"now_usual": "12.1 %"})),
            "resolved",
            "Resolved (usual by now): http_5xx_spike: ",
            "It did not come back: 12.1 % is usual by now, it was 0.2 %.",
        ),
        (
            resolved(),
            "opened",
            "[critical] http_5xx_spike: ",
            "Over by now. It lasted 25 min.",
        ),
        (
            incident(drill=True),
            "opened",
            "[critical] http_5xx_spike (drill): ",
            "This is a drill: nothing is wrong. Open for 2 h.",
        ),
    ],
)
def test_each_kind_says_what_it_is(subject: Incident, kind: str, title: str, lead: str) -> None:
    told = message(subject, kind=kind, now=T + 2 * HOUR)

    assert told.title == title + SUMMARY
    assert told.text.splitlines()[:3] == [SUMMARY, "", lead]
    assert lead in told.html


@pytest.mark.parametrize(
    ("subject", "recovery"),
    [
        (resolved(), True),
        (resolved(resolution=Resolution.GONE), True),
        (resolved(resolution=Resolution.UNJUDGED), False),
        (withdrawn(), False),
        (OPEN, False),
    ],
)
def test_only_a_recovery_is_one_and_its_title_begins_with_resolved(
    subject: Incident, *, recovery: bool
) -> None:
    told = message(subject, kind="resolved" if subject.over else "opened")

    assert told.recovery is recovery
    assert told.title.startswith("Resolved") is recovery


def test_an_opening_told_late_is_no_recovery() -> None:
    assert not message(resolved(), kind="opened").recovery


def test_a_withdrawal_alarms_nobody() -> None:
    assert message(withdrawn(), kind="withdrawn").severity is Severity.INFO


@pytest.mark.parametrize("kind", [*Telling, DIGEST])
def test_every_message_holds_full_ids_and_summaries_in_text_and_html(kind: str) -> None:
    over = kind in {"resolved", "withdrawn"}
    subjects = [resolved(id="id-a") if over else incident(id="id-a")]
    if kind == DIGEST:
        subjects.append(incident(id="id-b", summary="another one"))

    told = message(*subjects, kind=kind)

    for subject in subjects:
        assert subject.id in told.text
        assert subject.id in told.html
        assert subject.summary in told.text
        assert subject.summary in told.html


def test_colour_follows_the_state() -> None:
    assert "#b42318" in message(OPEN).html
    assert "#b54708" in message(incident(severity=Severity.WARNING)).html
    assert "#067647" in message(resolved(), kind="resolved").html
    assert "#067647" not in message(withdrawn(), kind="withdrawn").html


def test_vendor_text_can_break_neither_page_nor_line() -> None:
    told = message(incident(summary="resource <script>\r\nBcc: x@example.com & co"))

    assert "<script>" not in told.html
    assert "&lt;script&gt; Bcc: x@example.com &amp; co" in told.html
    assert "\n" not in told.title
    assert "\r" not in told.title


def test_a_long_summary_is_cut_in_the_title_and_whole_in_the_text() -> None:
    told = message(incident(summary="word " * 100))

    assert len(told.title) == TITLE_LENGTH
    assert told.title.endswith("…")
    assert ("word " * 100).strip() in told.text


def test_figures_without_words_are_shown_as_numbers_and_missing_ones_not_at_all() -> None:
    bare = replace(OPEN.evidence, words={}, expected=None, range=None, parts=(), text="seen by a probe")

    told = message(incident(evidence=bare, acknowledged_at=T + 90 * SECOND))

    assert (
        told.text.split("\n\n")[2]
        == """\
Seen since:  2026-11-22 03:00 UTC (12 min ago)
Seen:        0.124
Requests:    48 210 in 5 min
Where:       source cdnv (cdnvideo), resource shop
Evidence:    seen by a probe
Severity:    critical
Rule:        http_5xx_spike
Taken:       2026-11-22 03:01:30 UTC"""
    )


def test_facts_are_the_incident_json_and_a_digest_lists_them() -> None:
    alone = message(OPEN)
    several = message(OPEN, resolved(id="id-b"), kind=DIGEST)

    assert alone.facts["id"] == OPEN.id
    listed = several.facts["incidents"]
    assert isinstance(listed, list)
    assert [one["id"] for one in listed] == [OPEN.id, "id-b"]
    # After a crash a row may be told in other company; by this its receiver sees it once all the same.
    assert (alone.facts["key"], listed[0]["key"]) == (alone.key, alone.key)


def test_times_are_in_the_receiver_s_zone_through_a_change_of_daylight_saving() -> None:
    voices = {"mail/0": Voice(zone="Europe/Berlin")}
    changes = parse_rfc3339("2026-10-25T00:30:00Z")
    subject = resolved(opened_at=changes, resolved_at=changes + HOUR)

    told = Renderer(GUIDANCE, voices=voices).message(plan(subject, kind="resolved"), now=changes + 2 * HOUR)

    assert "When:        2026-10-25 02:30 CEST to 2026-10-25 02:30 CET" in told.text
    assert "It lasted 1 h." in told.text


def test_with_a_public_address_the_next_steps_are_links() -> None:
    voices = {"mail/0": Voice(public_url="https://watch.example.com/")}

    told = Renderer(GUIDANCE, voices=voices).message(plan(OPEN), now=T)

    base = f"https://watch.example.com/incidents/{OPEN.id}"
    assert f"Details:     {base}\nAcknowledge: {base}/acknowledge\nSilence:     {base}/silence" in told.text
    assert f'<a href="{base}/acknowledge"' in told.html
    assert told.facts["links"] == {
        "incident": base,
        "acknowledge": f"{base}/acknowledge",
        "silence": f"{base}/silence",
    }


def test_only_the_shapes_that_a_target_takes_are_made() -> None:
    told = Renderer(GUIDANCE, voices={"mail/0": Voice(shapes=frozenset())}).message(plan(OPEN), now=T)

    assert told.text
    assert (told.html, told.blocks) == ("", ())


def test_slack_s_blocks_say_what_the_text_says_and_a_vendor_s_words_ring_nobody() -> None:
    told = message(incident(summary="<!channel> & co: 5xx"))

    assert [block["type"] for block in told.blocks] == ["section", "section", "section", "section", "context"]
    shown = json.dumps(told.blocks)
    assert "*&lt;!channel&gt; &amp; co: 5xx*\\nOpen for 12 min." in shown
    assert "Usual:  0.2 % (0.1 % to 0.4 %)" in shown
    assert f"`watcher incidents ack {OPEN.id}`" in shown
    assert OPEN.id in json.dumps(told.blocks[-1])


def test_the_longest_texts_stay_within_slack_s_limits() -> None:
    long = replace(SPIKE, text="evidence " * 900, exemplars=({"url": "u" * 5_000},) * 9)
    told = Renderer({"http_5xx_spike": Guidance("why " * 900, "do " * 2_000)}).message(
        plan(incident(summary="word " * 900, evidence=long)), now=T
    )

    texts = [str(block["text"]["text"]) for block in told.blocks if block["type"] == "section"]  # type: ignore[index]
    assert told.flaw == ""
    assert max(map(len, texts)) <= 3_000


def test_who_has_it_and_how_often_it_came_back_is_said() -> None:
    told = message(
        incident(
            status=Status.ACKNOWLEDGED,
            acknowledged_at=T + MINUTE,
            acknowledged_by="ada",
            assignee="bob",
            returns=3,
            flapping=True,
        )
    )

    assert "Taken:       2026-11-22 03:01 UTC by ada" in told.text
    assert "Assigned:    to bob" in told.text
    assert "Came back:   3 times; it flaps" in told.text


def test_a_message_for_a_trial_names_its_target() -> None:
    told = Renderer({}).trial("mail/0", now=T)

    assert (told.kind, told.title) == ("test", "Test: watcher reaches mail/0")
    assert "mail/0" in told.text
    assert "mail/0" in told.html


def test_what_it_affects_so_far_says_so_while_it_stands() -> None:
    told = message(incident(affected=5_683.2))

    assert "Affected:    about 5 683 requests more than usual so far\n" in told.text


def test_an_incident_of_the_future_is_not_some_time_ago() -> None:
    assert "ago" not in message(incident(status=Status.OPEN), now=T - MINUTE).text
