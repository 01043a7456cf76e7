"""State sets, complete listings, what is gone, and what was bad long before it was seen."""

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.books import incidents, rebuilt, said
from tests.engine.listings import Listings, minute, state_rule
from watcher.model.incident import Change, Incident, Resolution, Transition
from watcher.model.rule import Severity
from watcher.model.sample import Exemplar, SampleBatch
from watcher.model.time import DAY, HOUR, MINUTE, SECOND

LONG_AGO = -30 * DAY / SECOND


def book(transitions: list[Transition]) -> list[tuple[str, int, int | None, Resolution | None, Severity]]:
    """What the book holds in the end: resource ("" of the source's fold), times, resolution, severity."""

    def row(one: Incident) -> tuple[str, int, int | None, Resolution | None, Severity]:
        resource = dict(one.key.labels).get("resource", "")
        return resource, one.opened_at, one.resolved_at, one.resolution, one.severity

    return sorted(map(row, incidents(transitions)), key=lambda found: found[:2])


def test_what_a_complete_listing_lacks_is_gone_at_once() -> None:
    cdn = Listings()
    cdn.feed(cdn.listing(0, {"shop": "offline", "video": "online"}))
    (gone,) = cdn.feed(cdn.listing(5, {"video": "online"}))

    assert (gone.change, gone.resolution, gone.resolved_at) == (
        Change.RESOLVED,
        Resolution.GONE,
        minute(5),
    )
    assert gone.recovery is None
    assert cdn.state("shop") == "inactive"


def test_an_empty_complete_listing_lacks_them_all() -> None:
    cdn = Listings()
    cdn.feed(cdn.listing(0, {"shop": "offline", "video": "offline"}))
    gone = cdn.feed(cdn.listing(5, {}))

    assert {t.resolution for t in gone} == {Resolution.GONE}
    assert len(gone) == 2


def test_what_an_incomplete_listing_lacks_is_unknown() -> None:
    cdn = Listings()
    cdn.feed(cdn.listing(0, {"shop": "offline", "video": "online"}))

    assert cdn.feed(cdn.listing(5, {"video": "online"}, complete=False)) == []
    assert cdn.state("shop") == "firing"


def test_what_is_listed_without_a_state_is_unknown_not_gone() -> None:
    cdn = Listings()
    cdn.feed(cdn.listing(0, {"shop": "offline"}))

    assert cdn.feed(cdn.listing(5, {"shop": ""})) == []
    assert cdn.state("shop") == "firing"


def test_what_is_pending_when_it_goes_is_never_told() -> None:
    cdn = Listings([state_rule(hold=10 * MINUTE)])
    cdn.feed(cdn.listing(0, {"shop": "offline", "video": "online"}))
    cdn.feed(cdn.listing(5, {"video": "online"}))
    cdn.feed(cdn.listing(11, {"shop": "offline", "video": "online"}))

    assert cdn.transitions == []
    assert cdn.state("shop") == "pending"


def test_what_comes_back_is_another_episode() -> None:
    cdn = Listings()
    for at, states in ((0, {"shop": "offline"}), (5, {}), (10, {"shop": "offline"})):
        cdn.feed(cdn.listing(at, states))

    assert book(cdn.transitions) == [
        ("shop", minute(0), minute(5), Resolution.GONE, Severity.CRITICAL),
        ("shop", minute(10), None, None, Severity.CRITICAL),
    ]


def test_what_one_stream_no_longer_lists_is_not_gone_while_another_one_holds_it() -> None:
    cdn = Listings()
    cdn.feed(cdn.listing(0, {"shop": "offline"}, stream="a"), cdn.listing(1, {"shop": "offline"}, stream="b"))
    assert cdn.feed(cdn.listing(5, {}, stream="a"), cdn.listing(6, {"shop": "offline"}, stream="b")) == []
    (gone,) = cdn.feed(cdn.listing(10, {}, stream="a"), cdn.listing(11, {}, stream="b"))

    assert (gone.resolution, gone.resolved_at) == (Resolution.GONE, minute(11))


