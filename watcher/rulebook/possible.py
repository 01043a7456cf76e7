"""What a rule asks for that can never be, or always is: values, limits, units and severities. For lint."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from pydantic import BaseModel

from watcher.document.complaints import nearest
from watcher.document.node import Loc
from watcher.errors import Problem
from watcher.model.labels import VIEW_LABELS, Selector
from watcher.model.metrics import METRICS, VALUES, Kind, Metric
from watcher.model.rule import Severity
from watcher.model.time import MINUTE, format_duration
from watcher.model.words import number
from watcher.rulebook.meaning import Check, Subject

_CODES: Final = frozenset(str(code) for code in range(100, 1_000))
_EVENTS: Final = frozenset({"requests", "responses", "calls"})
"""Units that are shares of each other."""
_SHARES: Final = frozenset({"ratio", "boolean"})
_LONGEST: Final[Mapping[str, float]] = {"_duration_seconds": 60.0, "_delay_seconds": 864_000.0}
"""By the end of a metric's name: seconds beyond which a limit is one in milliseconds."""
_STRICTER_UP: Final = (
    *("floor", "factor", "min_count", "drop", "rise", "evidence", "min_requests", "min_usual", "first_floor"),
    *("above", "above_times", "above_by", "below_by", "alone", "usual", "stale_after", "stuck_after"),
)
"""Parameters of which a greater value breaches less,"""
_STRICTER_DOWN: Final = ("below", "below_times", "days")
"""and those of which a smaller one does."""


def can_match(subject: Subject) -> Iterator[Problem]:
    """A value that no vendor's series has is a rule that never fires."""
    for place, selector in subject.selectors():
        for matcher in selector.matchers:
            known = _values(selector.metric, matcher.label)
            if known and not any(map(matcher.matches, known)):
                wanted = matcher.values[0] if len(matcher.values) == 1 else ""
                hint = nearest(wanted, known) if known is not _CODES else "codes are 100 to 599"
                what = f"no `{selector.metric}` has {matcher}"
                yield subject.document.problem((*place, matcher.label), what, hint)


def not_contradicted(subject: Subject) -> Iterator[Problem]:
    """A label that makes the groups is there; one that must be absent is not."""
    for place, selector in subject.selectors(narrow=True):
        for matcher in selector.matchers:
            if matcher.values == ("",) and matcher.label in subject.rule.by and matcher.label in VIEW_LABELS:
                what = f"`{matcher.label}` is in `by`, and here it must be absent"
                yield subject.document.problem((*place, matcher.label), what, "leave one of the two out")


def limit_reachable(subject: Subject) -> Iterator[Problem]:
    """A limit outside of what the values can be is always or never passed."""
    share = getattr(subject.rule.params, "aggregate", "") == "share"
    units = {metric.unit for metric in _metrics(subject)}
    counted = any(metric.kind is Kind.COUNT for metric in _metrics(subject))
    for at, params in _sets(subject):
        for name in ("above", "below"):
            limit = getattr(params, name, None)
            if not isinstance(limit, float):
                continue
            if (share or units & _SHARES) and not 0 <= limit <= 1:
                what = f"{name}: {limit:g} is outside 0 to 1, where the metric lies"
                yield subject.document.problem((*at, name), what, "shares are 0 to 1, not per cent")
            elif (name == "above" and limit == 1 and (share or units & _SHARES)) or (
                name == "below" and limit <= 0 and (share or counted or units & _SHARES)
            ):
                what = f"{name}: {limit:g} is never passed: nothing is beyond it"
                yield subject.document.problem((*at, name), what, "the limit itself is clear")


def units_fit(subject: Subject) -> Iterator[Problem]:
    """Seconds are compared with seconds, and a share is of what it is a part of."""
    for place, selector in subject.selectors():
        metric = METRICS.get(selector.metric)
        if metric is not None and metric.unit == "seconds":
            yield from _in_milliseconds(subject, metric)
        if place[:2] in {("match", "part"), ("match", "value")} and metric is not None:
            yield from _not_part_of(subject, place, metric)


def _in_milliseconds(subject: Subject, metric: Metric) -> Iterator[Problem]:
    longest = next((most for end, most in _LONGEST.items() if metric.name.endswith(end)), None)
    for at, params in _sets(subject):
        for name in ("above", "below", "rise", "above_by", "below_by"):
            limit = getattr(params, name, None)
            if longest is not None and isinstance(limit, float) and limit > longest:
                what = f"{name}: {number(limit)} seconds; `{metric.name}` is in seconds, not milliseconds"
                yield subject.document.problem((*at, name), what, f"write {limit / 1_000:g}")


def _not_part_of(subject: Subject, place: Loc, metric: Metric) -> Iterator[Problem]:
    whole = subject.rule.match.get("whole")
    of = METRICS.get(whole.metric) if whole is not None else None
    compared = place[1] == "part" or getattr(subject.rule.params, "aggregate", "") == "share"
    if of is None or not compared or metric.unit == of.unit or {metric.unit, of.unit} <= _EVENTS:
        return
    what = f"{metric.unit.replace('_', ' ')} are no share of {of.unit.replace('_', ' ')}"
    yield subject.document.problem((*place, "metric"), what, f"take a metric in {of.unit} for both")


