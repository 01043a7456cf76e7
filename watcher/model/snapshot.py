"""What the engine keeps beside the journal, so that a rebuild goes on exactly where it stood."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from watcher.model.labels import LabelSet
from watcher.model.time import Duration, Instant


@dataclass(frozen=True, slots=True)
class EpisodeState:
    """An episode as it was at the edge: what its row's lifecycle does not know of it."""

    opened_at: Instant
    resolved_at: Instant | None
    """None while it goes on."""
    highest: int
    returns: int
    comebacks: tuple[Instant, ...] = ()
    """When it last came back."""
    hurt: float | None = 0.0
    """Events beyond what was expected, in all of its bins; None: what is seen is no share of events."""
    peak: tuple[float, float, Instant, Instant] | None = None
    """Its worst reading: seen, expected, start and end of the bin."""


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
    level: int = 0
    """Present severity; 0 in older snapshots: the book knows."""
    highest: int = 0
    calm: tuple[Duration, ...] = ()
    """Known time since it was last as bad as each severity, the lowest first."""
    slots: tuple[Instant, ...] = ()
    """Of `for: N of M`: the newest known bins, the newest first."""
    episode: EpisodeState | None = None


@dataclass(frozen=True, slots=True)
class TrackState:
    """One rule over groups of one source: which streams feed it, and what no longer changes."""

    rule: str
    source: str
    streams: tuple[str, ...]
    frozen_at: Instant
    """Bins that begin before this are judged for good; those that arrive now are too late."""
    rows: tuple[RowState, ...]


@dataclass(frozen=True, slots=True)
class EngineDump:
    """The whole engine as a value: windows, baselines, timers, what was told. Nothing in it changes later."""

    meta: Mapping[str, Any]
    """What is no array, as JSON could hold it."""
    arrays: Mapping[str, NDArray[Any]]
    """By names of the engine's own; kept exactly, to the bit of every NaN."""
    rules: Mapping[str, str] = field(default_factory=dict)
    """By the id of each rule it was judged by: a digest of all that its judging follows from."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot that is safe on disk, and so what of the journal a restart needs no more."""

    token: str
    """Names it; the book holds the token of the one that counts."""
    row: int
    """The last journal row it holds."""
