"""`traffic_anomaly` as a detector: what it says of one bin, why, and that blocks say the same."""

from collections.abc import Mapping

import numpy as np
import pytest

from tests.engine.one_bin import OneBin
from watcher.engine.detector import BREACH, CLEAR, UNKNOWN, Levels, Memory, Slot, Usual
from watcher.engine.detectors.traffic_anomaly import TrafficAnomaly, TrafficAnomalyParams
from watcher.model.sample import Floats
from watcher.model.time import HOUR, MINUTE, Duration, Instant

BEGIN = OneBin().start - OneBin().start % HOUR


def detector(**params: object) -> TrafficAnomaly:
    return TrafficAnomaly(TrafficAnomalyParams.model_validate({"bin": "10m", **params}))


def memory_of(anomaly: TrafficAnomaly, values: Floats) -> Memory:
    """What it has learned of the values of one series, bin by bin."""
    width = anomaly.params.bin
    memory = {name: np.full((size, 1), np.nan, np.float32) for name, size in anomaly.reach().memory.items()}
    for number, value in enumerate(values):
        known = np.array([0.0 if np.isnan(value) else float(width)])
        sums = {"value": np.nan_to_num(np.array([value]))}
        anomaly.learn(memory, Slot(BEGIN + number * width, width, sums, known, float(width)))
    return memory


def nothing_new(until: Instant, width: Duration, values: Floats | None = None) -> Levels:
    """The newest slots: none, or these."""
    given = np.zeros((0, 1)) if values is None else values[:, np.newaxis]
    return Levels(
        width=width,
        until=until,
        starts=until - width * np.arange(len(given), 0, -1, dtype=np.int64),
        sums={"value": given},
        known=np.full(given.shape, float(width)),
        answered=np.full(len(given), float(width)),
    )


def days(count: int, seed: int = 1) -> Floats:
    at = np.arange(count * 144)
    return (
        30_000 + 18_000 * np.sin(2 * np.pi * at / 144) + np.random.default_rng(seed).normal(0, 600, len(at))
    )


def asked(anomaly: TrafficAnomaly, values: Floats, value: float) -> tuple[OneBin, Usual]:
    """The bin that follows the values, and what is usual for it."""
    width = anomaly.params.bin
    start = BEGIN + len(values) * width
    usual = anomaly.usual(anomaly.recall(memory_of(anomaly, values), start), nothing_new(start, width))
    total = {("value", width): value}
    return OneBin({"value": value}, total, width=width, start=start), usual


@pytest.mark.parametrize(
    ("params", "value", "reading"),
    [
        ({}, 30_000.0, CLEAR),
        ({}, 12_000.0, BREACH),
        ({}, 60_000.0, BREACH),
        ({}, np.nan, UNKNOWN),
        ({"direction": "surge"}, 12_000.0, CLEAR),
        ({"direction": "loss"}, 12_000.0, BREACH),
        ({"direction": "loss"}, 60_000.0, CLEAR),
        ({"effect": 0.7}, 12_000.0, CLEAR),
        ({"effect": 0.5}, 12_000.0, BREACH),
        ({"strays": 1_000}, 12_000.0, CLEAR),
    ],
)
def test_a_bin_is_judged_against_the_level_it_should_have(
    params: Mapping[str, object], value: float, reading: int
) -> None:
    anomaly = detector(**params)
    panel, usual = asked(anomaly, days(6), value)

    assert anomaly.judge(panel, usual).reading.tolist() == [reading]
    gates = anomaly.gates(panel, usual, 0)
    assert all(gate.passed for gate in gates) == (reading == BREACH)
    assert all(gate.text for gate in gates)


def test_the_words_say_what_was_seen_and_what_is_usual_at_this_time() -> None:
    anomaly = detector(per="1m")
    panel, usual = asked(anomaly, days(6), 12_000.0)

    evidence = anomaly.explain(panel, anomaly.judge(panel, usual), 0, panel.start)

    assert evidence.text.startswith("1 200 a minute, usually 3 0")
    assert evidence.text.endswith("at this time")
    assert evidence.seen == 1_200
    assert evidence.range is not None
    assert evidence.range[0] < 3_000 < evidence.range[1]


