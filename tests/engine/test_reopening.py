"""Trouble that comes back soon is the incident that it was: whatever the order, the pieces, the restarts."""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.estates import Estate, above, book, incidents, minute, told
from watcher.engine.engine import BoundRule, Engine
from watcher.model.incident import Change, Transition
from watcher.model.rule import NofM, Severity
from watcher.model.snapshot import EngineDump
from watcher.model.time import HOUR, MINUTE, Duration, Instant

NAN = float("nan")
ONE: Mapping[str, Mapping[str, str]] = {"shop": {}}
FOUR: Mapping[str, Mapping[str, str]] = {name: {"account": "acme"} for name in ("a", "b", "c", "d")}
BAD = {"shop": 9.0}
SOON = 10 * MINUTE
Told = tuple[Instant, Instant | None]


def changes(found: Sequence[Transition]) -> list[Change]:
    return [one.change for one in found]


def ended(transitions: Sequence[Transition]) -> list[Told]:
    """What was said in the end of each episode that was not taken back."""
    held: dict[Instant, Transition] = {}
    for one in transitions:
        held.pop(one.was, None)
        if one.change not in {Change.WITHDRAWN, Change.MERGED}:
            held[one.opened_at] = one
    return sorted((one.opened_at, one.resolved_at) for one in held.values())


def test_what_breaks_again_soon_is_the_same_incident_open_again() -> None:
    cdn = Estate(ONE, above(reopen=SOON))
    cdn.run(range(30), lambda at: BAD if at in {2, 3, 12} else {})

    assert changes(cdn.transitions) == [Change.OPENED, Change.RESOLVED, Change.REOPENED, Change.RESOLVED]
    assert ended(cdn.transitions) == [(minute(2), minute(13))]


def test_what_breaks_again_later_is_another_one() -> None:
    """From the end of the last bad bin to the start of the first new one."""
    cdn = Estate(ONE, above(reopen=SOON))
    cdn.run(range(30), lambda at: BAD if at in {2, 3, 14} else {})

    assert ended(cdn.transitions) == [(minute(2), minute(4)), (minute(14), minute(15))]


def test_only_trouble_that_lasts_for_as_long_as_it_has_to_comes_back() -> None:
    cdn = Estate(ONE, above(hold=2 * MINUTE, reopen=SOON))
    cdn.run(range(40), lambda at: BAD if at in {2, 3, 4, 8, 11, 12, 13} else {})

    assert ended(cdn.transitions) == [(minute(2), minute(14))]
    assert cdn.transitions[2].decided_at == minute(13)


def test_how_soon_it_comes_back_is_told_from_its_first_bad_bin_not_from_when_that_is_certain() -> None:
    cdn = Estate(ONE, above(hold=5 * MINUTE, reopen=SOON))
    cdn.run(range(40), lambda at: BAD if at in range(5) or at in range(14, 30) else {})

    assert changes(cdn.transitions) == [Change.OPENED, Change.RESOLVED, Change.REOPENED, Change.RESOLVED]


def test_it_keeps_the_highest_severity_that_it_ever_had() -> None:
    cdn = Estate(ONE, above(critical=50, reopen=SOON))
    cdn.run(range(20), lambda at: {"shop": 90.0 if at == 2 else 9.0 if at == 6 else 0.0})

    assert [row.severity for row in book(cdn.transitions)] == [Severity.CRITICAL]


def test_a_correction_that_fills_the_gap_or_widens_it_is_as_if_it_had_been_so() -> None:
    cdn = Estate(ONE, above(reopen=SOON))
    cdn.run(range(30), lambda at: BAD if at in {2, 12} else {})
    cdn.feed(cdn.batch(2, {}), cdn.batch(1, BAD))
    assert ended(cdn.transitions) == [(minute(1), minute(2)), (minute(12), minute(13))]
    cdn.feed(cdn.batch(8, BAD))
    assert ended(cdn.transitions) == [(minute(1), minute(13))]


def test_what_ended_beyond_the_horizon_comes_back_too() -> None:
    cdn = Estate(ONE, above(reopen=HOUR), horizon=10 * MINUTE)
    cdn.run(range(60), lambda at: BAD if at in {2, 50} else {})

    assert ended(cdn.transitions) == [(minute(2), minute(51))]


def test_what_is_gone_for_long_leaves_nothing_behind() -> None:
    cdn = Estate(ONE, above(reopen=SOON), horizon=10 * MINUTE)
    cdn.run(range(60), lambda at: BAD if at in {2, 8} else {})
    course = cdn.engine.tracks("high", "cdn")[0].course

    assert (course.episodes, course.told, course.settled, course.ended) == ({}, {}, {}, set())


def test_a_wider_incident_comes_back_with_what_it_explains() -> None:
    bad = dict.fromkeys(FOUR, 9.0)
    cdn = Estate(FOUR, above(reopen=SOON))
    cdn.run(range(30), lambda at: bad if at in {2, 3, 9} else {})

    assert told(cdn.transitions) == [
        ("acme", change) for change in (Change.OPENED, Change.RESOLVED, Change.REOPENED, Change.RESOLVED)
    ]
    assert {(row.opened_at, row.resolved_at) for row in book(cdn.transitions)} == {(minute(2), minute(10))}


