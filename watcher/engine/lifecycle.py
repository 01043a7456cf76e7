"""The alert state of rows: inactive, pending, firing, recovering, as columns that one table moves.

The words are Prometheus's, with two of our own: a row is folded while it has been bad since long before it
was first looked at, and is told of together with others like it (design, "First looks"); it is dismissed
while it is still bad after a person has ended its incident. Unknown readings move nothing: they pause `for`
and `keep_firing_for`, let a pending row lapse, and after long blindness are noted and at last end the
episode as unjudged (design, "Unknown").
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.engine.detector import BREACH, CLEAR, STILL, SUSTAINED, UNKNOWN, URGENT, Readings
from watcher.model.rule import NofM, Rule, Severity
from watcher.model.sample import Instants
from watcher.model.time import DAY, Duration, Instant

Rows: TypeAlias = NDArray[np.intp]
Bools: TypeAlias = NDArray[np.bool_]
Codes: TypeAlias = NDArray[np.int8]
"""Readings with their severity, one byte a cell: see `pack`."""

DISMISSED: Final = -2
FOLDED: Final = -1
INACTIVE: Final = 0
PENDING: Final = 1
FIRING: Final = 2
RECOVERING: Final = 3
STATE_NAMES: Final = ("inactive", "pending", "firing", "recovering")

SKIP: Final = 3
"""A reading for rows that the bin does not concern."""
GONE: Final = 5
"""A reading for rows that are no longer there: a complete listing lacks them."""

UNJUDGED_AFTER: Final[Duration] = DAY
CLOSED_UNJUDGED_AFTER: Final[Duration] = 7 * DAY
NEVER: Final[Instant] = np.iinfo(np.int64).min // 2
FOREVER: Final[Duration] = np.iinfo(np.int64).max // 2


class Signal(IntEnum):
    """What a bin says to a row; from HELD on, what the time since says once the bin is taken."""

    NOTHING = 0
    BREACH = 1
    SUSTAINED = 2  # bad for so long that it is news to nobody
    CLEAR = 3
    STILL = 4
    GONE = 5
    HELD = 6  # breached for as long as `for` asks
    QUIET = 7  # clear for as long as `keep_firing_for` asks
    LOST = 8  # pending, and unknown for too long
    LAPSED = 9  # firing or dismissed, and unknown for CLOSED_UNJUDGED_AFTER
    HAND = 10  # a person says that it is over


NEXT: Final[Mapping[tuple[int, Signal], int]] = {  # anything absent means "stay"
    (INACTIVE, Signal.BREACH): PENDING,
    (INACTIVE, Signal.SUSTAINED): FOLDED,
    (FOLDED, Signal.BREACH): PENDING,
    (FOLDED, Signal.CLEAR): INACTIVE,
    (FOLDED, Signal.STILL): INACTIVE,
    (FOLDED, Signal.GONE): INACTIVE,
    (PENDING, Signal.HELD): FIRING,
    (PENDING, Signal.CLEAR): INACTIVE,
    (PENDING, Signal.STILL): INACTIVE,
    (PENDING, Signal.GONE): INACTIVE,
    (PENDING, Signal.LOST): INACTIVE,
    (FIRING, Signal.CLEAR): RECOVERING,
    (FIRING, Signal.GONE): INACTIVE,
    (FIRING, Signal.LAPSED): INACTIVE,
    (RECOVERING, Signal.BREACH): FIRING,
    (RECOVERING, Signal.SUSTAINED): FIRING,
    (RECOVERING, Signal.STILL): FIRING,
    (RECOVERING, Signal.QUIET): INACTIVE,
    (RECOVERING, Signal.GONE): INACTIVE,
    (RECOVERING, Signal.LAPSED): INACTIVE,
    (PENDING, Signal.HAND): DISMISSED,
    (FIRING, Signal.HAND): DISMISSED,
    (RECOVERING, Signal.HAND): INACTIVE,  # it has been clear since
    (DISMISSED, Signal.CLEAR): INACTIVE,
    (DISMISSED, Signal.GONE): INACTIVE,
    (DISMISSED, Signal.LAPSED): INACTIVE,
}
"""The unknown reading appears nowhere: silence is not health."""

_SAYS: Final[Mapping[int, Signal]] = {
    BREACH: Signal.BREACH,
    URGENT: Signal.BREACH,
    SUSTAINED: Signal.SUSTAINED,
    CLEAR: Signal.CLEAR,
    STILL: Signal.STILL,
    GONE: Signal.GONE,
}
_SIGNALS: Final = np.array([_SAYS.get(reading, Signal.NOTHING) for reading in range(8)], np.int8)
_NEXT: Final = np.array(
    [[NEXT.get((state, signal), state) for signal in Signal] for state in range(DISMISSED, RECOVERING + 1)],
    np.int8,
)
_RANKS: Final = np.array(sorted(Severity), np.int8)


def pack(reading: Readings, severity: NDArray[np.int8] | None = None) -> Codes:
    """A verdict's reading and severity (0: the rule's own) in one byte a cell."""
    if severity is None:
        return reading.astype(np.int8, copy=False)
    codes: Codes = reading | (severity << 3).astype(np.int8)
    return codes


def reading_of(codes: Codes) -> Readings:
    """The readings that were packed."""
    return codes & 7


def severity_of(codes: Codes) -> NDArray[np.int8]:
    """The severities that were packed."""
    return codes >> 3


class Event(StrEnum):
    """What a step made of a row, where it is more than a change of state."""

    FIRED = "fired"
    GRADED = "graded"  # firing at another severity
    ENDED = "ended"
    GONE = "gone"  # over, as what it was about is no longer there
    NOTED = "noted"  # firing and blind for UNJUDGED_AFTER
    LAPSED = "lapsed"  # firing and blind for CLOSED_UNJUDGED_AFTER
    DISMISSED = "dismissed"  # over, as a person says so


Events: TypeAlias = list[tuple[Event, Rows]]


@dataclass(frozen=True, slots=True)
class Holds:
    """What one rule asks of time, and the severity of a breach that names none."""

    hold: Duration
    keep_firing_for: Duration
    needs: NofM | None = None
    severity: Severity = Severity.WARNING
    reopen_within: Duration = 0

    @classmethod
    def of(cls, rule: Rule) -> "Holds":
        """A rule's own."""
        return cls(rule.hold, rule.keep_firing_for, rule.needs, rule.severity, rule.reopen_within)

    @property
    def slots(self) -> int:
        """Known bins that are looked at together; 0 where `for` is a duration."""
        return self.needs.of if self.needs is not None else 0

    def patience(self, width: Duration) -> Duration:
        """How long a pending row may be unknown: three bins, or `for`."""
        return max(3 * width, self.slots * width, self.hold)


