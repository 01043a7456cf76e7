"""`loss` on plain columns: seasons by kind of day, rushes, slow rows, and losses that do not become usual."""

from typing import Any

import numpy as np
import pytest

from tests.engine.panels import MIDNIGHT, SLOT, Bins, learned
from watcher.engine.detector import BREACH, CLEAR, UNKNOWN, Levels
from watcher.engine.detectors.loss import Loss, LossParams
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, MINUTE

DAY_OF_SLOTS = DAY // SLOT
NEWEST = 2 * HOUR // SLOT


def a_day(low: float, high: float) -> list[float]:
    """Events of each slot of a day, highest at noon."""
    hours = np.arange(DAY_OF_SLOTS) * SLOT / HOUR
    return [float(count) for count in low + (high - low) * np.sin(np.pi * hours / 24) ** 2]


def reading(past: list[float], now: float, hour: float | None = None) -> int:
    """Of a bin of five minutes after slots from a Thursday on; the newest two hours may still change."""
    detector = Loss(LossParams())
    older = [{"value": np.array([count])} for count in past[:-NEWEST]]
    memory, end = learned(detector, older)
    newest = np.array(past[-NEWEST:])[:, None]
    at = end + 2 * HOUR
    known = np.full_like(newest, float(SLOT))
    starts = np.arange(end, at, SLOT, dtype=np.int64)
    levels = Levels(SLOT, at, starts, {"value": newest}, known, known[:, 0])
    normal = detector.usual(detector.recall(memory, at), levels)
    totals = {("value", HOUR): np.array([now * 12 if hour is None else hour])}
    panel: Any = Bins({"value": np.array([now])}, totals, start=at)
    return int(detector.judge(panel, normal).reading[0])


def flat(rate: float, days: float) -> list[float]:
    return [rate * SLOT / MINUTE] * int(days * DAY_OF_SLOTS)


@pytest.mark.parametrize(("left", "expected"), [(0.0, BREACH), (0.1, BREACH), (0.4, CLEAR), (1.0, CLEAR)])
def test_nine_tenths_gone_is_a_loss_and_a_half_is_none(left: float, expected: int) -> None:
    assert reading(flat(100, 3.5), left * 500) == expected


def test_a_quiet_night_is_no_loss_and_the_same_few_at_noon_are() -> None:
    days = a_day(20, 2_000) * 4
    noon = days[: -DAY_OF_SLOTS // 2]

    assert (reading(days, 10), reading(noon, 10)) == (UNKNOWN, BREACH)


def test_silence_of_a_slow_row_needs_a_whole_hour() -> None:
    slow = flat(8, 3.5)

    assert (reading(slow, 0, hour=200), reading(slow, 0, hour=0)) == (CLEAR, BREACH)


def test_silence_of_a_row_with_hardly_anything_says_nothing() -> None:
    assert reading(flat(2, 3.5), 0) == UNKNOWN


def test_the_end_of_a_rush_is_no_loss_nor_is_the_same_hour_of_the_next_day() -> None:
    rush = flat(100, 3) + flat(1_000, 0.1)
    assert reading(rush, 500) == CLEAR

    first_day = flat(100, 0.4) + flat(1_500, 0.2) + flat(100, 0.9)
    assert reading(first_day, 500) == CLEAR


def test_a_first_day_knows_no_nights_and_only_nothing_is_a_loss() -> None:
    morning = flat(100, 0.3)

    assert (reading(morning, 20), reading(morning, 0)) == (CLEAR, BREACH)


def test_a_holiday_whose_traffic_never_comes_up_is_no_loss() -> None:
    workdays = a_day(60, 2_000) * 2
    morning = [min(count, 200.0) for count in a_day(60, 2_000)[: DAY_OF_SLOTS // 2]]

    assert reading(workdays + morning, 100) == CLEAR


def test_a_loss_of_hours_does_not_become_usual() -> None:
    assert reading(flat(100, 3) + flat(5, 0.4), 25) == BREACH


def test_a_weekend_is_judged_by_weekends() -> None:
    """From a Thursday: two working days, a quiet weekend, five working days, and Saturday noon."""
    quiet: list[float] = flat(10, 2)
    past = flat(400, 2) + quiet + flat(400, 5) + flat(10, 0.5)

    assert MIDNIGHT % (7 * DAY) == 0
    assert (reading(past, 50), reading(past[:-DAY_OF_SLOTS], 50)) == (CLEAR, BREACH)


def test_memory_stays_within_its_budget() -> None:
    assert 4 * sum(Loss(LossParams()).reach().memory.values()) <= 500


def test_the_gates_say_what_stopped_it() -> None:
    detector = Loss(LossParams())
    normal: dict[str, Floats] = {
        "level": np.array([100.0]),
        "has_season": np.array([1.0]),
        "often": np.array([1.0]),
        "spread": np.array([0.1]),
    }
    panel: Any = Bins({"value": np.array([200.0])})
    stopped = next(gate for gate in detector.gates(panel, normal, 0) if not gate.passed)

    assert stopped.name == "below"
    assert [stopped.seen, stopped.limit] == pytest.approx([40.0, 15.0])
