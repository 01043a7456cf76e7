"""`threshold`: a value, or what a window comes to, against a limit or against its own earlier window."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from watcher.engine.detector import (
    BREACH,
    CLEAR,
    UNKNOWN,
    Detector,
    Gate,
    Levels,
    Panel,
    Plain,
    Reach,
    Role,
    Several,
    Usual,
    Verdict,
    beside,
)
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, SECOND, Duration, Instant
from watcher.model.words import number, percent, span

OWN_BINS: Final[Duration] = 2 * HOUR
"""A longer past is read in slots of an hour: what it holds of memory does not grow with it."""
REASON: Final = "reason"
"""The fact of an exemplar that says why,"""
FAMILY: Final = "family"
"""and the one that says what kind of failure it is."""

Aggregate = Literal["value", "sum", "mean", "least", "greatest", "share"]


class ThresholdParams(BaseModel):
    """At least one limit, all on one side, in the metric's own unit; all that are written must be passed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    above: Annotated[float | None, Field(description="breach where it is greater")] = None
    below: Annotated[float | None, Field(description="breach where it is less")] = None
    aggregate: Annotated[
        Aggregate, Field(description="what is compared: the bin's value, or what a window comes to")
    ] = "value"
    window: Annotated[DurationField, Field(description="that window; the bin alone without it")] = 0
    past: Annotated[DurationField, Field(description="the earlier window it is compared with")] = 0
    lag: Annotated[
        DurationField | None, Field(description="how long before the bin's end that ends; else the window")
    ] = None
    above_times: Annotated[
        float | None, Field(gt=0, description="breach where it is more than so many times the past")
    ] = None
    below_times: Annotated[float | None, Field(gt=0, description="or less than so many times")] = None
    above_by: Annotated[
        float | None, Field(gt=0, description="breach where it is by so much above the past")
    ] = None
    below_by: Annotated[float | None, Field(gt=0, description="or by so much below it")] = None
    min_count: Annotated[float, Field(ge=0, description="never where `whole` is less over the window")] = 0.0
    stale_after: Annotated[
        DurationField | None, Field(description="asked instead: is there none now, and was one so long ago?")
    ] = None
    of: Annotated[
        Literal["least", "greatest"] | None,
        Field(description="which of several series of a group speaks, where they are no counts"),
    ] = None
    alone: Annotated[
        DurationField | None, Field(description="a bin wider than this breaches only with the one before it")
    ] = None
    says: Annotated[str, Field(description="what a breach means, in words")] = ""
    says_clear: Annotated[str, Field(description="what the absence of one means, in words")] = ""

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        over, under = self._sides()
        if self.stale_after is not None:
            if over or under:
                raise ValueError(f"stale_after beside {(over + under)[0]}; that is another rule")
            if not self.window:
                raise ValueError("stale_after without window: how long must there be none?")
            return self
        if not over and not under:
            raise ValueError(
                "write a limit: above or below, or with `past` above_times, below_by and the like"
            )
        if over and under:
            raise ValueError(f"{over[0]} and {under[0]} look to different sides; that is two rules")
        relative = [name for name in over + under if "_" in name]
        if relative and not self.past:
            raise ValueError(f"{relative[0]} without past: how long is the earlier window?")
        if self.past and not relative:
            raise ValueError("past without above_times, below_times, above_by or below_by")
        if self.past and self.aggregate in {"least", "greatest"}:
            raise ValueError(f"past with {self.aggregate}: an extreme has no earlier one; write mean")
        if self.window and self.aggregate == "value":
            raise ValueError("window without aggregate: write sum, mean, least, greatest or share")
        return self

    def _sides(self) -> tuple[list[str], list[str]]:
        """The limits that are written, upwards and downwards."""
        names = ("above", "above_times", "above_by"), ("below", "below_times", "below_by")
        over, under = ([name for name in side if getattr(self, name) is not None] for side in names)
        return over, under

    @property
    def upwards(self) -> bool:
        """Whether greater is worse."""
        return bool(self._sides()[0])

    @property
    def limit(self) -> float | None:
        """The fixed one."""
        return self.above if self.above is not None else self.below

    @property
    def ends(self) -> Duration:
        """How long before the bin's end the earlier window does."""
        return self.window if self.lag is None else self.lag


