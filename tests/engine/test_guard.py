"""Bad input: nothing is raised, nothing else is lost, and what is refused is counted and told once."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.conftest import START, World, at, spike
from watcher.engine.engine import Engine
from watcher.engine.growth import Growth
from watcher.engine.guard import Guard, Notice, Reason
from watcher.model.incident import Change
from watcher.model.labels import label_set
from watcher.model.sample import WITHDRAWN, Exemplar, SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, Duration

NAN, INF = float("nan"), float("inf")
REQUESTS = ("cdn_requests", label_set({"tier": "edge"}))
ERRORS = ("cdn_responses", label_set({"tier": "edge", "status_class": "5xx"}))
FINE = ("cdn_responses", label_set({"tier": "edge", "status_class": "2xx"}))
HITS = ("cdn_hit_ratio", ())


def batch(
    *planes: Sequence[float],
    metrics: tuple[object, ...] = (REQUESTS, ERRORS),
    minute: int = 0,
    width: Duration = MINUTE,
) -> SampleBatch:
    """One bin: a list of values, one an entity, for each metric."""
    start = START + minute * MINUTE
    return SampleBatch(
        source="cdn",
        vendor="test",
        stream="resources",
        width=width,
        fetched_at=start + width,
        settled_until=start + width,
        entities=tuple(label_set({"resource": f"r{n}"}) for n in range(len(planes[0]))),
        metrics=metrics,  # type: ignore[arg-type]
        starts=np.array([start], np.int64),
        values=np.array(planes, np.float64)[np.newaxis],
    )


def kept(guard: Guard, given: SampleBatch) -> list[list[float]]:
    """The values that are judged, by metric."""
    found: list[list[float]] = guard.admit(given).values[0].tolist()
    return found


def counts(guard: Guard) -> dict[Reason, int]:
    return {reason: count for (_, _, reason), count in guard.counts.items()}


def test_a_clean_batch_passes_as_the_object_that_it_is() -> None:
    guard, given = Guard(), batch([100, NAN, 0], [3, NAN, 0])

    assert guard.admit(given) is given
    assert (guard.counts, guard.notices()) == ({}, [])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (INF, Reason.INFINITE),
        (-INF, Reason.INFINITE),
        (-1.0, Reason.NEGATIVE),
        (-1e300, Reason.NEGATIVE),
        (2e15, Reason.TOO_LARGE),
        (1e300, Reason.TOO_LARGE),
    ],
)
def test_a_value_that_no_count_can_have_is_unknown_and_the_others_stay(bad: float, reason: Reason) -> None:
    guard = Guard()

    np.testing.assert_equal(kept(guard, batch([100, bad, 7], [3, 1, 0])), [[100, NAN, 7], [3, 1, 0]])
    assert counts(guard) == {reason: 1}


def test_what_a_partial_batch_withdraws_is_no_infinity() -> None:
    guard = Guard()
    given = replace(batch([WITHDRAWN, INF], [3, 1]), partial=True)

    np.testing.assert_equal(kept(guard, given), [[WITHDRAWN, NAN], [3, 1]])
    assert counts(guard) == {Reason.INFINITE: 1}


def test_all_series_that_arrive_in_the_first_minutes_are_a_stream_s_own_size() -> None:
    guard = Guard()
    sizes = [1, 40, 9_000, 20_000]
    admitted = [guard.admit(batch([1] * n, [0] * n, minute=at)) for at, n in enumerate(sizes)]

    assert [len(one.entities) for one in admitted] == sizes


def test_values_that_are_left_for_later_are_checked_when_the_joined_batch_is_admitted() -> None:
    guard, given = Guard(), batch([100, INF], [3, -1])
    passed = guard.admit(given, values=False)
    assert passed.values is given.values
    assert counts(guard) == {}

    np.testing.assert_array_equal(guard.admit(passed).values[0], [[100, NAN], [3, NAN]])
    assert counts(guard) == {Reason.INFINITE: 1, Reason.NEGATIVE: 1}


def test_nan_is_unknown_and_no_bad_input() -> None:
    guard = Guard()

    np.testing.assert_equal(kept(guard, batch([NAN, NAN], [1, NAN])), [[NAN, NAN], [1, NAN]])
    assert counts(guard) == {}


def test_a_ratio_above_one_is_refused_unless_it_is_rounding() -> None:
    guard = Guard()

    np.testing.assert_equal(
        kept(guard, batch([1.2, 1 + 5e-7, 1, -0.1, 0.5], metrics=(HITS,))), [[NAN, 1, 1, NAN, 0.5]]
    )
    assert counts(guard) == {Reason.NO_SHARE: 2}


def test_classes_that_exceed_requests_are_refused_and_the_requests_stay() -> None:
    guard = Guard()
    given = batch([100, 100, 100], [60, 500, 1], [41, NAN, 99], metrics=(REQUESTS, ERRORS, FINE))

    np.testing.assert_equal(kept(guard, given), [[100, 100, 100], [60, NAN, 1], [41, NAN, 99]])
    assert counts(guard) == {Reason.PARTS_EXCEED: 1}


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_rounding_each_class_by_itself_is_no_excess(bad: int, good: int, off: float, more: float) -> None:
    guard = Guard()
    guard.admit(
        batch([bad + good], [max(0, bad + off)], [max(0, good + more)], metrics=(REQUESTS, ERRORS, FINE))
    )

    assert counts(guard) == {}


def test_classes_of_one_tier_are_compared_with_requests_of_that_tier() -> None:
    origin = ("cdn_requests", label_set({"tier": "origin"}))
    guard = Guard()
    guard.admit(batch([5], [100], [60], metrics=(origin, REQUESTS, ERRORS)))

    assert counts(guard) == {}


def test_bins_in_the_future_are_refused_and_the_others_stay() -> None:
    guard = Guard()
    given = batch([1], [0])
    given = replace(
        given, starts=np.array([START, START + HOUR, START + 9_000 * DAY]), values=np.zeros((3, 2, 1))
    )

    assert guard.admit(given).starts.tolist() == [START]
    assert counts(guard) == {Reason.IN_FUTURE: 2}


def test_a_bin_that_a_slightly_wrong_clock_puts_ahead_is_taken() -> None:
    given = replace(batch([1], [0]), fetched_at=START - 4 * MINUTE, settled_until=START - 4 * MINUTE)

    assert Guard().admit(given) is given


def test_bins_of_another_age_are_refused() -> None:
    guard = Guard()
    given = replace(batch([1], [0]), starts=np.array([0]))

    assert len(guard.admit(given).starts) == 0
    assert counts(guard) == {Reason.ANCIENT: 1}


def test_what_is_settled_after_it_was_fetched_does_not_drag_the_watermark() -> None:
    guard = Guard()
    given = replace(batch([1], [0]), settled_until=START + 9_000 * DAY)

    assert guard.admit(given).settled_until == given.fetched_at
    assert counts(guard) == {Reason.CLOCK_JUMP: 1}


def test_ten_times_the_series_in_a_minute_are_let_in_by_and_by() -> None:
    guard = Guard()
    guard.admit(batch([1] * 1_000, [0] * 1_000))
    many = [batch([1] * 10_000, [0] * 10_000, minute=minute) for minute in range(10, 14)]
    exemplar = Exemplar(9_999, START, {})
    first = guard.admit(replace(many[0], exemplars=(exemplar, Exemplar(5, START, {})), complete=True))

    assert (len(first.entities), first.values.shape, first.complete) == (2_000, (1, 2, 2_000), False)
    assert first.entities[:1_000] == batch([1] * 1_000, [0] * 1_000).entities
    assert [one.entity for one in first.exemplars] == [5]
    assert [len(guard.admit(one).entities) for one in many[1:]] == [4_000, 8_000, 10_000]
    assert counts(guard) == {Reason.NEW_LABELS: 8_000 + 6_000 + 2_000}


def test_new_labels_of_a_metric_are_bounded_too() -> None:
    guard = Guard()
    guard.admit(batch([1], [0]))
    codes = tuple(("cdn_status_responses", label_set({"status": str(n)})) for n in range(5_000))
    clean = guard.admit(batch([9], *([0] for _ in codes), metrics=(REQUESTS, *codes), minute=10))

    assert clean.metrics[:3] == (REQUESTS, *codes[:2])
    assert len(clean.metrics) == clean.values.shape[1] == 1_001


def test_series_without_end_are_bounded_in_all() -> None:
    growth, seen = Growth[str](most=3_000), 0
    for minute in range(20):
        taken = growth.admit(tuple(f"{minute}-{n}" for n in range(1_000)), START + minute * MINUTE)
        seen += 1_000 if taken is None else int(taken.sum())

    assert seen == 3_000
    assert growth.admit(("another",), START + 3 * DAY) is None


@pytest.mark.parametrize("minutes", [[0], [0, 4], [0, 10, 11], [0, 800, 1_500, 1_501]])
def test_a_restart_neither_refuses_known_series_nor_lets_in_a_flood(minutes: list[int]) -> None:
    """An engine that was loaded refuses what the one that went on refuses."""
    whole = Engine([spike()])
    for number, minute in enumerate(minutes):
        size = 3_000 if number % 2 else 1_000
        whole.ingest(batch([1] * size, [0] * size, minute=minute))
        whole.evaluate(START + (minute + 1) * MINUTE)
    whole.ingest(batch([1] * 1_000, [-1] * 1_000, minute=minutes[-1] + 1))
    after = Engine([spike()])
    after.load(whole.dump(), {"cdn": "test"})
    assert after.guard.counts == whole.guard.counts
    assert after.guard.remark("cdn", "resources") == whole.guard.remark("cdn", "resources") != ""
    codes = tuple(("cdn_status_responses", label_set({"status": str(n)})) for n in range(20))
    flood = [1] * 9_000
    given = batch(flood, flood, *(flood for _ in codes), metrics=(REQUESTS, FINE, *codes))
    for minute in range(minutes[-1] + 2, minutes[-1] + 5):
        given = replace(given, starts=np.array([START + minute * MINUTE]), fetched_at=START + minute * MINUTE)
        taken, expected = after.guard.admit(given), whole.guard.admit(given)
        assert (taken.entities, taken.metrics) == (expected.entities, expected.metrics)
        assert taken.entities[:1_000] == given.entities[:1_000]
    leap = replace(given, settled_until=given.settled_until + 3 * DAY, fetched_at=START + 4 * DAY)
    assert after.guard.admit(leap).settled_until == whole.guard.admit(leap).settled_until < START + 2 * DAY
    assert after.guard.counts == whole.guard.counts


def test_each_kind_of_refusal_is_told_once_when_it_begins_and_once_when_it_is_over() -> None:
    guard = Guard()
    for minute in range(10):
        guard.admit(batch([-1, -1], [0, 0], minute=minute))
    begun = guard.notices()
    assert guard.remark("cdn", "resources") == "refused 20 negative values"
    for minute in range(10, 40):
        guard.admit(batch([1, 1], [0, 0], minute=minute))

    assert begun == [Notice("cdn", "resources", Reason.NEGATIVE, 2)]
    assert guard.notices() == [Notice("cdn", "resources", Reason.NEGATIVE, 20, over=True)]
    assert guard.remark("cdn", "resources") == ""
    assert counts(guard) == {Reason.NEGATIVE: 20}


def test_series_with_bad_input_neither_fire_nor_recover_and_the_others_are_judged_on(
    world: Callable[..., World],
) -> None:
    cdn = world("errors", limit=5)
    cdn.run(range(5), (100, 9), (100, 0))
    cdn.run(range(5, 8), (100, -9), (100, INF))
    cdn.run(range(8, 10), (100, 0), (100, 9))

    assert [
        (dict(t.key.labels)["resource"], t.change, t.opened_at, t.resolved_at) for t in cdn.transitions
    ] == [
        ("shop", Change.OPENED, at(0), None),
        ("shop", Change.RESOLVED, at(0), at(5)),
        ("video", Change.OPENED, at(8), None),
    ]
    assert counts(cdn.engine.guard) == {Reason.NEGATIVE: 3, Reason.INFINITE: 3}


def spoilt(reason: Reason, given: SampleBatch) -> SampleBatch:
    """A minute of two resources, of which the first one is bad in one way."""
    values = given.values.copy()
    match reason:
        case Reason.INFINITE:
            values[0, 1, 0] = INF
        case Reason.NEGATIVE:
            values[0, 1, 0] = -9
        case Reason.TOO_LARGE:
            values[0, 1, 0] = 1e39
        case Reason.PARTS_EXCEED:
            values[0, :, 0] = 100, 900
        case Reason.NO_SHARE:
            metrics, more = (*given.metrics, HITS), np.array([[[7.0, 0.5]]])
            return replace(given, metrics=metrics, values=np.concatenate([values, more], axis=1))
        case Reason.IN_FUTURE | Reason.ANCIENT:
            off = 9_000 * DAY if reason is Reason.IN_FUTURE else -9_000 * DAY
            starts = np.array([given.starts[0], given.starts[0] + off])
            return replace(given, starts=starts, values=np.concatenate([values, values]))
        case Reason.CLOCK_JUMP:
            return replace(given, settled_until=given.settled_until + 9_000 * DAY)
        case Reason.NEW_LABELS:
            many = tuple(label_set({"account": "a", "resource": f"x{n}"}) for n in range(3_000))
            more = np.zeros((1, 2, len(many)))
            entities = given.entities + many
            return replace(given, entities=entities, values=np.concatenate([values, more], axis=2))
    return replace(given, values=values)


@pytest.mark.parametrize("reason", list(Reason))
def test_whatever_is_bad_the_rest_is_judged_as_if_it_were_not_there(
    world: Callable[..., World], reason: Reason
) -> None:
    clean, dirty = (world("errors", limit=5, hold=2 * MINUTE) for _ in range(2))
    for minute in range(40):
        bad = 9.0 if 25 <= minute < 33 else 0.0
        given = clean.batch(minute, (100, 1), (100, bad))
        clean.feed(given)
        dirty.feed(spoilt(reason, given) if 15 <= minute < 30 else given)

    def of_video(cdn: World) -> list[object]:
        told = [t for t in cdn.transitions if dict(t.key.labels)["resource"] == "video"]
        return [(t.change, t.opened_at, t.resolved_at, t.summary) for t in told]

    assert of_video(dirty) == of_video(clean)
    assert len(of_video(clean)) == 2
    assert not [t for t in dirty.transitions if dict(t.key.labels)["resource"] != "video"]
    expected = 15 if reason is not Reason.NEW_LABELS else 2_000 + 998
    assert counts(dirty.engine.guard) == {reason: expected}
    notices = [(one.reason, one.over) for one in dirty.engine.guard.notices()]
    assert notices[:1] == [(reason, False)]


@given(
    st.lists(st.floats(width=64), min_size=6, max_size=6),
    st.integers(-(2**40), 2**42),
    st.integers(-(2**40), 2**42),
)
def test_nothing_a_vendor_says_is_raised(values: list[float], start: int, settled: int) -> None:
    guard = Guard()
    given = replace(
        batch(values[:3], values[3:]), starts=np.array([start]), settled_until=settled, fetched_at=START
    )
    clean = guard.admit(given)

    assert np.isnan(clean.values[~np.isfinite(clean.values)]).all()
    assert guard.admit(clean).values.size == clean.values.size
