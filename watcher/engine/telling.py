"""From a changed episode to a transition: evidence from the bins, and the words for it."""

from collections.abc import Mapping

from watcher.engine.episodes import Bin, Difference
from watcher.engine.track import Track
from watcher.model.incident import Change, Evidence, IncidentKey, Transition
from watcher.model.labels import LabelSet
from watcher.model.rule import Rule
from watcher.model.time import Instant, rfc3339

Names = Mapping[str, str]
"""What people call a resource, by its id."""


def transition(track: Track, row: int, difference: Difference, *, at: Instant, names: Names) -> Transition:
    """The transition that tells of one difference."""
    now, was = difference.now, difference.was or difference.now
    opening = difference.change is Change.OPENED
    evidence = _explained(track, row, now.fired_in, now.opened_at) if opening else None
    recovery = None
    if difference.change is Change.RESOLVED and now.resolved_at is not None:
        recovery = _explained(track, row, now.ended_in, now.resolved_at)
    evidence = evidence or Evidence(now.opened_at, now.resolved_at or at)
    labels = track.keys[row]
    return Transition(
        change=difference.change,
        key=IncidentKey(track.rule.id, labels),
        severity=track.rule.severity,
        was=was.opened_at,
        opened_at=now.opened_at,
        resolved_at=now.resolved_at,
        decided_at=at,
        summary=summary(track.rule, labels, evidence, names) if opening else "",
        evidence=evidence,
        resolution=now.resolution,
        recovery=recovery,
    )


def _explained(track: Track, row: int, bin_: Bin | None, since: Instant) -> Evidence | None:
    """Evidence from the bins since a time up to and with one bin; None where they are no longer at hand."""
    lane = track.lanes.get(bin_.lane) if bin_ else None
    if bin_ is None or lane is None or bin_.start not in lane.readings:
        return None
    verdict = track.verdict(lane, bin_.start)
    return track.detector.explain(track.view(lane, bin_.start), verdict, row, since)


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
    return ", ".join(told) if told else f"source {own['source']}"
