"""Slots say what was put into them, whatever has become of their places and rows since."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.engine.levels import Share, Slots, joined, levels
from watcher.model.sample import Floats
from watcher.model.time import MINUTE

WIDTH = 10 * MINUTE
FIRST = 1_795_305_600_000
ROLES = ("part", "whole")

Plain: TypeAlias = dict[int, tuple[float, dict[str, Floats]]]
"""By start: for how long it was answered, and columns by role, what is known under `known`."""


def share(rng: np.random.Generator, slots: int, rows: int, *, roles: tuple[str, ...] = ROLES) -> Share:
    """Counts, now and then large, fractional or unknown; some slots nobody answered for."""
    known: Floats = (rng.integers(0, 11, (slots, rows)) * MINUTE).astype(np.float64)
    sums = {
        role: np.where(rng.random(known.shape) < 0.2, rng.random(known.shape) * 1e6, rng.integers(0, 400))
        for role in roles
    }
    sums = {role: np.where(rng.random(known.shape) < 0.1, np.nan, column) for role, column in sums.items()}
    return Share(
        {role: column.astype(np.float64) for role, column in sums.items()},
        known,
        np.where(rng.random(slots) < 0.2, 0.0, float(WIDTH)),
    )


def plainly(slots: Slots, rows: int) -> Plain:
    """All that is read of them."""
    starts = slots.starts(0, 1 << 60)
    columns = {role: slots.sums(role, starts, None, rows) for role in ROLES}
    columns["known"] = slots.known(starts, None, rows)
    answered = slots.answered(starts).tolist()
    return {
        start: (answered[at], {name: column[at] for name, column in columns.items()})
        for at, start in enumerate(starts.tolist())
    }


def same(found: Plain, wanted: Plain) -> None:
    assert found.keys() == wanted.keys()
    for start, (answered, columns) in wanted.items():
        assert found[start][0] == answered
        for name, column in columns.items():
            np.testing.assert_array_equal(found[start][1][name], column.astype(np.float32), err_msg=name)


def put(wanted: Plain, starts: list[int], given: Share, rows: list[int], total: int, *, whole: bool) -> None:
    """The same in dictionaries."""
    for at, start in enumerate(starts):
        if not given.answered[at]:
            if whole:
                wanted.pop(start, None)
            continue
        before = wanted.get(start, (0.0, {name: np.zeros(total) for name in (*ROLES, "known")}))[1]
        for name in (*ROLES, "known"):
            before[name][rows] = (given.known if name == "known" else given.of(name))[at]
        wanted[start] = float(given.answered[at]), before


class Both:
    """Slots, and dictionaries that are done the same to."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.slots, self.wanted, self.total, self.now = Slots(WIDTH), Plain(), 3, FIRST

    @property
    def there(self) -> list[int]:
        return sorted(self.wanted)

    def put(self) -> None:
        """Slots that follow each other, soon after those there are, long after, or once more."""
        self.now += int(self.rng.choice([0, 1, 5, 4000])) * WIDTH
        starts = [self.now + at * WIDTH for at in range(int(self.rng.integers(1, 4)))]
        given = share(
            self.rng, len(starts), self.total, roles=ROLES if self.rng.random() < 0.7 else ROLES[1:]
        )
        self.slots.put(np.array(starts), given, None, self.total)
        put(self.wanted, starts, given, list(range(self.total)), self.total, whole=True)

    def patch(self) -> None:
        rows = sorted(self.rng.choice(self.total, 2, replace=False).tolist())
        newest = self.there[-1:]
        given = share(self.rng, len(newest), 2)
        self.slots.put(np.array(newest, np.int64), given, np.array(rows), self.total)
        put(self.wanted, newest, given, rows, self.total, whole=False)

    def drop(self) -> None:
        for start in self.there[:1]:
            self.slots.drop(start)
            del self.wanted[start]

    def forget(self) -> None:
        """So often that rings are made smaller."""
        middle = self.there[len(self.wanted) // 2 :][:1]
        for start in middle * 40:
            self.slots.forget(start)
        self.wanted = {start: kept for start, kept in self.wanted.items() if start >= min(middle, default=0)}

    def blank(self) -> None:
        self.slots.blank(np.array([1]))
        self._each(lambda column: np.where(np.arange(self.total) == 1, 0.0, column))

    def widen(self) -> None:
        more = int(self.rng.integers(1, 4))
        self.total += more
        self._each(lambda column: np.concatenate([column, np.zeros(more)]))

    def move(self) -> None:
        places = self.rng.permutation(self.total)
        self.slots.move(places, self.total)
        self._each(lambda column: column[np.argsort(places)])

    def reload(self) -> None:
        state = self.slots.state
        self.slots = Slots(WIDTH)
        self.slots.stand(state)

    def _each(self, make: Callable[[Floats], Floats]) -> None:
        for _, columns in self.wanted.values():
            for name in columns:
                columns[name] = make(columns[name])


STEPS = (Both.put, Both.patch, Both.drop, Both.forget, Both.blank, Both.widen, Both.move, Both.reload)


@given(seed=st.integers(0, 10_000), steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=30))
def test_whatever_is_done_to_them_they_say_what_dictionaries_would(
    seed: int, steps: list[Callable[[Both], None]]
) -> None:
    both = Both(seed)
    for step in (Both.put, *steps):
        step(both)

        same(plainly(both.slots, both.total), both.wanted)


