"""What the engine keeps beside the journal, so that a rebuild goes on exactly where it stood."""

from dataclasses import dataclass

from watcher.model.labels import LabelSet
from watcher.model.time import Duration, Instant


@dataclass(frozen=True, slots=True)
class RowState:
    """The lifecycle of one group that is not inactive, at its track's frozen edge."""

    labels: LabelSet
    state: int
    opened: Instant
    held: Duration
    breached_until: Instant
    clear_from: Instant
    quiet: Duration
    known_at: Instant
    judged_at: Instant
    noted: bool
    lanes: tuple[str, ...] = ()
    """Who feeds it: a stream and the width of its bins each. Empty in older snapshots."""


@dataclass(frozen=True, slots=True)
class TrackState:
    """One rule over groups of one source: which streams feed it, and what no longer changes."""

    rule: str
    source: str
    streams: tuple[str, ...]
    frozen_at: Instant
    """Bins that begin before this are judged for good; those that arrive now are too late."""
    rows: tuple[RowState, ...]
