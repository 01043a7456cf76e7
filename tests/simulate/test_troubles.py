"""Troubles that show in numbers: each changes what it says, where it says, and nothing else."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulate.asking import NOON
from watcher.model.time import DAY, HOUR, MINUTE, Instant
from watcher.simulate.counts import Counts
from watcher.simulate.traffic import Traffic
from watcher.simulate.world import World

Entry = dict[str, Any]

STEADY: Entry = {"daily_swing": 0, "weekly_swing": 0, "noise": 0, "requests_per_minute": 10_000}
BROKERED: tuple[Entry, ...] = (
    STEADY | {"id": "a", "providers": {"edgio": 3, "gcore": 1}, "regions": {"eu": 1, "asia": 1}},
    STEADY | {"id": "b", "providers": {"edgio": 1, "gcore": 1}},
    STEADY | {"id": "c"},
)


def traffic(*troubles: Entry, resources: tuple[Entry, ...] = BROKERED) -> Traffic:
    return Traffic(World.model_validate({"resources": resources, "troubles": troubles}), anchor=NOON)


def by_part(source: Traffic, start: Instant = NOON) -> Counts:
    return source.bins(start, start + 10 * MINUTE, width=10 * MINUTE, split=True)


def failing(source: Traffic, counts: Counts) -> list[float]:
    """Share of 5xx by column."""
    errors = counts.answers[np.array(source.codes) >= 500].sum(axis=0)
    shares: list[float] = (errors / counts.requests).ravel().round(2).tolist()
    return shares


def test_parts_share_a_resource_by_their_weights_and_add_up_to_it() -> None:
    source = traffic()
    parts, whole = by_part(source), source.window(NOON, NOON + 10 * MINUTE)

    assert [(part.resource, part.provider, part.region) for part in source.parts] == [
        ("a", "edgio", "eu"),
        ("a", "edgio", "asia"),
        ("a", "gcore", "eu"),
        ("a", "gcore", "asia"),
        ("b", "edgio", ""),
        ("b", "gcore", ""),
        ("c", "", ""),
    ]
    names, together = parts.grouped([part.resource for part in source.parts])
    assert names == ("a", "b", "c")
    assert np.array_equal(together.local[:, 0], whole.local)
    shares = parts.requests[0] / parts.requests.sum()
    assert shares.tolist() == pytest.approx([1 / 8, 1 / 8, 1 / 24, 1 / 24, 1 / 6, 1 / 6, 1 / 3], rel=0.05)


def test_a_failing_provider_fails_for_every_resource_it_serves_and_for_no_other_provider() -> None:
    source = traffic({"kind": "provider_failing", "provider": "gcore", "start": "now", "share": 0.5})

    assert failing(source, by_part(source)) == pytest.approx([0, 0, 0.5, 0.5, 0, 0.5, 0], abs=0.02)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"region": "asia"}, [0, 1, 0, 1, 0, 0, 0]),
        ({"provider": "edgio", "resource": "b"}, [0, 0, 0, 0, 1, 0, 0]),
        ({"of": 0.3}, None),
    ],
)
def test_a_partial_outage_has_its_part(where: Entry, expected: list[float] | None) -> None:
    source = traffic({"kind": "partial_outage", "start": "now", "share": 1.0} | where)
    shares = failing(source, by_part(source))

    if expected is None:
        befallen = {part.resource for part, share in zip(source.parts, shares, strict=True) if share == 1}
        assert len(befallen) == 1
    else:
        assert shares == pytest.approx(expected, abs=0.01)


def test_a_burst_of_one_code_is_of_that_code() -> None:
    burst = {"kind": "single_code_burst", "resource": "c", "code": 530, "share": 0.2, "start": "now"}
    source = traffic(burst)
    counts = source.window(NOON, NOON + 10 * MINUTE)

    row = source.codes.index(530)
    assert (counts.passed[row] / counts.requests).tolist() == pytest.approx([0, 0, 0.2], abs=0.01)
    assert counts.local[row].sum() == 0


def test_a_crowd_is_more_of_the_same() -> None:
    source = traffic({"kind": "flash_crowd", "resource": "c", "start": "now", "lasts": "5m", "times": 6})
    calm, crowded = source.minute(NOON - MINUTE), source.minute(NOON)

    assert crowded.requests[2] == pytest.approx(6 * calm.requests[2], rel=0.05)
    assert failing(source, crowded) == pytest.approx(failing(source, calm), abs=0.01)
    assert source.minute(NOON + 5 * MINUTE).requests[2] < 2 * calm.requests[2]


def test_slowness_takes_time_and_nothing_else() -> None:
    slow, calm = (
        traffic(*troubles).minute(NOON)
        for troubles in ([{"kind": "slowness", "resource": "c", "start": "now", "times": 5}], [])
    )

    assert (slow.seconds / calm.seconds).tolist() == pytest.approx([1, 1, 5])
    assert np.array_equal(slow.answers, calm.answers)


def test_late_bins_are_missing_until_they_come() -> None:
    source = traffic({"kind": "late_bins", "start": "-10m", "lasts": "5m", "by": "30m"})

    def shown(now: Instant) -> list[int]:
        bins = source.bins(NOON - 20 * MINUTE, NOON, width=5 * MINUTE, now=now)
        return [int(requests > 0) for requests in bins.requests.sum(axis=-1)]

    assert shown(NOON) == [1, 1, 0, 1]
    assert shown(NOON + 20 * MINUTE) == [1, 1, 0, 1]
    assert shown(NOON + 25 * MINUTE) == [1, 1, 1, 1]


@pytest.mark.parametrize(("first", "first_errors"), [(0.5, None), (1.0, 20.0), (1.2, 0.0)])
def test_corrected_bins_show_another_number_first(first: float, first_errors: float | None) -> None:
    change = {"first": first} | ({} if first_errors is None else {"first_errors": first_errors})
    correction = {"kind": "corrected_bins", "resource": "c", "start": "-10m", "lasts": "5m", "after": "20m"}
    source = traffic(correction | change)

    def shown(now: Instant) -> tuple[int, int]:
        counts = source.window(NOON - 10 * MINUTE, NOON - 5 * MINUTE, now=now).of([2])
        errors = int(counts.answers[np.array(source.codes) >= 500].sum())
        return int(counts.requests.sum()) - errors, errors

    answers, errors = shown(NOON + 20 * MINUTE)
    early_answers, early_errors = shown(NOON)
    assert early_answers == pytest.approx(first * answers, rel=0.01)
    factor = first if first_errors is None else first_errors
    assert early_errors == pytest.approx(factor * errors, abs=10)


@given(offset=st.integers(0, 59), bins=st.integers(1, 12), width=st.sampled_from([1, 5, 15, 120]))
@settings(max_examples=20, deadline=None)
def test_bins_are_the_windows_they_cover(offset: int, bins: int, width: int) -> None:
    source, start = traffic(resources=({"id": "a", "requests_per_minute": 5},)), NOON + offset * MINUTE
    step = width * MINUTE
    series = source.bins(start, start + bins * step, width=step)

    one_by_one = [source.window(start + n * step, start + (n + 1) * step).answers for n in range(bins)]
    assert np.array_equal(series.answers, np.stack(one_by_one, axis=1))


def test_a_day_of_minutes_is_had_at_once() -> None:
    source = traffic()
    day = source.bins(NOON - DAY, NOON, width=HOUR, now=NOON, lag=5 * MINUTE)

    assert day.requests.shape == (24, 3)
    assert day.requests[-1, 0] < day.requests[-2, 0]
