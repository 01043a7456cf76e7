"""`level_drop` on plain columns: by evidence, by hour, by habit, and sudden."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.engine.panels import SLOT, Bins, learned
from watcher.engine.detector import BREACH, CLEAR, UNKNOWN, URGENT, Levels, Usual
from watcher.engine.detectors.level_drop import LevelDrop, LevelDropParams
from watcher.model.time import DAY, HOUR, MINUTE, Duration

DAY_OF_SLOTS = DAY // SLOT
WINDOWS = (10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR)
Columns = dict[str, Any]


def slot(mean: float, requests: float) -> Columns:
    columns = {"value": mean * requests, "weight": requests, "requests": requests}
    return {name: np.array([float(value)]) for name, value in columns.items()}


def past(mean: float, *, days: int = 2, requests: float = 2_000, seed: int = 1) -> list[Columns]:
    """Slots of one series with chance and a little wander."""
    rng = np.random.default_rng(seed)
    return [slot(mean + rng.normal(0, 0.01), requests) for _ in range(DAY_OF_SLOTS * days)]


def levels(means: Sequence[float], requests: float, until: int) -> Levels:
    """The newest four hours but for twenty minutes."""
    slots = [slot(mean, requests) for mean in means]
    sums = {role: np.stack([one[role] for one in slots]) for role in slots[0]}
    starts = until - SLOT * np.arange(len(slots), 0, -1)
    known = np.full((len(slots), 1), float(SLOT))
    return Levels(SLOT, until, starts, sums, known, np.full(len(slots), float(SLOT)))


def usual(slots: list[Columns], newest: Sequence[float], requests: float = 2_000) -> tuple[Usual, int]:
    detector = LevelDrop(LevelDropParams())
    memory, end = learned(detector, slots)
    at = end + 4 * HOUR
    return detector.usual(detector.recall(memory, at), levels(newest, requests, at - 2 * SLOT)), at


def panel(
    by_age: Sequence[float],
    at: int,
    *,
    before: float,
    requests: float = 1_000,
    width: Duration = 5 * MINUTE,
) -> Bins:
    """Bins, the newest last, after others at a level of before."""
    means = [before] * (6 * HOUR // width) + list(by_age)
    sums = np.cumsum(means[::-1]) * requests
    totals = {}
    for bins in range(1, 6 * HOUR // width):
        totals["value", bins * width] = sums[bins - 1 : bins]
        totals["weight", bins * width] = totals["requests", bins * width] = np.array([bins * requests])
    bin_ = {"value": means[-1], "weight": requests, "requests": requests}
    columns = {name: np.array([float(value)]) for name, value in bin_.items()}
    return Bins(columns, totals, start=at, width=width)


def reading(found: tuple[Usual, int], shown: Bins, **params: float) -> int:
    return int(LevelDrop(LevelDropParams(**params)).judge(shown, found[0]).reading[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(("requests", "expected"), [(1_000_000, BREACH), (1_000, BREACH), (5, CLEAR)])
def test_a_partial_drop_is_found_where_there_is_evidence(requests: float, expected: int) -> None:
    found = usual(past(0.9, requests=2 * requests), [0.9] * 22, 2 * requests)
    assert reading(found, panel([0.75] * 4, found[1], before=0.9, requests=requests)) == expected


def test_a_cache_that_fills_again_is_no_drop_and_one_that_does_not_is() -> None:
    found = usual(past(0.9), [0.9] * 22)
    fills, stays = [0.3, 0.38, 0.45, 0.51, 0.56], [0.3] * 5

    assert reading(found, panel(fills, found[1], before=0.9)) == CLEAR
    assert reading(found, panel(stays, found[1], before=0.9)) == URGENT


@pytest.mark.parametrize(
    ("bins", "requests", "expected"),
    [
        ([0.1] * 2, 100_000, BREACH),
        ([0.1] * 3, 100_000, URGENT),
        ([0.5, 0.1, 0.1], 100_000, URGENT),
        ([0.77] * 3, 100_000, BREACH),
        ([0.1] * 3, 20, BREACH),
    ],
)
def test_a_collapse_that_stays_for_a_quarter_of_an_hour_waits_for_nothing(
    bins: list[float], requests: float, expected: int
) -> None:
    found = usual(past(0.9, requests=2 * requests), [0.9] * 22, 2 * requests)

    assert reading(found, panel(bins, found[1], before=0.9, requests=requests)) == expected


@given(
    fills_in=st.floats(3, 40),
    depth=st.floats(0.2, 0.99),
    phase=st.floats(0, 1),
    bins=st.integers(1, 30),
    width=st.sampled_from([1, 5, 10]),
    noise=st.integers(0, 1_000),
    lately=st.floats(0.86, 0.92),
)
@example(fills_in=40, depth=0.9, phase=0, bins=7, width=1, noise=0, lately=0.88)
@settings(max_examples=300, deadline=None)
def test_a_cache_that_fills_within_two_hours_is_never_a_collapse(
    fills_in: float, depth: float, phase: float, bins: int, width: int, noise: int, lately: float
) -> None:
    """Its fall decays with a time constant of up to forty minutes, wherever in a bin it began."""
    found = grown_up()
    since = np.arange(0, bins, 0.01) * width - width * phase
    kept = np.where(since >= 0, 1 - depth * np.exp(-np.maximum(since, 0) / fills_in), 1.0)
    means = (lately * kept).reshape(bins, -1).mean(axis=1) + np.random.default_rng(noise).normal(
        0, 0.002, bins
    )
    shown = panel(means.tolist(), found[1], before=lately, requests=1e6, width=width * MINUTE)

    assert reading(found, shown) != URGENT


@cache
def grown_up() -> tuple[Usual, int]:
    return usual(past(0.9, requests=2e6), [0.9] * 22, 2e6)


def test_a_slow_slide_is_no_event_unless_it_is_asked_for() -> None:
    slid = [0.9 - 0.004 * at for at in range(22)]
    found = usual(past(0.9), slid)
    shown = panel([0.79] * 12, found[1], before=0.82)

    assert reading(found, shown) == CLEAR
    assert reading(found, shown, sudden=0.0) == BREACH


def test_where_little_comes_two_hours_are_weighed_against_the_hour_before_them() -> None:
    """What they hold themselves would hide that they are new."""
    fell = [0.9] * 12 + [0.6] * 10
    found = usual(past(0.9, requests=50), fell, 50)
    shown = panel([0.6] * 24, found[1], before=0.9, requests=25)

    assert reading(found, shown) == BREACH
    assert reading(usual(past(0.9, requests=50), [0.6] * 22, 50), shown) == CLEAR


def test_a_purge_of_two_nights_is_a_habit() -> None:
    slots = past(0.9, days=3)
    for day in range(3):
        slots[day * DAY_OF_SLOTS + 26] = slot(0.4, 2_000)
    found = usual(slots, [0.9] * 22)
    other = usual(past(0.9, days=3), [0.9] * 22)

    assert reading(found, panel([0.45] * 4, found[1], before=0.9)) == CLEAR
    assert reading(other, panel([0.45] * 4, other[1], before=0.9)) == URGENT


def test_a_lower_level_that_lasts_becomes_usual() -> None:
    good = past(0.9, days=3)
    after_hours = usual([*good, *past(0.7, days=1)[:18]], [0.7] * 22)
    after_days = usual([*good, *past(0.7, days=2)], [0.7] * 22)

    assert reading(after_hours, panel([0.7] * 60, after_hours[1], before=0.7), sudden=0.0) == BREACH
    assert reading(after_days, panel([0.7] * 60, after_days[1], before=0.7), sudden=0.0) == CLEAR


def test_without_a_past_or_without_traffic_nothing_is_known() -> None:
    detector = LevelDrop(LevelDropParams())
    memory, end = learned(detector, [slot(0.9, 0)])
    nothing = detector.usual(detector.recall(memory, end), levels([np.nan], 0, end))
    assert reading((nothing, end), panel([0.5] * 4, end, before=0.5)) == UNKNOWN

    found = usual(past(0.9), [0.9] * 22)
    assert reading(found, panel([0.5] * 4, found[1], before=0.9, requests=0)) == UNKNOWN


def test_the_gate_that_stopped_it_is_named() -> None:
    found = usual(past(0.9), [0.9] * 22)
    gates = LevelDrop(LevelDropParams()).gates(panel([0.86] * 4, found[1], before=0.9), found[0], 0)  # type: ignore[arg-type]

    assert next(gate.name for gate in gates if not gate.passed) == "fall"


def test_memory_stays_within_its_budget() -> None:
    assert 4 * sum(LevelDrop(LevelDropParams()).reach().memory.values()) <= 600