@dataclass(slots=True)
class Lifecycle:
    """Columns over rows. Times are event time. An inactive row has nothing to remember."""

    state: NDArray[np.int8]
    opened: Instants  # start of the first breaching bin of the present run
    held: Instants  # how long the present run has breached, unknown bins left out
    breached_until: Instants  # end of the last bin that breached, or was not clear again while firing
    clear_from: Instants  # start of the first clear bin since
    quiet: Instants  # how long it has been clear since, unknown bins left out
    known_at: Instants  # end of the last bin that was not unknown
    judged_at: Instants  # end of the last bin of any reading
    noted: Bools  # its long blindness has been noted
    level: NDArray[np.int8]  # present severity while it fires
    highest: NDArray[np.int8]  # the highest it has been
    calm: Instants  # `[rows, severities]`: known time since it was last as bad as that
    slots: Instants  # `[rows, N of M]`: newest known bins, the newest first: their start where they breach

    @classmethod
    def of(cls, rows: int, slots: int = 0) -> "Lifecycle":
        """All inactive."""
        return cls(
            state=np.zeros(rows, np.int8),
            noted=np.zeros(rows, np.bool_),
            level=np.zeros(rows, np.int8),
            highest=np.zeros(rows, np.int8),
            calm=np.full((rows, len(_RANKS)), FOREVER, np.int64),
            slots=np.full((rows, slots), NEVER, np.int64),
            **{name: np.full(rows, NEVER, np.int64) for name in INSTANTS},
        )

    def __len__(self) -> int:
        return len(self.state)

    def take(self, rows: Rows) -> "Lifecycle":
        """A copy of some rows."""
        return Lifecycle(*(getattr(self, column.name)[rows] for column in fields(self)))

    def put(self, rows: Rows, part: "Lifecycle") -> None:
        """Write back what `take` gave."""
        for column in fields(self):
            getattr(self, column.name)[rows] = getattr(part, column.name)

    def joined(self, other: "Lifecycle") -> "Lifecycle":
        """These rows and others after them."""
        both = ((getattr(self, column.name), getattr(other, column.name)) for column in fields(self))
        return Lifecycle(*(np.concatenate(columns) for columns in both))

    # --- one bin

    def step(self, codes: Codes, start: Instant, end: Instant, holds: Holds) -> Events:
        """Take one bin's readings in event order; say which rows fired, ended or changed their severity.

        A state is a reading at an instant (`start == end`), taken to last since the one before.
        """
        before, said = self.state, self._said(codes, start, end, holds)
        self._open(said)
        signal = said.signal if holds.needs is None else self._fill(said)
        self.state = _NEXT[before - DISMISSED, signal]
        self._time(said, before)
        due = self._due(said, holds)
        self.state = _NEXT[self.state - DISMISSED, due]
        graded = self._grade(said, due == Signal.HELD, holds.keep_firing_for)
        noted = self._note(end)
        found = {
            Event.FIRED: due == Signal.HELD,
            Event.GRADED: graded,
            Event.ENDED: due == Signal.QUIET,
            Event.GONE: (signal == Signal.GONE) & (before >= FIRING),
            Event.NOTED: noted,
            Event.LAPSED: (due == Signal.LAPSED) & (before >= FIRING),
        }
        return [(event, np.flatnonzero(rows)) for event, rows in found.items() if rows.any()]

    def lapse(self, at: Instant) -> Events:
        """Note and at last end what has been firing without a known reading for long."""
        lapsed, before = self._lapsed(at), self.state
        self.state = _NEXT[self.state - DISMISSED, np.where(lapsed, Signal.LAPSED, Signal.NOTHING)]
        found = {Event.NOTED: self._note(at), Event.LAPSED: lapsed & (before >= FIRING)}
        return [(event, np.flatnonzero(rows)) for event, rows in found.items() if rows.any()]

    def dismiss(self, rows: Bools) -> Events:
        """Let a person end what goes on in some rows: it is news again after a clear reading."""
        before = self.state
        self.state = _NEXT[before - DISMISSED, np.where(rows, Signal.HAND, Signal.NOTHING)]
        ended = np.flatnonzero(rows & (before >= FIRING))
        return [(Event.DISMISSED, ended)] if ended.size else []

    def _said(self, codes: Codes, start: Instant, end: Instant, holds: Holds) -> "_Said":
        reading = reading_of(codes)
        signal = _SIGNALS[reading]
        # A narrow bin within a wide one that breaches ends nothing: episodes never overlap.
        lasts = (self.state >= FIRING) | (self.state == DISMISSED)
        within = (signal == Signal.CLEAR) & lasts & (start < self.breached_until)
        signal = np.where(within, Signal.NOTHING, signal).astype(np.int8)
        breach = (signal == Signal.BREACH) | ((signal == Signal.SUSTAINED) & (self.state > INACTIVE))
        fresh = breach & ((self.state == INACTIVE) | (self.state == FOLDED))
        own = severity_of(codes)
        return _Said(
            start=start,
            end=end,
            signal=signal,
            breach=breach,
            fresh=fresh,
            urgent=reading == URGENT,
            known=(reading != UNKNOWN) & (reading != SKIP),
            concerned=reading != SKIP,
            severity=np.where(breach, np.where(own > 0, own, holds.severity), 0).astype(np.int8),
            lasted=self._lasted(fresh, start, end),
        )

    def _lasted(self, fresh: Bools, start: Instant, end: Instant) -> Instants:
        """How long a reading has held: of a bin what no other one has counted, of a state since the last."""
        if start == end:
            return np.where(fresh | (self.judged_at == NEVER), 0, end - self.judged_at)
        return np.where(fresh, end - start, np.clip(end - np.maximum(self.known_at, start), 0, None))

    def _open(self, said: "_Said") -> None:
        self.opened[said.fresh] = said.start
        self.held[said.fresh] = 0
        self.slots[said.fresh] = NEVER

    def _fill(self, said: "_Said") -> NDArray[np.int8]:
        """Let pending rows take the bin into their slots; a row with a breach left in them stays pending."""
        taking = said.known & ((self.state == PENDING) | said.fresh) & (said.signal != Signal.GONE)
        slots = self.slots[taking]
        slots[:, 1:] = slots[:, :-1].copy()
        slots[:, 0] = np.where(said.breach[taking], said.start, NEVER)
        self.slots[taking] = slots
        left = slots > NEVER
        oldest = np.where(left, slots, FOREVER).min(axis=1)
        self.opened[taking] = np.where(oldest < FOREVER, oldest, self.opened[taking])
        waits = np.zeros(len(self), np.bool_)
        waits[taking] = left.any(axis=1) & ~said.breach[taking]
        return np.where(waits, Signal.NOTHING, said.signal).astype(np.int8)

    def _time(self, said: "_Said", before: NDArray[np.int8]) -> None:
        """What the bin adds to the timers of the states it led to."""
        pending = said.breach & (self.state == PENDING)
        self.held[pending] += said.lasted[pending]
        # What is not clear by `clear_when` goes on with the trouble it followed.
        self.breached_until[said.breach | ((said.signal == Signal.STILL) & (self.state == FIRING))] = said.end
        turned = (before == FIRING) & (self.state == RECOVERING)
        self.clear_from[turned] = said.start
        self.quiet[turned] = 0
        quiet = said.clear & (self.state == RECOVERING)
        self.quiet[quiet] += said.lasted[quiet]
        self.known_at[said.known] = said.end
        self.noted[said.known] = False
        self.judged_at[said.concerned] = said.end

    def _due(self, said: "_Said", holds: Holds) -> NDArray[np.int8]:
        """What time says now that the bin is taken."""
        pending = self.state == PENDING
        needs = holds.needs
        held = self.held >= holds.hold if needs is None else (self.slots > NEVER).sum(1) >= needs.breaching
        keep = holds.keep_firing_for
        quiet = (self.quiet >= keep) | (keep == 0)
        lost = ~said.known & (said.end - self.known_at > holds.patience(said.end - said.start))
        due = np.full(len(self), Signal.NOTHING, np.int8)
        due[pending & said.breach & (held | said.urgent)] = Signal.HELD
        due[(self.state == RECOVERING) & said.clear & quiet] = Signal.QUIET
        due[pending & said.concerned & lost] = Signal.LOST
        due[self._lapsed(said.end)] = Signal.LAPSED
        return due

    def _grade(self, said: "_Said", fired: Bools, keep: Duration) -> Bools:
        """Raise a severity at once, let it fall once it has not been reached for `keep`; where it changed."""
        firing = self.state >= FIRING
        reached = said.severity[:, np.newaxis] >= _RANKS
        self.calm[firing & said.known] += said.lasted[firing & said.known, np.newaxis]
        self.calm[fired] = FOREVER
        self.calm[firing[:, np.newaxis] & reached] = 0
        stands = np.where(keep > 0, self.calm < keep, reached)
        level = (stands * _RANKS).max(axis=1).astype(np.int8)
        level = np.where(firing & (level > 0), level, self.level)
        graded: Bools = firing & ~fired & (level != self.level)
        self.highest = np.where(fired, level, np.where(firing, np.maximum(level, self.highest), self.highest))
        self.level = level
        return graded

    def _lapsed(self, at: Instant) -> Bools:
        held = (self.state >= FIRING) | (self.state == DISMISSED)
        lapsed: Bools = held & (at - self.known_at > CLOSED_UNJUDGED_AFTER)
        return lapsed

    def _note(self, at: Instant) -> Bools:
        noted: Bools = (self.state >= FIRING) & ~self.noted & (at - self.known_at > UNJUDGED_AFTER)
        self.noted[noted] = True
        return noted

    def settled(self, codes: Codes, until: Instant, holds: Holds) -> Bools:
        """Rows that more of what the newest bin said, up to a time, leaves as they are but for when."""
        reading = reading_of(codes)
        said = self._said(codes, until, until, holds)
        idle = (self.state == INACTIVE) & ~said.breach & (reading != SUSTAINED)
        burning = (self.state == FIRING) & said.breach & (self.level == said.severity)
        unseen = until - self.known_at
        waits = self.noted | (unseen <= UNJUDGED_AFTER)
        blind = (self.state >= FIRING) & ~said.known & waits & (unseen <= CLOSED_UNJUDGED_AFTER)
        dismissed = (self.state == DISMISSED) & ~said.clear & (reading != GONE)
        dismissed &= said.known | (unseen <= CLOSED_UNJUDGED_AFTER)
        rows: Bools = idle | burning | blind | dismissed
        return rows


@dataclass(frozen=True, slots=True)
class _Said:
    """One bin as columns over rows."""

    start: Instant
    end: Instant
    signal: NDArray[np.int8]
    breach: Bools
    fresh: Bools
    """A breach of a row that had none."""
    urgent: Bools
    """A breach that `for` does not hold up."""
    known: Bools
    concerned: Bools
    severity: NDArray[np.int8]
    """0 where it is no breach."""
    lasted: Instants

    @property
    def clear(self) -> Bools:
        """Where it is well."""
        rows: Bools = self.signal == Signal.CLEAR
        return rows


INSTANTS: Final = ("opened", "held", "breached_until", "clear_from", "quiet", "known_at", "judged_at")
"""Columns of one time or duration a row."""
