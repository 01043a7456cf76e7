"""A run of batches as a chunk, and back: what was known when, bin by bin."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.databases import NOON
from watcher.model.labels import label_set
from watcher.model.sample import SampleBatch
from watcher.model.time import MINUTE, SECOND, Duration, Instant
from watcher.store.chunks import Entry, Gathering

NAN = float("nan")
REQUESTS = ("cdn_requests", label_set({"tier": "edge"}))
BYTES = ("cdn_bytes", label_set({"tier": "edge"}))


def batch(
    poll: int,
    starts: Sequence[int],
    values: Sequence[Sequence[float]],
    *,
    names: Sequence[str] = ("a", "b"),
    width: Duration = MINUTE,
    complete: bool = False,
) -> SampleBatch:
    """Requests by bin (in minutes) and resource."""
    return SampleBatch(
        source="cdnv",
        vendor="cdnvideo",
        stream="traffic",
        width=width,
        fetched_at=NOON + poll * MINUTE + 137,
        settled_until=NOON + (poll - 2) * MINUTE,
        entities=tuple(label_set({"resource": name}) for name in names),
        metrics=(REQUESTS,),
        starts=np.array([NOON + start * MINUTE for start in starts], np.int64),
        values=np.array(values, float).reshape(len(starts), 1, len(names)),
        names={name: name.upper() for name in names},
        complete=complete,
    )


def through(*batches: SampleBatch) -> list[SampleBatch]:
    """What comes back."""
    gathering = Gathering()
    for number, one in enumerate(batches):
        gathering.take(Entry(number * 3 + 1, NOON + number * SECOND, one))
    entries = list(gathering.chunk().entries())

    assert [entry.id for entry in entries] == [number * 3 + 1 for number in range(len(batches))]
    assert [entry.at for entry in entries] == [NOON + number * SECOND for number in range(len(batches))]
    return [entry.batch for entry in entries]


def bins(found: SampleBatch) -> dict[int, list[float]]:
    starts = ((found.starts - NOON) // MINUTE).tolist()
    return {start: found.values[at, 0].tolist() for at, start in enumerate(starts)}


def test_batches_come_back_as_they_were() -> None:
    given = [batch(minute, [minute], [[minute, 7]]) for minute in range(5)]

    for one, back in zip(given, through(*given), strict=True):
        assert np.array_equal(one.values, back.values)
        assert np.array_equal(one.starts, back.starts)
        assert (one.fetched_at, one.settled_until, one.width) == (
            back.fetched_at,
            back.settled_until,
            back.width,
        )
        assert (one.entities, one.metrics, one.vendor) == (back.entities, back.metrics, back.vendor)


def test_a_bin_that_was_read_again_as_it_stood_is_left_out() -> None:
    first, again = batch(1, [0, 1], [[1, 2], [3, 4]]), batch(2, [0, 1, 2], [[1, 2], [3, 9], [5, 6]])
    _, back = through(first, again)

    assert bins(back) == {1: [3, 9], 2: [5, 6]}
    assert back.settled_until == again.settled_until


def test_a_batch_that_says_nothing_new_stays_for_its_watermark() -> None:
    first, again = batch(1, [0], [[1, NAN]]), batch(2, [0], [[1, NAN]])
    _, back = through(first, again)

    assert bins(back) == {}
    assert back.settled_until == again.settled_until
    assert back.values.shape == (0, 1, 2)


def test_a_value_that_is_taken_back_and_said_again_is_three_versions() -> None:
    given = [batch(poll, [0], [[value, 1]]) for poll, value in enumerate([5, NAN, 5])]

    assert [np.isnan(back.values[0, 0, 0]) for back in through(*given)] == [False, True, False]


def test_a_listing_keeps_who_was_in_it() -> None:
    given = [
        batch(0, [0], [[1, 1]], width=0, complete=True),
        batch(1, [1], [[1]], names=("b",), width=0, complete=True),
        batch(2, [2], [], names=(), width=0, complete=True),
    ]
    back = through(*given)

    assert [one.entities for one in back] == [one.entities for one in given]
    assert all(one.complete for one in back)
    assert back[2].values.shape == (1, 1, 0)


def test_bins_out_of_order_come_back_in_the_order_of_their_polls() -> None:
    given = [batch(0, [10], [[1, 1]]), batch(1, [2, 3], [[2, 2], [3, 3]]), batch(2, [11], [[4, 4]])]

    assert [bins(one) for one in through(*given)] == [{10: [1, 1]}, {2: [2, 2], 3: [3, 3]}, {11: [4, 4]}]


def test_names_are_said_once() -> None:
    back = through(batch(0, [0], [[1, 1]]), batch(1, [1], [[1, 1, 1]], names=("a", "b", "c")))

    assert [dict(one.names) for one in back] == [{"a": "A", "b": "B", "c": "C"}, {}]


def standing(batches: Sequence[SampleBatch]) -> dict[tuple[Instant, str], float]:
    """What a reader that replaces bins as a whole knows at the end."""
    known: dict[tuple[Instant, str], float] = {}
    for one in batches:
        for at, start in enumerate(one.starts.tolist()):
            known = {key: value for key, value in known.items() if key[0] != start}
            for number, entity in enumerate(one.entities):
                if not np.isnan(one.values[at, 0, number]):
                    known[start, dict(entity)["resource"]] = float(one.values[at, 0, number])
    return known


POLL = st.tuples(
    st.lists(st.integers(0, 6), min_size=0, max_size=3, unique=True),
    st.sampled_from([("a", "b"), ("b", "a"), ("a",), ("c", "a"), ()]),
    st.lists(st.sampled_from([0.0, 1.0, 2.5, NAN]), min_size=6, max_size=6),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(POLL, min_size=1, max_size=8))
def test_at_every_moment_what_was_known_then_is_known(
    polls: list[tuple[list[int], tuple[str, ...], list[float]]],
) -> None:
    given = []
    for number, (starts, names, cells) in enumerate(polls):
        values = np.resize(np.array(cells), (len(starts), len(names)))
        given.append(batch(number, starts, values.tolist(), names=names))
    back = through(*given)

    for moment in range(len(given) + 1):
        assert standing(back[:moment]) == standing(given[:moment])