def test_a_listing_that_comes_late_says_so_of_its_own_time() -> None:
    cdn = Listings()
    cdn.feed(cdn.listing(0, {"shop": "offline"}))
    cdn.feed(cdn.listing(20, {"shop": "offline"}))
    late = cdn.feed(replace(cdn.listing(10, {}), settled_until=minute(20)))

    assert book(cdn.transitions) == [
        ("shop", minute(0), minute(10), Resolution.GONE, Severity.CRITICAL),
        ("shop", minute(20), None, None, Severity.CRITICAL),
    ]
    assert len(late) == 2


def test_a_restated_listing_takes_back_that_it_was_gone() -> None:
    cdn = Listings()
    cdn.feed(cdn.listing(0, {"shop": "offline"}))
    cdn.feed(cdn.listing(5, {}))
    (reopened,) = cdn.feed(cdn.listing(5, {"shop": "offline"}))

    assert reopened.change is Change.REOPENED


def test_an_end_that_was_seen_is_not_carried_past_its_certificate_s_going() -> None:
    """A passing state that is gone does not go on to age while the vendor is silent."""
    cdn = Listings([state_rule(good=(), bad=(), stuck_after="10m")])
    cdn.feed(cdn.listing(0, {"shop": "configuring", "video": "online"}))
    cdn.feed(cdn.listing(5, {"video": "online"}))
    for at in range(6, 40):
        cdn.feed(cdn.silence(at))

    assert cdn.transitions == []


def test_a_passing_state_is_stuck_also_while_the_vendor_is_silent() -> None:
    cdn = Listings([state_rule(good=(), bad=(), stuck_after="10m")])
    cdn.feed(cdn.listing(0, {"shop": "configuring"}))
    for at in range(1, 15):
        cdn.feed(cdn.silence(at))

    assert book(cdn.transitions) == [("shop", minute(10), None, None, Severity.CRITICAL)]


def test_a_state_read_against_lists_is_unknown_while_the_vendor_is_silent() -> None:
    cdn = Listings()
    cdn.feed(cdn.listing(0, {"shop": "offline"}))
    for at in range(1, 90):
        cdn.feed(cdn.silence(at))

    assert said(cdn.transitions) == [("shop", Change.OPENED)]
    assert cdn.state("shop") == "firing"


def test_a_state_that_is_in_no_list_is_an_incident_as_info() -> None:
    cdn = Listings()
    (opened,) = cdn.feed(cdn.listing(0, {"shop": "frozen"}))

    assert opened.severity is Severity.INFO
    assert opened.summary == "resource shop: frozen, a state that is not known here"


def test_the_severity_follows_the_bin_that_fired_when_it_is_restated() -> None:
    cdn = Listings()
    cdn.feed(cdn.listing(0, {"shop": "frozen"}))
    (rose,) = cdn.feed(cdn.listing(0, {"shop": "offline"}))

    assert (rose.change, rose.severity) == (Change.ROSE, Severity.CRITICAL)


def test_a_change_is_told_for_as_long_as_it_is_new() -> None:
    cdn = Listings([state_rule(changed_within="30m")])
    for at in range(0, 60, 5):
        cdn.feed(cdn.listing(at, {"shop": "online" if at < 10 else "configuring"}))

    assert book(cdn.transitions) == [
        ("shop", minute(10), minute(40), Resolution.RECOVERED, Severity.CRITICAL)
    ]


