"""Whether a count of bad events among all is more than what is usual explains. Pure, over columns.

Counts are tested, not ratios: 3 of 4 at night and 2 % of a million must answer to the same question. A bin
breaches when its own share is high and far above what is usual, and some trailing window holds enough events
to be sure. What is sure: the count exceeds what the usual share explains by `evidence` standard deviations of
an overdispersed Poisson count, `m + m * w / n + (wander * m)^2` for a mean `m` of `w` events, where the usual
share is itself known from `n` events only.
"""

from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from watcher.engine.detector import BREACH, CLEAR, UNKNOWN, Levels, Panel, Reach, Usual, Verdict
from watcher.engine.median import quantile
from watcher.model.fields import DurationField
from watcher.model.incident import Evidence
from watcher.model.sample import Floats
from watcher.model.time import DAY, MINUTE, Duration, Instant
from watcher.model.words import number, percent

SURE_SLOT: Final = 20.0
"""Events a slot needs before its own share says anything."""
LEAST_BINS: Final = 4
"""Bins that `history` holds at least, for one of them to be judged by it."""
WINDOWS: Final = (MINUTE, 5 * MINUTE, 15 * MINUTE)
MIN_SLOTS: Final = 3
"""Such slots needed; with fewer, all slots are asked."""
QUARTILE: Final = 0.25
"""A level that a quarter of the slots keep is what is usual: trouble may last the other three."""
MOST: Final = 0.75
"""How much of `history` must lie behind before a high share counts as usual."""
PRIOR_EVENTS: Final = 100.0
"""Events that the prior share weighs as much as."""


