"""What a detector is: columns in, `Verdict` out. Pure, one file each under `watcher.engine.detectors`.

A detector looks at all series a rule selects at once, in one settled bin or in a block of consecutive ones.
It sees the bins themselves, trailing windows of bins at their own width, the newest past as levels (coarser
sums), and what it has itself learned of all that is older. It holds no state: the engine owns windows,
memory, timers and incidents, so that judging a bin twice gives the same verdict.

Columns are `[rows]` for one bin and `[bins, rows]` for a block: a detector works element by element along the
last axes, and never asks for a column's length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from watcher.model.incident import Evidence
from watcher.model.labels import LabelSet
from watcher.model.sample import Exemplar, Floats, Instants
from watcher.model.time import MINUTE, Duration, Instant
from watcher.model.words import number

Readings: TypeAlias = NDArray[np.int8]
Usual: TypeAlias = Mapping[str, Floats]
"""What a detector made of the levels: named columns over the rows."""

CLEAR: Final = 0
BREACH: Final = 1
UNKNOWN: Final = 2
"""Unknown resolves nothing and fires nothing."""
SUSTAINED: Final = 4
"""Bad for so long that it is news to nobody: what fires goes on, what does not is told of once a source."""
STILL: Final = 6
"""Neither: no reason to fire, and none to be over. What fires goes on, and what recovers waits."""
URGENT: Final = 7
"""A breach that need not wait for the rule's `for`: what that waits for is ruled out already."""


class Several(StrEnum):
    """How several series of one group that play one role become one value."""

    SUM = "sum"
    """Unknown where one of them is."""
    LEAST = "least"
    GREATEST = "greatest"


@dataclass(frozen=True, slots=True)
class Role:
    """One part a series plays for a detector."""

    weighed_by: str | None = None
    """The role that weighs it, where it is a share: sums over windows are of value times weight."""
    over_time: bool = False
    """A level that holds for its bin: sums over windows are of value times milliseconds."""
    carry: bool = False
    """The last value seen stands while nothing new comes."""
    several: Several = Several.LEAST
    """Of all but counts: the worst certificate speaks for the name."""
    counts: Several = Several.SUM
    optional: bool = False
    """A rule may name no series for it, or none may come: it is then unknown, and the rule judges on."""
    wide: bool = False
    """A series that lacks some of the rule's `by` speaks for every group that agrees in the others."""
    witness: bool = False
    """It shows that the vendor answers, and nothing else: with it, the other roles may have no series yet."""
    state: str = ""
    """It reads a state set by this label: the value is the code of the state whose series is 1."""
    worst: tuple[str, ...] = ()
    """Of a state set: the states that speak for a group before others do, the last one first of all."""
    detail: tuple[str, ...] = ()
    """Labels by which its values are kept apart for evidence (`Panel.parts`), and for nothing else.

    What it says is never judged, summed or learned: it is read for rows that are told, when they are.
    """


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back a verdict looks."""

    window: Duration = 0
    """Trailing bins at their own width; 0 is the bin alone."""
    recent: Duration = 0
    """Levels: the newest past, made anew when one of its bins changes; 0 is none."""
    lag: Duration = 0
    """The newest this much is left out of the levels."""
    slot: Duration = 10 * MINUTE
    """Width of a level, and of what is learned at once."""
    memory: Mapping[str, int] = field(default_factory=dict)
    """Named arrays that the detector learns into: how many numbers each keeps of a row; empty is none."""
    undated: bool = False
    """What is usual depends on how old slots are, not on when they were or whether the vendor answered.

    Then `usual` may be asked for several times at once, the rows at one time behind those at another: `until`
    and `starts` are those of the first, and a slot in which nothing came is there and not known.
    """


Memory: TypeAlias = Mapping[str, NDArray[np.float32]]
"""What a detector has learned, by name: `[numbers, rows]`, NaN at first. The arrays are its own to write."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of the past that will never change again: what a detector learns from."""

    start: Instant
    width: Duration
    sums: Mapping[str, Floats]
    """By role, `[rows]`: sums over the bins in which every required role was known; 0 where none was."""
    known: Floats
    """`[rows]`: milliseconds of the slot that are known; 0 where nothing is to be learned."""
    answered: float
    """Milliseconds of the slot for which the vendor answered, whatever it said."""


