"""`ratio_spike` on plain columns: honest at any traffic, quiet under the null, and monotonous."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.panels import SLOT, Bins, learned, nothing, usual
from watcher.engine.detector import BREACH, CLEAR, STILL, UNKNOWN, Usual
from watcher.engine.detectors.ratio_spike import RatioSpike, RatioSpikeParams
from watcher.engine.shares import deviations
from watcher.model.time import DAY, HOUR, MINUTE

Columns = dict[str, Any]
DAY_OF_SLOTS = DAY // SLOT


def past(whole: float, share: float, *, days: int = 2, seed: int = 1) -> list[Columns]:
    """Slots of one series with chance alone."""
    rng = np.random.default_rng(seed)
    wholes = rng.poisson(whole, DAY_OF_SLOTS * days)
    parts = rng.binomial(wholes, share)
    return [slot(part, all_) for part, all_ in zip(parts, wholes, strict=True)]


def slot(part: float, whole: float) -> Columns:
    columns = {"part": part, "whole": whole, "among": part}
    return {name: np.array([float(value)]) for name, value in columns.items()}


@cache
def of_a_day() -> tuple[RatioSpike, Usual, int]:
    """A detector, and what is usual after a day of one per cent."""
    detector = RatioSpike(RatioSpikeParams())
    return detector, *usual(detector, past(1_000, 0.01, days=1))


def judged(slots: list[Columns], part: float, whole: float, **params: float) -> int:
    detector = RatioSpike(RatioSpikeParams(**params))
    normal, at = usual(detector, slots)
    return int(detector.judge(Bins(slot(part, whole), start=at), normal).reading[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("whole", "part", "reading"),
    [
        (8, 8, BREACH),
        (8, 3, CLEAR),
        (1_000, 12, CLEAR),
        (1_000, 40, BREACH),
        (50_000_000, 400_000, CLEAR),
        (50_000_000, 1_500_000, BREACH),
    ],
)
def test_it_is_honest_at_ten_requests_an_hour_and_at_ten_million_a_minute(
    whole: int, part: int, reading: int
) -> None:
    assert judged(past(max(whole * 2 / 10, 1.6), 0.002), part, whole) == reading


@pytest.mark.parametrize("rate", [0.17, 3.0, 300.0, 1e6])
def test_under_chance_alone_it_is_silent_whatever_the_traffic(rate: float) -> None:
    slots = past(rate * 10, 0.01)
    rng = np.random.default_rng(7)
    whole = rng.poisson(rate * 5, 4_000).astype(float)
    part = rng.binomial(whole.astype(int), 0.01).astype(float)
    detector = RatioSpike(RatioSpikeParams())
    normal, at = usual(detector, slots)
    panel = Bins({"part": part, "whole": whole, "among": part}, start=at)
    reading = detector.judge(panel, {name: np.repeat(c, 4_000) for name, c in normal.items()}).reading  # type: ignore[arg-type]

    assert not (reading == BREACH).any()


@given(st.integers(0, 3_000), st.integers(0, 500), st.integers(1, 3_000))
@settings(max_examples=60, deadline=None)
def test_more_bad_events_never_make_a_breach_clear(part: int, more: int, whole: int) -> None:
    part, most = min(part, whole), min(part + more, whole)
    detector, normal, at = of_a_day()

    def breaches(count: int) -> bool:
        return bool(detector.judge(Bins(slot(count, whole), start=at), normal).reading[0] == BREACH)  # type: ignore[arg-type]

    assert not breaches(part) or breaches(most)


def test_a_share_of_nothing_is_unknown() -> None:
    assert judged(past(1_000, 0.01), 0, 0) == UNKNOWN


def test_errors_of_one_hour_every_day_are_a_habit_and_at_another_hour_a_spike() -> None:
    slots = past(10_000, 0.001, days=3)
    for day in range(3):
        slots[day * DAY_OF_SLOTS + 13] = slot(2_000, 10_000)
    detector = RatioSpike(RatioSpikeParams())
    memory, end = learned(detector, slots)

    def reading(at: int) -> int:
        normal = detector.usual(detector.recall(memory, at), nothing(slot(0, 0), at))
        totals = {
            (role, hours * HOUR): count * hours for role, count in hourly.items() for hours in (1, 3, 6)
        }
        panel = Bins(slot(1_000, 5_000), totals, start=at)
        return int(detector.judge(panel, normal).reading[0])  # type: ignore[arg-type]

    hourly = slot(60, 60_000)
    assert (reading(end + 13 * SLOT), reading(end + 80 * SLOT)) == (CLEAR, BREACH)


def test_trouble_of_hours_does_not_become_usual_and_a_lasting_change_does() -> None:
    good = past(10_000, 0.001, days=2)
    assert judged(good + past(10_000, 0.05, days=1)[:36], 250, 5_000) == BREACH
    assert judged(good + past(10_000, 0.05, days=3), 250, 5_000) == CLEAR


def test_errors_that_stay_while_traffic_falls_are_no_more_than_there_were() -> None:
    detector = RatioSpike(RatioSpikeParams())
    normal, at = usual(detector, past(10_000, 0.01))
    totals = {("part", HOUR): np.array([600.0]), ("whole", HOUR): np.array([6_000.0])}
    panel = Bins(slot(50, 500), totals, start=at)

    assert detector.judge(panel, normal).reading[0] == CLEAR  # type: ignore[arg-type]


def test_the_gate_that_stopped_it_is_named_with_its_figures() -> None:
    detector = RatioSpike(RatioSpikeParams())
    normal, at = usual(detector, past(10_000, 0.001))
    gates = detector.gates(Bins(slot(40, 5_000), start=at), normal, 0)  # type: ignore[arg-type]
    stopped = next(gate for gate in gates if not gate.passed)

    assert stopped.name == "share"
    assert [stopped.seen, stopped.limit] == pytest.approx([0.008, 0.02])


def test_memory_stays_within_its_budget() -> None:
    assert 4 * sum(RatioSpike(RatioSpikeParams()).reach().memory.values()) <= 600


def test_deviations_are_those_of_a_normal_distribution_where_much_is_expected() -> None:
    found = deviations(np.array([10_500.0, 10_000.0, 9_500.0]), np.array([10_000.0] * 3))
    assert found == pytest.approx([5.0, 0.0, -5.0], abs=0.1)


def test_nothing_begins_in_a_bin_without_a_bad_event_though_a_window_still_holds_the_old_ones() -> None:
    detector = RatioSpike(RatioSpikeParams())
    normal, at = usual(detector, past(10, 0.002))
    hour = slot(12, 60)
    totals = {(role, HOUR): count for role, count in hour.items()} | {
        (role, 15 * MINUTE): count for role, count in slot(1, 6).items()
    }

    def reading(part: float) -> int:
        return int(detector.judge(Bins(slot(part, 2), totals, start=at), normal).reading[0])  # type: ignore[arg-type]

    assert (reading(0), reading(1)) == (STILL, BREACH)


def test_the_words_cover_the_window_that_proves_it() -> None:
    detector = RatioSpike(RatioSpikeParams())
    normal, at = usual(detector, past(10, 0.002))
    totals = {(role, HOUR): count for role, count in slot(12, 60).items()}
    panel: Any = Bins(slot(1, 2), totals, start=at)
    verdict = detector.judge(panel, normal)
    found = detector.explain(panel, verdict, 0, panel.start)

    assert (found.start, found.text) == (panel.end - HOUR, "20.0 % of 60 requests, usually 0.7 %")