def test_what_two_tracks_knew_is_added_up_row_by_row() -> None:
    one, other = Slots(WIDTH), Slots(WIDTH)
    starts = np.array([FIRST, FIRST + WIDTH])
    answered, nothing = np.array([60_000.0, 120_000.0]), np.zeros(2)
    column = np.array([[1.0, 0.0], [2.0, 0.0]])
    one.put(starts, Share({"part": column}, column, answered), None, 2)
    other.put(starts, Share({"part": column[:, ::-1]}, column[:, ::-1], answered[::-1]), None, 2)
    other.put(
        starts + 2 * WIDTH, Share({"part": column}, column, np.append(answered[:1], nothing[:1])), None, 2
    )
    one.join(other, 2)
    found = one.starts(FIRST, FIRST + 9 * WIDTH)

    assert found.tolist() == [FIRST, FIRST + WIDTH, FIRST + 2 * WIDTH]
    assert one.sums("part", found, None, 2).tolist() == [[1, 1], [2, 2], [1, 0]]
    assert one.answered(found).tolist() == [120_000, 120_000, 60_000]


@pytest.mark.parametrize("rows", [None, [4, 1]])
def test_levels_of_several_times_are_those_of_each(rows: list[int] | None) -> None:
    """The rows of one time lie behind those of another, and a slot in which nothing came is not known."""
    rng, slots, total = np.random.default_rng(3), Slots(WIDTH), 5
    starts = FIRST + np.array([0, 1, 3, 4, 5, 6]) * WIDTH
    given = share(rng, len(starts), total)
    slots.put(starts, Share(given.sums, given.known, np.full(len(starts), float(WIDTH))), None, total)
    own = None if rows is None else np.array(rows)
    spans = [(FIRST + at * WIDTH, FIRST + (at + 3) * WIDTH) for at in (0, 2, 3)]
    together = levels(slots, spans, ROLES, WIDTH, total=total, rows=own)
    alone = [levels(slots, [span], ROLES, WIDTH, total=total, rows=own) for span in spans]
    for at, one in enumerate(alone):
        width = total if rows is None else len(rows)
        there = [(start - spans[at][0]) // WIDTH for start in one.starts.tolist()]
        mine = slice(at * width, (at + 1) * width)
        np.testing.assert_array_equal(together.sums["part"][there, mine], one.sums["part"])
        np.testing.assert_array_equal(together.known[there, mine], one.known)

    assert together.known.shape[0] == 3
    assert (together.known[2, : together.known.shape[1] // 3] == 0).all()


def test_a_slot_is_answered_for_its_own_width_at_most() -> None:
    column = np.ones((1, 1))
    lane = Share({"part": column}, column, np.array([float(WIDTH)]))

    assert joined([lane, lane], WIDTH).answered.tolist() == [WIDTH]
    assert joined([lane, lane], WIDTH).sums["part"].tolist() == [[2.0]]


def test_what_no_series_says_is_unknown_where_the_bins_count() -> None:
    known = np.array([[60_000.0, 0.0]])
    spoken = Share({"part": known}, known, np.array([60_000.0]))
    silent = Share({}, known[:, ::-1], np.array([60_000.0]))

    np.testing.assert_array_equal(joined([spoken, silent], WIDTH).sums["part"], [[60_000.0, np.nan]])