class ShareParams(BaseModel):
    """Defaults suit 5xx at an edge."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    floor: Annotated[float, Field(gt=0, lt=1, description="a lower share is never a breach")] = 0.02
    factor: Annotated[float, Field(ge=1, description="nor one below this many times the usual share")] = 3.0
    min_count: Annotated[int, Field(ge=1, description="nor one with fewer bad events in the window")] = 10
    evidence: Annotated[float, Field(gt=0, description="standard deviations above what is usual")] = 5.0
    wander: Annotated[float, Field(ge=0, description="spread of the usual share beyond chance")] = 0.4
    windows: Annotated[tuple[DurationField, ...], Field(min_length=1)] = WINDOWS
    history: Annotated[DurationField, Field(description="how much of the past is usual")] = DAY
    min_history: Annotated[DurationField, Field(description="known past needed to call it usual")] = (
        10 * MINUTE
    )
    first_floor: Annotated[
        float,
        Field(gt=0, le=1, description="the floor until then, and the most that is usual before a day"),
    ] = 0.1
    never_usual: Annotated[float, Field(gt=0, le=1, description="a share above it never becomes usual")] = 0.3
    prior: Annotated[float, Field(gt=0, lt=1, description="the usual share until then")] = 0.005


def reach(params: ShareParams) -> Reach:
    """The longest window; the baseline ends before it."""
    longest = max(params.windows)
    return Reach(window=longest, baseline=params.history, lag=longest)


def usual_share(levels: Levels, params: ShareParams) -> Usual:
    """The usual share of `part` in `whole`, and of how many events.

    Until `min_history` is known it is the prior; and a high one counts only when most of `history` is behind:
    nobody can tell trouble from habit before. `has_history` is 0 so long.
    """
    share, events, known_for = share_of(levels, "part", "whole", params)
    is_known = known_for >= params.min_history
    most = np.where(_is_old(levels, params), np.inf, params.first_floor / params.factor)
    return {
        "share": np.where(is_known, np.minimum(share, most), params.prior),
        "events": events,
        "has_history": (is_known & (share <= most)).astype(np.float64),
    }


def share_of(levels: Levels, part: str, whole: str, params: ShareParams) -> tuple[Floats, Floats, Floats]:
    """The share over the usual slots, of how many events, over how much known time.

    A slot is usual unless its count lies surely above what the lower quartile of the slots allows: a test on
    values, so that trouble does not become usual while it lasts.
    """
    parts, wholes = levels.sums[part], levels.sums[whole]
    busy = wholes >= SURE_SLOT
    is_busy = busy.sum(axis=0) >= MIN_SLOTS
    asked = np.where(is_busy, busy, wholes > 0)
    low = quantile(np.divide(parts, wholes, out=np.full(parts.shape, np.nan), where=asked), QUARTILE)
    limit = np.minimum(np.maximum(params.floor, params.factor * np.nan_to_num(low)), params.never_usual)
    allowed = limit * wholes
    is_usual = parts <= allowed + 3 * np.sqrt(allowed) + 1
    bad, events = (np.where(is_usual, column, 0).sum(axis=0) for column in (parts, wholes))
    plain = np.divide(bad, events, out=np.zeros(len(bad)), where=events > 0)
    # That a few events were all good says little; that many of them were bad is no comfort to lose.
    pooled = np.fmax((bad + params.prior * PRIOR_EVENTS) / (events + PRIOR_EVENTS), plain)
    share: Floats = np.where(is_busy, plain, pooled)
    return share, events, np.where(is_usual, levels.known, 0).sum(axis=0)


def _is_old(levels: Levels, params: ShareParams) -> NDArray[np.bool_]:
    """Rows that were first known of when `history` began, or nearly."""
    if not len(levels.starts):
        return np.zeros(levels.known.shape[1], np.bool_)
    first = levels.starts[(levels.known > 0).argmax(axis=0)]
    old: NDArray[np.bool_] = levels.until - first >= MOST * params.history
    return old


def judge_share(panel: Panel, usual: Usual, params: ShareParams) -> Verdict:
    """Breach where the share is high and a window proves it; unknown without traffic."""
    part, whole = panel.value("part"), panel.value("whole")
    share = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    breach = spikes(panel, ("part", "whole"), usual, params)
    # A bin of a day has no past of a day to be compared with: yesterday's bin is all there is.
    too_wide = panel.end - panel.start > params.history / LEAST_BINS
    reading = np.where(np.isnan(share) | too_wide, UNKNOWN, np.where(breach, BREACH, CLEAR)).astype(np.int8)
    return Verdict(reading, share, usual["share"], {"has_history": usual["has_history"]})


def spikes(panel: Panel, roles: tuple[str, str], usual: Usual, params: ShareParams) -> NDArray[np.bool_]:
    """Where the share of the bin is high, and some window holds more than the usual share explains.

    A bin with too few events to say is judged by its shortest window that has enough. A window proves nothing
    where a shorter one in it is fine: it still holds what is over.
    """
    expected = usual["share"]
    floor = np.where(usual["has_history"] > 0, params.floor, params.first_floor)
    limit = np.maximum(floor, np.minimum(params.factor * expected, (1 + expected) / 2))
    proven = np.zeros(len(expected), np.bool_)
    is_high = np.zeros(len(expected), np.bool_)
    asked, lasts = np.ones(len(expected), np.bool_), np.ones(len(expected), np.bool_)
    # Without a past to tell by, it takes twice as many.
    least = params.min_count * np.where(usual["has_history"] > 0, 1, 2)
    for window in (0, *sorted(params.windows)):
        part, whole = (panel.total(role, window) for role in roles)
        above = part >= limit * whole
        is_high = np.where(asked, above, is_high)
        asked &= ~(whole >= params.min_count)
        mean = whole * expected
        variance = mean * (1 + whole / (usual["events"] + PRIOR_EVENTS)) + (params.wander * mean) ** 2 + 1
        lasts &= above | ~(whole >= params.min_count)
        enough = lasts & above & (part >= least)
        proven |= enough & (part - mean >= params.evidence * np.sqrt(variance))
    return is_high & proven


def explain_share(panel: Panel, verdict: Verdict, row: int, since: Instant, *, noun: str) -> Evidence:
    """The share over the whole breach so far, of how many, against the usual."""
    breach = lookback(panel, since)
    # What few events say is told with the others that it was judged by.
    longer = (at for at in (breach, *WINDOWS) if panel.total("whole", max(at, breach))[row] >= SURE_SLOT)
    window = max(next(longer, breach), breach)
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
