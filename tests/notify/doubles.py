"""Stand-ins at the seams of notify: an outbox in memory, a sender that records, incidents to tell of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio

from watcher.errors import StoreUnavailable
from watcher.model.incident import Evidence, Incident, IncidentKey, Resolution, Status
from watcher.model.labels import label_set
from watcher.model.message import Due, Message, Telling
from watcher.model.rule import Severity
from watcher.model.time import MINUTE, Duration, Instant, parse_rfc3339

T: Final = parse_rfc3339("2026-11-22T03:00:00Z")

SPIKE: Final = Evidence(
    start=T,
    end=T + 5 * MINUTE,
    seen=0.124,
    expected=0.002,
    range=(0.001, 0.004),
    requests=48_210,
    text="5xx 12.4 % of 48 210 requests, usually 0.2 %",
    words={"seen": "12.4 %", "expected": "0.2 %", "range": "0.1 % to 0.4 %", "requests": "48 210"},
    parts=({"status": "502", "share": "11.9 %"},),
)
HEALTHY: Final = Evidence(
    start=T + 25 * MINUTE, end=T + 30 * MINUTE, seen=0.002, text="5xx 0.2 % of 47 001 requests"
)

OPEN: Final = Incident(
    id="0192f0c1-0000-7000-8000-00000000000a",
    key=IncidentKey(
        "http_5xx_spike", label_set({"source": "cdnv", "vendor": "cdnvideo", "resource": "shop"})
    ),
    severity=Severity.CRITICAL,
    status=Status.OPEN,
    summary="resource shop: 5xx 12.4 % of 48 210 requests, usually 0.2 %",
    opened_at=T,
    detected_at=T + 5 * MINUTE,
    evidence=SPIKE,
)


def incident(**changes: Any) -> Incident:  # noqa: ANN401 - any field of an incident
    """`OPEN` with some fields changed."""
    return replace(OPEN, **changes)


def resolved(**changes: Any) -> Incident:  # noqa: ANN401
    """`OPEN`, recovered after 25 minutes."""
    over = {"status": Status.RESOLVED, "resolution": Resolution.RECOVERED, "resolved_at": T + 25 * MINUTE}
    return incident(**over | {"recovery": HEALTHY} | changes)


def withdrawn(**changes: Any) -> Incident:  # noqa: ANN401
    """`OPEN`, taken back by corrected data."""
    over = {"status": Status.WITHDRAWN, "resolution": Resolution.CORRECTED, "resolved_at": T + 25 * MINUTE}
    return incident(**over | changes)


def due(what: Incident, telling: Telling = Telling.OPENED, *, row: int = 1, **changes: Any) -> Due:  # noqa: ANN401
    """One row of `mail/0`."""
    first = Due(row, telling, "mail/0", what, created_at=T + 5 * MINUTE, attempts=0, held=False)
    return replace(first, **changes)


@dataclass
class Row:
    """One row of the outbox in memory."""

    due: Due
    not_before: Instant
    state: str = "due"
    leased_until: Instant = 0
    detail: str = ""


class MemoryOutbox:
    """The outbox protocol over a list."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.claims = 0
        self.down = False
        self.marks_down = False
        """Claims work, but marks do not: what a database does that fills up."""

    def owe(self, what: Incident, telling: Telling, target: str, *, at: Instant) -> Row:
        row = Row(Due(len(self.rows) + 1, telling, target, what, at, attempts=0, held=False), at)
        self.rows.append(row)
        return row

    async def claim(self, target: str, *, at: Instant, lease: Duration, limit: int) -> Sequence[Due]:
        self._answer()
        self.claims += 1
        open_rows = [row for row in self.rows if row.due.target == target and row.state == "due"]
        claimed = [row for row in open_rows if max(row.not_before, row.leased_until) <= at][:limit]
        for row in claimed:
            row.leased_until = at + lease
        return [row.due for row in claimed]

    async def done(self, rows: Sequence[Due], *, at: Instant, detail: str) -> None:
        assert at
        self._mark(rows, "done", detail)

    async def skipped(self, rows: Sequence[Due], *, at: Instant, reason: str) -> None:
        assert at
        self._mark(rows, "skipped", reason)

    async def failed(self, rows: Sequence[Due], *, at: Instant, error: str, retry_at: Instant | None) -> None:
        self._mark(rows, "dead" if retry_at is None else "due", error)
        for row in self._of(rows):
            row.not_before, row.leased_until = retry_at or at, 0
            row.due = replace(row.due, attempts=row.due.attempts + 1)

    async def next_due(self, target: str) -> Instant | None:
        self._answer()
        open_rows = [row for row in self.rows if row.due.target == target and row.state == "due"]
        return min((max(row.not_before, row.leased_until) for row in open_rows), default=None)

    def states(self) -> list[str]:
        return [row.state for row in self.rows]

    def _mark(self, rows: Sequence[Due], state: str, detail: str) -> None:
        self._answer()
        if self.marks_down:
            raise StoreUnavailable("disk full")
        for row in self._of(rows):
            row.state, row.detail = state, detail

    def _of(self, rows: Sequence[Due]) -> list[Row]:
        ids = {row.id for row in rows}
        return [row for row in self.rows if row.due.id in ids]

    def _answer(self) -> None:
        if self.down:
            raise StoreUnavailable("database is locked")


class RecordingSender:
    """Keeps what it is given, after failing as often as it was told to."""

    def __init__(self, *failures: Exception, hangs: bool = False) -> None:
        self.failures = list(failures)
        self.hangs = hangs
        self.tried: list[Message] = []
        self.sent: list[Message] = []

    async def send(self, message: Message) -> str:
        self.tried.append(message)
        if self.hangs:
            await anyio.sleep_forever()
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)
        return "accepted"
