"""How long bins go on changing, and the `settle` that suggests."""

import random
from dataclasses import replace

import numpy as np
import pytest

from tests.collect.fakes import SPEC, Rig, at
from watcher.collect.lateness import LEAST, Lateness
from watcher.model.labels import LabelSet
from watcher.model.ports import Clock
from watcher.model.sample import SampleBatch
from watcher.model.time import HOUR, MINUTE, Duration, Instant

RE_READ = replace(SPEC, overlap=10 * MINUTE)
E1: LabelSet = (("resource", "a"),)
E2: LabelSet = (("resource", "b"),)


def batch(start: Instant, *values: float, entities: tuple[LabelSet, ...] = (E1,)) -> SampleBatch:
    return SampleBatch(
        source="s",
        vendor="v",
        stream="s",
        width=MINUTE,
        fetched_at=start,
        settled_until=start,
        entities=entities,
        metrics=(("cdn_requests", ()),),
        starts=np.array([start], dtype=np.int64),
        values=np.array(values, dtype=np.float64).reshape(1, 1, len(entities)),
    )


def measured(final_age: Duration, *, every: int = 1, bins: int = 2 * LEAST) -> Duration | None:
    """Each `every`th bin gets its last value at this age; all are read at 3 to 12 minutes."""
    lateness = Lateness(RE_READ)
    for number in range(bins):
        start = number * MINUTE
        for age in range(3 * MINUTE, 13 * MINUTE, MINUTE):
            late = number % every == 0 and age < final_age
            lateness.see(batch(start, 1.0 if late else 2.0), start + MINUTE + age)
    return lateness.suggested_settle


def test_bins_that_do_not_change_after_they_were_first_read_need_no_longer_settle() -> None:
    assert measured(0) == SPEC.settle


def test_the_age_at_which_bins_last_changed_is_suggested_in_whole_minutes() -> None:
    assert measured(7 * MINUTE) == 7 * MINUTE
    assert measured(6 * MINUTE + 1) == 7 * MINUTE


def test_one_bin_in_a_thousand_does_not_decide() -> None:
    assert measured(9 * MINUTE, every=1_000, bins=400) == SPEC.settle


def test_nothing_is_said_while_bins_still_change_when_they_are_read_for_the_last_time() -> None:
    """Whether they do so later still, only a longer `overlap` would show."""
    assert measured(11 * MINUTE) == 11 * MINUTE
    assert measured(12 * MINUTE) is None


def test_a_backlog_read_in_large_answers_measures_nothing() -> None:
    lateness = Lateness(replace(RE_READ, reads=6 * HOUR))
    for number in range(4 * LEAST):
        for age, value in ((HOUR, 1.0), (HOUR + MINUTE, 2.0), (HOUR + 2 * MINUTE, 2.0)):
            lateness.see(batch(number * MINUTE, value), (number + 1) * MINUTE + age)

    assert lateness.suggested_settle is None


def test_nothing_is_said_of_few_bins() -> None:
    assert measured(7 * MINUTE, bins=LEAST) is None


def test_bins_first_read_long_after_their_time_measure_nothing() -> None:
    lateness = Lateness(RE_READ)
    for number in range(4 * LEAST):
        for age, value in ((5 * HOUR, 1.0), (6 * HOUR, 2.0)):
            lateness.see(batch(number * MINUTE, value), number * MINUTE + age)

    assert lateness.suggested_settle is None


def test_where_bins_change_for_as_long_as_they_are_read_nothing_is_suggested() -> None:
    assert measured(12 * MINUTE) is None
    assert measured(12 * MINUTE, every=1_000, bins=400) == SPEC.settle


def test_a_backlog_that_long_windows_read_measures_nothing() -> None:
    lateness = Lateness(replace(RE_READ, reads=24 * HOUR))
    for number in range(4 * LEAST):
        for age, value in ((5 * HOUR, 1.0), (6 * HOUR, 2.0), (7 * HOUR, 2.0)):
            lateness.see(batch(number * MINUTE, value), number * MINUTE + age)

    assert lateness.suggested_settle is None


@pytest.mark.parametrize(
    ("again", "changed"),
    [
        (batch(0, 2.0, 1.0, entities=(E2, E1)), False),
        (batch(0, 1.0, 2.0, np.nan, entities=(E1, E2, (("resource", "c"),))), False),
        (batch(0, 1.0, 2.0, 0.0, entities=(E1, E2, (("resource", "new to us, as of now"),))), False),
        (batch(0, 1.0, 2.0, 5.0, entities=(E1, E2, (("resource", "c"),))), True),
        (batch(0, 1.0, 0.0, entities=(E1, E2)), True),
        (batch(0, 1.0, 3.0, entities=(E1, E2)), True),
        (batch(0, 2.0, 1.0, entities=(E1, E2)), True),
        (batch(0, 1.0), True),
        (batch(0, np.nan, np.nan, entities=(E1, E2)), True),
    ],
)
def test_a_bin_changes_by_what_is_said_of_its_series_not_by_their_order(
    again: SampleBatch,
    changed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    lateness = Lateness(RE_READ)
    lateness.see(batch(0, 1.0, 2.0, entities=(E1, E2)), 4 * MINUTE)
    lateness.see(again, 9 * MINUTE)

    assert (lateness._seen[0].changed > 0) is changed


def test_a_bin_of_zeros_that_was_unknown_before_has_changed() -> None:
    lateness = Lateness(RE_READ)
    for age, value in ((4 * MINUTE, np.nan), (5 * MINUTE, 0.0)):
        lateness.see(batch(0, value), MINUTE + age)

    assert lateness._seen[0].changed == 5 * MINUTE
    assert lateness.said_until == MINUTE


def test_minus_zero_is_zero() -> None:
    lateness = Lateness(RE_READ)
    lateness.see(batch(0, 0.0), 4 * MINUTE)
    lateness.see(batch(0, -0.0), 5 * MINUTE)

    assert lateness._seen[0].changed == 0


def test_what_is_remembered_is_bounded() -> None:
    lateness = Lateness(replace(SPEC, overlap=24 * HOUR))
    for number in random.Random(1).sample(range(5_000), 5_000):  # noqa: S311 - an order
        lateness.see(batch(number * MINUTE, 1.0), number * MINUTE)

    assert len(lateness._seen) <= 2_048


@pytest.mark.looptime
async def test_a_vendor_whose_bins_come_late_shows_in_the_sight_and_in_the_delay(clock: Clock) -> None:
    """Nothing is said of a bin before it is eight minutes old."""
    rig = Rig(clock)
    rig.vendor.value = lambda start: 1.0 if clock.now() - start >= 9 * MINUTE else np.nan
    await rig.poll(replace(SPEC, overlap=10 * MINUTE, backfill=30 * MINUTE), 2 * HOUR)
    last = rig.sink.polls[-1]
    delays = [float(batch.values[-1, 1, 0]) for batch in rig.sink.batches("s.sight")]

    assert last.sight.suggested_settle == 8 * MINUTE
    assert delays[-1] == 8 * 60
    assert rig.sink.polls[0].sight.suggested_settle is None
    assert last.sight.at > at("04:58")