@dataclass(frozen=True, slots=True)
class Levels:
    """A series' own newest past, in slots of equal width, oldest first.

    Without memory it reaches `Reach.recent` back. With memory it begins where memory ends: the larger of the
    restatement horizon and `recent` before the bin that is judged.
    """

    width: Duration
    until: Instant
    """Where they end: the newest slot that may be used."""
    starts: Instants
    """`[slots]`: a slot in which nothing came is left out."""
    sums: Mapping[str, Floats]
    """By role, `[slots, rows]`: sums over the bins in which every role was known; 0 where none was."""
    known: Floats
    """`[slots, rows]`: milliseconds of each slot that are known."""
    answered: Floats
    """`[slots]`: milliseconds of each slot for which the vendor answered, whatever it said."""


class Panel(Protocol):
    """What a detector sees: `[rows]` columns of one bin or `[bins, rows]` of a block, NaN where unknown."""

    @property
    def start(self) -> Instant:
        """Start of the bin; of a block, of its first bin."""
        ...

    @property
    def end(self) -> Instant:
        """End of the bin, of a block that of its last one; for states the same as `start`: their instant."""
        ...

    @property
    def width(self) -> Duration:
        """Of each bin; 0 for states."""
        ...

    @property
    def starts(self) -> Instant | Instants:
        """Start of each bin: one number, or `[bins, 1]`; takes part in sums with columns either way."""
        ...

    @property
    def answered(self) -> bool | NDArray[np.bool_]:
        """Whether the vendor answered for the bin, whatever it said: one truth, or `[bins, 1]`."""
        ...

    @property
    def words(self) -> Sequence[str]:
        """States by their code (of roles that read a state set)."""
        ...

    def value(self, role: str) -> Floats:
        """The bin's own value of a role."""
        ...

    def total(self, role: str, window: Duration) -> Floats:
        """Sum over the trailing window that ends with this bin, of bins in which every role is known."""
        ...

    def known(self, window: Duration) -> Floats:
        """Milliseconds of the trailing window in which every required role is known."""
        ...

    def least(self, role: str, window: Duration) -> Floats:
        """The least known value of the trailing window; NaN where none is. Costs as the window is long."""
        ...

    def greatest(self, role: str, window: Duration) -> Floats:
        """The greatest known value of the trailing window; NaN where none is. Costs as the window is long."""
        ...

    def lasted(self, role: str, window: Duration) -> "Lasted":
        """For how long the role's value has been what it is, as far back as the trailing window."""
        ...

    def parts(self, role: str, row: int, window: Duration) -> Mapping[LabelSet, float]:
        """Sums over the trailing window by the role's `detail`, for one row, largest first; of one bin."""
        ...

    def exemplars(self, row: int, window: Duration) -> Sequence[Exemplar]:
        """Raw records of one row in the trailing window, the newest last. Of one bin only."""
        ...


@dataclass(frozen=True, slots=True)
class Lasted:
    """How long a value has been the same, in columns like the panel's."""

    time: Floats
    """Milliseconds from the first reading of it to the end of the bin; NaN where there is no value."""
    changed: NDArray[np.bool_]
    """Whether another value was seen before it; otherwise it is as old as the window or the first sight."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A panel's judgement: every column has the shape of the panel's own."""

    reading: Readings
    seen: Floats
    expected: Floats
    extra: Mapping[str, Floats] = field(default_factory=dict)
    """What `explain` needs beside these."""
    severity: NDArray[np.int8] | None = None
    """By cell, a `Severity`; 0, and None for all, is the rule's own."""
    of: Floats | None = None
    """Events of the bin of which `seen` is a share: those beyond `expected` are hurt. None: no share."""
    gauge: bool = False
    """`seen` is no share, but how far from `expected` it was at worst is worth telling (`Detector.worst`)."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One question on the way to a breach, as asked of one row: the first that is not passed stopped it."""

    name: str
    passed: bool
    seen: float | None = None
    limit: float | None = None
    text: str = ""
    """The question and its figures, in words."""