def test_what_was_bad_long_before_it_was_seen_is_one_info_incident_of_the_source() -> None:
    cdn = Listings()
    old = {"shop": LONG_AGO, "video": LONG_AGO}
    (opened,) = cdn.feed(
        cdn.listing(0, {"shop": "offline", "video": "offline", "api": "online"}, changed=old)
    )

    assert dict(opened.key.labels) == {"source": "cdn", "vendor": "test"}
    assert opened.severity is Severity.INFO
    assert opened.evidence.seen == 2
    assert [part["what"] for part in opened.evidence.parts] == ["resource shop", "resource video"]

    assert (
        cdn.feed(cdn.listing(5, {"shop": "online", "video": "offline", "api": "online"}, changed=old)) == []
    )
    (ended,) = cdn.feed(cdn.listing(10, {"shop": "online", "api": "online"}, changed=old))
    assert (ended.change, ended.resolved_at) == (Change.RESOLVED, minute(10))


def test_the_time_of_a_change_is_not_that_of_the_next_one() -> None:
    """What the vendor says without a time of its change is new, whatever time its former state had."""
    cdn = Listings()
    cdn.feed(cdn.listing(0, {"shop": "online"}, changed={"shop": LONG_AGO}))
    (opened,) = cdn.feed(cdn.listing(5, {"shop": "offline"}))

    assert (opened.severity, opened.opened_at) == (Severity.CRITICAL, minute(5))


def test_what_is_gone_while_its_stream_was_blind_is_gone_after_a_restart_too() -> None:
    before, after = Listings(), Listings()
    batches = [before.listing(0, {"shop": "offline", "video": "online"})]
    batches += [before.silence(at) for at in range(1, 540)]
    for batch in batches:
        before.feed(batch)
    needed = before.engine.needed_from()
    journal = [one for one in batches if one.settled_until >= needed[one.source, one.stream]]
    assert rebuilt(after.engine, journal, incidents(before.transitions), before.engine.snapshot()) == []
    (gone,) = after.feed(after.listing(540, {"video": "online"}))

    assert gone.resolution is Resolution.GONE


def test_what_was_bad_for_long_and_becomes_bad_otherwise_is_told_of_itself() -> None:
    cdn = Listings()
    cdn.feed(cdn.listing(0, {"shop": "offline"}, changed={"shop": LONG_AGO}))
    cdn.feed(cdn.listing(5, {"shop": "online"}, changed={"shop": 240.0}))
    cdn.feed(cdn.listing(10, {"shop": "offline"}, changed={"shop": 500.0}))

    assert book(cdn.transitions) == [
        ("", minute(0), minute(5), Resolution.RECOVERED, Severity.INFO),
        ("shop", minute(10), None, None, Severity.CRITICAL),
    ]


def test_without_a_time_of_its_change_a_bad_state_is_new() -> None:
    cdn = Listings()
    (opened,) = cdn.feed(cdn.listing(0, {"shop": "offline"}))

    assert (opened.severity, dict(opened.key.labels)["resource"]) == (Severity.CRITICAL, "shop")


def test_an_exemplar_becomes_evidence_of_the_row_it_belongs_to() -> None:
    cdn = Listings()
    records = [
        Exemplar(e, minute(0), {"reason": f"r{e}", "resource": name}) for e, name in ((0, "shop"), (1, "x"))
    ]
    found = cdn.feed(cdn.listing(0, {"shop": "offline", "video": "offline"}, exemplars=records))

    of = {dict(t.key.labels)["resource"]: t.evidence.exemplars for t in found}
    assert of["shop"] == ({"at": "2023-11-14T22:20:00Z", "reason": "r0", "resource": "shop"},)
    assert of["video"] == ()  # what the record says is about another one


def test_exemplars_of_one_bin_are_bounded() -> None:
    cdn = Listings()
    records = [Exemplar(0, minute(0), {"reason": str(number)}) for number in range(100)]
    (opened,) = cdn.feed(cdn.listing(0, {"shop": "offline"}, exemplars=records))

    assert len(opened.evidence.exemplars) == 3


# --- properties

_NAMES = ("shop", "video")
_CHOICES = st.sampled_from(["online", "offline", "frozen", "old", "", None])


