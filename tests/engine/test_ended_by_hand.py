"""What a person has ended stays ended: through corrections, restarts, blindness, until it is well."""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.books import rebuilt
from tests.engine.estates import Estate, above, incidents, minute, named, told
from watcher.engine.engine import BoundRule, Engine
from watcher.model.act import Act, ActKind
from watcher.model.incident import Asked, Change, End, IncidentKey, Resolution, Status, Transition
from watcher.model.labels import label_set
from watcher.model.rule import NofM
from watcher.model.snapshot import EngineDump
from watcher.model.time import DAY, MINUTE, Instant

NAN = float("nan")
ONE: Mapping[str, Mapping[str, str]] = {"shop": {}}
FOUR: Mapping[str, Mapping[str, str]] = {name: {"account": "acme"} for name in ("a", "b", "c", "d")}
BAD = {"shop": 9.0}
Span = tuple[str, Instant, Instant | None, Resolution | None]


def resolve(cdn: Estate, key: str) -> tuple[Act, list[Transition]]:
    """A person resolves the newest incident of a key that is not over."""
    meant = [one for one in incidents(cdn.transitions) if named(one) == key and not one.over][-1]
    act = Act(meant.id, ActKind.RESOLVE, "ada", cdn.now, id=1)
    [applied], found = cdn.engine.act([Asked(act, meant)], cdn.now)
    cdn.transitions += found
    return applied, found


def spans(transitions: Sequence[Transition]) -> list[Span]:
    """What the book holds: key, start, end and why."""
    held = [one for one in incidents(transitions) if one.status is not Status.WITHDRAWN]
    return sorted((named(one), one.opened_at, one.resolved_at, one.resolution) for one in held)


def reloaded(cdn: Estate) -> Engine:
    """Its engine after a restart from a dump, as it would be read from a file."""
    dump, after = cdn.engine.dump(), Engine([cdn.rule], cdn.horizon)
    arrays = {name: array.copy() for name, array in dump.arrays.items()}
    after.load(EngineDump(json.loads(json.dumps(dump.meta)), arrays, dump.rules), {"cdn": "test"})
    return after


def test_an_end_by_hand_says_what_was_read_last() -> None:
    cdn = Estate(ONE)
    cdn.run(range(6), lambda at: {"shop": 9.0 + at})
    _, [end] = resolve(cdn, "shop")

    assert end.recovery is not None
    assert (end.recovery.seen, end.recovery.end) == (14.0, minute(6))


def test_an_end_by_hand_is_told_at_once_with_the_act() -> None:
    cdn = Estate(ONE)
    cdn.run(range(5), lambda _: BAD)
    act, [end] = resolve(cdn, "shop")

    assert (end.change, end.resolution, end.act, end.resolved_at) == (
        Change.RESOLVED,
        Resolution.MANUAL,
        act,
        minute(5),
    )
    assert act.effective_at == minute(5)


def test_what_is_still_bad_is_no_news_until_it_has_been_well() -> None:
    cdn = Estate(ONE, above(hold=MINUTE))
    cdn.run(range(5), lambda _: BAD)
    resolve(cdn, "shop")
    still = cdn.run(range(5, 20), lambda _: BAD)
    again = cdn.run(range(20, 25), lambda at: BAD if at > 20 else {})

    assert still == []
    assert told(again) == [("shop", Change.OPENED)]
    assert spans(cdn.transitions) == [
        ("shop", minute(0), minute(5), Resolution.MANUAL),
        ("shop", minute(21), None, None),
    ]


def test_what_was_recovering_may_break_again_at_once() -> None:
    cdn = Estate(ONE, above(keep=10 * MINUTE))
    cdn.run(range(5), lambda at: BAD if at < 3 else {})
    resolve(cdn, "shop")
    cdn.run(range(5, 7), lambda _: BAD)

    assert spans(cdn.transitions) == [
        ("shop", minute(0), minute(5), Resolution.MANUAL),
        ("shop", minute(5), None, None),
    ]


def test_blindness_is_no_clear_reading() -> None:
    cdn = Estate(ONE)
    cdn.run(range(3), lambda _: BAD)
    resolve(cdn, "shop")
    cdn.run(range(3, 60), lambda at: {"shop": NAN} if at < 50 else BAD)

    assert spans(cdn.transitions) == [("shop", minute(0), minute(3), Resolution.MANUAL)]


def test_what_has_not_been_seen_for_a_week_is_news_when_it_is_bad() -> None:
    cdn = Estate(ONE)
    cdn.run(range(3), lambda _: BAD)
    resolve(cdn, "shop")
    week = 7 * DAY // MINUTE + 10
    cdn.run(range(3, week, 60), lambda _: {"shop": NAN})
    cdn.run(range(week, week + 3), lambda _: BAD)

    assert [row[3] for row in spans(cdn.transitions)] == [Resolution.MANUAL, None]


def test_a_correction_that_takes_the_trouble_back_withdraws_it_as_ever() -> None:
    cdn = Estate(ONE)
    cdn.run(range(4), lambda at: BAD if at > 0 else {})
    resolve(cdn, "shop")
    found = cdn.feed(*(cdn.batch(at, {}) for at in range(4)))

    assert told(found) == [("shop", Change.WITHDRAWN)]


