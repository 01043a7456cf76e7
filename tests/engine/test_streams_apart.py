"""Streams of one source that come one after the other: each is late by its own watermark only."""

import numpy as np

from tests.engine.conftest import World, at, errors_above
from watcher.engine.detectors.threshold import Threshold, ThresholdParams
from watcher.engine.engine import BoundRule
from watcher.model.labels import Matcher, Selector
from watcher.model.rule import Rule
from watcher.model.sample import SampleBatch
from watcher.model.time import HOUR

LENGTH = 300


def by_tier() -> BoundRule:
    """A rule whose one group every stream feeds, and that looks back."""
    params = ThresholdParams(above_by=3, aggregate="mean", window="10m", past="4h")
    of = (Matcher("status_class", ("5xx",)), Matcher("resource", regex=".+"))
    match = {"value": Selector("cdn_responses", of)}
    return BoundRule(Rule("wide", "threshold", match, ("tier",), params), Threshold(params))


def stories(world: World) -> tuple[list[SampleBatch], list[SampleBatch]]:
    """The same hours of two streams, each of a resource of its own that has ten bad minutes early on."""
    found = []
    for stream, name, bad in (("x", "shop", 9), ("y", "video", 6)):
        world.stream = stream
        minutes = range(LENGTH)
        found.append([
            world.batch(minute, (100, bad if 50 <= minute < 60 else 0), names=(name,)) for minute in minutes
        ])  # fmt: skip
    return found[0], found[1]


def test_a_stream_whose_past_comes_after_its_neighbours_is_judged_all_the_same() -> None:
    world = World([errors_above(5), by_tier()], horizon=HOUR)
    first, second = stories(world)
    for batch in (*first, *second):
        world.feed(batch)
    own = [told for told in world.transitions if told.key.rule == "high"]

    assert [(dict(one.key.labels)["resource"], one.opened_at, one.resolved_at) for one in own] == [
        ("shop", at(50), None),
        ("shop", at(50), at(60)),
        ("video", at(50), None),
        ("video", at(50), at(60)),
    ]
    assert world.engine.late == 0


def test_a_stream_is_late_by_its_own_watermark() -> None:
    world = World([errors_above(5), by_tier()], horizon=HOUR)
    first, second = stories(world)
    for batch in (*first, *second):
        world.feed(batch)
    world.feed(second[LENGTH - 61])

    assert world.engine.late == 1


def test_what_a_rule_over_both_has_learned_stays_when_the_second_brings_its_past() -> None:
    """Slots that are final are not made again from bins of which only one stream's are left."""
    world = World([errors_above(5), by_tier()], horizon=HOUR)
    first, second = stories(world)
    for batch in first:
        world.feed(batch)
    track = world.engine.tracks("wide", "cdn")[0]
    past, rows = track.past, len(track.keys)
    starts = past.slots.starts(0, at(LENGTH - 60))
    before = past.slots.sums("value", starts, None, rows)
    for batch in second:
        world.feed(batch)

    assert starts.size
    np.testing.assert_array_equal(past.slots.sums("value", starts, None, rows), before)
