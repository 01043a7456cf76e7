"""Whether a count of bad events among all is more than what is usual explains. Pure, over columns.

Counts are tested, not ratios: 3 of 4 at night and 2 % of a million must answer to the same question. A bin
breaches when some trailing window, from the bin itself up to hours, holds more bad events than the usual
share explains even if it strays as far as it ever does, and no shorter window in it says that it is over.
What is usual is learned (`watcher.engine.share_memory`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from watcher.engine.arrays import filled
from watcher.engine.detector import BREACH, CLEAR, STILL, UNKNOWN, Gate, Panel, Usual, Verdict
from watcher.engine.share_memory import SLOT, ShareParams
from watcher.model.incident import Evidence
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, MINUTE, Duration, Instant
from watcher.model.words import number, percent, span

LAG: Final = 2 * SLOT
"""The newest past is left out, so that trouble is not weighed against its own beginning."""
LONG: Final = HOUR
"""Windows from here on are long: steadier, and asked for less."""
MOST: Final = DAY * 3 // 4
"""How much must be known before a high share counts as usual."""
LEAST_MEAN: Final = 0.05
"""Expected bad events at least: nothing is impossible."""
SETTLED: Final = 15 * MINUTE
OVER: Final = 1.0
"""Deviations by which a shorter window must stay below the limit to say that it is over."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One window's questions; every column has the panel's shape."""

    window: Duration
    part: Floats
    whole: Floats
    limit: Floats
    """The least share that is a breach."""
    least: Floats
    """The fewest bad events that are."""
    mean: Floats
    """The most bad events that the usual share explains, were it astray."""
    evidence: float

    @property
    def is_high(self) -> NDArray[np.bool_]:
        """Whether the share is."""
        high: NDArray[np.bool_] = self.part >= self.limit * self.whole
        return high

    @property
    def is_proven(self) -> NDArray[np.bool_]:
        """Whether it is a breach, were there no shorter window. Few get as far as the last question."""
        proven: NDArray[np.bool_] = self.is_high & (self.part >= self.least)
        if proven.any():
            proven[proven] = deviations(self.part[proven], self.mean[proven]) >= self.evidence
        return proven

    def is_over(self, whole_window: "Asked") -> NDArray[np.bool_]:
        """Whether it surely has less than a longer window's limit, or than half of what that one holds."""
        held = np.divide(
            whole_window.part, whole_window.whole, out=np.zeros_like(self.part), where=whole_window.whole > 0
        )
        ongoing = np.maximum(whole_window.limit, held / 2) * self.whole
        over: NDArray[np.bool_] = (ongoing >= 1) & (self.part < ongoing - OVER * np.sqrt(ongoing))
        return over


def asked(panel: Panel, roles: tuple[str, str], usual: Usual, params: ShareParams) -> Iterator[Asked]:
    """The windows that are not within one bin, the bin itself first."""
    part_role, whole_role = roles
    for window in (0, *(one for one in sorted(params.windows) if one > panel.width)):
        part, whole = (
            filled(panel.total(part_role, window)),
            filled(panel.total(whole_role, window)),
        )
        is_long = window >= LONG
        hours = 1 if window <= LONG else 3 if window <= 3 * HOUR else 6
        known = panel.known(window)
        # Where traffic falls and errors come on, there are no more of them than there were.
        by_time = np.minimum(usual[f"rate_{hours}"] * known, whole / 2)
        share = np.maximum(
            usual[f"share_{hours}"], np.divide(by_time, whole, out=np.zeros_like(whole), where=whole > 0)
        )
        share = np.minimum(share, 0.99)
        spread = usual["long_spread"] if is_long else usual["spread"]
        has_history = usual["has_history"] > 0
        floor = np.where(has_history, params.long_floor if is_long else params.floor, params.first_floor)
        factor = params.long_factor if is_long else params.factor
        astray = _at_odds(share, np.where(has_history, np.exp(params.stray * spread), 1.0))
        yield Asked(
            window=max(window, panel.width),
            part=part,
            whole=whole,
            limit=np.where(
                has_history, np.maximum(floor, np.minimum(factor * share, (1 + share) / 2)), floor
            ),
            least=params.min_count * np.where(has_history, 1.0, 2.0),
            mean=whole * astray,
            evidence=params.evidence - 1 if is_long else params.evidence,
        )


def deviations(seen: Floats, mean: Floats) -> Floats:
    """By how many standard deviations a Poisson count lies above its mean; also right where few are expected.

    The signed root of the deviance (McCullagh and Nelder, *Generalized Linear Models*, 1989, chapter 2).
    """
    mean = mean + LEAST_MEAN
    logarithm = np.log(np.maximum(seen, LEAST_MEAN) / mean)
    deviance = 2 * (np.where(seen > 0, seen * logarithm, 0.0) - (seen - mean))
    found: Floats = np.sign(seen - mean) * np.sqrt(np.maximum(deviance, 0))
    return found


def _at_odds(share: Floats, times: Floats) -> Floats:
    """The share whose odds are so many times those of another."""
    found: Floats = share * times / (1 - share + share * times)
    return found


