"""The engine from outside: batches in, transitions out."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.books import said, standing
from watcher.engine.engine import Engine
from watcher.model.incident import Change, Resolution
from watcher.model.labels import label_set
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Instant

NAN = float("nan")
Make = Callable[..., Any]
At = Callable[[int], Instant]


def test_a_breach_opens_at_its_first_bin_and_resolves_at_the_end_of_its_last(world: Make, minute: At) -> None:
    cdn = world()
    cdn.run(range(3), (100, 0))
    (opened,) = cdn.run(range(3, 6), (100, 9))
    (resolved,) = cdn.run(range(6, 8), (100, 0))

    assert (opened.change, opened.opened_at, opened.resolved_at) == (Change.OPENED, minute(3), None)
    assert (resolved.change, resolved.opened_at, resolved.resolved_at) == (
        Change.RESOLVED,
        minute(3),
        minute(6),
    )
    assert resolved.resolution is Resolution.RECOVERED
    assert resolved.recovery is not None
    assert resolved.recovery.seen == 0


def test_for_holds_back_but_does_not_move_the_start(world: Make, minute: At) -> None:
    cdn = world(hold=3 * MINUTE)
    assert cdn.run(range(2), (100, 9)) == []
    assert cdn.state() == "pending"
    (opened,) = cdn.run(range(2, 3), (100, 9))

    assert opened.opened_at == minute(0)
    assert opened.decided_at == minute(3)


def test_a_clear_bin_ends_a_pending_breach_silently(world: Make) -> None:
    cdn = world(hold=3 * MINUTE)
    cdn.run(range(2), (100, 9))
    cdn.run(range(2, 4), (100, 0))
    cdn.run(range(4, 6), (100, 9))

    assert cdn.transitions == []


def test_keep_firing_for_delays_the_telling_not_the_time(world: Make, minute: At) -> None:
    cdn = world(keep=3 * MINUTE)
    cdn.run(range(2), (100, 9))
    assert cdn.run(range(2, 4), (100, 0)) == []
    assert cdn.state() == "recovering"
    (resolved,) = cdn.run(range(4, 5), (100, 0))

    assert resolved.resolved_at == minute(2)
    assert resolved.decided_at == minute(5)


def test_a_breach_while_recovering_goes_on_with_the_same_episode(world: Make) -> None:
    cdn = world(keep=3 * MINUTE)
    cdn.run(range(2), (100, 9))
    cdn.run(range(2, 4), (100, 0))
    cdn.run(range(4, 6), (100, 9))

    assert said(cdn.transitions) == [("shop", Change.OPENED)]
    assert cdn.state() == "firing"


def test_going_blind_is_never_a_recovery(world: Make) -> None:
    cdn = world()
    cdn.run(range(2), (100, 9))
    cdn.run(range(2, 200), (NAN, NAN))

    assert said(cdn.transitions) == [("shop", Change.OPENED)]
    assert cdn.state() == "firing"


def test_a_resource_that_leaves_the_answer_is_unknown_not_well(world: Make) -> None:
    cdn = world()
    cdn.run(range(2), (100, 0), (100, 9))
    cdn.run(range(2, 60), (100, 0))

    assert said(cdn.transitions) == [("video", Change.OPENED)]


def test_bins_that_never_came_are_unknown(world: Make, minute: At) -> None:
    cdn = world(hold=2 * MINUTE)
    cdn.feed(cdn.batch(0, (100, 9)))
    cdn.feed(cdn.batch(5, (100, 9)))

    assert cdn.state() == "pending"  # the lapse of more than three bins began it anew
    (opened,) = cdn.feed(cdn.batch(6, (100, 9)))
    assert opened.opened_at == minute(5)


def test_unknown_pauses_for(world: Make, minute: At) -> None:
    cdn = world(hold=2 * MINUTE)
    cdn.feed(cdn.batch(0, (100, 9)))
    cdn.feed(cdn.batch(1, (NAN, NAN)))
    (opened,) = cdn.feed(cdn.batch(2, (100, 9)))

    assert opened.opened_at == minute(0)


def test_firing_unseen_for_a_day_is_noted_and_for_a_week_is_closed_as_unjudged(
    world: Make, minute: At
) -> None:
    cdn = world()
    cdn.run(range(2), (100, 9), (100, 0))
    for hour in range(1, 24 * 8):
        cdn.feed(cdn.batch(hour * 60, (NAN, NAN), (100, 0)))

    assert said(cdn.transitions) == [
        ("shop", Change.OPENED),
        ("shop", Change.UNJUDGED),
        ("shop", Change.RESOLVED),
    ]
    closed = cdn.transitions[-1]
    assert (closed.resolution, closed.resolved_at) == (Resolution.UNJUDGED, minute(2))


def test_provisional_bins_are_not_judged_until_they_settle(world: Make) -> None:
    cdn = world()
    cdn.feed(cdn.batch(0, (100, 0)))
    assert cdn.feed(cdn.batch(1, (100, 9), settled=1)) == []
    (opened,) = cdn.feed(cdn.batch(1, (100, 9), settled=2))
    assert opened.change is Change.OPENED


def test_a_correction_withdraws_what_never_was(world: Make) -> None:
    cdn = world()
    cdn.run(range(3), (100, 0))
    cdn.run(range(3, 5), (100, 9))
    cdn.run(range(5, 8), (100, 0))
    corrected = cdn.feed(cdn.batch(3, (100, 0)), cdn.batch(4, (100, 0)), cdn.batch(7, (100, 0)))

    assert said(corrected) == [("shop", Change.WITHDRAWN)]


def test_a_late_bad_bin_opens_late_with_its_true_start(world: Make, minute: At) -> None:
    cdn = world()
    cdn.run(range(3), (100, 0))
    cdn.run(range(5, 8), (100, 0))
    opened, resolved = cdn.feed(cdn.batch(3, (100, 9)))

    assert (opened.change, opened.opened_at) == (Change.OPENED, minute(3))
    assert (resolved.change, resolved.resolved_at) == (Change.RESOLVED, minute(4))


def test_a_correction_before_the_start_moves_it(world: Make, minute: At) -> None:
    cdn = world()
    cdn.run(range(3), (100, 0))
    cdn.run(range(3, 6), (100, 9))
    (moved,) = cdn.feed(cdn.batch(2, (100, 9)))

    assert (moved.change, moved.was, moved.opened_at) == (Change.MOVED, minute(3), minute(2))


def test_a_correction_between_two_episodes_merges_them_into_the_older(world: Make, minute: At) -> None:
    cdn = world()
    cdn.run(range(2), (100, 9))
    cdn.run(range(2, 3), (100, 0))
    cdn.run(range(3, 5), (100, 9))
    changes = cdn.feed(cdn.batch(2, (100, 9)))

    assert sorted(t.change for t in changes) == [Change.MERGED, Change.REOPENED]
    merged = next(t for t in changes if t.change is Change.MERGED)
    assert (merged.was, merged.opened_at) == (minute(3), minute(0))


def test_what_comes_later_than_the_horizon_judges_nothing(world: Make) -> None:
    cdn = world(horizon=10 * MINUTE)
    cdn.run(range(30), (100, 0))

    assert cdn.feed(cdn.batch(5, (100, 9))) == []
    assert cdn.feed(cdn.batch(25, (100, 9))) != []


def test_a_stream_that_was_blind_catches_up_beside_another_one(world: Make, minute: At) -> None:
    cdn = world()
    cdn.run(range(3), (100, 0))
    for at in range(2, 302, 50):
        cdn.feed(*(replace(cdn.batch(one, (100, 0)), stream="b") for one in range(at, at + 50)))
    for at in range(3, 303, 50):
        cdn.feed(*(cdn.batch(one, (100, 9)) for one in range(at, at + 50)))

    assert cdn.engine.late == 0
    assert cdn.transitions[0].opened_at == minute(3)


def test_a_day_of_bins_in_one_tick_is_judged_by_its_own_past(world: Make, minute: At) -> None:
    cdn = world("spike")
    cdn.width = 5 * MINUTE
    burst = range(100, 130, 5)
    cdn.feed(*(cdn.batch(at, (4000, 900 if at in burst else 8)) for at in range(0, 24 * 60, 5)))

    assert standing(cdn.transitions) == [("shop", minute(100), minute(130))]


def test_a_coarse_stream_hands_its_episode_to_the_fine_one(world: Make, minute: At) -> None:
    cdn = world()
    cdn.stream, cdn.width = "resources-10m", 10 * MINUTE
    cdn.feed(cdn.batch(0, (100, 0)), cdn.batch(10, (100, 90)))
    cdn.stream, cdn.width = "resources", MINUTE
    cdn.run(range(20, 23), (10, 9))
    cdn.run(range(23, 25), (10, 0))

    assert said(cdn.transitions) == [("shop", Change.OPENED), ("shop", Change.RESOLVED)]
    assert (cdn.transitions[-1].opened_at, cdn.transitions[-1].resolved_at) == (minute(10), minute(23))


@settings(max_examples=60, deadline=None)
@given(
    bad=st.lists(st.sampled_from([0.0, 9.0, NAN]), min_size=12, max_size=40),
    seed=st.integers(0, 10_000),
    hold=st.integers(0, 3),
    keep=st.integers(0, 3),
)
def test_the_order_of_arrival_does_not_matter(
    world: Make, bad: list[float], seed: int, hold: int, keep: int
) -> None:
    """Nor do duplicates and partial, later corrected deliveries, within the horizon."""
    chance = random.Random(seed)  # noqa: S311 - a test's shuffle
    ordered, shuffled = (world(hold=hold * MINUTE, keep=keep * MINUTE) for _ in range(2))
    for minute, value in enumerate(bad):
        ordered.feed(ordered.batch(minute, (100, value), (100, 0)))
    deliveries = list(enumerate(bad)) + [(m, chance.choice([0.0, 9.0, v])) for m, v in enumerate(bad)]
    chance.shuffle(deliveries)
    last = {minute: index for index, (minute, _) in enumerate(deliveries)}
    arrived = [
        (minute, bad[minute] if last[minute] == index else value)
        for index, (minute, value) in enumerate(deliveries)
    ]
    while arrived:
        size = chance.randint(1, 4)
        now, arrived = arrived[:size], arrived[size:]
        shuffled.feed(*(shuffled.batch(minute, (100, value), (100, 0)) for minute, value in now))

    assert standing(shuffled.transitions) == standing(ordered.transitions)


@settings(max_examples=60, deadline=None)
@given(
    bad=st.lists(st.tuples(*[st.sampled_from([0.0, 9.0, NAN])] * 2), min_size=5, max_size=20),
    seed=st.integers(0, 10_000),
    hold=st.integers(0, 3),
)
def test_equal_bins_of_two_streams_may_come_in_any_order(
    world: Make, bad: list[tuple[float, float]], seed: int, hold: int
) -> None:
    ordered, shuffled = (world(hold=hold * MINUTE) for _ in range(2))
    batches = [
        replace(ordered.batch(minute, (100, value)), stream=stream)
        for minute, values in enumerate(bad)
        for stream, value in zip(("a", "b"), values, strict=True)
    ]
    for batch in batches:
        ordered.feed(batch)
    random.Random(seed).shuffle(batches)  # noqa: S311 - a test's shuffle
    for batch in batches:
        shuffled.feed(batch)

    assert standing(shuffled.transitions) == standing(ordered.transitions)


def certificates(now: Instant, *ends: float) -> SampleBatch:
    return SampleBatch(
        source="edge",
        vendor="tls",
        stream="probe",
        width=0,
        fetched_at=now,
        settled_until=now,
        entities=tuple(label_set({"domain": f"d{i}", "address": "x"}) for i in range(len(ends))),
        metrics=(("tls_certificate_not_after_seconds", ()),),
        starts=np.array([now], np.int64),
        values=np.array(ends, np.float64).reshape(1, 1, -1),
    )


def sight(now: Instant, up: float) -> SampleBatch:
    return SampleBatch(
        source="edge",
        vendor="tls",
        stream="probe.sight",
        width=HOUR,
        fetched_at=now + HOUR,
        settled_until=now + HOUR,
        entities=(label_set({"stream": "probe"}),),
        metrics=(("watcher_up", ()),),
        starts=np.array([now], np.int64),
        values=np.array([[[up]]]),
    )


def test_a_certificate_that_was_seen_expires_while_its_probe_is_blind(world: Make, minute: At) -> None:
    engine: Engine = world("expiry").engine
    ends = (minute(0) + 15 * DAY) / SECOND
    engine.ingest(certificates(minute(0), ends))
    assert engine.evaluate(minute(0)) == []
    for hour in range(1, 26):
        engine.ingest(sight(minute(60 * hour), 0.0))
    (opened,) = engine.evaluate(minute(60 * 26))

    assert opened.opened_at == minute(60 * 25)
    assert "expires in 13 d 23 h" in opened.summary


def test_a_renewal_resolves_with_the_first_good_reading(world: Make, minute: At) -> None:
    engine: Engine = world("expiry").engine
    engine.ingest(certificates(minute(0), (minute(0) + 5 * DAY) / SECOND))
    (opened,) = engine.evaluate(minute(0))
    engine.ingest(certificates(minute(7), (minute(0) + 90 * DAY) / SECOND))
    (resolved,) = engine.evaluate(minute(7))

    assert (opened.opened_at, resolved.resolved_at) == (minute(0), minute(7))
    assert opened.summary == "domain d0: expires in 5 d, on 2023-11-19T22:20:00Z"


def test_a_spike_is_told_in_words_and_against_what_is_usual(world: Make, minute: At) -> None:
    cdn = world("spike")
    cdn.run(range(60), (4000, 8), (12, 0))
    (opened,) = cdn.run(range(60, 65), (4000, 496), (12, 1))

    assert opened.opened_at == minute(60)
    assert opened.summary == "resource shop: 12.4 % of 8 000 requests, usually 0.2 %"
    assert opened.evidence.requests == pytest.approx(8000)


def test_stray_errors_at_low_traffic_stay_quiet(world: Make) -> None:
    cdn = world("spike")
    for minute in range(120):
        cdn.feed(cdn.batch(minute, (3, 1 if minute in {40, 41, 90} else 0)))

    assert cdn.transitions == []


def test_a_chronic_error_floor_is_the_resource_s_own_level(world: Make) -> None:
    cdn = world("spike")
    cdn.run(range(120), (1000, 60))

    assert cdn.transitions == []


def test_a_stream_whose_bins_get_another_width_is_judged_by_its_new_ones(world: Make, minute: At) -> None:
    cdn = world(hold=6 * MINUTE)
    cdn.run(range(10), (100, 0))
    cdn.width = 10 * SECOND
    for second in range(0, 120, 10):
        start = minute(10) + second * SECOND
        batch = replace(cdn.batch(10, (100, 9)), settled_until=start + cdn.width, starts=np.array([start]))
        assert cdn.feed(batch) == []

    assert cdn.state() == "pending"