def count_told(subject: Subject) -> Iterator[Problem]:
    """What needs a count behind it needs a series that tells it."""
    is_optional = "whole" in (roles := subject.roles()) and roles["whole"].optional
    needed: float = getattr(subject.rule.params, "min_count", 0.0)
    if is_optional and needed > 0 and "whole" not in subject.rule.match:
        what = "min_count without `whole`: nothing tells the count, so that it is never reached"
        yield subject.document.problem(("with", "min_count"), what, "add whole: {metric: ...} to `match`")


def windows_of_bins(subject: Subject) -> Iterator[Problem]:
    """States are readings at instants: a window of them holds no time."""
    if any(metric.kind is not Kind.STATE for metric in _metrics(subject)):
        return
    for name in ("past", "stale_after") + (("window",) if hasattr(subject.rule.params, "past") else ()):
        if getattr(subject.rule.params, name, None):
            what = f"{name}: `{next(_metrics(subject)).name}` is a state, which has no bins"
            yield subject.document.problem(("with", name), what, "use detector: state, or `for`")


def severities_reached(subject: Subject) -> Iterator[Problem]:
    """A severity that a higher one always takes the place of is never seen."""
    ranks: Sequence[tuple[Severity, BaseModel]] = sorted(subject.rule.severities.items())
    if len(ranks) == 1:
        what = "one severity alone needs no parameters of its own"
        yield subject.document.problem(("severity",), what, f"write severity: {ranks[0][0]}")
    for (low, params), (high, stricter) in pairwise(ranks):
        changes = _changes(params, stricter)
        if not changes or all(change < 0 for change in changes.values()):
            what = f"{low} is never seen: where it breaches, {high} does too"
            hint = f"make the limits of {high} harder to pass"
            yield subject.document.problem(("severity", str(high)), what, hint, key=True)


def clear_when_looser(subject: Subject) -> Iterator[Problem]:
    """Being clear has to be harder than not being a breach, or `clear_when` changes nothing."""
    if subject.rule.clear_when is None:
        return
    changes = _changes(subject.rule.params, subject.rule.clear_when)
    if not changes:
        what = "clear_when: the same as `with`, so that it changes nothing"
        yield subject.document.problem(("clear_when",), what, "write a limit that is passed sooner", key=True)
    for name, change in changes.items():
        if change > 0:
            own = getattr(subject.rule.params, name)
            what = f"{name}: passed later than the {own:g} of `with`, so that it changes nothing"
            hint = f"write {'less' if name in _STRICTER_UP else 'more'} than {own:g}"
            yield subject.document.problem(("clear_when", name), what, hint)


def _changes(params: BaseModel, other: BaseModel) -> dict[str, int]:
    """By parameter that differs: 1 where the other breaches less for it, -1 where more, 0 where unknown."""
    found = {}
    for name in type(params).model_fields:
        one, two = getattr(params, name), getattr(other, name)
        if one == two:
            continue
        known = isinstance(one, int | float) and isinstance(two, int | float)
        up = name in _STRICTER_UP
        rated = known and (up or name in _STRICTER_DOWN)
        found[name] = ((two > one) - (two < one)) * (1 if up else -1) if rated else 0
    return found


def _sets(subject: Subject) -> Iterator[tuple[Loc, BaseModel]]:
    """Every set of parameters with its place."""
    yield ("with",), subject.rule.params
    for severity, params in subject.rule.severities.items():
        yield ("severity", str(severity)), params


def _metrics(subject: Subject) -> Iterator[Metric]:
    """Those of the first role: what limits are about."""
    first: Selector | None = next(iter(subject.rule.match.values()), None)
    return (METRICS[one.metric] for one in (first.choices() if first else ()) if one.metric in METRICS)


def _values(metric: str, label: str) -> frozenset[str]:
    """All that a label of a metric can be; empty where that is open."""
    if metric not in METRICS or label not in METRICS[metric].labels:
        return frozenset()
    if label == "status":
        return _CODES if metric == "cdn_status_responses" else frozenset()
    return VALUES.get(label, frozenset())


def reopens_ever(subject: Subject) -> Iterator[Problem]:
    """What breaks again before it has been clear for `keep_firing_for` never ended."""
    rule = subject.rule
    if 0 < rule.reopen_within <= rule.keep_firing_for:
        what = f"nothing comes back within {format_duration(rule.reopen_within)}: until then it goes on"
        hint = f"write more than `keep_firing_for`, {format_duration(rule.keep_firing_for)}"
        yield subject.document.problem(("reopen_within",), what, hint)


def flaps_ever(subject: Subject) -> Iterator[Problem]:
    """What never comes back, or cannot so often in that time, flaps never."""
    rule, at = subject.rule, ("flapping",)
    if isinstance(subject.document.get(at), dict) and not rule.reopen_within:
        what = "`flapping` where nothing ever comes back"
        yield subject.document.problem(at, what, "add reopen_within: 30m, or leave it out", key=True)
    if rule.flapping is None:
        return
    shortest = max(rule.hold, MINUTE) + max(rule.keep_firing_for, MINUTE)
    needed = (rule.flapping.returns - 1) * shortest
    if rule.flapping.within <= needed:
        often = f"{rule.flapping.returns} returns never fit into {format_duration(rule.flapping.within)}"
        what = f"{often}: `for` and `keep_firing_for` take longer"
        yield subject.document.problem(at, what, f"write more than {format_duration(needed)}", key=True)


CHECKS: Final[Sequence[Check]] = (
    can_match,
    not_contradicted,
    limit_reachable,
    units_fit,
    count_told,
    windows_of_bins,
    severities_reached,
    clear_when_looser,
    reopens_ever,
    flaps_ever,
)
