"""The contract's incident JSON."""

import math
from dataclasses import replace

import orjson

from tests.notify.doubles import OPEN, incident, resolved
from watcher.model.act import Act, ActKind, ActState
from watcher.model.incident import Evidence, Status
from watcher.model.presentation import act_json, evidence_json, incident_json


def test_an_open_incident_has_every_key_of_the_contract() -> None:
    assert incident_json(OPEN) == {
        "id": "0192f0c1-0000-7000-8000-00000000000a",
        "parent_id": None,
        "merged_into": None,
        "rule": "http_5xx_spike",
        "severity": "critical",
        "status": "open",
        "resolution": None,
        "labels": {"source": "cdnv", "vendor": "cdnvideo", "resource": "shop"},
        "summary": "resource shop: 5xx 12.4 % of 48 210 requests, usually 0.2 %",
        "opened_at": "2026-11-22T03:00:00Z",
        "detected_at": "2026-11-22T03:05:00Z",
        "acknowledged_at": None,
        "resolved_at": None,
        "evidence": {
            "window": {"start": "2026-11-22T03:00:00Z", "end": "2026-11-22T03:05:00Z"},
            "seen": 0.124,
            "expected": 0.002,
            "range": [0.001, 0.004],
            "requests": 48_210,
            "parts": [{"status": "502", "share": "11.9 %"}],
            "exemplars": [],
            "text": "5xx 12.4 % of 48 210 requests, usually 0.2 %",
        },
        "recovery": None,
        "drill": False,
        "shadow": False,
        "acknowledged_by": None,
        "acknowledged_until": None,
        "assignee": None,
        "snoozed_until": None,
        "returns": 0,
        "flapping": False,
        "peak": None,
        "requests_affected": None,
        "affects": [],
        "duration_seconds": None,
        "time_to_detect_seconds": 300.0,
        "time_to_acknowledge_seconds": None,
        "time_to_resolve_seconds": None,
    }


def test_figures_add_up_whoever_acted() -> None:
    shown = incident_json(
        replace(resolved(), acknowledged_at=OPEN.detected_at + 90_000, acknowledged_by="ada")
    )

    assert (shown["duration_seconds"], shown["time_to_detect_seconds"]) == (1500.0, 300.0)
    assert (shown["time_to_acknowledge_seconds"], shown["time_to_resolve_seconds"]) == (90.0, 1200.0)


def test_what_never_was_took_no_time() -> None:
    shown = incident_json(replace(resolved(), status=Status.WITHDRAWN))

    assert (shown["duration_seconds"], shown["time_to_resolve_seconds"]) == (None, None)


def test_an_acknowledgement_says_how_long_it_holds_while_it_does() -> None:
    acknowledged = replace(OPEN, status=Status.ACKNOWLEDGED, unack_at=OPEN.detected_at)

    assert incident_json(acknowledged)["acknowledged_until"] == "2026-11-22T03:05:00Z"
    assert incident_json(replace(acknowledged, status=Status.OPEN))["acknowledged_until"] is None


def test_an_act_says_who_wanted_what_and_what_became_of_it() -> None:
    act = Act("01", ActKind.SNOOZE, "ada", 0, text="later", until=60_000, id=7)
    shown = act_json(replace(act, state=ActState.REFUSED, applied_at=1_000, detail="it is over"))

    assert shown == {
        "id": 7,
        "incident": "01",
        "kind": "snooze",
        "who": "ada",
        "text": "later",
        "until": "1970-01-01T00:01:00Z",
        "asked_at": "1970-01-01T00:00:00Z",
        "state": "refused",
        "applied_at": "1970-01-01T00:00:01Z",
        "effective_at": None,
        "detail": "it is over",
    }


def test_a_resolved_one_says_when_why_and_shows_the_healthy_reading() -> None:
    shown = incident_json(resolved())

    assert (shown["status"], shown["resolution"]) == ("resolved", "recovered")
    assert shown["resolved_at"] == "2026-11-22T03:25:00Z"
    assert isinstance(shown["recovery"], dict)
    assert shown["recovery"]["seen"] == 0.002


def test_what_json_cannot_say_is_null() -> None:
    shown = evidence_json(Evidence(0, 0, seen=math.nan, expected=math.inf, range=(-math.inf, 1.0)))

    assert (shown["seen"], shown["expected"], shown["range"]) == (None, None, [None, 1.0])


def test_it_is_plain_values_only() -> None:
    shown = incident_json(incident(drill=True))

    assert orjson.loads(orjson.dumps(shown)) == shown
