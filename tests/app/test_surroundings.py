"""What the courier looks at beside an incident, in step with commits and with others' silences."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.databases import NOON, HandClock
from tests.store.building import Store, key, opened, resolved
from watcher.app.surroundings import Surroundings, WideWords
from watcher.config import Config, load_config
from watcher.model.incident import Incident, IncidentKey, Transition
from watcher.model.inventory import Item, ItemKind, Known
from watcher.model.labels import Matcher, label_set
from watcher.model.message import Due, Telling
from watcher.model.ports import Committed
from watcher.model.rule import Severity
from watcher.model.silence import Silence
from watcher.model.time import DAY, HOUR, MINUTE
from watcher.notify.render import Renderer
from watcher.notify.stages import Plan, Reason
from watcher.store.database import Database
from watcher.store.silences import SqlSilences

LISTED: Sequence[Known] = (
    Known("cdnv", "leaseweb", Item(ItemKind.ORIGIN_GROUP, "g1")),
    Known("cdnv", "leaseweb", Item(ItemKind.DISTRIBUTION, "shop", {"origin_group": "g1"})),
    Known("cdnv", "leaseweb", Item(ItemKind.DISTRIBUTION, "video", {"origin_group": "g1"})),
)
GROUP = opened(key("g1", rule="origin_group_empty"), severity=Severity.CRITICAL)
SHOP = opened(key("shop"))
WINDOW = """\
maintenance: [{match: {resource: shop}, from: 2020-01-01T00:00Z, to: 2040-01-01T00:00Z, reason: x, name: w}]
inhibit: [{source: {rule: api_failed_calls}, target: {resource: other}}]
"""


def config(folder: Path, text: str = "sources: []\n") -> Config:
    path = folder / "watcher.yaml"
    path.write_text(text)
    return load_config(path, secrets=False)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with await Database.open(database_url, clock=HandClock()) as database:
        yield await Store.on(database)


@pytest.fixture
async def around(store: Store, tmp_path: Path) -> Surroundings:
    return await loaded(store, config(tmp_path))


async def loaded(store: Store, settings: Config) -> Surroundings:
    made = Surroundings(store.database, settings, lambda: LISTED)
    await made.load()
    return made


async def committed(store: Store, around: Surroundings, *changes: Transition) -> list[Incident]:
    told: Sequence[Committed] = await store.apply(*changes)
    around.take(told)
    return [one.incident for one in told]


async def explaining(around: Surroundings, incident: Incident) -> str:
    found = (await around.suppressions([incident], NOON + HOUR)).inhibitors.get(incident.id)
    return "" if found is None else found.key.rule


async def test_an_incident_is_inhibited_from_when_the_wider_one_opens_until_that_is_over(
    store: Store, around: Surroundings
) -> None:
    [shop] = await committed(store, around, SHOP)
    assert await explaining(around, shop) == ""

    await committed(store, around, GROUP)
    assert await explaining(around, shop) == "origin_group_empty"
    await committed(store, around, resolved(GROUP, end=NOON + 5 * MINUTE))

    assert await explaining(around, shop) == ""


async def test_a_restart_knows_what_is_open(store: Store, tmp_path: Path) -> None:
    [_, shop] = [one.incident for one in await store.apply(GROUP, SHOP)]

    assert await explaining(await loaded(store, config(tmp_path)), shop) == "origin_group_empty"


async def test_what_another_process_silences_and_ends_is_seen_at_the_next_look(
    store: Store, around: Surroundings
) -> None:
    elsewhere, [shop] = SqlSilences(store.database), await committed(store, around, SHOP)
    silence = Silence("s-1", (Matcher("resource", ("shop",)),), NOON, NOON + DAY, "ada", "x", NOON)

    seen = [(await around.suppressions([shop], NOON)).silences]
    await elsewhere.add(silence)
    seen.append((await around.suppressions([shop], NOON)).silences)
    seen.append((await around.suppressions([shop], NOON + DAY)).silences)
    await elsewhere.end("s-1", at=NOON + MINUTE, who="bob")
    seen.append((await around.suppressions([shop], NOON + MINUTE)).silences)

    assert seen == [(), (silence,), (), ()]


async def test_windows_and_relations_of_the_configuration_hold_too(store: Store, tmp_path: Path) -> None:
    around = await loaded(store, config(tmp_path, WINDOW))
    calls = IncidentKey("api_failed_calls", label_set({"source": "cdnv", "vendor": "cdnvideo"}))
    [_, other] = await committed(store, around, opened(calls), opened(key("other", rule="job_failed")))

    found = await around.suppressions([other], NOON)

    assert [one.id for one in found.maintenance] == ["w"]
    assert await explaining(around, other) == "api_failed_calls"


async def test_messages_name_what_the_origin_takes_with_it(store: Store, around: Surroundings) -> None:
    [_, group] = await committed(store, around, SHOP, GROUP)
    due = Due(1, Telling.OPENED, "mail/0", group, NOON, attempts=0, held=False)

    plan = Plan("opened", (group,), (due,), Reason.TOLD, tellings={group.id: Telling.OPENED})
    message = WideWords(Renderer({}), around).message(plan, now=NOON)

    assert "Hurts:" in message.text
    assert message.facts["affects"] == [
        {"source": "cdnv", "resource": "shop", "name": "shop", "hurt": True},
        {"source": "cdnv", "resource": "video", "name": "video", "hurt": False},
    ]
    for words in (message.text, message.html):
        assert "At risk" in words
        assert "video" in words
    [over] = await committed(store, around, resolved(GROUP, end=NOON + 5 * MINUTE))
    assert around.widened(over).affects == ()
