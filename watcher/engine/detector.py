"""What a detector is: columns in, `Verdict` out. Pure, one file each under `watcher.engine.detectors`.

A detector looks at one settled bin of all series a rule selects at once. It sees the bin itself, a trailing
window of bins at their own width, and the series' own past as levels (coarser sums). It holds no state: the
engine owns windows, timers and incidents, so that judging a bin twice gives the same verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from watcher.model.incident import Evidence
from watcher.model.sample import Floats
from watcher.model.time import Duration, Instant

Readings: TypeAlias = NDArray[np.int8]
Usual: TypeAlias = Mapping[str, Floats]
"""What a detector made of the levels: named columns over the rows."""

CLEAR: Final = 0
BREACH: Final = 1
UNKNOWN: Final = 2
"""The three readings. Unknown resolves nothing and fires nothing."""


@dataclass(frozen=True, slots=True)
class Role:
    """One part a series plays for a detector.

    A ratio is weighed by another role: sums over windows are then sums of value times weight. When several
    series of a group play one role, counts are summed and states take the least (the worst certificate speaks
    for the name); `carry` keeps the last value seen while nothing new comes.
    """

    weighed_by: str | None = None
    carry: bool = False


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
    sums: Mapping[str, Floats]
    """By role, `[slots, rows]`: sums over the bins in which every role was known; 0 where none was."""
    known: Floats
    """`[slots, rows]`: milliseconds of each slot that are known."""


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

    def value(self, role: str) -> Floats:
        """The bin's own value of a role."""
        ...

    def total(self, role: str, window: Duration) -> Floats:
        """Sum over the trailing window that ends with this bin, of bins in which every role is known."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """One bin's judgement over all rows; every column has the length of the panel's rows."""

    reading: Readings
    seen: Floats
    expected: Floats
    extra: Mapping[str, Floats] = field(default_factory=dict)
    """What `explain` needs beside these."""


class Detector(Protocol):
    """Mechanism behind rules that name it. Constructed with its validated parameters."""

    Params: ClassVar[type[BaseModel]]
    """Parameters with units in their names or types; defaults are those of the docs page."""
    roles: ClassVar[Mapping[str, Role]]

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