def listings(
    cdn: Listings, story: list[tuple[str | None, ...]], stream: str = "domains"
) -> list[SampleBatch]:
    """One listing each five minutes; None is not listed, "old" is offline for long. One is always there."""
    made = []
    for number, row in enumerate(story):
        listed = {name: state for name, state in zip(_NAMES, row, strict=True) if state is not None}
        changed = {name: LONG_AGO for name, state in listed.items() if state == "old"}
        states = {name: "offline" if state == "old" else state for name, state in listed.items()}
        made.append(cdn.listing(5 * number, {**states, "other": "online"}, changed=changed, stream=stream))
    return made


@settings(max_examples=80, deadline=None)
@given(story=st.lists(st.tuples(_CHOICES, _CHOICES), min_size=3, max_size=16), seed=st.integers(0, 10_000))
def test_the_order_of_arrival_does_not_matter(story: list[tuple[str | None, ...]], seed: int) -> None:
    """Nor do duplicates and listings that are corrected later."""
    ordered, shuffled = Listings(), Listings()
    batches = listings(ordered, story)
    for batch in batches:
        ordered.feed(batch)
    chance = random.Random(seed)  # noqa: S311 - a test's shuffle
    other = listings(shuffled, [chance.choice(story) for _ in story])
    deliveries = [(number, batch) for number, batch in enumerate(other)]
    chance.shuffle(deliveries)
    final = list(enumerate(batches))
    chance.shuffle(final)
    for _, batch in deliveries[: len(deliveries) // 2] + final:
        shuffled.feed(batch)

    assert book(shuffled.transitions) == book(ordered.transitions)


@settings(max_examples=60, deadline=None)
@given(
    story=st.lists(st.tuples(_CHOICES, _CHOICES), min_size=6, max_size=24),
    cut=st.integers(1, 23),
    horizon=st.sampled_from([15 * MINUTE, 2 * HOUR]),
)
def test_a_rebuild_goes_on_as_if_nothing_had_happened(
    story: list[tuple[str | None, ...]], cut: int, horizon: int
) -> None:
    cut = min(cut, len(story) - 1)
    whole, before, after = (Listings(horizon=horizon) for _ in range(3))
    batches = listings(whole, story)
    for batch in batches:
        whole.feed(batch)
    for batch in batches[:cut]:
        before.feed(batch)
    held = incidents(before.transitions)
    assert rebuilt(after.engine, batches[:cut], held, before.engine.snapshot()) == []
    for batch in batches[cut:]:
        after.feed(batch)

    assert book(before.transitions + after.transitions) == book(whole.transitions)


@settings(max_examples=60, deadline=None)
@given(
    first=st.lists(st.tuples(_CHOICES, _CHOICES), min_size=3, max_size=10),
    second=st.lists(st.tuples(_CHOICES, _CHOICES), min_size=3, max_size=10),
    seed=st.integers(0, 10_000),
)
def test_two_streams_of_one_source_may_come_in_any_order(
    first: list[tuple[str | None, ...]], second: list[tuple[str | None, ...]], seed: int
) -> None:
    ordered, shuffled = Listings(), Listings()
    batches = listings(ordered, first, "a")
    batches += listings(ordered, second, "b")
    for batch in sorted(batches, key=lambda one: (int(one.starts[0]), one.stream)):
        ordered.feed(batch)
    chance = random.Random(seed)  # noqa: S311 - a test's shuffle
    chance.shuffle(batches)
    for batch in batches:
        shuffled.feed(batch)

    assert book(shuffled.transitions) == book(ordered.transitions)
    for (_, _, end, _, _), (_, start, _, _, _) in pairwise(
        row for row in book(ordered.transitions) if row[0] == "shop"
    ):
        assert end is not None
        assert end <= start


@pytest.mark.parametrize(
    "params",
    [
        {"good": (), "passing": (), "bad": ()},
        {"stuck_after": "1h", "changed_within": "1h"},
        {"passing": (), "stuck_after": "1h"},
        {"bad": ("offline", "online")},
    ],
)
def test_a_rule_of_states_asks_one_question_of_states_that_stand_once(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"write|without|twice"):
        state_rule(**params)
