"""What comes back again and again flaps, by event time: whatever the order, the pieces, the restarts."""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.estates import Estate, above, incidents, minute
from tests.engine.test_reopening import FOUR, NAN, ONE, STEPS, changes, ended, live
from watcher.engine.engine import BoundRule, Engine
from watcher.model.incident import Change, Incident, Transition
from watcher.model.rule import Flapping, NofM
from watcher.model.snapshot import EngineDump
from watcher.model.time import HOUR, MINUTE, Duration

SOON = 10 * MINUTE
FLAPS = frozenset({Change.FLAPPING, Change.STEADY})


def flapping(
    returns: int = 3,
    within: Duration = HOUR,
    *,
    reopen: Duration = SOON,
    keep: Duration = 0,
    critical: float | None = None,
) -> BoundRule:
    bound = above(reopen=reopen, keep=keep, critical=critical)
    return BoundRule(replace(bound.rule, flapping=Flapping(returns, within)), bound.detector)


def bad_at(*minutes: int) -> Mapping[int, Mapping[str, float]]:
    return {at: {"shop": 9.0} for at in minutes}


def of(cdn: Estate, change: Change) -> list[Transition]:
    return [one for one in cdn.transitions if one.change is change]


def test_from_so_many_returns_on_it_flaps() -> None:
    """Said right after the return that makes it so, and once."""
    cdn = Estate(ONE, flapping())
    bad = bad_at(2, 6, 10, 14, 18)
    cdn.run(range(20), lambda at: bad.get(at, {}))

    once = [Change.REOPENED, Change.RESOLVED]
    last = [Change.REOPENED, Change.FLAPPING, Change.RESOLVED, *once]
    assert changes(cdn.transitions) == [Change.OPENED, Change.RESOLVED, *once, *once, *last]
    (told,) = of(cdn, Change.FLAPPING)
    assert (told.opened_at, told.decided_at) == (minute(2), minute(15))
    assert told.evidence.text == "it came back 3 times within 1 h"
    assert [(one.returns, one.flapping) for one in incidents(cdn.transitions)] == [(4, True)]


def test_returns_that_lie_too_far_apart_do_not_count_together() -> None:
    cdn = Estate(ONE, flapping(3, 8 * MINUTE))
    bad = bad_at(2, 6, 10, 14, 18)
    cdn.run(range(30), lambda at: bad.get(at, {}))

    assert not FLAPS & set(changes(cdn.transitions))


def test_what_stays_bad_flaps_no_more_and_its_end_is_told_at_once() -> None:
    """Once its time holds fewer returns: it is one long trouble then."""
    cdn = Estate(ONE, flapping(3, 30 * MINUTE))
    bad = bad_at(2, 6, 10, *range(14, 60))
    cdn.run(range(70), lambda at: bad.get(at, {}))

    (steady,) = of(cdn, Change.STEADY)
    assert steady.decided_at == minute(6) + 30 * MINUTE
    assert [one.rest for one in of(cdn, Change.RESOLVED)] == [0, 0, 0, 0]
    assert [one.flapping for one in incidents(cdn.transitions)] == [False]


def test_the_end_of_what_flaps_rests_for_as_long_as_it_may_come_back() -> None:
    cdn = Estate(ONE, flapping(keep=3 * MINUTE))
    bad = bad_at(2, 7, 12, 17)
    cdn.run(range(40), lambda at: bad.get(at, {}))

    assert [one.rest for one in of(cdn, Change.RESOLVED)] == [0, 0, 0, SOON - 3 * MINUTE]


def test_it_rests_longer_where_a_return_needs_several_bins_to_be_one() -> None:
    bound = flapping()
    needs = BoundRule(replace(bound.rule, needs=NofM(2, 3)), bound.detector)
    cdn = Estate(ONE, needs)
    bad = bad_at(2, 3, 8, 9, 14, 15, 20, 21)
    cdn.run(range(50), lambda at: bad.get(at, {}))

    *_, last = of(cdn, Change.RESOLVED)
    known_by = (last.resolved_at or 0) + SOON + 3 * MINUTE
    assert last.rest == known_by - last.decided_at