# --- whatever the order, the pieces, the restarts

STEPS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.0, 9.0, NAN]), st.sampled_from([0, 0, 0, 2, 7])),
    min_size=5,
    max_size=50,
)
"""By minute: what fails, and how late that is known."""
HOLDS = st.sampled_from([(0, 0, None), (2 * MINUTE, 3 * MINUTE, None), (0, MINUTE, NofM(2, 4))])
WITHIN = st.sampled_from([2 * MINUTE, 5 * MINUTE, 20 * MINUTE])
Holding = tuple[Duration, Duration, NofM | None]


def rule(holds: Holding, within: Duration) -> BoundRule:
    hold, keep, needs = holds
    return above(hold=hold, keep=keep, needs=needs, reopen=within)


def live(cdn: Estate, steps: Sequence[tuple[float, int]], *, late: bool) -> Iterator[int]:
    """Feed a minute after the other, each bin first as unknown where it comes late; stop after each."""
    due: dict[int, list[int]] = {}
    for at, (value, lateness) in enumerate(steps):
        comes = lateness if late else 0
        due.setdefault(at + comes, []).append(at)
        now = [cdn.batch(at, {"shop": NAN})] if comes else []
        batches = now + [cdn.batch(one, {"shop": steps[one][0]}) for one in due.pop(at, [])]
        cdn.feed(*(batches or [cdn.batch(at, {"shop": value})]))
        yield at
    for at in sorted(due):
        cdn.feed(*(cdn.batch(one, {"shop": steps[one][0]}) for one in due[at]))


def joined(episodes: Sequence[Told], within: Duration) -> list[Told]:
    """Episodes whose gaps are shorter than that, as one: what `reopen_within` means."""
    found: list[Told] = []
    for opened, resolved in episodes:
        last = found[-1][1] if found else None
        if last is not None and opened - last < within:
            found[-1] = found[-1][0], resolved
        else:
            found.append((opened, resolved))
    return found


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, holds=HOLDS, within=WITHIN)
def test_incidents_are_the_episodes_whose_gaps_are_shorter(
    steps: list[tuple[float, int]], holds: Holding, within: Duration
) -> None:
    """Beyond the horizon as within it."""
    plain, cdn = Estate(ONE, rule(holds, 0)), Estate(ONE, rule(holds, within), horizon=10 * MINUTE)
    for each in (plain, cdn):
        deque(live(each, steps, late=each is cdn), maxlen=0)

    assert ended(cdn.transitions) == joined(ended(plain.transitions), within)
    comebacks = sum(one.returns for one in incidents(cdn.transitions))
    assert comebacks == len(ended(plain.transitions)) - len(ended(cdn.transitions))


@settings(max_examples=20, deadline=None)
@given(steps=STEPS, holds=HOLDS, within=WITHIN, every=st.integers(2, 9))
def test_a_dump_at_any_tick_goes_on_as_if_nothing_had_happened(
    steps: list[tuple[float, int]], holds: Holding, within: Duration, every: int
) -> None:
    whole, cdn = (Estate(ONE, rule(holds, within), horizon=10 * MINUTE) for _ in range(2))
    deque(live(whole, steps, late=True), maxlen=0)
    for at in live(cdn, steps, late=True):
        if at % every == 0:
            dump, after = cdn.engine.dump(), Engine([cdn.rule], cdn.horizon)
            arrays = {name: array.copy() for name, array in dump.arrays.items()}
            after.load(EngineDump(json.loads(json.dumps(dump.meta)), arrays, dump.rules), {"cdn": "test"})
            cdn.engine = after

    assert cdn.transitions == whole.transitions


@settings(max_examples=30, deadline=None)
@given(steps=STEPS, holds=HOLDS, within=WITHIN, cut=st.integers(0, 49))
def test_a_rebuild_from_journal_and_book_goes_on_as_if_nothing_had_happened(
    steps: list[tuple[float, int]], holds: Holding, within: Duration, cut: int
) -> None:
    whole, cdn = (Estate(ONE, rule(holds, within), horizon=10 * MINUTE) for _ in range(2))
    deque(live(whole, steps, late=False), maxlen=0)
    for at in live(cdn, steps, late=False):
        if at == cut:
            after, states = Engine([cdn.rule], cdn.horizon), cdn.engine.snapshot()
            after.restore(states, ("cdn",))
            after.recall([cdn.batch(one, {"shop": steps[one][0]}) for one in range(at + 1)])
            assert after.rebuild(incidents(cdn.transitions), states, cdn.now) == []
            cdn.engine = after

    assert ended(cdn.transitions) == ended(whole.transitions)
    assert [one.returns for one in incidents(cdn.transitions)] == [
        one.returns for one in incidents(whole.transitions)
    ]
