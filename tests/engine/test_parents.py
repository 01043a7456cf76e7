"""Wider incidents: told at the smallest group that explains what fails together."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.books import rebuilt
from tests.engine.estates import Estate, above, book, incidents, minute, told
from watcher.model.incident import Change
from watcher.model.time import MINUTE

TWELVE: Mapping[str, Mapping[str, str]] = {
    f"{account}-{origin}-{number}": {"account": account, "origin": f"{account}-{origin}"}
    for account in ("acme", "zoo")
    for origin in ("one", "two")
    for number in range(3)
}
ORIGIN = [name for name, own in TWELVE.items() if own["origin"] == "acme-one"]
ACCOUNT = [name for name, own in TWELVE.items() if own["account"] == "acme"]


def bad(names: list[str], value: float = 9.0) -> dict[str, float]:
    return dict.fromkeys(names, value)


def test_leaves_that_fail_together_are_told_as_the_one_incident_that_explains_them() -> None:
    cdn = Estate(TWELVE)
    cdn.run(range(3), lambda _: {})
    found = cdn.run(range(3, 5), lambda _: bad(ORIGIN))

    assert told(found) == [("acme-one", Change.OPENED)]
    assert dict(found[0].key.labels) == {"source": "cdn", "vendor": "test", "origin": "acme-one"}
    assert found[0].summary.startswith("origin acme-one, 3 of 3 resources: 9, above 5")
    assert [row.parent for row in book(found)] == ["", *["acme-one"] * 3]


def test_it_ends_with_the_last_of_them_and_tells_of_that_once() -> None:
    cdn = Estate(TWELVE)
    cdn.run(range(3), lambda _: bad(ORIGIN))
    found = cdn.run(range(3, 9), lambda at: bad(ORIGIN[:1]) if at < 6 else {})

    assert told(found) == [("acme-one", Change.RESOLVED)]
    assert {row.resolved_at for row in book(cdn.transitions) if row.key == "acme-one"} == {minute(6)}


def test_the_smallest_group_that_explains_them_wins() -> None:
    cdn = Estate(TWELVE)
    cdn.run(range(2), lambda _: bad(ORIGIN))

    assert told(cdn.transitions) == [("acme-one", Change.OPENED)]


def test_a_wider_group_is_told_where_it_explains_the_rest_as_well() -> None:
    cdn = Estate(TWELVE)
    cdn.run(range(2), lambda _: bad(ACCOUNT))

    assert told(cdn.transitions) == [("acme", Change.OPENED)]
    assert "account acme, 6 of 6 resources" in cdn.transitions[0].summary


def test_two_leaves_are_two_incidents() -> None:
    cdn = Estate(TWELVE)
    cdn.run(range(2), lambda _: bad(ORIGIN[:2]))

    assert told(cdn.transitions) == [(name, Change.OPENED) for name in ORIGIN[:2]]


def test_less_than_half_of_a_group_is_not_the_group() -> None:
    cdn = Estate({f"r{number}": {"account": "acme"} for number in range(7)})
    cdn.run(range(2), lambda _: bad(["r0", "r1", "r2"]))

    assert len(told(cdn.transitions)) == 3
    assert {row.parent for row in book(cdn.transitions)} == {""}


def test_members_that_nobody_judges_do_not_count() -> None:
    quiet = {f"idle{number}": {"account": "acme"} for number in range(20)}
    cdn = Estate({**{f"r{number}": {"account": "acme"} for number in range(4)}, **quiet})
    cdn.run(range(2), lambda _: {**dict.fromkeys(quiet, float("nan")), **bad(["r0", "r1", "r2"])})

    assert told(cdn.transitions) == [("acme", Change.OPENED)]
    assert "3 of 4 resources" in cdn.transitions[0].summary


def test_what_was_told_before_the_group_came_to_explain_it_is_linked_and_falls_silent() -> None:
    cdn = Estate(TWELVE)
    cdn.run(range(2), lambda _: bad(ORIGIN[:1]))
    later = cdn.run(range(2, 4), lambda _: bad(ORIGIN))
    end = cdn.run(range(4, 6), lambda _: {})

    assert told(later) == [("acme-one", Change.OPENED)]
    assert Change.JOINED in {one.change for one in later}
    assert told(end) == [("acme-one", Change.RESOLVED)]
    assert [row.opened_at for row in book(cdn.transitions) if row.key == "acme-one"] == [minute(2)]


def test_a_late_joiner_widens_it_without_a_message() -> None:
    cdn = Estate(TWELVE)
    cdn.run(range(2), lambda _: bad(ACCOUNT[:5]))
    later = cdn.run(range(2, 4), lambda _: bad(ACCOUNT))

    assert told(later) == []
    assert [one.change for one in later] == [Change.WIDENED, Change.OPENED]
    assert "6 of 6 resources" in later[0].summary


def test_one_that_doubles_is_told_again() -> None:
    places = {f"r{number}": {"account": "acme"} for number in range(8)}
    cdn = Estate(places)
    cdn.run(range(2), lambda _: {**dict.fromkeys(["r6", "r7"], float("nan")), **bad(["r0", "r1", "r2"])})
    later = cdn.run(range(2, 4), lambda _: bad(list(places)))

    assert told(later) == [("acme", Change.WIDENED)]


def test_a_larger_one_after_one_that_is_over_is_told_once() -> None:
    """However much larger it is than the one before it, which may yet change."""
    places = {f"r{number}": {"account": "acme"} for number in range(8)}
    cdn = Estate(places)
    cdn.run(range(5), lambda at: bad(list(places)[:4]) if at == 1 else {})
    found = cdn.run(range(5, 20), lambda at: bad(list(places)) if at >= 10 else {})

    assert [one.change for one in found if not one.wider] == [Change.OPENED]


def test_one_that_grows_says_so_though_an_older_one_of_its_group_comes_to_light() -> None:
    places = {f"r{number}": {"account": "acme"} for number in range(8)}
    cdn = Estate(places)
    cdn.run(range(12), lambda at: bad(list(places)[:4]) if at >= 10 else {})
    found = cdn.feed(cdn.batch(5, bad(list(places)[:4])), cdn.batch(12, bad(list(places)[:5])))

    assert [(one.change, one.opened_at) for one in found if not one.wider] == [
        (Change.OPENED, minute(5)),
        (Change.RESOLVED, minute(5)),
        (Change.WIDENED, minute(10)),
    ]


def test_what_grew_while_it_was_over_says_so_when_it_goes_on_after_all() -> None:
    """The book learns of it, so that a restart finds nothing new."""
    cdn = Estate(TWELVE)
    fed = {at: cdn.batch(at, bad(ACCOUNT[:5]) if at in {2, 3} else {}) for at in range(7)}
    cdn.feed(*fed.values())
    cdn.feed(cdn.batch(3, bad(ACCOUNT)))
    found = cdn.feed(*(cdn.batch(at, bad(ACCOUNT[:5])) for at in (4, 5, 6)))

    assert [one.change for one in found][:2] == [Change.REOPENED, Change.WIDENED]


def test_what_fails_long_after_the_others_is_no_part_of_their_beginning() -> None:
    cdn = Estate(TWELVE)
    cdn.run(range(40), lambda at: bad(ORIGIN[: 1 + at // 15]))

    assert told(cdn.transitions) == [(name, Change.OPENED) for name in ORIGIN]


def test_a_correction_that_leaves_too_few_takes_the_wider_one_back_and_tells_of_the_leaves() -> None:
    cdn = Estate(TWELVE)
    cdn.run(range(3), lambda _: bad(ORIGIN))
    found = cdn.feed(*(cdn.batch(at, bad(ORIGIN[:2])) for at in range(3)))

    assert told(found)[0] == ("acme-one", Change.WITHDRAWN)
    assert sorted(told(found)[1:]) == [(name, Change.PARTED) for name in ORIGIN[:2]]
    assert {row.parent for row in book(cdn.transitions)} == {""}


def test_it_outlives_the_horizon_and_ends_once() -> None:
    cdn = Estate(TWELVE, horizon=10 * MINUTE)
    cdn.run(range(90), lambda at: bad(ORIGIN) if at < 60 else {})

    assert told(cdn.transitions) == [("acme-one", Change.OPENED), ("acme-one", Change.RESOLVED)]
    assert [(row.key, row.opened_at, row.resolved_at) for row in book(cdn.transitions)] == [
        (name, minute(0), minute(60)) for name in sorted(["acme-one", *ORIGIN])
    ]


def test_it_explains_its_leaves_for_good_where_they_end_long_before_that_is_known() -> None:
    """`keep_firing_for` dates an end back: it lies behind the horizon before the leaves are final."""
    cdn = Estate(TWELVE, above(keep=5 * MINUTE), horizon=10 * MINUTE)
    cdn.run(range(60), lambda at: bad(ORIGIN) if at < 10 else {})

    assert told(cdn.transitions) == [("acme-one", Change.OPENED), ("acme-one", Change.RESOLVED)]
    assert [row.parent for row in book(cdn.transitions)] == ["", *["acme-one"] * 3]


def test_a_restart_before_its_leaves_are_final_parts_none_of_them() -> None:
    before, after = (Estate(TWELVE, above(keep=5 * MINUTE), horizon=10 * MINUTE) for _ in range(2))
    batches = [before.batch(at, bad(ORIGIN) if at < 10 else {}) for at in range(22)]
    for batch in batches:
        before.feed(batch)
    held = incidents(before.transitions)

    assert rebuilt(after.engine, batches, held, before.engine.snapshot()) == []
    assert after.run(range(22, 40), lambda _: {}) == []


@pytest.mark.parametrize("dumped", range(7))
def test_ticks_judged_again_after_a_dump_have_told_of_the_wider_one_already(dumped: int) -> None:
    before, after = Estate(TWELVE), Estate(TWELVE)
    before.run(range(dumped), lambda at: bad(ACCOUNT) if at > 2 else {})
    after.engine.load(before.engine.dump(), {"cdn": "test"})
    for cdn in (before, after):
        cdn.run(range(dumped, 6), lambda at: bad(ACCOUNT) if at > 2 else {})

    assert after.engine.rebuild(incidents(before.transitions), before.engine.snapshot(), minute(6)) == []


def test_a_restart_tells_nothing_twice_and_lets_it_end() -> None:
    before, after = (Estate(TWELVE, horizon=10 * MINUTE) for _ in range(2))
    batches = [before.batch(at, bad(ORIGIN)) for at in range(40)]
    for batch in batches:
        before.feed(batch)
    held = incidents(before.transitions)
    assert rebuilt(after.engine, batches, held, before.engine.snapshot()) == []
    found = after.run(range(40, 42), lambda _: {})

    assert told(found) == [("acme-one", Change.RESOLVED)]


# --- properties

_STORY = st.lists(
    st.lists(st.sampled_from(range(len(TWELVE))), max_size=8, unique=True), min_size=6, max_size=24
)


@settings(max_examples=40, deadline=None)
@given(story=_STORY, seed=st.integers(0, 10_000), hold=st.integers(0, 2))
def test_the_order_of_arrival_does_not_matter(story: list[list[int]], seed: int, hold: int) -> None:
    """Wider incidents are a function of the final bins too: start, end, severity, and whom they explain."""
    names = list(TWELVE)
    chance = random.Random(seed)  # noqa: S311 - a test's shuffle
    ordered, shuffled = (Estate(TWELVE, above(hold=hold * MINUTE, keep=MINUTE)) for _ in range(2))
    batches = [ordered.batch(at, bad([names[one] for one in row])) for at, row in enumerate(story)]
    for batch in batches:
        ordered.feed(batch)
    deliveries: list[Any] = [ordered.batch(at, bad(chance.sample(names, 4))) for at in range(len(story))]
    chance.shuffle(deliveries)
    chance.shuffle(batches)
    rest = deliveries[: len(deliveries) // 2] + batches
    while rest:
        size = chance.randint(1, 4)
        now, rest = rest[:size], rest[size:]
        shuffled.feed(*now)

    assert book(shuffled.transitions) == book(ordered.transitions)
