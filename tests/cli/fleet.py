"""Two days of two resources in the long format: a third of shop's answers fail for an hour."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from watcher.model.time import DAY, MINUTE, parse_rfc3339, rfc3339

MONDAY = parse_rfc3339("2026-11-16T00:00:00Z")
BIN = 5 * MINUTE
HEAD = "time,width,metric,value,fetched_at,source,vendor,resource,tier,status_class\n"
BAD = range(400, 412)
"""Bins of the second day in which a third of shop's answers are errors."""


def row(metric: str, value: int, start: int, came: int, labels: str) -> str:
    return f"{rfc3339(start)},300,{metric},{value},{rfc3339(came)},f,cdnvideo,{labels}\n"


def rows(bins: int = 2 * DAY // BIN, late: range = range(0)) -> Iterator[str]:
    """Two resources, three classes; `late` bins come an hour after the others."""
    for at in range(bins):
        start = MONDAY + at * BIN
        came = start + BIN + (60 if at in late else 5) * MINUTE
        for resource in ("shop", "video"):
            bad = 300 if resource == "shop" and at in BAD else 1 + at % 3
            for status, value in (("2xx", 1000 - bad), ("4xx", 10), ("5xx", bad)):
                yield row("cdn_responses", value, start, came, f"{resource},edge,{status}")
            yield row("cdn_requests", 1010, start, came, f"{resource},edge,")


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("samples") / "fleet.csv"
    path.write_text(HEAD + "".join(rows()))
    return path