def test_an_end_that_is_found_long_after_rests_no_more() -> None:
    cdn = Estate(ONE, flapping())
    bad = bad_at(2, 6, 10, 14)
    cdn.feed(*(cdn.batch(at, bad.get(at, {})) for at in range(40)))

    assert changes(cdn.transitions) == [Change.OPENED, Change.FLAPPING, Change.RESOLVED]
    assert cdn.transitions[-1].rest == 0


def test_to_be_unseen_steadies_nothing() -> None:
    cdn = Estate(ONE, flapping(3, 30 * MINUTE))
    bad = bad_at(2, 6, 10, 14, 15)
    cdn.run(range(90), lambda at: {"shop": NAN} if at > 15 else bad.get(at, {}))

    assert [(one.flapping, one.resolved_at) for one in incidents(cdn.transitions)] == [(True, None)]


def test_a_correction_that_takes_a_return_away_takes_the_flapping_away() -> None:
    cdn = Estate(ONE, flapping())
    bad = bad_at(2, 6, 10, 14)
    cdn.run(range(20), lambda at: bad.get(at, {}))
    cdn.feed(cdn.batch(14, {}))

    assert changes(cdn.transitions)[-2:] == [Change.MOVED, Change.STEADY]
    assert [(one.returns, one.flapping) for one in incidents(cdn.transitions)] == [(2, False)]


def test_what_begins_too_late_to_be_a_return_is_counted_anew() -> None:
    cdn = Estate(ONE, flapping())
    bad = bad_at(2, 6, 10, 14)
    cdn.run(range(15), lambda at: bad.get(at, {}))
    course = cdn.engine.tracks("high", "cdn")[0].course

    assert course.flapping == {0}
    cdn.run(range(15, 40), lambda at: {"shop": 9.0} if at == 36 else {})
    assert course.flapping == set()
    assert [(one.returns, one.flapping) for one in incidents(cdn.transitions)] == [(3, True), (0, False)]


def test_a_wider_incident_flaps_where_all_that_stands_of_it_does() -> None:
    cdn = Estate(FOUR, flapping())
    bad = dict.fromkeys(FOUR, 9.0)
    cdn.run(range(20), lambda at: bad if at in {2, 6, 10, 14} else {})

    wide = [one for one in incidents(cdn.transitions) if dict(one.key.labels).get("account") == "acme"]
    assert [(one.returns, one.flapping) for one in wide] == [(3, True)]
    loud = [one.change for one in cdn.transitions if not one.quiet and one.change in FLAPS]
    assert loud == [Change.FLAPPING]


def test_a_wider_incident_of_which_most_stands_still_does_not_flap() -> None:
    cdn = Estate(FOUR, flapping())
    bad = dict.fromkeys(FOUR, 9.0)
    steady = {name: 9.0 for name in FOUR if name != "a"}
    cdn.run(range(20), lambda at: {} if at < 2 else bad if at in {2, 6, 10, 14} else steady)

    wide = [one for one in incidents(cdn.transitions) if dict(one.key.labels).get("account") == "acme"]
    assert [one.flapping for one in wide] == [False]


# --- whatever the order, the pieces, the restarts

RULES = st.builds(
    lambda returns, within, reopen, keep: flapping(returns, within, reopen=reopen, keep=keep),
    st.sampled_from([2, 3]),
    st.sampled_from([5 * MINUTE, 12 * MINUTE, HOUR]),
    st.sampled_from([5 * MINUTE, 20 * MINUTE]),
    st.sampled_from([0, 2 * MINUTE]),
)
Steps = list[tuple[float, int]]


def figures(cdn: Estate) -> list[tuple[int, bool]]:
    return [(one.returns, one.flapping) for one in incidents(cdn.transitions) if one.status != "withdrawn"]


def plain(rule: BoundRule) -> BoundRule:
    return BoundRule(replace(rule.rule, flapping=None), rule.detector)


