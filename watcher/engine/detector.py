"""What a detector is: columns in, `Verdict` out. Pure, one file each under `watcher.engine.detectors`.

A detector looks at one settled bin of all series a rule selects at once. It sees the bin itself, a trailing
window of bins at their own width, and the series' own past as levels (coarser sums). It holds no state: the
engine owns windows, timers and incidents, so that judging a bin twice gives the same verdict.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from watcher.model.incident import Evidence
from watcher.model.labels import LabelSet
from watcher.model.sample import Floats, Instants
from watcher.model.time import Duration, Instant

Readings: TypeAlias = NDArray[np.int8]
Usual: TypeAlias = Mapping[str, Floats]
"""What a detector made of the levels: named columns over the rows."""

CLEAR: Final = 0
BREACH: Final = 1
UNKNOWN: Final = 2
"""Unknown resolves nothing and fires nothing."""
SUSTAINED: Final = 4
"""Bad for so long that it is news to nobody: what fires goes on, what does not is told of once a source."""


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
    """Labels by which its values are kept apart for evidence (`Panel.parts`)."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back a verdict looks."""

    window: Duration = 0
    """Trailing bins at their own width; 0 is the bin alone."""
    baseline: Duration = 0
    """Levels; 0 is none."""
    lag: Duration = 0
    """The newest this much of the baseline is left out."""


@dataclass(frozen=True, slots=True)
class Levels:
    """A series' own past, in slots of equal width, oldest first."""

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
    """What a detector sees of one bin: `[rows]` columns, NaN where unknown."""

    @property
    def start(self) -> Instant:
        """Start of the bin."""
        ...

    @property
    def end(self) -> Instant:
        """End of the bin; for states the same as `start`: the reading's instant."""
        ...

    @property
    def answered(self) -> bool:
        """Whether the vendor answered for this bin, whatever it said."""
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

    def lasted(self, role: str, window: Duration) -> "Lasted":
        """For how long the role's value has been what it is, as far back as the trailing window."""
        ...

    def parts(self, role: str, row: int, window: Duration) -> Mapping[LabelSet, float]:
        """Sums over the trailing window by the role's `detail`, for one row, largest first."""
        ...


@dataclass(frozen=True, slots=True)
class Lasted:
    """How long a value has been the same, in `[rows]` columns."""

    time: Floats
    """Milliseconds from the first reading of it to the end of the bin; NaN where there is no value."""
    changed: NDArray[np.bool_]
    """Whether another value was seen before it; otherwise it is as old as the window or the first sight."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One bin's judgement over all rows; every column has the length of the panel's rows."""

    reading: Readings
    seen: Floats
    expected: Floats
    extra: Mapping[str, Floats] = field(default_factory=dict)
    """What `explain` needs beside these."""
    severity: NDArray[np.int8] | None = None
    """By row, a `Severity`; 0, and None for all rows, is the rule's own."""


class Detector(Protocol):
    """Mechanism behind rules that name it. Constructed with its validated parameters."""

    Params: ClassVar[type[BaseModel]]
    """Parameters with units in their names or types; defaults are those of the docs page."""
    roles: Mapping[str, Role]
    """The first one is what exemplars are about. An instance's may follow from its parameters."""

    def __init__(self, params: Any) -> None: ...  # noqa: ANN401 - each detector names its own Params

    def reach(self) -> Reach:
        """How far back it looks, given its parameters."""
        ...

    def usual(self, levels: Levels) -> Usual:
        """The series' own normal; made anew only when a level slot closes or changes."""
        ...

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Judge one bin."""
        ...

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """Words and figures for one row, over the bins from `since` to the panel's end."""
        ...
