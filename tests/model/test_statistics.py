"""Statistics of incidents: durations that add up, and rules that nobody attends to."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.incident import Status
from watcher.model.rule import Severity
from watcher.model.statistics import Brief, Spread, statistics
from watcher.model.time import MINUTE, Instant

START: Instant = 1_700_000_000_000


def brief(
    rule: str = "spike",
    *,
    detected: int = 1,
    acknowledged: int | None = None,
    resolved: int | None = None,
    status: Status = Status.OPEN,
) -> Brief:
    """Times are minutes after its start."""
    return Brief(
        rule=rule,
        severity=Severity.WARNING,
        status=status if resolved is None else Status.RESOLVED,
        opened_at=START,
        detected_at=START + detected * MINUTE,
        acknowledged_at=None if acknowledged is None else START + acknowledged * MINUTE,
        resolved_at=None if resolved is None else START + resolved * MINUTE,
        returns=0,
        flapping=False,
    )


def test_nothing_has_no_figures() -> None:
    total = statistics([]).total

    assert (total.incidents, total.noise, total.to_resolve) == (0, None, Spread())


def test_means_and_quantiles_are_of_what_is_known() -> None:
    total = statistics([brief(resolved=11), brief(resolved=21), brief(resolved=61), brief()]).total

    assert (total.to_resolve.count, total.to_resolve.mean) == (3, 30 * MINUTE)
    assert (total.to_resolve.median, total.to_resolve.p90) == (20 * MINUTE, 60 * MINUTE)
    assert total.to_detect.count == 4
    assert total.to_acknowledge == Spread()


def test_what_was_over_before_it_was_detected_is_in_no_time_to_acknowledge_or_to_resolve() -> None:
    found_late = brief(detected=9, acknowledged=12, resolved=5)
    total = statistics([found_late, brief(acknowledged=3, resolved=11)]).total

    assert (found_late.to_acknowledge, found_late.to_resolve) == (None, None)
    assert (total.to_acknowledge.count, total.to_acknowledge.mean) == (1, 2 * MINUTE)
    assert (total.to_resolve.count, total.to_resolve.mean) == (1, 10 * MINUTE)


def test_what_a_person_ended_took_until_that_person_acted() -> None:
    """Its end is as of where the streams were settled, which may be before it was detected."""
    ended = replace(brief(detected=9, resolved=5), ended_by_hand_at=START + 20 * MINUTE)

    assert ended.to_resolve == 11 * MINUTE


def test_the_noisiest_rule_is_the_one_that_nobody_attends_to_most() -> None:
    told = [brief("good", acknowledged=2, resolved=30)] * 3 + [brief("noisy", resolved=2)] * 2
    figures = statistics([*told, brief("noisy", status=Status.WITHDRAWN), brief("good")])

    assert [*figures.rules] == ["noisy", "good"]
    noisy, good = figures.rules["noisy"], figures.rules["good"]
    assert (noisy.unattended, noisy.noise, noisy.brief, noisy.withdrawn) == (2, 1.0, 2, 1)
    assert (good.unattended, good.noise, good.standing) == (0, 0.0, 1)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=40))
def test_quantiles_are_values_that_occurred_and_at_least_their_share_is_no_more(values: list[int]) -> None:
    spread = Spread.of(values)

    for share, quantile in ((0.5, spread.median), (0.9, spread.p90)):
        assert quantile in values
        assert sum(value <= quantile for value in values) >= share * len(values) - 1e-9
    assert spread.mean == pytest.approx(sum(values) / len(values), abs=1)
