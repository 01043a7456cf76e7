"""States that were bad long before they were first looked at: one incident a source, not one each.

The groups stay folded in their lifecycle; one more row of the track, whose key is the source alone, breaches
while any group is folded. It is stepped after the others, so it is a function of their readings too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from watcher.engine.detector import BREACH, CLEAR, UNKNOWN, Verdict
from watcher.engine.episodes import Bin
from watcher.engine.lifecycle import (
    FOLDED,
    SKIP,
    Codes,
    Events,
    Holds,
    Lifecycle,
    Rows,
    pack,
    reading_of,
)
from watcher.model.incident import Evidence
from watcher.model.labels import LabelSet
from watcher.model.rule import Severity
from watcher.model.time import Instant

SUMMARY: Final = "{subject}: {text}"
NAMED: Final = 10
"""Groups that are named; of more, only their number is told."""
_INFO: Final = np.array([Severity.INFO], np.int8)


@dataclass(frozen=True, slots=True)
class Fold:
    """The row of a track that speaks for its folded groups."""

    row: int

    def step(self, life: Lifecycle, rows: Rows, codes: Codes, bin_: Bin) -> Events:
        """Let the row take a bin that all other rows have taken; `life` is of `rows`, `codes` of all rows."""
        reading = reading_of(codes)
        told = bool(((reading != SKIP) & (reading != UNKNOWN)).any())
        folded = bool((life.state == FOLDED).any())
        code = pack(np.array([BREACH if folded else CLEAR if told else UNKNOWN], np.int8), _INFO)
        at: Rows = np.searchsorted(rows, [self.row])
        part = life.take(at)
        events = part.step(code, bin_.start, bin_.end, Holds(0, 0))
        life.put(at, part)
        return [(event, at) for event, _ in events]


def fold_key(group: LabelSet) -> LabelSet:
    """The key of a source's fold: what all groups of the track have."""
    return tuple((name, value) for name, value in group if name in {"source", "vendor"})


def folded_evidence(
    verdict: Verdict, folded: Sequence[tuple[int, str]], words: Sequence[str], bin_: Bin, since: Instant
) -> Evidence:
    """How many groups are folded, and which: rows with what people call them."""
    states = []
    for row, name in folded:
        code = float(verdict.seen[row]) if row < len(verdict.seen) else np.nan
        states.append({"what": name, "state": words[int(code)] if code >= 0 else "unknown"})
    shown = ", ".join(f"{one['what']} ({one['state']})" for one in states[:NAMED])
    more = f" and {len(states) - NAMED} more" if len(states) > NAMED else ""
    text = f"{len(states)} bad for long when first seen: {shown}{more}" if states else "none is left"
    return Evidence(
        start=since,
        end=max(bin_.end, since),
        seen=float(len(states)),
        expected=0.0,
        text=text,
        words={"seen": str(len(states)), "expected": "0"},
        parts=tuple(states[:NAMED]),
    )
