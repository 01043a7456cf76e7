"""The alert state of every row of a track: inactive, pending, firing, recovering, as columns.

The words are Prometheus's, with one of our own: a row is folded while it has been bad since long before it
was first looked at, and is told of together with others like it (design, "First looks"). Unknown readings
move nothing: they pause `for` and `keep_firing_for`, let a pending row lapse, and after long blindness are
noted and at last end the episode as unjudged (design, "Unknown").
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watcher.engine.detector import BREACH, CLEAR, SUSTAINED, UNKNOWN, Readings
from watcher.model.sample import Instants
from watcher.model.time import DAY, Duration, Instant

Rows: TypeAlias = NDArray[np.intp]

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


class Event(StrEnum):
    """What a step made of a row, where it is more than a change of state."""

    FIRED = "fired"
    ENDED = "ended"
    GONE = "gone"  # over, as what it was about is no longer there
    NOTED = "noted"  # firing and blind for UNJUDGED_AFTER
    LAPSED = "lapsed"  # firing and blind for CLOSED_UNJUDGED_AFTER


@dataclass(frozen=True, slots=True)
class Holds:
    """The timers of one rule."""

    hold: Duration
    keep_firing_for: Duration


@dataclass(slots=True)
class Lifecycle:
    """Columns over rows. Times are event time."""

    state: NDArray[np.int8]
    opened: Instants  # start of the first breaching bin of the present run
    held: Instants  # how long the present run has breached, unknown bins left out
    breached_until: Instants  # end of the last breaching bin
    clear_from: Instants  # start of the first clear bin since
    quiet: Instants  # how long it has been clear since, unknown bins left out
    known_at: Instants  # end of the last bin that was not unknown
    judged_at: Instants  # end of the last bin of any reading
    noted: NDArray[np.bool_]  # its long blindness has been noted

    @classmethod
    def of(cls, rows: int) -> "Lifecycle":
        """All inactive."""
        return cls(
            state=np.zeros(rows, np.int8),
            noted=np.zeros(rows, np.bool_),
            **{name: np.full(rows, NEVER, np.int64) for name in _INSTANTS},
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

    def grow(self, rows: int) -> None:
        """Add inactive rows up to a number."""
        fresh = Lifecycle.of(rows - len(self))
        for column in fields(self):
            name = column.name
            setattr(self, name, np.concatenate([getattr(self, name), getattr(fresh, name)]))

    def step(self, reading: Readings, start: Instant, end: Instant, holds: Holds) -> list[tuple[Event, Rows]]:
        """Take one bin's readings in event order; say which rows fired or ended.

        A state is a reading at an instant (`start == end`), taken to last since the one before.
        """
        known = (reading != UNKNOWN) & (reading != SKIP)
        breach = (reading == BREACH) | self._goes_on(reading)
        width = np.int64(end - start)
        lasted = (
            np.full(len(self), width) if width else np.where(self.judged_at > NEVER, end - self.judged_at, 0)
        )
        fired = self._breach(breach, start, end, lasted, holds.hold)
        ended = self._clear(reading == CLEAR, start, lasted, holds.keep_firing_for)
        gone = np.flatnonzero((reading == GONE) & (self.state >= FIRING))
        self.state[reading == GONE] = INACTIVE
        self.known_at[known] = end
        self.noted[known] = False
        self.judged_at[reading != SKIP] = end
        unknown = reading == UNKNOWN
        patience = max(3 * int(width), holds.hold)
        self.state[unknown & (self.state == PENDING) & (end - self.known_at > patience)] = INACTIVE
        events = [(Event.FIRED, fired), (Event.ENDED, ended), (Event.GONE, gone), *self.lapse(end)]
        return [(event, rows) for event, rows in events if rows.size]

    def _goes_on(self, reading: Readings) -> NDArray[np.bool_]:
        """Fold and unfold; the rows whose sustained reading is a breach, as they had one before."""
        sustained: NDArray[np.bool_] = reading == SUSTAINED
        idle = self.state <= INACTIVE
        self.state[(self.state == FOLDED) & (reading != UNKNOWN) & (reading != SKIP)] = INACTIVE
        self.state[sustained & idle] = FOLDED
        return sustained & ~idle

    def _breach(
        self, breach: NDArray[np.bool_], start: Instant, end: Instant, lasted: Instants, hold: Duration
    ) -> Rows:
        fresh = breach & (self.state == INACTIVE)
        self.state[fresh] = PENDING
        self.opened[fresh] = start
        self.held[fresh] = 0
        pending = breach & (self.state == PENDING)
        # A fresh state has lasted no time yet; a fresh bin has lasted its own width.
        self.held[pending] += np.where(fresh & (start == end), 0, lasted)[pending]
        self.state[breach & (self.state == RECOVERING)] = FIRING
        self.breached_until[breach] = end
        fired = pending & (self.held >= hold)
        self.state[fired] = FIRING
        return np.flatnonzero(fired)

    def _clear(self, clear: NDArray[np.bool_], start: Instant, lasted: Instants, keep: Duration) -> Rows:
        self.state[clear & (self.state == PENDING)] = INACTIVE
        turned = clear & (self.state == FIRING)
        self.state[turned] = RECOVERING
        self.clear_from[turned] = start
        self.quiet[turned] = 0
        recovering = clear & (self.state == RECOVERING)
        self.quiet[recovering] += lasted[recovering]
        ended = recovering & ((self.quiet >= keep) | (keep == 0))
        self.state[ended] = INACTIVE
        return np.flatnonzero(ended)

    def lapse(self, at: Instant) -> list[tuple[Event, Rows]]:
        """Note and at last end what has been firing without a known reading for long."""
        unseen = self.state >= FIRING
        lapsed = unseen & (at - self.known_at > CLOSED_UNJUDGED_AFTER)
        noted = unseen & ~lapsed & ~self.noted & (at - self.known_at > UNJUDGED_AFTER)
        self.state[lapsed] = INACTIVE
        self.noted[noted] = True
        events = [(Event.NOTED, np.flatnonzero(noted)), (Event.LAPSED, np.flatnonzero(lapsed))]
        return [(event, rows) for event, rows in events if rows.size]


_INSTANTS: Final = ("opened", "held", "breached_until", "clear_from", "quiet", "known_at", "judged_at")
