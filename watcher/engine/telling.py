"""From a changed episode to a transition: evidence from the bins, and the words for it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from watcher.engine.detector import SUSTAINED
from watcher.engine.episodes import Bin, Difference
from watcher.engine.folding import SUMMARY, folded_evidence
from watcher.engine.lane import Lane
from watcher.engine.lifecycle import FOLDED
from watcher.engine.track import Track
from watcher.model.incident import Change, Evidence, IncidentKey, Resolution, Transition
from watcher.model.labels import LabelSet
from watcher.model.rule import Rule
from watcher.model.time import Instant, rfc3339

SHOWN = 5
"""Exemplars that evidence holds at most, the newest ones."""

Names = Mapping[str, str]
"""What people call a resource, by its id."""


def transition(track: Track, row: int, difference: Difference, *, at: Instant, names: Names) -> Transition:
    """The transition that tells of one difference."""
    now, was = difference.now, difference.was or difference.now
    opening = difference.change is Change.OPENED
    evidence = _explained(track, row, now.fired_in, now.opened_at, names) if opening else None
    recovery = None
    is_healthy = difference.change is Change.RESOLVED and now.resolution is Resolution.RECOVERED
    if is_healthy and now.resolved_at is not None:
        recovery = _explained(track, row, now.ended_in, now.resolved_at, names)
    evidence = evidence or Evidence(now.opened_at, now.resolved_at or at)
    labels = track.keys[row]
    return Transition(
        change=difference.change,
        key=IncidentKey(track.rule.id, labels),
        severity=now.severity or was.severity or track.rule.severity,
        was=was.opened_at,
        opened_at=now.opened_at,
        resolved_at=now.resolved_at,
        decided_at=at,
        summary=_summary(track, row, evidence, names) if opening else "",
        evidence=evidence,
        resolution=now.resolution,
        recovery=recovery,
    )


def _explained(track: Track, row: int, bin_: Bin | None, since: Instant, names: Names) -> Evidence | None:
    """Evidence from the bins since a time up to and with one bin; None where they are no longer at hand."""
    lane = track.lanes.get(bin_.lane) if bin_ else None
    if bin_ is None or lane is None or bin_.start not in lane.readings:
        return None
    view, verdict = track.look(lane, bin_.start)
    if track.fold is not None and row == track.fold.row:
        folded = [(row, _named(track, row, names)) for row in _folded(track, lane, bin_)]
        return folded_evidence(verdict, folded, track.words.known, bin_, since)
    found = track.detector.explain(view, verdict, row, since)
    shown = list(lane.exemplars(row, found.start, max(found.end, bin_.end)))[-SHOWN:]
    records = tuple({"at": rfc3339(one.at), **one.facts} for one in shown)
    return replace(found, exemplars=records) if records else found


def _folded(track: Track, lane: Lane, bin_: Bin) -> list[int]:
    """Rows that a bin says are as bad as they have been for long, and that are folded."""
    long_bad: list[int] = np.flatnonzero(lane.reading(bin_.start) == SUSTAINED).tolist()
    return [row for row in long_bad if track.present.state[row] == FOLDED]


def _named(track: Track, row: int, names: Names) -> str:
    return subject(track.rule, track.keys[row], names)


def _summary(track: Track, row: int, evidence: Evidence, names: Names) -> str:
    is_fold = track.fold is not None and row == track.fold.row
    rule = replace(track.rule, summary=SUMMARY) if is_fold else track.rule
    return summary(rule, track.keys[row], evidence, names)


class _Words(dict[str, str]):
    """A template's fields; one that is not there stays visible instead of breaking a page."""

    def __missing__(self, field: str) -> str:
        return f"{{{field}}}"


def summary(rule: Rule, labels: LabelSet, evidence: Evidence, names: Names) -> str:
    """The rule's template over labels, evidence words, `subject`, `text` and `since`: one line."""
    words = _Words({**dict(labels), **evidence.words})
    words.update(subject=subject(rule, labels, names), text=evidence.text, since=rfc3339(evidence.start))
    return rule.summary.format_map(words)


def subject(rule: Rule, labels: LabelSet, names: Names) -> str:
    """What the incident is about, as people call it: ``resource shop``, ``domain www.example.com``."""
    own = dict(labels)
    told = [f"{label} {names.get(own[label], own[label])}" for label in rule.by if own.get(label)]
    if not told or "stream" in own:  # a stream's name says nothing without its source
        told = [f"source {own['source']}", *told]
    return ", ".join(told)
