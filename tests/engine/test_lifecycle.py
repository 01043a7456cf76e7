"""The alert state of rows: the table cell by cell, `for` as a duration and in bins, and what it costs."""

from itertools import product

import numpy as np
import pytest

from tests.engine.estates import Estate, above, book, minute
from watcher.engine.blocks import Block, Hurts, in_event_order
from watcher.engine.course import Course
from watcher.engine.detector import BREACH, CLEAR, STILL, SUSTAINED, UNKNOWN, URGENT
from watcher.engine.lifecycle import (
    DISMISSED,
    FIRING,
    FOLDED,
    GONE,
    INACTIVE,
    NEXT,
    PENDING,
    RECOVERING,
    SKIP,
    Event,
    Holds,
    Lifecycle,
    Signal,
    pack,
    reading_of,
    severity_of,
)
from watcher.model.rule import NofM, Rule, Severity
from watcher.model.time import HOUR, MINUTE

NAN = float("nan")
STATES = (DISMISSED, FOLDED, INACTIVE, PENDING, FIRING, RECOVERING)
_D, _O, _I, _P, _F, _R = STATES
EXPECTED = {
    # breach, sustained, clear, still, gone, held, quiet, lost, lapsed, hand
    DISMISSED: (_D, _D, _I, _D, _I, _D, _D, _D, _I, _D),
    FOLDED: (_P, _O, _I, _I, _I, _O, _O, _O, _O, _O),
    INACTIVE: (_P, _O, _I, _I, _I, _I, _I, _I, _I, _I),
    PENDING: (_P, _P, _I, _I, _I, _F, _P, _I, _P, _D),
    FIRING: (_F, _F, _R, _F, _I, _F, _F, _F, _I, _D),
    RECOVERING: (_F, _F, _R, _F, _I, _R, _I, _R, _I, _I),
}


@pytest.mark.parametrize(("state", "at"), list(product(STATES, range(len(EXPECTED[INACTIVE])))))
def test_the_table_says_what_each_signal_makes_of_each_state(state: int, at: int) -> None:
    signal = list(Signal)[at + 1]

    assert NEXT.get((state, signal), state) == EXPECTED[state][at]


@pytest.mark.parametrize("state", STATES)
def test_a_bin_that_says_nothing_moves_no_state(state: int) -> None:
    assert all(signal is not Signal.NOTHING for _, signal in NEXT)
    for reading in (UNKNOWN, SKIP):
        life = standing(state)
        life.step(codes(reading), minute(10), minute(11), Holds(HOUR, HOUR))
        assert int(life.state[0]) == state


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("reading", [BREACH, CLEAR, STILL, GONE, SUSTAINED])
def test_the_columns_do_what_the_table_says(state: int, reading: int) -> None:
    said = {BREACH: 0, SUSTAINED: 1, CLEAR: 2, STILL: 3, GONE: 4}
    life = standing(state)
    life.step(codes(reading), minute(10), minute(11), Holds(HOUR, HOUR))

    assert int(life.state[0]) == EXPECTED[state][said[reading]]


@pytest.mark.parametrize("needs", [None, NofM(3, 5)])
def test_what_is_urgent_waits_for_no_for_and_opens_where_it_began(needs: NofM | None) -> None:
    holds = Holds(HOUR, HOUR, needs)
    life = Lifecycle.of(1, holds.slots)
    life.step(codes(BREACH), minute(10), minute(11), holds)
    assert int(life.state[0]) == PENDING
    ((event, rows),) = life.step(codes(URGENT), minute(11), minute(12), holds)

    assert (event, rows.tolist(), int(life.state[0])) == (Event.FIRED, [0], FIRING)
    assert int(life.opened[0]) == minute(10)


@pytest.mark.parametrize(("state", "then"), [(INACTIVE, FIRING), (FIRING, FIRING), (RECOVERING, FIRING)])
def test_what_is_urgent_is_a_breach_in_every_state(state: int, then: int) -> None:
    life = standing(state)
    life.step(codes(URGENT), minute(10), minute(11), Holds(HOUR, HOUR))

    assert int(life.state[0]) == then


def codes(*readings: int) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    return np.array(readings, np.int8)


def standing(state: int) -> Lifecycle:
    life = Lifecycle.of(1)
    life.state[:] = state
    life.known_at[:] = life.judged_at[:] = minute(10)
    life.held[:] = life.quiet[:] = 0
    life.level[:] = life.highest[:] = Severity.WARNING
    return life


def test_a_reading_and_its_severity_are_one_byte() -> None:
    readings = codes(*range(8))
    severity = codes(0, 1, 2, 3, 1, 2, 3, 3)
    packed = pack(readings, severity)

    assert packed.dtype == np.int8
    assert reading_of(packed).tolist() == readings.tolist()
    assert severity_of(packed).tolist() == severity.tolist()


