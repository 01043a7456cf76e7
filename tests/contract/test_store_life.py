"""How acts and figures go on through merges, returns and restatements, on SQLite and on Postgres."""

from dataclasses import replace

import pytest

from tests.contract.acting import act, begun, held, story
from tests.databases import NOON
from tests.store.building import Store, evidence, key, merged, opened, owed, reopened, resolved
from watcher.model.act import ActKind
from watcher.model.incident import Change, Figures, Status
from watcher.model.time import HOUR, MINUTE
from watcher.store.database import Database


@pytest.fixture
async def store(database: Database) -> Store:
    return await Store.on(database)


async def test_what_people_did_to_an_incident_goes_on_in_the_one_it_is_merged_into(store: Store) -> None:
    incident, first = await begun(store), opened()
    await store.apply(resolved(first, end=NOON + MINUTE))
    younger = opened(at=NOON + HOUR)
    [newer] = await store.apply(younger)
    await store.act(
        act(newer.incident.id, ActKind.ACKNOWLEDGE),
        act(newer.incident.id, ActKind.ASSIGN, "bob"),
        at=NOON + HOUR,
    )
    tick = (reopened(first, decided=NOON + 2 * HOUR), merged(younger, first, decided=NOON + 2 * HOUR))
    await store.apply(*tick)

    after = await held(store, incident)
    assert (after.status, after.acknowledged_by, after.assignee) == (Status.ACKNOWLEDGED, "ada", "bob")
    assert after.unack_at == NOON + 13 * HOUR
    told = f"acknowledged by ada, assigned to bob, as {newer.incident.id} was, which is merged into it"
    assert [text for kind, _, text in await story(store, incident) if kind == "merged"] == [told]
    assert not await store.apply(*tick)
    assert len(await story(store, incident)) == 4


async def test_a_return_is_told_as_one_and_not_as_a_correction(store: Store) -> None:
    incident, first = await begun(store), opened()
    await store.apply(resolved(first, end=NOON + MINUTE))
    back = replace(reopened(first, decided=NOON + HOUR), figures=Figures(returns=4, flapping=True))
    await store.apply(back)

    assert (await story(store, incident))[-1] == (
        "reopened",
        "",
        "it came back, 4 times by now, and flaps: resource shop: 5xx 12.4 %",
    )


async def test_figures_of_the_engine_are_kept_until_it_says_others(store: Store) -> None:
    first = opened()
    worst = evidence("5xx 80 %")
    [begun_] = await store.apply(replace(first, figures=Figures(worst, 4711.5, returns=1)))
    assert (begun_.incident.peak, begun_.incident.affected, begun_.incident.returns) == (worst, 4711.5, 1)

    [ended] = await store.apply(resolved(first, end=NOON + MINUTE))
    assert ended.incident.peak == worst
    figures = Figures(worst, 9000, returns=3, flapping=True)
    again = replace(reopened(first, decided=NOON + HOUR), figures=figures)
    [back] = await store.apply(again)
    assert (back.incident.affected, back.incident.returns, back.incident.flapping) == (9000, 3, True)
    assert await held(store, back.incident.id) == back.incident
    assert key() == back.incident.key


async def test_figures_that_a_restatement_changes_are_amended_and_told_where_they_read_otherwise(
    store: Store,
) -> None:
    incident, first = await begun(store), opened()
    over = replace(resolved(first, end=NOON + 5 * MINUTE), figures=Figures(evidence("60.0 %"), 1_960.0))
    await store.apply(over)
    again = replace(over, change=Change.MOVED, summary="", decided_at=NOON + HOUR)
    slightly = replace(again, figures=Figures(evidence("60.0 %"), 1_980.0))
    more = replace(again, figures=Figures(evidence("75.0 %"), 4_020.0), decided_at=NOON + 2 * HOUR)

    assert not await store.apply(slightly, owed=[owed()])
    assert (await held(store, incident)).affected == 1_980.0
    assert [kind for kind, *_ in await story(store, incident)] == ["opened", "resolved"]
    assert await store.apply(more)
    told = "restated: worst 75.0 %, about 4 000 requests affected"
    assert (await story(store, incident))[-1] == ("moved", "", told)
    assert not await store.apply(more)
