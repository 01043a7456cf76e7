"""Clocks that are set wrong and right again: a watermark follows the vendor's bins, and time that passes."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.engine.conftest import START, World, at
from tests.engine.test_guard import NAN, batch, counts
from watcher.engine.guard import Guard, Reason
from watcher.model.incident import Change
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, Duration


def silent(minute: int, *, ahead: Duration) -> SampleBatch:
    """A poll that brings no bin, by a clock that is ahead."""
    given = batch([NAN], [NAN], minute=minute)
    now = given.fetched_at + ahead
    return replace(given, starts=given.starts[:0], values=given.values[:0], fetched_at=now, settled_until=now)


@pytest.mark.parametrize("ahead", [DAY - HOUR, DAY, 365 * DAY])
@pytest.mark.parametrize("polls", [1, 2, 14])
def test_a_clock_that_is_ahead_for_some_polls_moves_nothing(ahead: Duration, polls: int) -> None:
    guard = Guard()
    guard.admit(batch([1], [0]))
    found = [guard.admit(silent(1 + n, ahead=ahead)).settled_until for n in range(polls)]

    assert found == [START + MINUTE] * polls
    assert guard.admit(batch([1], [0], minute=1 + polls)).settled_until == START + (2 + polls) * MINUTE
    assert counts(guard) == {Reason.CLOCK_JUMP: polls}


def test_what_all_polls_say_for_a_quarter_of_an_hour_was_a_pause() -> None:
    guard = Guard()
    guard.admit(batch([1], [0]))
    found = [guard.admit(silent(1 + n, ahead=DAY)).settled_until for n in range(16)]

    assert found[14:] == [START + MINUTE, START + DAY + 17 * MINUTE]


def test_a_batch_that_is_admitted_once_more_with_others_changes_nothing_of_that() -> None:
    """As a backtest does: what it joins was admitted by itself before."""
    guard = Guard()
    guard.admit(batch([1], [0]))
    found = []
    for n in range(16):
        once = guard.admit(silent(1 + n, ahead=DAY), values=False)
        found.append(guard.admit(once).settled_until)

    assert found[14:] == [START + MINUTE, START + DAY + 17 * MINUTE]


def test_the_agent_s_own_bins_prove_nothing_about_its_clock_and_a_vendor_s_do() -> None:
    guard, up = Guard(), (("watcher_up", ()),)
    guard.admit(batch([1], metrics=up))
    ahead = batch([1], metrics=up, minute=1441)
    own = guard.admit(ahead)
    guard.admit(replace(batch([1], [0], minute=1441), stream="vendor"))
    proven = guard.admit(replace(ahead, fetched_at=ahead.fetched_at + 1))

    assert own.settled_until == START + MINUTE
    assert proven.settled_until == ahead.settled_until


def test_what_comes_after_the_clock_is_set_right_is_judged_at_its_own_time(
    world: Callable[..., World],
) -> None:
    """Own sight and an empty answer of two polls a day ahead: nothing after them is too late."""
    cdn = world("errors", limit=5)
    cdn.run(range(5), (100, 0), (100, 0))
    for minute in (5, 6):
        given = cdn.batch(minute, (100, 0), (100, 0))
        now = given.fetched_at + DAY
        cdn.feed(
            replace(
                given, starts=given.starts[:0], values=given.values[:0], fetched_at=now, settled_until=now
            )
        )
    cdn.run(range(5, 9), (100, 9), (100, 0))

    assert [(one.change, one.opened_at) for one in cdn.transitions] == [(Change.OPENED, at(5))]
    assert cdn.engine.late == 0


def test_after_a_long_outage_bins_are_taken_at_their_own_time() -> None:
    guard = Guard()
    guard.admit(batch([1], [0]))
    given = batch([1], [0], minute=14 * 1440)

    taken = guard.admit(given)

    assert (taken.starts is given.starts, taken.values is given.values) == (True, True)