def episodes(world: Estate, *values: float) -> list[tuple[int, int | None]]:
    """Starts and ends, in minutes, that a series of values leads to."""
    world.run(range(len(values)), lambda at: {"shop": values[at]})
    return [
        ((row.opened_at - minute(0)) // MINUTE, row.resolved_at and (row.resolved_at - minute(0)) // MINUTE)
        for row in book(world.transitions)
    ]


def three_of_five() -> Estate:
    return Estate({"shop": {}}, above(needs=NofM(3, 5)))


def test_three_of_five_bins_fire_though_no_two_are_neighbours() -> None:
    assert episodes(three_of_five(), 0, 9, 0, 9, 0, 9) == [(1, None)]


def test_two_of_five_do_not() -> None:
    assert episodes(three_of_five(), 9, 0, 9, 0, 0, 0, 9, 0, 9, 0) == []


def test_the_start_is_the_first_breach_of_those_that_count() -> None:
    assert episodes(three_of_five(), 9, 0, 0, 9, 0, 9, 9) == [(3, None)]


def test_an_unknown_bin_takes_no_slot() -> None:
    assert episodes(three_of_five(), 9, NAN, 9, NAN, NAN, 0, NAN, 9) == [(0, None)]


def test_what_drains_out_of_its_slots_is_inactive_again() -> None:
    world = three_of_five()

    assert episodes(world, 9, 0, 0, 0, 0, 0) == []
    assert len(world.engine.tracks("high", "cdn")[0].course.present.rows) == 0


def test_between_the_limits_a_firing_row_goes_on_until_it_is_clear() -> None:
    world = Estate({"shop": {}}, above(5, clear_below=2))

    assert episodes(world, 9, 9, 4, 4, 4, 0) == [(0, 5)]


def test_between_the_limits_a_pending_row_is_clear() -> None:
    world = Estate({"shop": {}}, above(5, clear_below=2, hold=2 * MINUTE))

    assert episodes(world, 9, 4, 9, 4, 9) == []


def test_between_the_limits_a_recovering_row_goes_on_as_if_it_had_never_been_clear() -> None:
    rule = above(5, clear_below=2, keep=2 * MINUTE)

    assert episodes(Estate({"shop": {}}, rule), 9, 4, 4, 0, 0) == [(0, 3)]
    assert episodes(Estate({"shop": {}}, rule), 9, 0, 4, 0) == [(0, None)]
    assert episodes(Estate({"shop": {}}, rule), 9, 0, 4, 0, 0) == [(0, 3)]


# --- what it costs


class Tape:
    """Holds what a test judged."""

    def __init__(self, *blocks: Block) -> None:
        self.held = blocks

    def blocks(self, since: int, until: int) -> list[Block]:
        cut = (block.before(until) for block in self.held)
        return [block.part(int(np.searchsorted(block.starts, since)), len(block)) for block in cut]

    def hurts(self, since: int, until: int) -> list[tuple[int, int, Hurts]]:
        del since, until
        return []


def block(readings: np.ndarray[tuple[int, int], np.dtype[np.int8]], lane: str = "s@60000") -> Block:
    return Block(lane, MINUTE, minute(0) + np.arange(len(readings), dtype=np.int64) * MINUTE, readings)


def steps(of: Course, readings: np.ndarray[tuple[int, int], np.dtype[np.int8]]) -> int:
    """How many bins the course really takes of a block."""
    made = block(readings)
    of.advance([made], np.zeros(0, np.intp), Tape(made))
    return of.taken


def course(**timers: int) -> Course:
    return Course(Rule("r", "threshold", {}, ("resource",), None, **timers))  # type: ignore[arg-type]


def test_a_day_in_which_nothing_is_bad_costs_no_step() -> None:
    assert steps(course(), np.zeros((1440, 100), np.int8)) == 0


def test_a_day_with_one_bad_bin_costs_two() -> None:
    readings = np.zeros((1440, 100), np.int8)
    readings[700, 3] = BREACH

    assert steps(course(), readings) == 2


def test_a_day_that_is_bad_throughout_costs_a_few() -> None:
    assert steps(course(hold=5 * MINUTE), np.full((1440, 100), BREACH, np.int8)) < 10


def test_bins_of_several_lanes_are_taken_in_event_order() -> None:
    fine = block(np.zeros((4, 1), np.int8), "b@60000")
    wide = Block("a@120000", 2 * MINUTE, minute(0) + np.array([0, 2 * MINUTE]), np.zeros((2, 1), np.int8))
    order = [(part.lane, len(part)) for part in in_event_order([fine, wide])]

    assert order == [("b@60000", 1), ("a@120000", 1), ("b@60000", 2), ("a@120000", 1), ("b@60000", 1)]