def without(transitions: Sequence[Transition]) -> list[Transition]:
    """What they say beside that something flaps."""
    return [
        replace(one, rest=0, figures=one.figures and replace(one.figures, flapping=False))
        for one in transitions
        if one.change not in FLAPS
    ]


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, rule=RULES)
def test_but_for_its_own_words_all_is_as_without_it(steps: Steps, rule: BoundRule) -> None:
    cdn, other = Estate(ONE, rule, 10 * MINUTE), Estate(ONE, plain(rule), 10 * MINUTE)
    for each in (cdn, other):
        deque(live(each, steps, late=True), maxlen=0)

    assert without(cdn.transitions) == without(other.transitions)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, rule=RULES)
def test_whether_it_flaps_follows_from_the_final_bins(steps: Steps, rule: BoundRule) -> None:
    """The order in which they came does not matter, nor how many at once."""
    late, orderly, at_once = (Estate(ONE, rule, 2 * HOUR) for _ in range(3))
    deque(live(late, steps, late=True), maxlen=0)
    deque(live(orderly, steps, late=False), maxlen=0)
    at_once.feed(*(at_once.batch(at, {"shop": value}) for at, (value, _) in enumerate(steps)))

    assert figures(late) == figures(orderly) == figures(at_once)
    assert ended(late.transitions) == ended(at_once.transitions)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, rule=RULES)
def test_it_is_told_of_as_it_begins_and_as_it_stops(steps: Steps, rule: BoundRule) -> None:
    """Each incident by turns, and where the last word was that it flaps, it does."""
    cdn = Estate(ONE, rule, 10 * MINUTE)
    deque(live(cdn, steps, late=True), maxlen=0)

    for one in incidents(cdn.transitions):
        words = [told for told in cdn.transitions if told.change in FLAPS and _is_of(told, one)]
        flips = [told.change is Change.FLAPPING for told in words]
        assert all(before != after for before, after in zip([False, *flips], flips, strict=False))
        if one.status != "withdrawn" and words:
            assert one.flapping == flips[-1]


def _is_of(told: Transition, one: Incident) -> bool:
    """By its start, where that never moved: of others nothing is said here."""
    return told.was == told.opened_at == one.opened_at


@settings(max_examples=20, deadline=None)
@given(steps=STEPS, rule=RULES, every=st.integers(2, 9))
def test_a_dump_at_any_tick_goes_on_as_if_nothing_had_happened(
    steps: Steps, rule: BoundRule, every: int
) -> None:
    whole, cdn = (Estate(ONE, rule, 10 * MINUTE) for _ in range(2))
    deque(live(whole, steps, late=True), maxlen=0)
    for at in live(cdn, steps, late=True):
        if at % every == 0:
            dump, after = cdn.engine.dump(), Engine([cdn.rule], cdn.horizon)
            arrays = {name: array.copy() for name, array in dump.arrays.items()}
            after.load(EngineDump(json.loads(json.dumps(dump.meta)), arrays, dump.rules), {"cdn": "test"})
            cdn.engine = after

    assert cdn.transitions == whole.transitions


@settings(max_examples=30, deadline=None)
@given(steps=STEPS, rule=RULES, cut=st.integers(0, 49))
def test_a_rebuild_from_journal_and_book_goes_on_as_if_nothing_had_happened(
    steps: Steps, rule: BoundRule, cut: int
) -> None:
    whole, cdn = (Estate(ONE, rule, 10 * MINUTE) for _ in range(2))
    deque(live(whole, steps, late=False), maxlen=0)
    for at in live(cdn, steps, late=False):
        if at == cut:
            after, states = Engine([cdn.rule], cdn.horizon), cdn.engine.snapshot()
            after.restore(states, ("cdn",))
            after.recall([cdn.batch(one, {"shop": steps[one][0]}) for one in range(at + 1)])
            assert after.rebuild(incidents(cdn.transitions), states, cdn.now) == []
            cdn.engine = after

    assert figures(cdn) == figures(whole)
    assert ended(cdn.transitions) == ended(whole.transitions)
