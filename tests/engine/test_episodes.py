"""Episodes of one group: which became which, where they touch, and where bins of several widths meet."""

import numpy as np

from tests.engine.books import incidents
from watcher.engine.detectors.threshold import Threshold, ThresholdParams
from watcher.engine.engine import BoundRule, Engine
from watcher.engine.episodes import Episode, differences
from watcher.model.incident import Change, Resolution, Transition
from watcher.model.labels import Matcher, Selector, label_set
from watcher.model.rule import Rule
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE

START = 1_700_006_400_000


def episode(opened: int, ended: int | None = None) -> Episode:
    return Episode(opened, ended, None if ended is None else Resolution.RECOVERED)


def changes(told: list[Episode], now: list[Episode]) -> list[tuple[Change, int, int | None]]:
    found = differences(told, now)
    return [(one.change, one.now.opened_at, one.was.opened_at if one.was else None) for one in found]


def test_two_that_touch_are_two_for_as_long_as_both_are_there() -> None:
    both = [episode(5, 10), episode(10, 20)]

    assert changes(both, both) == []
    assert changes(both, [episode(5, 10), episode(10, 25)]) == [(Change.MOVED, 10, 10)]
    assert changes([episode(5, 10)], both)[0] == (Change.OPENED, 10, None)


def test_what_is_left_of_two_that_became_one_is_the_older() -> None:
    assert changes([episode(5, 10), episode(12, 20)], [episode(5, 20)]) == [
        (Change.MERGED, 5, 12),
        (Change.MOVED, 5, 5),
    ]


def test_one_that_moved_to_where_it_ended_is_the_same() -> None:
    assert changes([episode(5, 10)], [episode(10, 20)]) == [(Change.MOVED, 10, 5)]


def test_a_later_one_that_stays_is_not_merged_into_what_an_earlier_one_became() -> None:
    assert changes([episode(5, 10), episode(20, 30)], [episode(5, 20), episode(20, 30)]) == [
        (Change.MOVED, 5, 5)
    ]


# --- bins of several widths


def everywhere() -> BoundRule:
    """One group that all streams feed."""
    params = ThresholdParams(above=5)
    of = (Matcher("status_class", ("5xx",)), Matcher("resource", regex=".+"))
    return BoundRule(
        Rule("wide", "threshold", {"value": Selector("cdn_responses", of)}, ("tier",), params),
        Threshold(params),
    )


def bin_of(stream: str, minute: int, width: int, failed: float) -> SampleBatch:
    start = START + minute * MINUTE
    return SampleBatch(
        source="cdn",
        vendor="test",
        stream=stream,
        width=width * MINUTE,
        fetched_at=start + width * MINUTE,
        settled_until=start + width * MINUTE,
        entities=(label_set({"resource": stream}),),
        metrics=(("cdn_responses", label_set({"tier": "edge", "status_class": "5xx"})),),
        starts=np.array([start], np.int64),
        values=np.array([[[failed]]]),
    )


def told(batches: list[SampleBatch], horizon: int = 30) -> list[Transition]:
    engine, found = Engine([everywhere()], horizon * MINUTE), []
    for batch in sorted(batches, key=lambda one: one.fetched_at):
        engine.ingest(batch)
        found += engine.evaluate(batch.fetched_at)
    return found


def stood(transitions: list[Transition]) -> list[tuple[int, int | None]]:
    """From which minute to which."""
    return sorted(
        ((one.opened_at - START) // MINUTE, one.resolved_at and (one.resolved_at - START) // MINUTE)
        for one in incidents(transitions)
    )


def test_a_clear_bin_within_a_wide_one_that_is_bad_ends_nothing() -> None:
    """Episodes of one group never overlap."""
    wide = [bin_of("a", at, 10, 9 if at == 10 else 0) for at in range(0, 60, 10)]
    fine = [bin_of("b", at, 2, 9 if at in {16, 18} else 0) for at in range(0, 60, 2)]

    assert stood(told(wide + fine)) == [(10, 20)]


def test_incidents_that_touch_are_told_once_each_also_when_they_become_final() -> None:
    """The clear bin that ends the first begins where the second does."""
    wide = [bin_of("a", at, 10, 9 if at in {10, 20, 50} else 0) for at in range(0, 90, 10)]
    fine = [bin_of("b", at, 2, 0) for at in range(0, 90, 2)]
    found = told(wide + fine)

    assert stood(found) == [(10, 20), (20, 30), (50, 60)]
    assert [one.change for one in found] == [Change.OPENED, Change.RESOLVED] * 3
