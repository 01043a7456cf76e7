"""Why a rule fired, or did not: the judged bins of one group, each with what was seen and every gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Final

import numpy as np

from watcher.engine.detector import BREACH, CLEAR, STILL, SUSTAINED, UNKNOWN, URGENT, Gate
from watcher.engine.engine import Engine
from watcher.engine.episodes import Bin, in_order
from watcher.engine.judging import Look
from watcher.engine.lifecycle import GONE
from watcher.engine.track import Track
from watcher.model.incident import Evidence, IncidentKey
from watcher.model.labels import LabelSet
from watcher.model.rule import Rule
from watcher.model.time import Instant
from watcher.model.words import number, span

READINGS: Final[Mapping[int, str]] = {
    CLEAR: "clear",
    BREACH: "breach",
    URGENT: "breach at once",
    UNKNOWN: "unknown",
    SUSTAINED: "long bad",
    STILL: "between",
    GONE: "gone",
}
FIRED: Final = frozenset({"firing", "recovering"})
"""Alert states of what has fired and is not over."""
_BAD: Final = frozenset({READINGS[BREACH], READINGS[URGENT], READINGS[SUSTAINED]})


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
        return stop(self.gates)


def asked(rule: Rule, found: Judged | None, state: str) -> Sequence[Gate]:
    """Every gate of a bin that left its group in a state: the detector's own, then the lifecycle's."""
    if found is None:
        return (
            Gate("bin", False, text="no bin of this group was judged at that time: nothing was recorded"),
        )
    gates = tuple(found.gates)
    if any(not gate.passed for gate in gates):
        return gates
    held = state in FIRED
    if found.reading in _BAD and (rule.hold or rule.needs is not None or not held):
        gates += (_hold(rule, state, held=held),)
    return gates


def _hold(rule: Rule, state: str, *, held: bool) -> Gate:
    """Whether it has lasted as the rule asks."""
    wanted = f"it has to last {span(rule.hold)}" if rule.hold else "it has to be news"
    wanted = f"it has to be bad in {rule.needs} bins" if rule.needs is not None else wanted
    came = "it had" if held else f"by the end of this bin it had not ({state})"
    return Gate("for", held, text=f"{wanted}; {came}")


def stop(gates: Sequence[Gate]) -> Gate | None:
    """The first gate that was not passed."""
    return next((gate for gate in gates if not gate.passed), None)


def stopped_by(gate: Gate, found: Judged | None = None) -> str:
    """A gate that was not passed, in words; of the bin that it is of, what that lacks."""
    told = figures(gate)
    if gate.name == "known":
        lacks = found.evidence.text.removeprefix(f"{READINGS[UNKNOWN]}: ") if found is not None else ""
        why = f"this does not hold: {gate.text}" if lacks in {"", READINGS[UNKNOWN]} else lacks
        return f"stopped by `known`, as the bin cannot be judged: {why}"
    return f"stopped by `{gate.name}`: {gate.text}" + (f" ({told})" if told else "")


def figures(gate: Gate) -> str:
    """What a gate saw, against what."""
    seen = "" if gate.seen is None else figure(gate.seen)
    return seen if gate.limit is None else f"{seen or '?'} against {figure(gate.limit)}"


def figure(value: float) -> str:
    """A number in as many places as it takes."""
    return f"{value:.3g}" if abs(value) < 1 else number(value)


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
    match = track.rule.match
    needed = [role for role in missing if not track.detector.roles[role].optional] or missing
    lacks = dict.fromkeys(match[role].metric for role in needed if role in match)
    text = f"unknown: the vendor said nothing of {', '.join(lacks)}" if lacks else "unknown"
    return Evidence(bin_.start, bin_.end, text=text)
