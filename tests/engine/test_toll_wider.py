"""What a wider incident amounts to: what its leaves do together, whether they are at hand or long over."""

import json
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.engine.books import rebuilt
from tests.engine.estates import incidents
from tests.engine.test_toll import QUIET, last, rules, told
from tests.properties.engines import START, batch
from watcher.engine.engine import Engine
from watcher.model.incident import Change, Figures, Transition
from watcher.model.sample import SampleBatch
from watcher.model.snapshot import EngineDump
from watcher.model.time import MINUTE

NAMES = ("a", "b", "c", "d")


def minutes(*bad: Sequence[float]) -> list[SampleBatch]:
    """Minute by minute of 100 requests each so many fail, after a quiet hour."""
    rows = [[0.0] * len(NAMES)] * QUIET + [list(row) for row in bad]
    return [batch(START + at * MINUTE, np.array([row]), names=NAMES) for at, row in enumerate(rows)]


def wider(found: Sequence[Transition]) -> list[Transition]:
    return [one for one in found if not dict(one.key.labels).get("resource")]


def figures(found: Sequence[Transition]) -> Figures:
    return last(wider(found))


TROUBLE = [[30, 40, 50, 20], [30, 40, 90, 20], [30, 40, 0, 20], *[[0, 0, 0, 30]] * 60, *[[0] * 4] * 15]


def alone(found: Sequence[Transition]) -> float:
    """What its leaves lost, each by itself."""
    held = [one for one in incidents(found) if dict(one.key.labels).get("resource")]
    return sum(one.affected or 0.0 for one in held if one.status != "withdrawn")


def test_its_end_says_the_worst_of_them_and_what_all_of_them_lost_together() -> None:
    found = told(Engine(rules()), minutes(*TROUBLE))
    peak = figures(found).peak

    assert wider(found)[-1].change is Change.RESOLVED
    assert figures(found).affected == alone(found) > 2_000
    assert peak is not None
    assert peak.text == "90.0 %, usually 0.0 % (resource c)"
    assert (peak.start, peak.end) == (START + 61 * MINUTE, START + 62 * MINUTE)


@pytest.mark.parametrize("horizon", [3, 10, 30])
def test_leaves_that_are_long_over_count(horizon: int) -> None:
    found = told(Engine(rules(), horizon * MINUTE), minutes(*TROUBLE))

    assert figures(found).affected == alone(found) > 2_000


def test_a_correction_of_a_leaf_corrects_it_without_a_word() -> None:
    engine = Engine(rules())
    before = figures(told(engine, minutes(*TROUBLE))).affected or 0.0
    found = told(engine, [batch(START + 61 * MINUTE, np.array([[30.0, 40.0, 70.0, 20.0]]), names=NAMES)])
    [one] = wider(found)

    assert (one.change, one.quiet) == (Change.MOVED, True)
    assert figures(found).affected == before - 20


@pytest.mark.parametrize("cut", [61, 70, 100, 120])
def test_a_rebuild_from_journal_and_book_knows_what_is_long_over(cut: int) -> None:
    batches, horizon = minutes(*TROUBLE), 5 * MINUTE
    before, after = Engine(rules(), horizon), Engine(rules(), horizon)
    head = told(before, batches[:cut])

    assert rebuilt(after, batches[:cut], incidents(head), before.snapshot()) == []
    assert figures(told(after, batches[cut:])) == figures(told(Engine(rules(), horizon), batches))


def test_a_rebuild_says_nothing_anew_of_what_came_back_and_is_over() -> None:
    batches = minutes(*[[30] * 4] * 3, *[[0] * 4] * 4, *[[30] * 4] * 3, *[[0] * 4] * 6)
    before, after = (Engine(rules(reopen=10 * MINUTE)) for _ in range(2))
    head = told(before, batches)

    assert figures(head).returns == 1
    assert rebuilt(after, batches, incidents(head), before.snapshot()) == []


VALUES = st.sampled_from([0.0, 0.0, 30.0, 60.0])
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), min_size=5, max_size=60)


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(bad=ROWS, cut=st.integers(2, 60))
def test_no_dump_changes_them(bad: list[tuple[float, ...]], cut: int) -> None:
    batches = minutes(*bad, *[(0.0,) * 4] * 30)
    cut = min(QUIET + cut, len(batches) - 1)
    whole = told(Engine(rules(), 10 * MINUTE), batches)
    before, after = Engine(rules(), 10 * MINUTE), Engine(rules(), 10 * MINUTE)
    head = told(before, batches[:cut])
    dump = before.dump()
    after.load(EngineDump(json.loads(json.dumps(dump.meta)), dict(dump.arrays), dump.rules), {"cdn": "test"})

    assert head + told(after, batches[cut:]) == whole


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(bad=ROWS, order=st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(bad: list[tuple[float, ...]], order: Random) -> None:
    batches = minutes(*bad, *[(0.0,) * 4] * 30)
    late = list(batches[QUIET:])
    order.shuffle(late)

    def book(fed: Sequence[SampleBatch]) -> Sequence[object]:
        held = [one for one in incidents(told(Engine(rules()), fed)) if one.status != "withdrawn"]
        ended = [one for one in held if one.resolved_at is not None]
        return sorted((one.key.labels, one.opened_at, one.affected, one.peak) for one in ended)

    assert book([*batches[:QUIET], *late]) == book(batches)
