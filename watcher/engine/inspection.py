"""Why a rule fired, or did not: the judged bins of one group, each with what was seen and every gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Final

import numpy as np

from watcher.engine.detector import BREACH, CLEAR, STILL, SUSTAINED, UNKNOWN, Gate
from watcher.engine.engine import Engine
from watcher.engine.episodes import Bin, in_order
from watcher.engine.judging import Look
from watcher.engine.lifecycle import GONE
from watcher.engine.track import Track
from watcher.model.incident import Evidence, IncidentKey
from watcher.model.labels import LabelSet
from watcher.model.time import Instant

READINGS: Final[Mapping[int, str]] = {
    CLEAR: "clear",
    BREACH: "breach",
    UNKNOWN: "unknown",
    SUSTAINED: "long bad",
    STILL: "between",
    GONE: "gone",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One bin of one group as the rule sees it."""

    start: Instant
    end: Instant
    reading: str
    values: Mapping[str, float]
    """By role; what is unknown is left out."""
    evidence: Evidence
    """Seen, expected, usual range and words, as they would be told."""
    gates: Sequence[Gate]

    @property
    def stopped_by(self) -> Gate | None:
        """The first gate that was not passed."""
        return next((gate for gate in self.gates if not gate.passed), None)


def judged(engine: Engine, key: IncidentKey, since: Instant, until: Instant) -> list[Judged]:
    """The judged bins of a group that begin in a time, in event order, as far as they are still held."""
    source = dict(key.labels).get("source", "")
    return [
        _judged(track, bin_, look)
        for track in engine.tracks(key.rule, source)
        if (row := track.index.get(key.labels)) is not None
        for bin_ in _bins(track, row, since, until)
        if (look := track.look(bin_, row)) is not None
    ]


def groups(engine: Engine, rule: str, source: str) -> list[LabelSet]:
    """The groups that a rule judges at a source."""
    return sorted(key for track in engine.tracks(rule, source) for key in track.index)


def _bins(track: Track, row: int, since: Instant, until: Instant) -> list[Bin]:
    """Every judged bin of the lanes that feed a row."""
    found = [
        Bin(start, start + lane.width, key)
        for key, lane in track.lanes.items()
        if lane.feeds(row)
        for start in np.asarray(lane.judged.starts).tolist()
        if since <= start < until
    ]
    return sorted(found, key=in_order)


def _judged(track: Track, bin_: Bin, look: Look) -> Judged:
    panel, at = look.panel, look.at
    values = {role: float(panel.value(role)[at]) for role in track.detector.roles}
    return Judged(
        start=bin_.start,
        end=bin_.end,
        reading=READINGS.get(int(look.verdict.reading[at]), "unknown"),
        values={role: value for role, value in values.items() if not isnan(value)},
        evidence=_evidence(track, bin_, look, [role for role, value in values.items() if isnan(value)]),
        gates=track.detector.gates(panel, look.usual, at),
    )


def _evidence(track: Track, bin_: Bin, look: Look, missing: Sequence[str]) -> Evidence:
    """As it would be told; of what is unknown, which parts are."""
    if look.verdict.reading[look.at] != UNKNOWN:
        return track.detector.explain(look.panel, look.verdict, look.at, bin_.start)
    text = f"unknown: the vendor said nothing of {', '.join(missing)}" if missing else "unknown"
    return Evidence(bin_.start, bin_.end, text=text)
