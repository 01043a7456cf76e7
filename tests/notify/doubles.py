"""Stand-ins at the seams of notify: an outbox in memory, a sender that records, incidents to tell of."""

from collections.abc import Mapping, Sequence
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
PEAK: Final = replace(SPIKE, start=T + 10 * MINUTE, seen=0.31, words={"seen": "31.0 %"})
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
    reason: str = ""


URGENT: Final = {True: Severity.CRITICAL, False: Severity.INFO}


class MemoryOutbox:
    """The outbox protocol over a list."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.claims = 0
        self.sent: dict[str, list[Instant]] = {}
        """When messages were sent before, by target."""
        self.down = False
        self.marks_down = False
        """Claims work, but marks do not: what a database does that fills up."""

    def owe(self, what: Incident, telling: Telling, target: str, *, at: Instant) -> Row:
        row = Row(Due(len(self.rows) + 1, telling, target, what, at, attempts=0, held=False), at)
        self.rows.append(row)
        return row

    async def claim(
        self, target: str, *, at: Instant, lease: Duration, limit: int, urgent: bool = False
    ) -> Sequence[Due]:
        self._answer()
        self.claims += 1
        open_rows = [row for row in self._open(target) if row.due.incident.severity >= URGENT[urgent]]
        claimed = [row for row in open_rows if max(row.not_before, row.leased_until) <= at][:limit]
        for row in claimed:
            row.leased_until = at + lease
            row.due = replace(row.due, fence=row.due.fence + 1, reason=row.reason)
        return [row.due for row in claimed]

    async def done(self, rows: Sequence[Due], *, at: Instant, reason: str, detail: str) -> None:
        assert at
        self._mark(rows, "done", reason, detail)

    async def skipped(self, rows: Sequence[Due], *, at: Instant, reason: str) -> None:
        assert at
        self._mark(rows, "skipped", reason, reason)

    async def postponed(self, rows: Sequence[Due], *, at: Instant, reason: str, until: Instant) -> None:
        assert at
        for row in self._of(rows):
            row.not_before, row.leased_until, row.reason = until, 0, reason or row.reason

    async def failed(self, rows: Sequence[Due], *, at: Instant, error: str, retry_at: Instant | None) -> None:
        self._mark(rows, "dead" if retry_at is None else "due", "", error)
        for row in self._of(rows):
            row.not_before, row.leased_until = retry_at or at, 0
            row.due = replace(row.due, attempts=row.due.attempts + 1)

    async def hurry(self, target: str, *, at: Instant) -> None:
        self._answer()
        for row in self._open(target):
            if row.due.attempts and row.leased_until <= at:
                row.not_before = min(row.not_before, at)

    async def noted(self, target: str, *, at: Instant, reason: str) -> None:
        self._answer()
        for row in self._open(target):
            if row.due.incident.severity < Severity.CRITICAL and max(row.not_before, row.leased_until) <= at:
                row.reason = row.reason or reason

    async def attempted(self, *, since: Instant) -> Mapping[str, Sequence[Instant]]:
        self._answer()
        return {target: [at for at in sent if at >= since] for target, sent in self.sent.items()}

    async def next_due(self, target: str, *, urgent: bool = False) -> Instant | None:
        self._answer()
        open_rows = [row for row in self._open(target) if row.due.incident.severity >= URGENT[urgent]]
        return min((max(row.not_before, row.leased_until) for row in open_rows), default=None)

    def _open(self, target: str) -> list[Row]:
        return [row for row in self.rows if row.due.target == target and row.state == "due"]

    def states(self) -> list[str]:
        return [row.state for row in self.rows]

    def _mark(self, rows: Sequence[Due], state: str, reason: str, detail: str) -> None:
        self._answer()
        if self.marks_down:
            raise StoreUnavailable("disk full")
        for row in self._of(rows):
            row.state, row.reason, row.detail = state, reason or row.reason, detail

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


class MemoryThreads:
    """Tokens in memory, with the incidents they are about."""

    def __init__(self, *incidents: Incident) -> None:
        self.tokens: dict[tuple[str, str], str] = {}
        self.book = {one.id: one for one in incidents}
        self.down = False

    async def token(self, target: str, incident_id: str) -> str | None:
        self._answer()
        return self.tokens.get((target, incident_id))

    async def keep(self, target: str, tokens: Mapping[str, str]) -> None:
        self._answer()
        self.tokens |= {(target, one): token for one, token in tokens.items()}

    async def standing(self, target: str, *, ended_since: Instant) -> Sequence[tuple[Incident, str]]:
        self._answer()
        known = [(self.book[one], token) for (of, one), token in self.tokens.items() if of == target]
        return [(one, token) for one, token in known if not one.over or (one.resolved_at or 0) >= ended_since]

    def _answer(self) -> None:
        if self.down:
            raise StoreUnavailable("database is locked")
