"""Which windows are asked for: without a gap, aligned, settled, oldest first, and never too many."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.collect.collector import StreamSpec, Window
from watcher.collect.windows import (
    CHUNK,
    TICKS,
    Span,
    behind,
    caught_up,
    complete,
    due,
    elapsed_ticks,
    spans,
    woken,
)
from watcher.model.sample import Cursor
from watcher.model.time import HOUR, MINUTE, Duration, Instant, floor, parse_rfc3339

NOW = parse_rfc3339("2026-11-22T03:07:30Z")
FINE = StreamSpec("fine", MINUTE, MINUTE, settle=3 * MINUTE, backfill=HOUR, align=10 * MINUTE, after="coarse")
COARSE = StreamSpec(
    "coarse", 10 * MINUTE, MINUTE, backfill=6 * HOUR, until=HOUR, align=10 * MINUTE, settle=3 * MINUTE
)

widths = st.sampled_from([MINUTE, 5 * MINUTE, 10 * MINUTE])
durations = st.integers(0, 3 * HOUR)


def at(text: str) -> Instant:
    return parse_rfc3339(f"2026-11-22T{text}:00Z")


@given(widths, durations, durations, durations, st.integers(-HOUR, 3 * HOUR), st.none() | durations)
def test_due_windows_are_settled_aligned_bins_in_order_within_the_span(
    width: Duration, settle: Duration, overlap: Duration, age: Duration, ago: Duration, until: Duration | None
) -> None:
    spec = StreamSpec("s", width, MINUTE, settle=settle)
    span = Span(NOW - age, None if until is None else NOW - until)
    position = max(span.since, NOW - ago)
    windows = due(spec, span, position, NOW, overlap=overlap)

    assert [window.start for window in windows] == [window.end - width for window in windows]
    assert all(before.end == after.start for before, after in pairwise(windows))
    assert all(window.start % width == 0 for window in windows)
    assert all(span.since <= window.start and window.end <= NOW - settle for window in windows)
    assert all(span.until is None or window.end <= span.until for window in windows)
    assert len([window for window in windows if window.start >= position]) <= CHUNK
    if windows:
        assert windows[0].start >= position - overlap - width


@given(widths, durations, durations, st.lists(st.integers(0, 2 * HOUR), max_size=8))
def test_reading_what_is_due_again_and_again_covers_every_bin_once(
    width: Duration, settle: Duration, backfill: Duration, pauses: list[Duration]
) -> None:
    spec = StreamSpec("s", width, MINUTE, settle=settle, backfill=backfill)
    span = spans([spec], {}, NOW)["s"]
    position, now, read = span.since, NOW, list[Window]()
    for pause in [0, *pauses]:
        now += pause
        while windows := due(spec, span, position, now):
            read += windows
            position = windows[-1].end

    assert [window.start for window in read] == list(range(span.since, position, width))
    assert not due(spec, span, position, now)


def test_the_overlap_asks_for_the_same_windows_again_but_not_before_the_span() -> None:
    spec, now = replace(FINE, overlap=2 * MINUTE), at("03:10")

    assert [window.start for window in due(spec, Span(0), at("03:06"), now, overlap=spec.overlap)] == [
        at("03:04"),
        at("03:05"),
        at("03:06"),
    ]
    assert [w.start for w in due(spec, Span(at("03:06")), at("03:06"), now, overlap=spec.overlap)] == [
        at("03:06")
    ]


def test_at_first_a_span_begins_its_backfill_ago_on_the_coarser_grid() -> None:
    found = spans([FINE, COARSE], {}, NOW)

    assert found == {
        "coarse": Span(parse_rfc3339("2026-11-21T21:00:00Z"), at("02:00")),
        "fine": Span(at("02:00")),
    }


def cursor(stream: str, since: Instant, until: Instant | None = None) -> Cursor:
    return Cursor("cdn", stream, since, since, until)


@given(st.integers(0, 12 * HOUR), st.sets(st.sampled_from(["coarse", "fine"])))
def test_after_a_restart_at_any_time_the_boundary_is_where_it_was(later: Duration, kept: set[str]) -> None:
    first = spans([FINE, COARSE], {}, NOW)
    stored = {name: cursor(name, first[name].since, first[name].until) for name in kept}
    again = spans([FINE, COARSE], stored, NOW + later)

    assert again["coarse"].until == again["fine"].since
    if stored:
        assert again["fine"].since == first["fine"].since


def test_a_bound_that_an_older_database_did_not_keep_is_taken_from_the_other_stream() -> None:
    stored = {"coarse": cursor("coarse", at("00:00")), "fine": cursor("fine", at("01:20"))}

    assert spans([COARSE, FINE], stored, NOW)["coarse"] == Span(at("00:00"), at("01:20"))


def test_a_stream_that_no_longer_ends_forgets_where_it_did() -> None:
    spec = replace(COARSE, until=0)

    assert spans([spec], {"coarse": cursor("coarse", 0, at("02:00"))}, NOW)["coarse"].until is None


def test_a_stream_is_behind_while_its_next_bin_is_older_than_settle_and_two_cadences() -> None:
    spec, span = replace(FINE, overlap=0), Span(0)
    now = at("03:10")

    assert caught_up(spec, span, at("03:04"), now)
    assert not caught_up(spec, span, at("03:03"), now)
    assert behind(spec, span, at("03:03"), now) == 4 * MINUTE
    assert behind(spec, span, at("03:09"), now) == 0


def test_states_and_complete_streams_are_never_behind() -> None:
    assert caught_up(StreamSpec("states", 0, MINUTE), Span(0), 0, NOW)
    assert behind(StreamSpec("states", 0, MINUTE), Span(0), 0, NOW) == 0
    assert complete(Span(0, at("02:00")), at("02:00"))
    assert caught_up(COARSE, Span(0, at("02:00")), at("02:00"), NOW)


@pytest.mark.parametrize(("now", "tick"), [(NOW, NOW), (NOW + 20_000, NOW), (NOW - 20_000, NOW)])
def test_a_tick_keeps_its_planned_time(now: Instant, tick: Instant) -> None:
    assert woken(NOW, MINUTE, now) == tick


@pytest.mark.parametrize("now", [NOW + HOUR, NOW - HOUR])
def test_after_the_clock_was_set_a_tick_is_now(now: Instant) -> None:
    assert woken(NOW, MINUTE, now) == now


def test_ticks_that_passed_are_all_accounted_for_within_reason() -> None:
    assert list(elapsed_ticks(NOW, MINUTE, NOW - 1)) == []
    assert list(elapsed_ticks(NOW, MINUTE, NOW + 2 * MINUTE)) == [NOW, NOW + MINUTE, NOW + 2 * MINUTE]
    assert len(elapsed_ticks(NOW, MINUTE, NOW + 1_000_000 * MINUTE)) == TICKS
    assert floor(NOW, MINUTE) == at("03:07")