class Detector(Protocol):
    """Mechanism behind rules that name it. Constructed with its validated parameters."""

    Params: ClassVar[type[BaseModel]]
    """Parameters with units in their names or types; defaults are those of the docs page."""
    roles: Mapping[str, Role]
    """The first one is what exemplars are about. An instance's may follow from its parameters."""
    version: ClassVar[int]
    """One more whenever what it learns or says of the same bins becomes another: what was learned before
    is then learned anew from history, and not gone on from."""

    def __init__(self, params: Any) -> None: ...  # noqa: ANN401 - each detector names its own Params

    def reach(self) -> Reach:
        """How far back it looks, given its parameters."""
        ...

    def learn(self, memory: Memory, slot: Slot) -> None:
        """Take one slot that will never change again, in event order, into the memory's arrays.

        Whatever keeps a slot from being learned must be a test on values, never an earlier verdict.
        """
        ...

    def recall(self, memory: Memory, at: Instant) -> Usual:
        """What memory says of bins in the slot that begins at `at`. Asked once a slot, and kept."""
        ...

    def usual(self, recalled: Usual, levels: Levels) -> Usual:
        """The series' own normal: what is recalled, joined with the newest past. `[rows]` columns.

        Made anew only when a level slot closes or changes, for some or all rows.
        """
        ...

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Judge one bin or a block; the columns of `usual` have the panel's shape."""
        ...

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """Words and figures for one row of one bin, over the bins from `since` to the panel's end.

        Where the bin is clear only because what was news has become usual, `words["now_usual"]` says what is.
        """
        ...

    def gates(self, panel: Panel, usual: Usual, row: int) -> Sequence[Gate]:
        """Every question asked of one row of one bin, in the order they are asked."""
        ...

    def worst(self, found: Evidence) -> Evidence:
        """The worst reading of an episode as `explain` would say it: asked of a `gauge` alone.

        `found` is of one bin, its `seen` and `expected` as in the verdict.
        """
        ...


class Plain:
    """What a detector without memory or a sense of the usual need not write; also the plainest gates."""

    version: ClassVar[int] = 1

    def learn(self, memory: Memory, slot: Slot) -> None:
        """Nothing."""

    def recall(self, memory: Memory, at: Instant) -> Usual:  # noqa: ARG002 - the seam's own names
        """Nothing."""
        return {}

    def usual(self, recalled: Usual, levels: Levels) -> Usual:  # noqa: ARG002 - the seam's own names
        """Nothing is usual: what is asked is absolute."""
        return {}

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Written by each detector."""
        raise NotImplementedError

    def worst(self, found: Evidence) -> Evidence:
        """The bare figures."""
        return beside(found, number(found.seen or 0.0), number(found.expected or 0.0))

    def gates(self, panel: Panel, usual: Usual, row: int) -> Sequence[Gate]:
        """Whether there is a reading, and whether it is a breach."""
        verdict = self.judge(panel, usual)
        reading, seen, limit = int(verdict.reading[row]), *_figures(verdict, row)
        known = Gate("known", reading != UNKNOWN, seen, text="the bin has what the rule needs to judge it")
        if reading == UNKNOWN:
            return (known,)
        is_breach = reading in {BREACH, URGENT, SUSTAINED}
        breach = Gate("limit", is_breach, seen, limit, "the value is beyond its limit")
        return known, breach


def beside(found: Evidence, seen: str, expected: str, *, joint: str = "usually") -> Evidence:
    """Evidence in words: ``3 a minute, usually 120``."""
    return replace(found, text=f"{seen}, {joint} {expected}", words={"seen": seen, "expected": expected})


def _figures(verdict: Verdict, row: int) -> tuple[float | None, float | None]:
    found = (float(verdict.seen[row]), float(verdict.expected[row]))
    seen, expected = (None if np.isnan(figure) else figure for figure in found)
    return seen, expected
