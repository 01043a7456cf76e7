"""What senders keep of what they told, on SQLite and on Postgres."""

import pytest

from tests.databases import NOON
from tests.store.building import Store, key, opened, resolved
from watcher.model.time import MINUTE
from watcher.store.database import Database
from watcher.store.threads import SqlThreads


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


async def incident_of(store: Store, name: str) -> str:
    [committed] = await store.apply(opened(key(name)))
    return committed.incident.id


async def test_a_token_is_kept_by_target_and_incident_and_replaced(store: Store) -> None:
    threads, one, two = (
        SqlThreads(store.database),
        await incident_of(store, "one"),
        await incident_of(store, "two"),
    )

    await threads.keep("chat/0", {one: "1.5", two: "2.5"})
    await threads.keep("chat/0", {one: "3.5"})
    await threads.keep("am/0", {one: "critical"})

    assert await threads.token("chat/0", one) == "3.5"
    assert await threads.token("chat/0", two) == "2.5"
    assert await threads.token("am/0", one) == "critical"
    assert await threads.token("am/0", two) is None


async def test_what_is_told_of_no_incident_is_left_out(store: Store) -> None:
    threads, one = SqlThreads(store.database), await incident_of(store, "one")

    await threads.keep("chat/0", {"gone": "1", one: "2"})
    await threads.keep("chat/0", {})

    assert await threads.token("chat/0", "gone") is None
    assert await threads.token("chat/0", one) == "2"


async def test_what_stands_and_what_ended_lately_is_found_with_its_token(store: Store) -> None:
    threads = SqlThreads(store.database)
    ids = {name: await incident_of(store, name) for name in ("stands", "lately", "long", "untold")}
    await threads.keep("am/0", {one: name for name, one in ids.items() if name != "untold"})
    await store.apply(resolved(opened(key("lately")), end=NOON + 30 * MINUTE))
    await store.apply(resolved(opened(key("long")), end=NOON + 10 * MINUTE))

    found = await threads.standing("am/0", ended_since=NOON + 20 * MINUTE)

    assert [(incident.id, token) for incident, token in found] == [
        (ids["stands"], "stands"),
        (ids["lately"], "lately"),
    ]
    assert not await threads.standing("chat/0", ended_since=NOON)
