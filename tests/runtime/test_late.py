"""Bins too late to be judged are told when they begin to come and when no more do."""

from structlog.testing import capture_logs

from watcher.model.time import MINUTE
from watcher.runtime.late import QUIET, Late


def test_late_bins_are_told_once_when_they_begin_and_once_when_they_are_over() -> None:
    late, count = Late(), 0
    with capture_logs() as logs:
        for minute in range(120):
            count += 2 if 10 <= minute < 40 and minute % 3 == 0 else 0
            late.see(count, minute * MINUTE)
            if minute == 39 + QUIET // MINUTE - 2:
                assert len(logs) == 1

    assert [(line["event"], line["state"], line["count"]) for line in logs] == [
        ("late_bins", "begins", 2),
        ("late_bins", "over", 20),
    ]
