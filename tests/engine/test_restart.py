"""Restarts: an engine that is rebuilt goes on as if nothing had happened."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.books import incidents, rebuilt, said, standing
from watcher.engine.engine import Engine
from watcher.model.incident import Change, Resolution
from watcher.model.time import MINUTE, Instant

NAN = float("nan")
Make = Callable[..., Any]
At = Callable[[int], Instant]


@settings(max_examples=40, deadline=None)
@given(bad=st.lists(st.sampled_from([0.0, 9.0, NAN]), min_size=20, max_size=60), cut=st.integers(1, 59))
def test_a_rebuild_from_journal_and_book_goes_on_as_if_nothing_had_happened(
    world: Make, bad: list[float], cut: int
) -> None:
    cut = min(cut, len(bad) - 1)
    whole, before = (world(horizon=15 * MINUTE, hold=2 * MINUTE, keep=2 * MINUTE) for _ in range(2))
    batches = [whole.batch(minute, (100, value)) for minute, value in enumerate(bad)]
    for batch in batches:
        whole.feed(batch)
    for batch in batches[:cut]:
        before.feed(batch)

    after = world(horizon=15 * MINUTE, hold=2 * MINUTE, keep=2 * MINUTE)
    book = incidents(before.transitions)
    assert rebuilt(after.engine, batches[:cut], book, before.engine.snapshot()) == []
    for batch in batches[cut:]:
        after.feed(batch)
    assert standing(before.transitions + after.transitions) == standing(whole.transitions)


def test_a_rebuild_leaves_alone_what_ended_long_ago_across_a_boundary(world: Make) -> None:
    """The coarse stream ended within an incident whose end lies in fine bins older than the horizon."""
    before, after = world(horizon=30 * MINUTE), world(horizon=30 * MINUTE)
    before.stream, before.width = "resources-10m", 10 * MINUTE
    batches = [before.batch(0, (100, 0)), before.batch(10, (100, 90))]
    before.stream, before.width = "resources", MINUTE
    batches += [before.batch(minute, (10, 9 if minute < 40 else 0)) for minute in range(20, 240)]
    for batch in batches:
        before.feed(batch)

    assert rebuilt(after.engine, batches, incidents(before.transitions), before.engine.snapshot()) == []
    assert after.state() == "inactive"


def restarted(world: Make, before: Any, batches: list[Any], **options: Any) -> Any:  # noqa: ANN401 - a World
    """A world that goes on after a restart of another one."""
    after = world(**options)
    after.transitions = list(before.transitions)
    after.transitions += rebuilt(
        after.engine, batches, incidents(before.transitions), before.engine.snapshot()
    )
    return after


def test_an_incident_whose_resource_is_no_longer_read_ends_as_unjudged(world: Make, minute: At) -> None:
    before = world()
    before.run(range(2), (100, 0), (100, 9))
    before.run(range(2, 240), (100, 0))
    after = restarted(world, before, [before.batch(m, (100, 0)) for m in range(60, 240)])
    for hour in range(4, 24 * 9):
        after.feed(after.batch(hour * 60, (100, 0)))

    assert [change for _, change in said(after.transitions)] == [
        Change.OPENED,
        Change.UNJUDGED,
        Change.RESOLVED,
    ]
    assert (after.transitions[-1].resolution, after.transitions[-1].resolved_at) == (
        Resolution.UNJUDGED,
        minute(2),
    )


def test_a_restart_in_blindness_does_not_move_the_end(world: Make, minute: At) -> None:
    before = world()
    batches = [before.batch(m, (100, 9) if m < 10 else (NAN, NAN)) for m in range(300)]
    for batch in batches:
        before.feed(batch)
    after = restarted(world, before, batches)
    after.feed(after.batch(300, (100, 0)))

    assert standing(after.transitions) == [("shop", minute(0), minute(10))]


def test_daily_restarts_neither_repeat_the_note_nor_put_off_the_end(world: Make) -> None:
    now = world()
    now.run(range(2), (100, 9), (100, 0))
    recent: list[Any] = []
    for hour in range(1, 24 * 8):
        recent = [*recent, now.batch(hour * 60, (NAN, NAN), (100, 0))][-4:]
        now.feed(recent[-1])
        if hour % 24 == 0:
            now = restarted(world, now, recent)

    assert [change for _, change in said(now.transitions)] == [
        Change.OPENED,
        Change.UNJUDGED,
        Change.RESOLVED,
    ]


def test_what_came_too_late_is_refused_after_a_restart_too(world: Make) -> None:
    before = world(horizon=10 * MINUTE)
    batches = [before.batch(m, (100, 0)) for m in range(60)]
    late = [before.batch(m, (100, 9), settled=60) for m in range(20, 25)]
    for batch in [*batches, *late]:
        before.feed(batch)
    after = restarted(world, before, [*batches, *late], horizon=10 * MINUTE)

    assert after.transitions == before.transitions == []


def test_a_rule_that_was_relaxed_lets_its_incident_recover(world: Make) -> None:
    before = world(limit=5)
    batches = [before.batch(m, (100, 9)) for m in range(200)]
    for batch in batches:
        before.feed(batch)
    after = restarted(world, before, batches, limit=50)

    assert [change for _, change in said(after.transitions)] == [Change.OPENED, Change.RESOLVED]
    assert after.state() == "inactive"


def test_what_nothing_judges_any_more_is_closed_as_unjudged(world: Make) -> None:
    before = world()
    batches = [before.batch(m, (100, 9)) for m in range(200)]
    for batch in batches:
        before.feed(batch)
    states = before.engine.snapshot()
    [without_rule] = rebuilt(Engine([]), batches, incidents(before.transitions), states)
    [without_source] = rebuilt(world().engine, batches, incidents(before.transitions), states, ())

    for closed in (without_rule, without_source):
        assert (closed.change, closed.resolution) == (Change.RESOLVED, Resolution.UNJUDGED)


def test_a_stream_that_comes_back_after_a_restart_is_not_late_for_another_ones_sake(world: Make) -> None:
    before = world()
    other = [replace(before.batch(m, (100, 9), names=("video",)), stream="b") for m in range(30)]
    own = [before.batch(m, (100, 0)) for m in range(600)]
    for batch in [*other, *own]:
        before.feed(batch)
    after = restarted(world, before, [*other, *own[400:]])
    again = [replace(after.batch(m, (100, 0), names=("video",)), stream="b") for m in range(30, 600)]
    for batch in again:
        after.feed(batch)

    assert after.engine.late == 0
    assert said(after.transitions) == [("video", Change.OPENED), ("video", Change.RESOLVED)]


def test_an_answer_without_any_series_withdraws_what_it_said_before(world: Make) -> None:
    cdn = world()
    cdn.run(range(3), (100, 0))
    cdn.run(range(3, 5), (100, 9))
    changes = cdn.feed(cdn.batch(3), cdn.batch(4))

    assert said(changes) == [("shop", Change.WITHDRAWN)]


@pytest.mark.parametrize("dumped", range(12))
def test_ticks_judged_again_after_a_dump_are_told_already(world: Make, dumped: int) -> None:
    """A dump from before the first bin holds no track: the ticks after it make them."""
    before, after = world(), world()
    batches = [before.batch(0, (NAN, NAN)), *(before.batch(m, (100, 90)) for m in range(1, 12))]
    for batch in batches[:dumped]:
        before.feed(batch)
    after.engine.load(before.engine.dump(), {"cdn": "test"})
    for batch in batches[dumped:]:
        before.feed(batch)
        after.feed(batch)

    book = incidents(before.transitions)
    assert after.engine.rebuild(book, before.engine.snapshot(), at=batches[-1].fetched_at) == []
