"""A day of all shipped rules over one source: whatever the order and the restarts, one account of it."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.engine.estates import incidents
from tests.properties.arrivals import Tick, book, judged, ordered, shuffled
from tests.properties.days import Stream, days
from watcher.app.settings import rules
from watcher.engine.engine import BoundRule, Engine
from watcher.model.incident import Transition
from watcher.model.sample import SampleBatch
from watcher.model.snapshot import EngineDump
from watcher.model.time import DAY, HOUR, MINUTE, Instant

SEED = 23
"""One of a day with accounts that fail as a whole, beside all else; others were tried by hand."""


@pytest.fixture(scope="module")
def shipped() -> Sequence[BoundRule]:
    return rules(None)


@pytest.fixture(scope="module")
def day() -> Sequence[Stream]:
    return days(SEED, lasts=DAY)


@pytest.fixture(scope="module")
def arrivals(day: Sequence[Stream]) -> Sequence[Tick]:
    return shuffled(day, np.random.default_rng(SEED), every=10 * MINUTE)


@pytest.fixture(scope="module")
def undisturbed(shipped: Sequence[BoundRule], arrivals: Sequence[Tick]) -> Sequence[Sequence[Transition]]:
    """Tick by tick, of one engine all along."""
    engine = Engine(shipped)
    return [judged(engine, tick) for tick in arrivals]


@pytest.mark.timeout(600)
def test_the_order_of_arrival_does_not_matter_over_a_day(
    shipped: Sequence[BoundRule], day: Sequence[Stream], undisturbed: Sequence[Sequence[Transition]]
) -> None:
    """Late, doubled, partial, wrong at first, taken back and given again; or each hour once and for all."""
    engine = Engine(shipped)
    in_order = [found for tick in ordered(day, every=HOUR) for found in judged(engine, tick)]
    rows = book(in_order)

    assert book([one for found in undisturbed for one in found]) == rows
    assert len({row.rule for row in rows}) > 15
    assert sum(bool(row.parent) for row in rows) > 5


@dataclass
class Lives:
    """An engine that is restarted now and then, what it has told, and what a restart goes on from."""

    rules: Sequence[BoundRule]
    engine: Engine
    told: list[Transition] = field(default_factory=list)
    journal: list[SampleBatch] = field(default_factory=list)
    dumped: EngineDump | None = None
    since: list[Tick] = field(default_factory=list)
    """Ticks after the dump."""
    now: Instant = 0

    def judge(self, tick: Tick) -> list[Transition]:
        found = judged(self.engine, tick)
        self.told += found
        self.journal += tick.batches
        self.since.append(tick)
        self.now = tick.at
        return found

    def dump(self) -> None:
        held = self.engine.dump()
        arrays = {name: array.copy() for name, array in held.arrays.items()}
        self.dumped, self.since = EngineDump(json.loads(json.dumps(held.meta)), arrays, held.rules), []

    def restart(self) -> list[Transition]:
        """Go on in another engine, from the dump and the ticks after it or from the journal."""
        states, after = self.engine.snapshot(), Engine(self.rules)
        if self.dumped is not None:
            after.load(self.dumped, {"cdn": "test"})
            for tick in self.since:
                judged(after, tick)
        else:
            after.restore(states, ("cdn",))
            for first in range(0, len(self.journal), 50):
                after.recall(self.journal[first : first + 50])
        self.engine, self.dumped = after, None
        return after.rebuild(incidents(self.told), states, at=self.now + 1)


@pytest.mark.timeout(600)
def test_restarted_anywhere_in_a_day_it_goes_on_as_if_nothing_had_happened(
    shipped: Sequence[BoundRule], arrivals: Sequence[Tick], undisturbed: Sequence[Sequence[Transition]]
) -> None:
    """From a dump with none, some or many ticks after it, and from the journal alone."""
    rng = np.random.default_rng(SEED)
    lives = Lives(shipped, Engine(shipped))
    most = len(arrivals) * 2 // 3
    without_dump = set(rng.integers(most // 3, most, 2).tolist())
    for at, (tick, expected) in enumerate(zip(arrivals[:most], undisturbed[:most], strict=True)):
        found = lives.judge(tick)
        assert Counter(map(told, found)) == Counter(map(told, expected)), tick.at
        if at in without_dump:
            lives.dumped = None
            assert lives.restart() == [], tick.at
        if lives.dumped is None and rng.random() < 0.2:
            lives.dump()
        if lives.dumped is not None and rng.random() < 0.3:
            assert lives.restart() == [], tick.at


def told(one: Transition) -> tuple[object, ...]:
    """All that a book takes of it, but for its words."""
    start_and_end = one.was, one.opened_at, one.resolved_at
    return one.change, one.key, *start_and_end, one.severity, one.resolution, one.wider, one.quiet, one.shadow