def test_a_correction_of_its_past_moves_its_start_and_leaves_its_end() -> None:
    cdn = Estate(ONE)
    cdn.run(range(6), lambda at: BAD if at > 1 else {})
    resolve(cdn, "shop")
    cdn.run(range(6, 9), lambda _: BAD)
    cdn.feed(cdn.batch(1, BAD))

    assert spans(cdn.transitions) == [("shop", minute(1), minute(6), Resolution.MANUAL)]


def test_an_incident_that_the_correction_shows_to_begin_after_the_act_is_a_new_one() -> None:
    cdn = Estate(ONE)
    cdn.run(range(5), lambda _: BAD)
    resolve(cdn, "shop")
    cdn.run(range(5, 8), lambda _: BAD)
    cdn.feed(*(cdn.batch(at, {}) for at in range(5)))

    assert spans(cdn.transitions) == [("shop", minute(5), None, None)]


def test_it_holds_beyond_the_horizon() -> None:
    cdn = Estate(ONE, horizon=10 * MINUTE)
    cdn.run(range(5), lambda _: BAD)
    resolve(cdn, "shop")
    cdn.run(range(5, 60), lambda _: BAD)
    cdn.feed(cdn.batch(55, {}))
    cdn.feed(cdn.batch(55, BAD))

    assert spans(cdn.transitions) == [("shop", minute(0), minute(5), Resolution.MANUAL)]
    assert cdn.engine.needed_from()


def test_who_ends_a_wider_incident_ends_what_it_explains() -> None:
    cdn = Estate(FOUR)
    cdn.run(range(4), lambda _: dict.fromkeys(FOUR, 9.0))
    act, found = resolve(cdn, "acme")
    later = cdn.run(range(4, 9), lambda at: dict.fromkeys(FOUR, 9.0) if at < 8 else {})

    assert [one.act for one in found if named_(one) == "acme"] == [act]
    assert {(row[2], row[3]) for row in spans(cdn.transitions)} == {(minute(4), Resolution.MANUAL)}
    assert len(spans(cdn.transitions)) == 5
    assert told(found) == [("acme", Change.RESOLVED)]
    assert later == []


def named_(transition: Transition) -> str:
    return ",".join(value for name, value in transition.key.labels if name not in {"source", "vendor"})


def test_who_ended_a_wider_incident_while_no_daemon_ran_has_ended_what_it_explains() -> None:
    """A command knows the incident that was named; the engine that is rebuilt ends the others."""
    cdn = Estate(FOUR)
    cdn.run(range(4), lambda _: dict.fromkeys(FOUR, 9.0))
    [parent] = [one for one in incidents(cdn.transitions) if named(one) == "acme"]
    over = replace(parent, resolved_at=minute(4), status=Status.RESOLVED, resolution=Resolution.MANUAL)
    book = [over if one == parent else one for one in incidents(cdn.transitions)]
    after = Estate(FOUR)
    batches = [cdn.batch(at, dict.fromkeys(FOUR, 9.0)) for at in range(4)]
    found = rebuilt(after.engine, batches, book, cdn.engine.snapshot())

    assert [(one.change, one.resolution, one.resolved_at) for one in found] == [
        (Change.RESOLVED, Resolution.MANUAL, minute(4))
    ] * len(FOUR)
    assert after.run(range(4, 8), lambda _: dict.fromkeys(FOUR, 9.0)) == []


def test_an_end_of_what_the_engine_does_not_know_is_told_all_the_same() -> None:
    cdn = Estate(ONE)
    cdn.run(range(3), lambda _: BAD)
    [known] = incidents(cdn.transitions)
    unknown = replace(known, key=replace(known.key, rule="gone"))
    act = Act(known.id, ActKind.RESOLVE, "ada", cdn.now, id=7)
    _, [end] = cdn.engine.act([Asked(act, unknown)], cdn.now)

    assert (end.resolution, end.key.rule, end.act is not None) == (Resolution.MANUAL, "gone", True)


def test_two_who_end_it_at_once_end_it_once_and_each_is_answered() -> None:
    cdn = Estate(ONE)
    cdn.run(range(3), lambda _: BAD)
    [meant] = incidents(cdn.transitions)
    asked = [
        Asked(Act(meant.id, ActKind.RESOLVE, who, cdn.now, id=n), meant) for n, who in enumerate("ab", 1)
    ]
    acts, ends = cdn.engine.act(asked, cdn.now)

    assert [one.id for one in acts] == [1, 2]
    assert sorted(one.act.id for one in ends if one.act) == [1, 2]
    assert spans([*cdn.transitions, *ends]) == [("shop", minute(0), minute(3), Resolution.MANUAL)]


# --- whatever comes in whatever order, and wherever it is restarted

STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 9.0, NAN]), st.sampled_from([0, 0, 0, 2, 7]), st.sampled_from([0, 0, 0, 1])
    ),
    min_size=5,
    max_size=40,
)
"""By minute: what fails, how late that is known, and whether a person ends what goes on at its end."""
RULES = st.sampled_from(
    [above(), above(hold=2 * MINUTE, keep=3 * MINUTE), above(needs=NofM(2, 4), keep=MINUTE)]
)
KEY = IncidentKey("high", label_set({"source": "cdn", "vendor": "test", "resource": "shop"}))
Told = tuple[Instant, Instant | None, Resolution | None]


def live(cdn: Estate, steps: Sequence[tuple[float, int, int]], *, late: bool) -> Iterator[int]:
    """Feed a minute after the other, each bin first as unknown where it comes late; stop after each."""
    due: dict[int, list[int]] = {}
    for at, (value, lateness, is_ended) in enumerate(steps):
        comes = lateness if late else 0
        due.setdefault(at + comes, []).append(at)
        now = [cdn.batch(at, {"shop": NAN})] if comes else []
        batches = now + [cdn.batch(one, {"shop": steps[one][0]}) for one in due.pop(at, [])]
        cdn.feed(*(batches or [cdn.batch(at, {"shop": value})]))
        if is_ended:
            cdn.transitions += cdn.engine.act_again([End(KEY, minute(at + 1))], cdn.now)
        yield at
    for at in sorted(due):
        cdn.feed(*(cdn.batch(one, {"shop": steps[one][0]}) for one in due[at]))


def ended(cdn: Estate) -> list[Told]:
    """What was said in the end of each episode that was not taken back."""
    held: dict[Instant, Transition] = {}
    for one in cdn.transitions:
        held.pop(one.was, None)
        if one.change not in {Change.WITHDRAWN, Change.MERGED}:
            held[one.opened_at] = one
    return sorted((one.opened_at, one.resolved_at, one.resolution) for one in held.values())


@settings(max_examples=30, deadline=None)
@given(steps=STEPS, rule=RULES)
def test_the_order_of_arrival_does_not_matter(steps: list[tuple[float, int, int]], rule: BoundRule) -> None:
    ordered, shuffled = Estate(ONE, rule), Estate(ONE, rule)
    for cdn in (ordered, shuffled):
        deque(live(cdn, steps, late=cdn is shuffled), maxlen=0)

    assert ended(shuffled) == ended(ordered)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS, rule=RULES, every=st.integers(2, 9))
def test_a_dump_at_any_tick_goes_on_as_if_nothing_had_happened(
    steps: list[tuple[float, int, int]], rule: BoundRule, every: int
) -> None:
    whole, cdn = (Estate(ONE, rule, horizon=10 * MINUTE) for _ in range(2))
    deque(live(whole, steps, late=True), maxlen=0)
    for at in live(cdn, steps, late=True):
        if at % every == 0:
            cdn.engine = reloaded(cdn)

    assert cdn.transitions == whole.transitions


@settings(max_examples=15, deadline=None)
@given(steps=STEPS, rule=RULES, cut=st.integers(0, 39))
def test_a_rebuild_from_journal_and_book_goes_on_as_if_nothing_had_happened(
    steps: list[tuple[float, int, int]], rule: BoundRule, cut: int
) -> None:
    whole, cdn = (Estate(ONE, rule, horizon=10 * MINUTE) for _ in range(2))
    deque(live(whole, steps, late=False), maxlen=0)
    for at in live(cdn, steps, late=False):
        if at == cut:
            batches = [cdn.batch(one, {"shop": steps[one][0]}) for one in range(at + 1)]
            ends = [End(KEY, minute(one + 1)) for one in range(at + 1) if steps[one][2]]
            after, states = Engine([rule], cdn.horizon), cdn.engine.snapshot()
            after.restore(states, ("cdn",))
            after.recall(batches)
            assert after.rebuild(incidents(cdn.transitions), states, cdn.now, ends) == []
            cdn.engine = after

    assert ended(cdn) == ended(whole)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS, rule=RULES, cut=st.integers(0, 39), since=st.integers(0, 9))
def test_ticks_and_acts_that_are_judged_again_after_a_dump_change_nothing(
    steps: list[tuple[float, int, int]], rule: BoundRule, cut: int, since: int
) -> None:
    """Some of the acts are in the dump already."""
    cdn, dumps = Estate(ONE, rule, horizon=10 * MINUTE), list[Engine]()
    for at in live(cdn, steps, late=False):
        dumps.append(reloaded(cdn))
        if at == cut:
            break
    first = max(0, len(dumps) - 1 - since)
    again = replace(cdn, transitions=[])
    again.engine, again.now = dumps[first], 0
    ends = [End(KEY, minute(at + 1)) for at, step in enumerate(steps[: len(dumps)]) if step[2]]
    again.engine.act_again([end for end in ends if end.at <= minute(first + 1)], 0)
    for at in range(first + 1, len(dumps)):
        again.feed(again.batch(at, {"shop": steps[at][0]}))
        again.engine.act_again([end for end in ends if end.at == minute(at + 1)], 0)

    assert again.engine.rebuild(incidents(cdn.transitions), cdn.engine.snapshot(), cdn.now) == []
    assert again.engine.snapshot() == cdn.engine.snapshot()