class Threshold(Plain):
    """The worst of several series speaks for a group. Of what `unless` marks (above 0) another rule tells.

    `whole` is what a share is of, else the count behind the value. `reasons` are series that say why, by
    their labels `family` and `status`.
    """

    Params: ClassVar[type[BaseModel]] = ThresholdParams
    roles: Mapping[str, Role] = {
        "value": Role(),
        "whole": Role(optional=True),
        "unless": Role(several=Several.GREATEST, counts=Several.GREATEST, optional=True),
        "reasons": Role(several=Several.GREATEST, optional=True, detail=("family", "status")),
    }

    def __init__(self, params: ThresholdParams) -> None:
        """With its limits."""
        self.params = params
        worst = Several.GREATEST if params.upwards else Several.LEAST
        several = Several(params.of) if params.of is not None else worst
        whole = Role(optional=params.aggregate != "share")
        self.roles = {**Threshold.roles, "value": Role(several=several), "whole": whole}
        self._slots = bool(params.past) and params.past + params.ends > OWN_BINS

    def reach(self) -> Reach:
        """The bin alone, or with those before it; a long past in slots."""
        p = self.params
        alone = DAY if p.alone is not None else 0
        stale = 0 if p.stale_after is None else p.stale_after + p.window
        own = 0 if self._slots else p.past + p.ends
        window = max(p.window, alone, stale, own)
        return Reach(window, recent=p.past, lag=p.ends, slot=HOUR) if self._slots else Reach(window)

    def usual(self, recalled: Usual, levels: Levels) -> Usual:
        """What a past too long for bins came to, a millisecond or as a share; nothing else is usual."""
        del recalled
        if not self._slots:
            return {}
        under = levels.sums["whole"] if self.params.aggregate == "share" else levels.known
        return {"past": _ratio(levels.sums["value"].sum(axis=0), under.sum(axis=0))}

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """Compare with every limit there is; unknown where there is nothing to compare."""
        if self.params.stale_after is not None:
            return self._stale(panel, self.params.stale_after)
        seen, past = self._seen(panel), self._past(panel, usual)
        breach, uncertain = np.ones_like(seen, np.bool_), np.zeros_like(seen, np.bool_)
        for _, limit in self._limits(past):
            breach &= np.isnan(limit) | (seen > limit if self.params.upwards else seen < limit)
            uncertain |= np.isnan(limit)
        if self.params.min_count:
            count = panel.total("whole", self._window(panel))
            breach &= ~(count < self.params.min_count)
            uncertain |= np.isnan(count)
        unsure = breach & (uncertain | self._is_lonely(panel))
        unknown = np.isnan(seen) | (panel.value("unless") > 0) | unsure
        reading = np.where(unknown, UNKNOWN, np.where(breach, BREACH, CLEAR)).astype(np.int8)
        return Verdict(reading, seen, self._binding(past), {"past": past}, gauge=not self.params.says)

    def _stale(self, panel: Panel, after: Duration) -> Verdict:
        """Breach where an answered bin ends a window of nothing, and there was something so long ago."""
        known = panel.known(self.params.window)
        before = panel.known(after + self.params.window) - panel.known(after)
        absent = np.where((before > 0) & panel.answered, BREACH, UNKNOWN)
        reading = np.where(known > 0, CLEAR, absent).astype(np.int8)
        return Verdict(reading, known / SECOND, np.zeros_like(known), {"past": before / SECOND})

    def _window(self, panel: Panel) -> Duration:
        return max(self.params.window, panel.width)

    def _seen(self, panel: Panel) -> Floats:
        """What is compared, over the window."""
        kind, window = self.params.aggregate, self._window(panel)
        if kind == "value":
            return panel.value("value")
        if kind == "least":
            return panel.least("value", window)
        if kind == "greatest":
            return panel.greatest("value", window)
        total = panel.total("value", window)
        if kind == "share":
            return _ratio(total, panel.total("whole", window))
        return total if kind == "sum" else _ratio(total * panel.width, panel.known(window))

    def _past(self, panel: Panel, usual: Usual) -> Floats:
        """The same of the earlier window: a sum as it would be over the window, a value as a mean of bins."""
        kind = self.params.aggregate
        if not self.params.past:
            return np.full_like(panel.value("value"), np.nan)
        found = usual["past"] if self._slots else self._own_past(panel)
        if kind == "share":
            return found
        return found * (self.params.window if kind == "sum" else panel.width)

    def _own_past(self, panel: Panel) -> Floats:
        """A share, or how much there was a millisecond, by the bins of the earlier window."""
        far, near = self.params.past + self.params.ends, self.params.ends

        def between(role: str) -> Floats:
            newest = np.nan_to_num(panel.total(role, near)) if near else 0.0
            return panel.total(role, far) - newest

        if self.params.aggregate == "share":
            return _ratio(between("value"), between("whole"))
        return _ratio(between("value"), panel.known(far) - (panel.known(near) if near else 0.0))

    def _limits(self, past: Floats) -> Iterator[tuple[str, Floats]]:
        """Every limit that is written, by its name, as columns."""
        p = self.params
        sides = (
            ("above", p.above, p.above_times, p.above_by),
            ("below", p.below, p.below_times, None if p.below_by is None else -p.below_by),
        )
        for name, fixed, times, by in sides:
            if fixed is not None:
                yield name, np.full_like(past, fixed)
            if times is not None:
                yield f"{name}_times", past * times
            if by is not None:
                yield f"{name}_by", past + by

    def _binding(self, past: Floats) -> Floats:
        """The limit that is hardest to pass."""
        limits = [limit for _, limit in self._limits(past)]
        hardest: Floats = (np.fmax if self.params.upwards else np.fmin).reduce(limits)
        return hardest

    def _is_lonely(self, panel: Panel) -> NDArray[np.bool_]:
        """Whether a bin too wide to prove anything alone is the first of its value."""
        if self.params.alone is None or panel.width <= self.params.alone:
            return np.zeros_like(panel.value("value"), np.bool_)
        lonely: NDArray[np.bool_] = panel.lasted("value", DAY).time <= panel.width
        return lonely

    def gates(self, panel: Panel, usual: Usual, row: int) -> Sequence[Gate]:
        """In the order they are asked: is it known, told elsewhere, alone, enough, and beyond each limit."""
        verdict = self.judge(panel, usual)
        if self.params.stale_after is not None:
            return tuple(self._stale_gates(panel, verdict, row))
        seen = float(verdict.seen[row])
        over = f" over {span(self.params.window)}" if self.params.window else ""
        known = not np.isnan(seen)
        found = [Gate("known", known, _figure(seen), text=f"a {self.params.aggregate} is known{over}")]
        if panel.value("unless")[row] > 0:
            found.append(Gate("unless", passed=False, text="another rule tells of it"))
        if self._is_lonely(panel)[row]:
            found.append(
                Gate("alone", passed=False, text="it is the first such bin, and one alone proves nothing")
            )
        if self.params.min_count:
            count, least = float(panel.total("whole", self._window(panel))[row]), self.params.min_count
            text = f"{self._said(count, number)} events{over}, of at least {number(least)}"
            found.append(Gate("min_count", count >= least, _figure(count), least, text))
        return (*found, *self._limit_gates(verdict, row))

    def _limit_gates(self, verdict: Verdict, row: int) -> Iterator[Gate]:
        seen, past = float(verdict.seen[row]), float(verdict.extra["past"][row])
        side = "above" if self.params.upwards else "below"
        for name, limit in self._limits(verdict.extra["past"]):
            own = float(limit[row])
            passed = seen > own if self.params.upwards else seen < own
            text = f"{self._said(seen)} is{'' if passed else ' not'} {side} {self._said(own)}"
            if name != side:
                text += f", by {self._said(past)} in {span(self.params.past)} before"
            yield Gate(name, passed, _figure(seen), _figure(own), text)

    def _said(self, figure: float, words: Callable[[float], str] | None = None) -> str:
        return "what is unknown" if np.isnan(figure) else (words or self._word)(figure)

    def _stale_gates(self, panel: Panel, verdict: Verdict, row: int) -> Iterator[Gate]:
        now, before = float(verdict.seen[row]), float(verdict.extra["past"][row])
        window, after = span(self.params.window), span(self.params.stale_after or 0)
        yield Gate("silent", now == 0, now, 0.0, f"{now:g} s of {window} have data")
        yield Gate("before", before > 0, before, 0.0, f"{before:g} s of {window} had data, {after} before")
        yield Gate("answered", bool(np.all(panel.answered)), text="the vendor answered for the bin")

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        """The value against its limit and its past, or the rule's own words for it; and why, where said."""
        breach = bool(verdict.reading[row] == BREACH)
        seen, limit, past = (
            float(column[row]) for column in (verdict.seen, verdict.expected, verdict.extra["past"])
        )
        count = self._count(panel, row)
        words = {"seen": self._word(seen), "expected": self._word(limit)}
        if np.isfinite(past):
            words["usual"] = self._word(past)
        elif not self.params.says:
            words["limit"] = self._word(limit)
        why = self._why(panel, row, since) if breach else ""
        words["reason"] = why.lstrip(": ") or "not known"
        says = (self.params.says if breach else self.params.says_clear) or self._plain(words, breach=breach)
        return Evidence(
            start=min(since, panel.end - self.params.window) if self.params.window else since,
            end=max(panel.end, since),
            seen=_figure(seen),
            expected=_figure(limit),
            requests=count,
            text=f"{says}{why}",
            words=words if count is None else {**words, "requests": number(count)},
        )

    def worst(self, found: Evidence) -> Evidence:
        """The value furthest beyond its limit. Figures of a rule with words of its own are a switch."""
        side = "above" if self.params.upwards else "below"
        seen, limit = (self._word(figure) for figure in (found.seen or 0.0, found.expected or 0.0))
        return beside(found, seen, limit, joint=side)

    def _plain(self, words: Mapping[str, str], *, breach: bool) -> str:
        """The figures, where the rule has no words of its own."""
        p = self.params
        if p.stale_after is not None:
            return f"no data for {span(p.window)}" if breach else "data are there"
        over = f" over {span(p.window)}" if p.window else ""
        side = "above" if p.upwards else "below"
        limit = f", {side} {words['expected']}" if breach else ""
        past = f", {words['usual']} in {span(p.past)} before" if "usual" in words else ""
        return f"{words['seen']}{over}{limit}{past}"

    def _word(self, figure: float) -> str:
        return percent(figure) if self.params.aggregate == "share" else number(figure)

    def _count(self, panel: Panel, row: int) -> float | None:
        return _figure(float(panel.total("whole", self._window(panel))[row]))

    def _why(self, panel: Panel, row: int, since: Instant) -> str:
        """What follows the words: the newest reason of an exemplar, else what the `reasons` are called.

        Where there are such series, an exemplar of another family is about something else.
        """
        lasted = panel.end - min(since, panel.start)
        named = dict.fromkeys(value for labels in panel.parts("reasons", row, lasted) for _, value in labels)
        for exemplar in reversed(panel.exemplars(row, lasted)):
            reason, family = exemplar.facts.get(REASON), exemplar.facts.get(FAMILY)
            if reason and (family is None or not named or family in named):
                return f": {reason}" if family is None else f": {reason} ({family})"
        return f" ({', '.join(named)})" if named else ""


def _ratio(over: Floats, under: Floats) -> Floats:
    found: Floats = np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)
    return found


def _figure(value: float) -> float | None:
    return value if np.isfinite(value) else None


DETECTOR: type[Detector] = Threshold
