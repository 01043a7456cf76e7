"""Silences: telling of trouble that matches is put off, for a time or at times that come back. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from watcher.model.incident import Incident
from watcher.model.labels import Matcher, all_match
from watcher.model.recurrence import Recurrence, Span, covered_until
from watcher.model.time import DAY, Duration, Instant

LOOK_AGAIN: Final[Duration] = DAY
"""What has no end in sight is looked at again after this."""


@dataclass(frozen=True, slots=True)
class Silence:
    """What nobody is told of meanwhile. It touches neither judging nor recording, and never an all-clear."""

    id: str
    matchers: tuple[Matcher, ...]
    """All of which must match the labels, `rule` and `severity` of an incident; none matches every one."""
    starts_at: Instant
    ends_at: Instant | None
    """None: until somebody ends it."""
    author: str
    reason: str
    created_at: Instant = 0
    recurrence: Recurrence | None = None
    """It holds in these spans between its start and its end; None: all the time between."""
    ended_at: Instant | None = None
    """When a person ended it before its time."""
    ended_by: str = ""

    @property
    def end(self) -> Instant | None:
        """From when on it holds no more, whoever decided that."""
        ends = [end for end in (self.ends_at, self.ended_at) if end is not None]
        return min(ends, default=None)

    def over(self, at: Instant) -> bool:
        """Whether it never holds again."""
        return not self.spans(at, 1)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an incident with these labels, see `silenced_by`, is meant; at whatever time."""
        return all_match(self.matchers, labels)

    def until(self, at: Instant) -> Instant | None:
        """The end of the span that holds the instant; None where it does not hold then.

        A span without an end in sight is answered for a day: look again then.
        """
        end = self.end
        if at < self.starts_at or (end is not None and at >= end):
            return None
        span_end = at + LOOK_AGAIN if end is None else end
        if self.recurrence is None:
            return span_end
        covered = covered_until([self.recurrence], at)
        if covered is None or end is None:
            return covered
        return min(covered, end)

    def spans(self, at: Instant, count: int) -> Sequence[Span]:
        """When it holds from the instant on: the present span and the next ones, `count` at most.

        One without recurrence has one span; where it has no end, that ends a day after it is asked for.
        """
        end = self.end
        if end is not None and (at >= end or end <= self.starts_at):
            return []
        since = max(at, self.starts_at)
        if self.recurrence is None:
            return [Span(self.starts_at, since + LOOK_AGAIN if end is None else end)][:count]
        following = self.recurrence.following(since, count)
        begun = takewhile(lambda span: end is None or span.start < end, following)
        return [
            Span(max(span.start, self.starts_at), span.end if end is None else min(span.end, end))
            for span in begun
        ]


def matched_labels(incident: Incident) -> Mapping[str, str]:
    """What matchers of routes and silences see: the incident's labels, its severity and its rule."""
    return dict(incident.key.labels) | {"severity": str(incident.severity), "rule": incident.key.rule}


def silenced_by(silences: Iterable[Silence], incident: Incident, at: Instant) -> Silence | None:
    """The silence that holds longest of those that hide the incident now; None where none does."""
    labels = matched_labels(incident)
    hiding = [
        (until, one) for one in silences if (until := one.until(at)) is not None and one.matches(labels)
    ]
    return max(hiding, key=lambda found: found[0])[1] if hiding else None


def hidden_at_opening(silence: Silence, incident: Incident) -> bool:
    """Whether it would have hidden the incident when that was decided."""
    return silence.until(incident.detected_at) is not None and silence.matches(matched_labels(incident))


def of_incident(incident: Incident) -> tuple[Matcher, ...]:
    """Matchers of this incident and of its returns: its rule and every label."""
    pairs = {"rule": incident.key.rule} | dict(incident.key.labels)
    return tuple(Matcher(label, (value,)) for label, value in pairs.items())


def matchers_of(specs: Mapping[str, str | list[str]]) -> tuple[Matcher, ...]:
    """From the form of routes, by label.

    Raises:
        ValueError: a regular expression does not compile.
    """
    return tuple(Matcher.parse(label, spec) for label, spec in specs.items())


def spec_of(matchers: Iterable[Matcher]) -> Mapping[str, str | list[str]]:
    """The form of routes again: `matchers_of` reads it back."""
    return {one.label: _spec(one) for one in matchers}


def _spec(matcher: Matcher) -> str | list[str]:
    if matcher.regex is not None:
        return f"~{matcher.regex}"
    if len(matcher.values) == 1 and not matcher.values[0].startswith("~"):
        return matcher.values[0]
    return list(matcher.values)
