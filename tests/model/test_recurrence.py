"""Spans that come back by the clocks of a place: over midnight, on days of the week, when clocks change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.model.recurrence import Recurrence, Span, covered_until, covers
from watcher.model.time import DAY, HOUR, MINUTE, parse_rfc3339, rfc3339

BERLIN = "Europe/Berlin"
NIGHTS = Recurrence(22 * 60, 7 * 60, zone=BERLIN)
WEEKEND = Recurrence(0, 24 * 60, frozenset({5, 6}), BERLIN)


def told(span: Span | None) -> tuple[str, str] | None:
    return None if span is None else (rfc3339(span.start), rfc3339(span.end))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-18T20:59:59Z", None),
        ("2026-11-18T21:00:00Z", ("2026-11-18T21:00:00Z", "2026-11-19T06:00:00Z")),
        ("2026-11-19T05:59:59Z", ("2026-11-18T21:00:00Z", "2026-11-19T06:00:00Z")),
        ("2026-11-19T06:00:00Z", None),
    ],
)
def test_a_night_crosses_midnight_and_holds_its_start_but_not_its_end(
    at: str, expected: tuple[str, str] | None
) -> None:
    assert told(NIGHTS.covering(parse_rfc3339(at))) == expected


def test_a_night_belongs_to_the_day_it_starts_on() -> None:
    fridays = Recurrence(22 * 60, 7 * 60, frozenset({4}), BERLIN)

    assert fridays.covering(parse_rfc3339("2026-11-21T03:00:00Z")) is not None
    assert fridays.covering(parse_rfc3339("2026-11-20T03:00:00Z")) is None


def test_a_night_is_an_hour_shorter_or_longer_when_clocks_change() -> None:
    spring = NIGHTS.covering(parse_rfc3339("2026-03-29T00:00:00Z"))
    autumn = NIGHTS.covering(parse_rfc3339("2026-10-25T00:00:00Z"))

    assert told(spring) == ("2026-03-28T21:00:00Z", "2026-03-29T05:00:00Z")
    assert told(autumn) == ("2026-10-24T20:00:00Z", "2026-10-25T06:00:00Z")


def test_a_time_that_does_not_exist_is_as_much_later() -> None:
    gap = Recurrence(2 * 60 + 30, 4 * 60, zone=BERLIN)

    assert told(gap.following(parse_rfc3339("2026-03-29T00:00:00Z"), 1)[0]) == (
        "2026-03-29T01:30:00Z",
        "2026-03-29T02:00:00Z",
    )


def test_a_time_that_comes_twice_starts_a_span_the_first_time_and_ends_it_the_second() -> None:
    twice = Recurrence(2 * 60, 2 * 60 + 30, zone=BERLIN)

    assert told(twice.following(parse_rfc3339("2026-10-24T12:00:00Z"), 1)[0]) == (
        "2026-10-25T00:00:00Z",
        "2026-10-25T01:30:00Z",
    )


def test_midnight_at_the_end_is_the_next_days() -> None:
    spans = WEEKEND.following(parse_rfc3339("2026-11-20T12:00:00Z"), 3)

    assert [told(span) for span in spans] == [
        ("2026-11-20T23:00:00Z", "2026-11-21T23:00:00Z"),
        ("2026-11-21T23:00:00Z", "2026-11-22T23:00:00Z"),
        ("2026-11-27T23:00:00Z", "2026-11-28T23:00:00Z"),
    ]


def test_spans_that_meet_or_overlap_are_one_wait() -> None:
    friday_night = parse_rfc3339("2026-11-20T22:00:00Z")

    assert covered_until([NIGHTS, WEEKEND], friday_night) == parse_rfc3339("2026-11-23T06:00:00Z")
    assert covered_until([NIGHTS, WEEKEND], parse_rfc3339("2026-11-23T06:00:00Z")) is None
    assert covered_until([], friday_night) is None


def test_spans_cover_a_week_where_they_leave_no_minute_of_it() -> None:
    monday = parse_rfc3339("2026-01-05T00:00:00Z")
    week = Span(monday, monday + 7 * DAY)
    quarters = [Recurrence(start, start + 15) for start in range(0, 24 * 60, 15)]

    assert covers(quarters, week)
    assert not covers(quarters[:50] + quarters[51:], week)
    assert not covers([NIGHTS, WEEKEND], week)
    assert not covers([], week)


def test_what_never_ends_is_looked_at_again_after_days() -> None:
    always = Recurrence(0, 24 * 60)
    now = parse_rfc3339("2026-11-20T22:00:00Z")

    until = covered_until([always], now)
    assert until is not None
    assert until - now > 7 * DAY


@given(
    st.integers(0, 23 * 60 + 59),
    st.integers(0, 24 * 60),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.sampled_from([BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.integers(0, 40_000 * 24 * 60).map(lambda minutes: minutes * MINUTE),
)
def test_the_present_span_is_the_first_to_follow_and_spans_come_in_order(
    start: int, end: int, days: frozenset[int], zone: str, at: int
) -> None:
    recurrence = Recurrence(start, end, days, zone)
    spans = recurrence.following(at, 3)

    covering = recurrence.covering(at)
    assert covering is None or covering in spans
    assert [span.start for span in spans] == sorted(span.start for span in spans)
    assert all(span.end > at and span.end - span.start <= DAY + 2 * HOUR for span in spans)
