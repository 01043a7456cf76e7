"""Names of targets on SQLite and on Postgres: who is called otherwise keeps what is owed and was told."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.outboxes import FIRST, OVER, claim
from tests.databases import NOON
from tests.store.building import Store, key, opened, owed
from watcher.model.message import Telling
from watcher.store.database import Database
from watcher.store.targets import SqlTargets, renamed
from watcher.store.threads import SqlThreads


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


@pytest.fixture
def targets(database: Database) -> SqlTargets:
    return SqlTargets(database)


async def rows(store: Store) -> list[tuple[str, str, str]]:
    [incident] = (await store.history.beginning(""))[:1]
    told = await store.history.deliveries(incident.id)
    return [(row.target, row.telling, row.state) for row in told]


async def test_a_receiver_that_loses_its_first_address_tells_the_others_what_they_are_owed(
    store: Store, targets: SqlTargets
) -> None:
    await targets.adopt({"mail/0": "ada", "mail/1": "bob"})
    await store.apply(FIRST, owed=[owed("mail/0"), owed("mail/1")])

    await targets.adopt({"mail/0": "bob"})

    assert await store.outbox.retire(["mail/0"], at=NOON) == 1
    assert await rows(store) == [("mail/0~ada", "opened", "dead"), ("mail/0", "opened", "due")]


async def test_a_receiver_that_was_renamed_hears_the_end_of_what_it_heard_of(
    store: Store, targets: SqlTargets, database: Database
) -> None:
    await targets.adopt({"mail/0": "ada"})
    [first] = await store.apply(FIRST, owed=[owed("mail/0")])
    await store.outbox.done(await claim(store), at=NOON, reason="told", detail="")
    await SqlThreads(database).keep("mail/0", {first.incident.id: "a thread"})

    assert await targets.adopt({"post/0": "ada"}) == {"mail/0": "post/0"}
    await store.apply(OVER, owed=[owed("post/0")])

    assert [row.telling for row in await claim(store, target="post/0")] == [Telling.RESOLVED]
    assert await SqlThreads(database).token("post/0", first.incident.id) == "a thread"


async def test_two_that_change_places_take_along_what_is_theirs(store: Store, targets: SqlTargets) -> None:
    await targets.adopt({"mail/0": "ada", "mail/1": "bob"})
    await store.apply(opened(key("shop")), owed=[owed("mail/0"), owed("mail/1")])
    await store.apply(opened(key("news")), owed=[owed("mail/0")])

    await targets.adopt({"mail/0": "bob", "mail/1": "ada"})

    assert await store.history.backlog() == {"mail/0": 1, "mail/1": 2}


async def test_an_address_that_is_corrected_in_its_place_is_told_what_waited(
    store: Store, targets: SqlTargets
) -> None:
    await targets.adopt({"mail/0": "misspelt"})
    await store.apply(FIRST, owed=[owed("mail/0")])

    assert await targets.adopt({"mail/0": "right"}) == {}
    assert await store.outbox.retire(["mail/0"], at=NOON) == 0


async def test_what_was_set_aside_comes_back_with_its_address(store: Store, targets: SqlTargets) -> None:
    await targets.adopt({"mail/0": "ada", "mail/1": "bob"})
    await store.apply(FIRST, owed=[owed("mail/0")])
    await targets.adopt({"mail/0": "bob"})

    assert await targets.adopt({"mail/0": "bob", "pager/0": "ada"}) == {"mail/0~ada": "pager/0"}
    assert await rows(store) == [("pager/0", "opened", "due")]


async def test_who_is_set_aside_twice_takes_nobody_s_name(
    store: Store, targets: SqlTargets, database: Database
) -> None:
    """Two threads of one incident under one name would be refused, at this and at every other start."""
    threads = SqlThreads(database)
    await targets.adopt({"mail/0": "ada", "mail/1": "bob", "chat/0": "ada"})
    [first] = await store.apply(FIRST, owed=[owed("mail/0")])
    await threads.keep("mail/0", {first.incident.id: "of the opening"})
    await targets.adopt({"mail/0": "bob"})
    await targets.adopt({"mail/0": "ada", "mail/1": "bob"})
    await threads.keep("mail/0", {first.incident.id: "of the end"})

    assert await targets.adopt({"mail/0": "bob"}) == {"mail/0": "mail/0~ada~", "mail/1": "mail/0"}
    assert await threads.token("mail/0~ada~", first.incident.id) == "of the end"


async def test_the_first_start_that_keeps_names_changes_none(store: Store, targets: SqlTargets) -> None:
    await store.apply(FIRST, owed=[owed("mail/0")])

    assert await targets.adopt({"mail/0": "ada", "chat/0": "bob"}) == {}


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"a/0": "same", "a/1": "same"}, {"a/0": "other", "b/0": "same"}),
        ({"a/0": "one"}, {"b/0": "one", "b/1": "one"}),
    ],
)
def test_a_mark_that_two_have_renames_nobody(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    assert renamed(before, now) == {}


NAMES = st.sampled_from(["a/0", "a/1", "b/0", "c/0"])
MARKS = st.dictionaries(NAMES, st.sampled_from("uvwxyz"), max_size=4)


BEFORE = st.dictionaries(NAMES | st.sampled_from(["a/0~u", "a/0~v"]), st.sampled_from("uvwxyz"), max_size=6)


@given(before=BEFORE, now=MARKS)
def test_names_that_are_given_are_given_to_one_each_and_to_the_same_address(
    before: dict[str, str], now: dict[str, str]
) -> None:
    names = renamed(before, now)

    taken = [names.get(name, name) for name in {*before, *names}]
    assert len({*taken}) == len(taken)
    assert all(now[new] == before[old] for old, new in names.items() if new in now)
    assert not [name for name, mark in before.items() if now.get(name) == mark and name in names]