def test_a_series_of_which_little_is_known_is_unknown() -> None:
    anomaly = detector()
    panel, usual = asked(anomaly, days(1)[:10], 0.0)

    assert anomaly.judge(panel, usual).reading.tolist() == [UNKNOWN]
    assert [(gate.name, gate.passed) for gate in anomaly.gates(panel, usual, 0)] == [
        ("known", True),
        ("history", False),
    ]


@pytest.mark.parametrize("width", [0, 3 * MINUTE, 20 * MINUTE])
def test_bins_that_do_not_fit_into_what_is_judged_at_once_are_unknown(width: Duration) -> None:
    anomaly = detector()
    panel, usual = asked(anomaly, days(6), 0.0)
    panel.width = width

    assert anomaly.judge(panel, usual).reading.tolist() == [UNKNOWN]


@pytest.mark.parametrize(
    ("minutes", "reading"), [(10, BREACH), (5, BREACH), (4, UNKNOWN)], ids=["all", "half", "less"]
)
def test_narrower_bins_are_judged_together_where_at_least_half_of_them_are_known(
    minutes: int, reading: int
) -> None:
    anomaly = detector()
    panel, usual = asked(anomaly, days(6), 1_000.0)
    panel.width = MINUTE
    panel.totals = {("value", 10 * MINUTE): 1_000.0 * minutes}
    panel.knowns = {10 * MINUTE: minutes * MINUTE}

    verdict = anomaly.judge(panel, usual)

    assert verdict.reading.tolist() == [reading]
    assert reading == UNKNOWN or verdict.seen.tolist() == [10_000.0]


@pytest.mark.parametrize(
    ("since", "reading"),
    [([np.nan], BREACH), ([np.nan, 200], BREACH), ([np.nan, 200, 200], CLEAR), ([], CLEAR)],
    ids=["at once", "a bin later", "two bins later", "without a gap"],
)
def test_what_is_usual_by_now_is_a_breach_again_by_its_season_soon_after_a_gap(
    since: list[float], reading: int
) -> None:
    anomaly, values = detector(), days(8)
    lasting = np.concatenate([values, np.full(60, 200.0), since])

    panel, usual = asked(anomaly, lasting, 200.0)

    assert anomaly.judge(panel, usual).reading.tolist() == [reading]
    assert all(gate.passed for gate in anomaly.gates(panel, usual, 0)) == (reading == BREACH)


@pytest.mark.parametrize("habit", [0.0, 0.6, 1.6])
def test_what_the_season_asks_for_is_clear_after_a_gap_whatever_counts_as_habit(habit: float) -> None:
    anomaly, values = detector(habit=habit), days(8)

    panel, usual = asked(anomaly, np.concatenate([values, [np.nan] * 3]), 33_000.0)

    assert anomaly.judge(panel, usual).reading.tolist() == [CLEAR]


@pytest.mark.parametrize(("value", "reading"), [(2.0, CLEAR), (400.0, BREACH)], ids=["little", "as much"])
def test_a_series_that_is_nothing_but_a_burst_a_week_breaches_by_the_next_one_and_not_by_a_little(
    value: float, reading: int
) -> None:
    anomaly, values = detector(), np.zeros(21 * 144)
    for week in range(3):
        values[week * 7 * 144 + 500 : week * 7 * 144 + 503] = 500

    panel, usual = asked(anomaly, values, value)

    assert anomaly.judge(panel, usual).reading.tolist() == [reading]


def test_it_keeps_two_kilobytes_of_a_series() -> None:
    assert 4 * sum(detector().reach().memory.values()) < 2_048


def test_what_is_newest_is_followed_as_it_will_be_learned() -> None:
    anomaly, values = detector(), days(6)
    width, start = anomaly.params.bin, BEGIN + len(values) * detector().params.bin

    learned = anomaly.usual(anomaly.recall(memory_of(anomaly, values), start), nothing_new(start, width))
    held = anomaly.usual(
        anomaly.recall(memory_of(anomaly, values[:-6]), start), nothing_new(start, width, values[-6:])
    )

    for name in ("level", "spread", "slow_spread", "size", "season", "now", "bins", "last"):
        assert held[name] == pytest.approx(learned[name], rel=1e-3), name
