"""The benchmark of `traffic_anomaly`: whatever a file holds, it is judged, and by the live engine."""

import numpy as np
import pytest

from benchmarks.kpi import Run, Series, read, runs, series
from watcher.model.sample import Floats
from watcher.model.time import DAY, HOUR, MINUTE, SECOND

EPOCH = 1_700_006_400 // 86_400 * 86_400
HOURLY = HOUR // SECOND


def day_and_night(days: int, step: int = HOURLY, seed: int = 1) -> Floats:
    """A busy day, a quiet night, and a little noise."""
    at = np.arange(days * 86_400 // step) * step
    noise = np.random.default_rng(seed).normal(0, 20, len(at))
    return 1_000 + 600 * np.sin(2 * np.pi * at / 86_400) + noise


def of(values: Floats, step: int = HOURLY, name: str = "one") -> Series:
    return series(name, EPOCH + np.arange(len(values)) * step, values)


def judged(*members: Series) -> tuple[dict[str, list[int]], list[tuple[str, int]]]:
    """Places of the flags of each series, and the alarms with their times from the epoch of the test."""
    flags: dict[str, list[int]] = {}
    alarms: list[tuple[str, int]] = []
    for run in runs(members):
        run.judge()
        flags |= {member.name: np.flatnonzero(found).tolist() for member, found in run.flags()}
        alarms += [(name, at - EPOCH) for name, at in run.alarms]
    return flags, alarms


def test_an_outage_at_noon_is_flagged_in_its_first_bin_and_told_once() -> None:
    values = day_and_night(12)
    values[250:254] = 0

    flags, alarms = judged(of(values))

    assert set(range(250, 254)) <= set(flags["one"])
    assert alarms == [("one", 250 * HOURLY)]


def test_what_is_usual_at_night_is_news_at_noon() -> None:
    values = day_and_night(12)
    values[246] = values[258]  # the least of the night, at the best time of day

    flags, _ = judged(of(values))

    assert flags["one"] == [246]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.zeros(200), id="nothing ever"),
        pytest.param(np.full(200, 7.0), id="always the same"),
        pytest.param(day_and_night(8), id="day and night"),
        pytest.param(-day_and_night(8), id="below zero"),
        pytest.param(day_and_night(8) * 1e12, id="huge"),
        pytest.param(np.full(200, np.nan), id="never known"),
        pytest.param(np.array([1.0]), id="one point"),
    ],
)
def test_ordinary_series_stay_silent(values: Floats) -> None:
    flags, alarms = judged(of(values))

    assert flags["one"] == []
    assert alarms == []


def test_a_spike_that_comes_every_day_is_a_habit() -> None:
    values = np.random.default_rng(2).normal(100, 3, 24 * 20)
    values[5::24] = 400

    _, alarms = judged(of(values))

    assert all(at < 4 * DAY // SECOND for _, at in alarms)


def test_values_no_float_can_hold_are_unknown_and_the_rest_is_judged_on() -> None:
    values = day_and_night(12)
    values[100], values[150], values[250] = np.inf, 1e300, 0

    flags, _ = judged(of(values))

    assert 250 in flags["one"]


def test_points_in_any_order_doubled_and_with_gaps_are_judged_as_if_in_order() -> None:
    values = day_and_night(12)
    values[250:254] = 0
    places = np.delete(np.arange(len(values)), [40, 41, 90])
    rng = np.random.default_rng(3)
    shuffled = rng.permutation(np.concatenate([places, places[:50]]))

    mixed = series("one", EPOCH + shuffled * HOURLY, values[shuffled])
    plain = series("one", EPOCH + places * HOURLY, values[places])
    flags, _ = judged(mixed)

    assert sorted({int(shuffled[at]) for at in flags["one"]}) == [
        int(places[at]) for at in judged(plain)[0]["one"]
    ]


def test_series_of_several_steps_and_years_are_each_judged_alone() -> None:
    values = day_and_night(12)
    values[250:253] = 0
    late = series("late", EPOCH + 104 * 7 * 86_400 + np.arange(len(values)) * HOURLY, values)
    coarse = of(day_and_night(20, step=2 * HOURLY), step=2 * HOURLY, name="coarse")

    flags, alarms = judged(of(values), late, coarse)

    assert flags["one"] == flags["late"]
    assert flags["coarse"] == []
    assert sorted(alarms) == [("late", (104 * 7 * 24 + 250) * HOURLY), ("one", 250 * HOURLY)]


def test_a_file_is_read_by_its_names() -> None:
    data = {"b_t": np.array([0.0, 60]), "b_v": np.array([1.0, 2]), "a_t": np.zeros(0), "a_v": np.zeros(0)}

    found = list(read(data))

    assert [(one.name, one.step, one.values.tolist()) for one in found] == [("b", MINUTE, [1.0, 2.0])]
    assert isinstance(next(runs(found)), Run)
