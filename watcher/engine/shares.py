"""Whether a count of bad events among all is more than what is usual explains. Pure, over columns.

Counts are tested, not ratios: 3 of 4 at night and 2 % of a million must answer to the same question. A bin
breaches when its own share is high and far above what is usual, and some trailing window holds enough events
to be sure. What is sure: the count exceeds what the usual share explains by `evidence` standard deviations of
an overdispersed Poisson count, variance `m + (wander * m)^2` for a mean `m`.
"""

from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from watcher.engine.detector import BREACH, CLEAR, UNKNOWN, Levels, Panel, Reach, Usual, Verdict
from watcher.engine.median import median
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.sample import Floats
from watcher.model.time import DAY, MINUTE, Duration, Instant
from watcher.model.words import number, percent

SURE_SLOT: Final = 20.0
"""Events a slot needs before its own share says anything."""
MIN_SLOTS: Final = 3
"""Slots needed before their median says anything."""


class ShareParams(BaseModel):
    """Defaults suit 5xx at an edge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    floor: Annotated[float, Field(gt=0, lt=1, description="a lower share is never a breach")] = 0.02
    factor: Annotated[float, Field(ge=1, description="nor one below this many times the usual share")] = 3.0
    min_count: Annotated[int, Field(ge=1, description="nor one with fewer bad events in the window")] = 10
    evidence: Annotated[float, Field(gt=0, description="standard deviations above what is usual")] = 5.0
    wander: Annotated[float, Field(ge=0, description="spread of the usual share beyond chance")] = 0.3
    windows: Annotated[tuple[DurationField, ...], Field(min_length=1)] = (MINUTE, 5 * MINUTE, 15 * MINUTE)
    history: Annotated[DurationField, Field(description="how much of the past is usual")] = DAY
    min_history: Annotated[DurationField, Field(description="known past needed to call it usual")] = (
        30 * MINUTE
    )
    first_floor: Annotated[float, Field(gt=0, le=1, description="the floor until then")] = 0.25
    prior: Annotated[float, Field(gt=0, lt=1, description="the usual share until then")] = 0.005


def reach(params: ShareParams) -> Reach:
    """The longest window; the baseline ends before it."""
    longest = max(params.windows)
    return Reach(window=longest, baseline=params.history, lag=longest)


def usual_share(levels: Levels, params: ShareParams) -> Usual:
    """The usual share of `part` in `whole`.

    Until `min_history` is known it is the prior, and `has_history` is 0.
    """
    known = levels.known.sum(axis=0) >= params.min_history
    share = np.where(known, share_of(levels, "part", "whole", params), params.prior)
    return {"share": share, "has_history": known.astype(np.float64)}


def share_of(levels: Levels, part: str, whole: str, params: ShareParams) -> Floats:
    """The median share of the slots busy enough to have one, else all events pooled."""
    parts, wholes = levels.sums[part], levels.sums[whole]
    busy = wholes >= SURE_SLOT
    shares = np.divide(parts, wholes, out=np.full(parts.shape, np.nan), where=busy)
    # The prior weighs as much as a hundred events, so that one error among three is not the usual third.
    pooled = (np.nansum(parts, axis=0) + params.prior * 100) / (np.nansum(wholes, axis=0) + 100)
    share: Floats = np.where(busy.sum(axis=0) >= MIN_SLOTS, median(shares), pooled)
    return share


def judge_share(panel: Panel, usual: Usual, params: ShareParams) -> Verdict:
    """Breach where the bin's share is high and a window proves it; unknown without traffic."""
    part, whole = panel.value("part"), panel.value("whole")
    share = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    expected = usual["share"]
    floor = np.where(usual["has_history"] > 0, params.floor, params.first_floor)
    limit = np.maximum(floor, params.factor * expected)
    breach = (share >= limit) & _proven(panel, expected, limit, params)
    reading = np.where(np.isnan(share), UNKNOWN, np.where(breach, BREACH, CLEAR)).astype(np.int8)
    return Verdict(reading, share, expected, {"has_history": usual["has_history"]})


def _proven(panel: Panel, expected: Floats, limit: Floats, params: ShareParams) -> NDArray[np.bool_]:
    """Whether some trailing window holds more bad events than the usual share explains."""
    proven = np.zeros(len(expected), np.bool_)
    for window in params.windows:
        part, whole = panel.total("part", window), panel.total("whole", window)
        mean = whole * expected
        deviation = np.sqrt(mean + (params.wander * mean) ** 2 + 1)
        enough = (part >= params.min_count) & (part >= limit * whole)
        proven |= enough & (part - mean >= params.evidence * deviation)
    return proven


def explain_share(panel: Panel, verdict: Verdict, row: int, since: Instant, *, noun: str) -> Evidence:
    """The share over the whole breach so far, of how many, against the usual."""
    window = lookback(panel, since)
    part, whole = panel.total("part", window)[row], panel.total("whole", window)[row]
    seen = float(part / whole) if whole > 0 else 0.0
    expected = float(verdict.expected[row])
    usual = f"usually {percent(expected)}" if verdict.extra["has_history"][row] else "no baseline yet"
    requests = float(whole) if whole > 0 else 0.0
    return Evidence(
        start=panel.end - window,
        end=panel.end,
        seen=seen,
        expected=expected,
        requests=requests,
        text=f"{percent(seen)} of {number(requests)} {noun}, {usual}",
        words={
            "seen": percent(seen),
            "expected": percent(expected),
            "usual": usual,
            "requests": number(requests),
        },
    )


def lookback(panel: Panel, since: Instant) -> Duration:
    """The window that reaches from a time to the bin's end: the whole breach so far."""
    return panel.end - min(since, panel.start)
