"""Whatever the order, the pieces and the restarts, the incidents are one function of the final bins."""

import json
import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.engines import START, batch, book, engine, rules, story
from watcher.engine.engine import Engine
from watcher.model.incident import Transition
from watcher.model.sample import Floats, SampleBatch
from watcher.model.snapshot import EngineDump
from watcher.model.time import HOUR, MINUTE

BINS = 110


def told(now: Engine, batches: Sequence[SampleBatch]) -> list[Transition]:
    """One after another."""
    found = []
    for one in batches:
        now.ingest(one)
        found += now.evaluate(one.fetched_at)
    return found


def minutes(bad: Floats, *, at: int = 0) -> list[SampleBatch]:
    """Bin by bin."""
    return [batch(START + (at + minute) * MINUTE, row[None]) for minute, row in enumerate(bad)]


def late(bad: Floats, chance: random.Random) -> Iterator[SampleBatch]:
    """Every bin at least once within the horizon, its last version the final one: late, doubled, corrected.

    Partial at first: what is not said yet is unknown.
    """
    due: list[tuple[int, int, bool]] = []
    for minute in range(len(bad)):
        due += [(minute + chance.randint(0, 20), minute, False)] * chance.choice([0, 1, 1, 2])
        due.append((minute + chance.choice([0, 0, 0, 3, 25, 55]), minute, True))
    final: set[int] = set()
    for now, minute, is_final in sorted(due, key=lambda one: (one[0], chance.random())):
        row = bad[minute].copy()
        if not is_final and minute not in final:
            row[chance.randrange(len(row))] = chance.choice([0.0, 50.0, float("nan")])
        final |= {minute} if is_final else set()
        settled = START + max(minute + 1, min(now, len(bad))) * MINUTE
        yield batch(START + minute * MINUTE, row[None], settled=settled)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_arrival_does_not_matter_to_rules_that_remember(seed: int) -> None:
    bad = story(np.random.default_rng(seed), BINS)
    ordered = told(engine(), minutes(bad))
    shuffled = told(engine(), list(late(bad, random.Random(seed))))  # noqa: S311 - a test's shuffle

    assert book(shuffled) == book(ordered)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_block_is_judged_as_its_bins_are_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bad = story(rng, BINS)
    edges = sorted({0, BINS, *rng.integers(1, BINS, 4).tolist()})
    blocks = [batch(START + low * MINUTE, bad[low:high]) for low, high in pairwise(edges)]

    assert book(told(engine(), blocks)) == book(told(engine(), minutes(bad)))


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_streams_of_other_widths_may_come_in_any_order(seed: int) -> None:
    """A coarse past and a fine present of the same groups, and a second stream of groups of its own."""
    bad = story(np.random.default_rng(seed), BINS)
    coarse = [
        batch(START + at * 10 * MINUTE, 10 * row[None], stream="past", width=10 * MINUTE)
        for at, row in enumerate(story(np.random.default_rng(seed + 1), 6))
    ]
    fine = minutes(bad, at=60)
    other = [
        batch(START + (60 + at) * MINUTE, row[None], stream="b", names=("zoo",))
        for at, row in enumerate(bad[:, :1])
    ]
    chance = random.Random(seed)  # noqa: S311 - a test's shuffle
    queues = [list(coarse), list(fine), list(other)]
    mixed = []
    while any(queues):
        own = chance.choice([queue for queue in queues if queue])
        mixed += [own.pop(0) for _ in range(min(chance.randint(1, 9), len(own)))]

    assert book(told(engine(3 * HOUR), mixed)) == book(told(engine(3 * HOUR), [*coarse, *fine, *other]))


def reloaded(now: Engine) -> Engine:
    """Another engine, from the dump as it would be read from a file."""
    dumped = now.dump()
    arrays = {name: array.copy() for name, array in dumped.arrays.items()}
    after = Engine(rules(), HOUR)
    after.load(EngineDump(json.loads(json.dumps(dumped.meta)), arrays, dumped.rules), {"cdn": "test"})
    return after


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10_000), every=st.integers(7, 60))
def test_a_dump_at_any_tick_goes_on_as_if_nothing_had_happened(seed: int, every: int) -> None:
    bad = story(np.random.default_rng(seed), BINS)
    batches = list(late(bad, random.Random(seed)))  # noqa: S311 - a test's shuffle
    now, found = engine(), []
    for number, one in enumerate(batches):
        if number % every == 0:
            now = reloaded(now)
        found += told(now, [one])

    assert found == told(engine(), batches)


def test_streams_that_meet_later_are_one() -> None:
    """No group is of two tracks, and none is told of twice."""
    rows = np.full((30, 3), 2.0)
    rows[10:, :] = 40.0
    shop = [batch(START + at * MINUTE, rows[at : at + 1, :1], names=("shop",)) for at in range(30)]
    video = [
        batch(START + at * MINUTE, rows[at : at + 1, :1], stream="b", names=("video",)) for at in range(15)
    ]
    both = [
        batch(START + at * MINUTE, rows[at : at + 1, :2], stream="b", names=("video", "shop"))
        for at in range(15, 30)
    ]
    now = engine()
    found = told(now, [one for pair in zip(shop[:15], video, strict=True) for one in pair])
    found += told(now, [one for pair in zip(shop[15:], both, strict=True) for one in pair])

    assert [row[:2] for row in book(found) if row[0] == "high"] == [("high", "shop"), ("high", "video")]
    assert len(now.tracks("high", "cdn")) == 1


def test_endless_new_labels_take_no_more_room() -> None:
    """Names that come for some minutes and never again: their rows, columns and memory are given anew."""
    now = Engine(rules()[:1], HOUR)
    sizes = []
    for minute in range(0, 3000, 5):
        names = [f"job-{minute // 20}-{number}" for number in range(4)]
        told(now, [batch(START + minute * MINUTE, np.full((5, 4), 1.0), names=names)])
        sizes.append(len(now.tracks("high", "cdn")[0].keys))

    assert sizes[-1] <= 2 * sizes[120]
