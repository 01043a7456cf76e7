"""The contract's incident JSON."""

import math

import orjson

from tests.notify.doubles import OPEN, incident, resolved
from watcher.model.incident import Evidence
from watcher.model.presentation import evidence_json, incident_json


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