def with_history(usual: Usual, params: ShareParams) -> Usual:
    """Add whether there is a past to judge by; until there is a day of it, no high share is usual.

    Nobody can tell trouble from habit before.
    """
    known = usual["known"]
    most = np.where(known >= MOST, 1.0, params.first_floor)
    is_known = (known >= params.min_history) & (usual["share"] <= most)
    shares = {name: usual[name] for name in ("share", "share_1", "share_3", "share_6")}
    return {
        **usual,
        **{name: np.minimum(column, most) for name, column in shares.items()},
        "has_history": is_known.astype(np.float64),
    }


def spikes(panel: Panel, roles: tuple[str, str], usual: Usual, params: ShareParams) -> Floats:
    """The shortest window that proves it, and in which no shorter one says that it is over; 0: none does."""
    every = list(asked(panel, roles, usual, params))
    proofs = [one.is_proven for one in every]
    proof, waiting = (np.zeros(proofs[0].shape) for _ in range(2))
    lasts = np.ones_like(proofs[0])
    for place, (one, found) in enumerate(zip(every, proofs, strict=True)):
        if found.any():
            for before in every[:place]:
                lasts &= ~(found & before.is_over(one))
            waiting = np.where(found & (waiting == 0), one.window, waiting)
        # What a short window holds is weighed against a quarter of an hour too, before it counts.
        if one.window >= SETTLED or one is every[-1]:
            proof = np.where(lasts & (proof == 0), waiting, proof)
            waiting = np.zeros_like(proof)
    return proof


def judge_share(panel: Panel, usual: Usual, params: ShareParams) -> Verdict:
    """Breach where a window proves it; unknown without traffic, and in bins too wide to have a past.

    Nothing begins without a bad event: where the newest bins hold none, what a window proves is still.
    """
    part, whole = panel.value("part"), panel.value("whole")
    share = np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
    proof = spikes(panel, ("part", "whole"), usual, params)
    breach = np.where(_is_fresh(panel, params), BREACH, STILL)
    unknown = np.isnan(share) | (panel.width > max(params.windows))
    reading = np.where(unknown, UNKNOWN, np.where(proof > 0, breach, CLEAR)).astype(np.int8)
    extra = {"has_history": usual["has_history"], "window": proof}
    return Verdict(reading, share, usual["seen"] + np.zeros_like(share), extra, of=whole)


def _is_fresh(panel: Panel, params: ShareParams) -> NDArray[np.bool_]:
    """Whether the bin, or the shortest window, holds a bad event."""
    fresh: NDArray[np.bool_] = panel.total("part", min(params.windows)) > 0
    return fresh


def gates_share(panel: Panel, usual: Usual, row: int, params: ShareParams) -> Sequence[Gate]:
    """Every question about one row: of the window that came furthest, the shortest of equals."""
    part, whole = float(panel.value("part")[row]), float(panel.value("whole")[row])
    known = Gate("known", whole > 0, whole, 0.0, "the bin has events, and both counts are told")
    if not known.passed or np.isnan(part):
        return (Gate("known", passed=False, text="the bin has events, and both counts are told"),)
    width = Gate(
        "width", panel.width <= max(params.windows), text="the bin is no wider than the longest window"
    )
    every = list(asked(panel, ("part", "whole"), usual, params))
    found = [_questions(one, every[:place], row) for place, one in enumerate(every)]
    furthest = max(
        found,
        key=lambda gates: (
            [gate.passed for gate in gates].index(False)
            if not all(gate.passed for gate in gates)
            else len(gates)
        ),
    )
    last = Gate("fresh", bool(_is_fresh(panel, params)[row]), text="the newest bins hold a bad event")
    return known, width, *furthest, last


def _questions(one: Asked, shorter: Sequence[Asked], row: int) -> tuple[Gate, ...]:
    part, whole = float(one.part[row]), float(one.whole[row])
    share, limit = part / whole if whole > 0 else 0.0, float(one.limit[row])
    least = float(one.least[row])
    beyond = float(deviations(one.part[row : row + 1], one.mean[row : row + 1])[0])
    of = f"{number(part)} of {number(whole)} in {span(one.window)}"
    over = next((before for before in shorter if before.is_over(one)[row]), None)
    ended = "the last bins do not say that it is over"
    return (
        Gate("count", part >= least, part, least, f"{of}: at least {number(least)} bad ones"),
        Gate("share", part >= limit * whole, share, limit, f"{of}: a share of at least {percent(limit)}"),
        Gate(
            "evidence",
            beyond >= one.evidence,
            beyond,
            one.evidence,
            f"{of}: so far beyond what is usual, in deviations",
        ),
        Gate(
            "lasts", over is None, text=ended if over is None else f"{ended}: those of {span(over.window)} do"
        ),
    )


def explain_share(panel: Panel, verdict: Verdict, row: int, since: Instant, *, noun: str) -> Evidence:
    """The share over the whole breach so far, at least over the window that proves it, against the usual."""
    proof = float(verdict.extra["window"][row]) if verdict.reading[row] == BREACH else 0.0
    window = max(lookback(panel, since), round(proof))
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
