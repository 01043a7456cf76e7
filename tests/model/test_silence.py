"""When silences hold, and what they hide."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notify.doubles import incident
from watcher.model.labels import Matcher
from watcher.model.recurrence import Recurrence
from watcher.model.silence import (
    LOOK_AGAIN,
    Silence,
    hidden_at_opening,
    matchers_of,
    of_incident,
    silenced_by,
    spec_of,
)
from watcher.model.time import DAY, HOUR, MINUTE, Instant, parse_rfc3339, rfc3339

MONDAY = parse_rfc3339("2026-11-23T00:00:00Z")
BERLIN = "Europe/Berlin"
NIGHTS = Recurrence(22 * 60, 6 * 60, frozenset({0, 1, 2, 3, 4}), BERLIN)
SHOP = Silence("s-1", (Matcher("resource", ("shop",)),), MONDAY, MONDAY + 2 * HOUR, "ada", "moves")


def spans(silence: Silence, at: Instant, count: int = 3) -> list[tuple[str, str]]:
    return [(rfc3339(span.start), rfc3339(span.end)) for span in silence.spans(at, count)]


def test_it_holds_from_its_start_up_to_its_end() -> None:
    assert SHOP.until(MONDAY - 1) is None
    assert SHOP.until(MONDAY) == MONDAY + 2 * HOUR
    assert SHOP.until(MONDAY + 2 * HOUR - 1) == MONDAY + 2 * HOUR
    assert SHOP.until(MONDAY + 2 * HOUR) is None


def test_one_that_a_person_ended_holds_no_more() -> None:
    ended = replace(SHOP, ended_at=MONDAY + HOUR, ended_by="bob")

    assert ended.until(MONDAY) == MONDAY + HOUR
    assert ended.until(MONDAY + HOUR) is None
    assert ended.over(MONDAY + HOUR)


def test_one_without_an_end_is_looked_at_again_in_a_day() -> None:
    assert replace(SHOP, ends_at=None).until(MONDAY) == MONDAY + LOOK_AGAIN


def test_one_that_comes_back_holds_in_each_of_its_spans_and_between_them_not() -> None:
    nightly = replace(SHOP, starts_at=MONDAY, ends_at=None, recurrence=NIGHTS)

    assert nightly.until(parse_rfc3339("2026-11-23T12:00Z")) is None
    assert nightly.until(parse_rfc3339("2026-11-24T00:00Z")) == parse_rfc3339("2026-11-24T05:00Z")
    assert spans(nightly, MONDAY, 2) == [
        ("2026-11-23T21:00:00Z", "2026-11-24T05:00:00Z"),
        ("2026-11-24T21:00:00Z", "2026-11-25T05:00:00Z"),
    ]


def test_its_spans_are_cut_at_its_start_and_at_its_end() -> None:
    start, end = parse_rfc3339("2026-11-23T23:00Z"), parse_rfc3339("2026-11-25T01:00Z")
    nightly = replace(SHOP, starts_at=start, ends_at=end, recurrence=NIGHTS)

    assert spans(nightly, MONDAY) == [
        ("2026-11-23T23:00:00Z", "2026-11-24T05:00:00Z"),
        ("2026-11-24T21:00:00Z", "2026-11-25T01:00:00Z"),
    ]
    assert nightly.over(end)


@pytest.mark.parametrize(
    ("start", "end", "day", "expected"),
    [
        # 02:30 does not exist on 2026-03-29: it is as much later, 03:30 by the new time.
        (150, 300, "2026-03-29", ("2026-03-29T01:30:00Z", "2026-03-29T03:00:00Z")),
        # 02:30 comes twice on 2026-10-25: a span starts at the first, and ends at the second.
        (150, 300, "2026-10-25", ("2026-10-25T00:30:00Z", "2026-10-25T04:00:00Z")),
        (60, 150, "2026-10-25", ("2026-10-24T23:00:00Z", "2026-10-25T01:30:00Z")),
        # A night over the change is an hour shorter or longer.
        (22 * 60, 6 * 60, "2026-03-28", ("2026-03-28T21:00:00Z", "2026-03-29T04:00:00Z")),
        (22 * 60, 6 * 60, "2026-10-24", ("2026-10-24T20:00:00Z", "2026-10-25T05:00:00Z")),
    ],
)
def test_times_of_day_mean_what_the_clocks_of_the_zone_show_when_they_change(
    start: int, end: int, day: str, expected: tuple[str, str]
) -> None:
    """Local times that do not exist are as much later; of those that exist twice the longer span is meant."""
    noon_before = parse_rfc3339(f"{day}T00:00:00Z") - 12 * HOUR
    daily = replace(SHOP, starts_at=0, ends_at=None, recurrence=Recurrence(start, end, zone=BERLIN))

    assert expected in spans(daily, noon_before)


RECURRENCES = st.builds(
    Recurrence,
    st.integers(0, 1439),
    st.integers(0, 1440),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.sampled_from(["UTC", BERLIN, "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
INSTANTS = st.integers(MONDAY - 400 * DAY, MONDAY + 400 * DAY)


@given(
    recurrence=st.none() | RECURRENCES,
    start=INSTANTS,
    lasts=st.none() | st.integers(1, 30 * DAY),
    at=INSTANTS,
    ended=st.none() | INSTANTS,
)
def test_it_holds_at_an_instant_when_a_span_of_it_holds_that(
    recurrence: Recurrence | None, start: Instant, lasts: int | None, at: Instant, ended: Instant | None
) -> None:
    end = None if lasts is None else start + lasts
    silence = replace(SHOP, starts_at=start, ends_at=end, recurrence=recurrence, ended_at=ended)

    found, until = silence.spans(at, 4), silence.until(at)

    assert (until is not None) == any(span.start <= at < span.end for span in found)
    assert all(start <= span.start < span.end for span in found)
    assert all(one.start <= another.start for one, another in itertools.pairwise(found))
    if silence.end is not None:
        assert all(span.end <= silence.end for span in found)
        assert until is None or until <= silence.end
    assert until is None or until > at


def test_the_one_that_holds_longest_is_named() -> None:
    longer = replace(SHOP, id="s-2", ends_at=MONDAY + DAY)
    other = replace(SHOP, id="s-3", matchers=(Matcher("resource", ("video",)),), ends_at=MONDAY + 9 * DAY)

    assert silenced_by([SHOP, longer, other], incident(), MONDAY) == longer
    assert silenced_by([SHOP, longer, other], incident(), MONDAY - 1) is None


def test_matchers_see_labels_rule_and_severity_and_one_without_any_hides_everything() -> None:
    of_rule = replace(SHOP, matchers=matchers_of({"rule": "~http_.*", "severity": ["warning", "critical"]}))
    absent = replace(SHOP, matchers=matchers_of({"region": ""}))

    assert silenced_by([of_rule], incident(), MONDAY)
    assert silenced_by([absent], incident(), MONDAY)
    assert silenced_by([replace(SHOP, matchers=())], incident(), MONDAY)
    assert not silenced_by([replace(SHOP, matchers=matchers_of({"rule": "http"}))], incident(), MONDAY)


def test_matchers_of_an_incident_hide_it_and_nothing_that_differs_from_it() -> None:
    own = replace(SHOP, matchers=of_incident(incident()))
    other = replace(incident(), key=replace(incident().key, rule="latency_rise"))

    assert silenced_by([own], incident(), MONDAY)
    assert not silenced_by([own], other, MONDAY)


def test_what_it_would_have_hidden_is_judged_at_the_time_of_detection() -> None:
    assert hidden_at_opening(SHOP, incident(detected_at=MONDAY + MINUTE))
    assert not hidden_at_opening(SHOP, incident(detected_at=MONDAY - MINUTE))


@given(st.dictionaries(st.text(), st.lists(st.text(), min_size=1, max_size=3), max_size=3))
def test_matchers_are_written_so_that_they_are_read_back(values: dict[str, list[str]]) -> None:
    matchers = tuple(Matcher(label, tuple(some)) for label, some in values.items())

    assert matchers_of(spec_of(matchers)) == matchers
