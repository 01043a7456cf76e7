"""The generator: deterministic, additive, and shaped as the scenario says."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulate.asking import NOON, RESOURCES
from watcher.model.time import DAY, HOUR, MINUTE
from watcher.simulate.chance import Chance, poisson
from watcher.simulate.counts import Counts
from watcher.simulate.traffic import USUAL_CODES, Traffic
from watcher.simulate.world import World

MINUTES = st.integers(0, 60 * 24 * 365 * 60).map(lambda minute: minute * MINUTE)
STEADY = {"daily_swing": 0, "weekly_swing": 0, "noise": 0}


def traffic(*troubles: dict[str, Any], resources: Any = RESOURCES, seed: int = 1) -> Traffic:  # noqa: ANN401 - plain YAML
    world = World.model_validate({"seed": seed, "resources": resources, "troubles": troubles})
    return Traffic(world, anchor=NOON)


def figures(counts: Counts) -> list[list[int]]:
    return [array.tolist() for array in (counts.local, counts.passed, counts.hit_bytes, counts.miss_bytes)]


def requests(counts: Counts, column: int = 0) -> int:
    return int(counts.local[:, column].sum() + counts.passed[:, column].sum())


def server_errors(source: Traffic, counts: Counts, column: int = 0) -> int:
    failed = np.array(source.codes) >= 500
    return int((counts.local + counts.passed)[failed, column].sum())


@given(start=MINUTES, first=st.integers(1, 6), second=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_adjacent_windows_add_up(start: int, first: int, second: int, seed: int) -> None:
    source = traffic(seed=seed)
    middle, end = start + first * MINUTE, start + (first + second) * MINUTE

    together = source.window(start, middle) + source.window(middle, end)

    assert figures(together) == figures(source.window(start, end))


@given(start=MINUTES)
@settings(max_examples=20, deadline=None)
def test_the_same_seed_gives_the_same_numbers_and_another_does_not(start: int) -> None:
    minute = figures(traffic(seed=7).minute(start))

    assert figures(traffic(seed=7).minute(start)) == minute
    assert figures(traffic(seed=8).minute(start)) != minute


@given(start=st.integers(-100, 100).map(lambda offset: NOON + offset * MINUTE))
@settings(max_examples=20, deadline=None)
def test_a_trouble_changes_nothing_but_its_resource(start: int) -> None:
    burst = {"kind": "5xx_burst", "resource": "shop", "start": "-100m", "share": 0.9, "codes": {530: 1}}
    troubled, calm = traffic(burst).minute(start), traffic().minute(start)

    usual = len(USUAL_CODES)  # the trouble brings a code of its own
    for before, after in ((calm.local, troubled.local), (calm.passed, troubled.passed)):
        assert np.array_equal(before[:, 1:], after[:usual, 1:])
    assert figures(troubled.of([1, 2]))[2:] == figures(calm.of([1, 2]))[2:]
    assert figures(troubled.of([0]))[2:] != figures(calm.of([0]))[2:]


@given(start=MINUTES, parts=st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted))
@settings(max_examples=20, deadline=None)
def test_what_has_come_in_only_grows(start: int, parts: list[float]) -> None:
    minute = traffic().minute(start)
    less, more = (minute.part(share) for share in parts)

    for before, after, final in zip(figures(less), figures(more), figures(minute), strict=True):
        assert np.all(np.array(before) <= np.array(after))
        assert np.all(np.array(after) <= np.array(final))


def test_traffic_has_a_daily_and_a_weekly_shape() -> None:
    source = traffic(
        resources=[{"id": "a", "requests_per_minute": 10_000, "daily_swing": 0.5, "peak": "20h"}]
    )
    wednesday, sunday = NOON - 4 * DAY, NOON
    evening, morning = 8 * HOUR, -4 * HOUR

    assert requests(source.minute(wednesday + evening)) > 2 * requests(source.minute(wednesday + morning))
    assert requests(source.minute(wednesday)) > 1.1 * requests(source.minute(sunday))


def test_a_burst_answers_its_share_with_errors_between_its_first_and_last_minute() -> None:
    burst = {"kind": "5xx_burst", "resource": "shop", "start": "-50m", "lasts": "12m", "share": 0.12}
    source = traffic(burst)
    start, end = NOON - 50 * MINUTE, NOON - 38 * MINUTE
    inside = source.window(start, end)

    assert server_errors(source, inside) / requests(inside) == pytest.approx(0.122, abs=0.01)
    assert server_errors(source, source.minute(start)) > 10 * server_errors(
        source, source.minute(start - MINUTE)
    )
    assert server_errors(source, source.minute(end - MINUTE)) > 10 * server_errors(source, source.minute(end))


def test_errors_made_at_the_edge_do_not_reach_the_origin() -> None:
    burst = {"kind": "5xx_burst", "resource": "shop", "start": "-5m", "share": 1.0}
    at_edge, at_origin = (traffic(burst | {"tier": tier}).minute(NOON) for tier in ("edge", "origin"))

    assert at_edge.passed[:, 0].sum() == 0
    assert at_origin.local[:, 0].sum() == 0
    assert requests(at_edge) > 1000


def test_a_collapse_moves_the_hit_ratio_and_nothing_else() -> None:
    collapse = {"kind": "hit_ratio_collapse", "resource": "shop", "start": "now", "to": 0.55}
    source = traffic(collapse)
    before = source.window(NOON - 10 * MINUTE, NOON)
    after = source.window(NOON, NOON + 10 * MINUTE)

    def hit_ratio(counts: Counts) -> float:
        return float(counts.hit_bytes[0] / (counts.hit_bytes[0] + counts.miss_bytes[0]))

    assert hit_ratio(before) == pytest.approx(0.9, abs=0.02)
    assert hit_ratio(after) == pytest.approx(0.55, abs=0.02)
    assert requests(after) == pytest.approx(requests(before), rel=0.05)


def test_stray_errors_are_exactly_as_many_as_said() -> None:
    strays = {"kind": "stray_errors", "resource": "a", "start": "-20m", "lasts": "7m", "count": 3}
    source = traffic(strays, resources=[{"id": "a", "requests_per_minute": 3, "mix": {200: 1}}])

    by_minute = [server_errors(source, source.minute(NOON - ago * MINUTE)) for ago in range(22, 11, -1)]

    assert sum(by_minute) == 3
    assert max(by_minute) == 1


def test_a_loss_takes_its_share_of_the_traffic() -> None:
    loss = {"kind": "traffic_loss", "resource": "a", "start": "now", "share": 0.75}
    source = traffic(loss, resources=[{"id": "a", "requests_per_minute": 10_000} | STEADY])

    assert requests(source.minute(NOON - MINUTE)) == pytest.approx(10_000, rel=0.05)
    assert requests(source.minute(NOON)) == pytest.approx(2_500, rel=0.1)


@pytest.mark.parametrize("mean", [0.3, 3.0, 11.9, 12.0, 400.0])
def test_counts_are_distributed_as_arrivals_are(mean: float) -> None:
    draws = Chance(3).hour(NOON, codes=1, columns=400)
    counts = poisson(np.full((1, 60, 400), mean), *draws.local)

    assert counts.min() >= 0
    assert counts.mean() == pytest.approx(mean, rel=0.03)
    assert counts.var() == pytest.approx(mean, rel=0.05)


def test_no_traffic_is_no_traffic() -> None:
    assert requests(traffic().window(NOON, NOON + HOUR), 2) == 0
