"""Killed at any write, damaged, or changed: what the book ends with, and what every sample has become."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from pydantic import BaseModel
from sqlalchemy import update
from structlog.testing import capture_logs

from tests.app.lives import Fate, Life, Place, polls, rules
from tests.databases import HandClock, Server
from tests.engine.conftest import START, errors_above
from watcher.engine.detector import (
    BREACH,
    CLEAR,
    UNKNOWN,
    Memory,
    Panel,
    Plain,
    Reach,
    Role,
    Slot,
    Usual,
    Verdict,
)
from watcher.engine.engine import BoundRule
from watcher.model.incident import Evidence, IncidentKey
from watcher.model.labels import Selector
from watcher.model.rule import Rule
from watcher.model.sample import SampleBatch
from watcher.model.time import DAY, HOUR, Instant, floor
from watcher.store import tables
from watcher.store.database import Database
from watcher.store.migrate import upgrade

SEED = 3


@asynccontextmanager
async def place_at(folder: Path, name: str, batches: Sequence[SampleBatch]) -> AsyncIterator[Place]:
    """SQLite in the calling thread."""
    opened = []
    for file in (f"{name}.db", f"{name}.samples.db"):
        database = await Database.open(f"sqlite:///{folder / file}", clock=HandClock(), inline=True)
        await upgrade(database)
        opened.append(database)
    yield Place(opened[0], opened[1], batches)
    for database in opened:
        await database.close()


@pytest.mark.parametrize("part", range(6))
async def test_a_death_at_any_write_loses_and_doubles_nothing(tmp_path: Path, part: int) -> None:
    """Before and after every transaction of ticks, snapshots, their adoption, chunks and their deletion."""
    async with place_at(tmp_path, "whole", polls(SEED)) as place:
        await place.survive()
        told, kept, steps = await place.told(), await place.kept(), place.fate.steps
    assert len(told) >= 3
    for left in range(1 + 9 * part, steps, 59):
        async with place_at(tmp_path, f"killed-{left}", polls(SEED)) as place:
            place.fate.left = left
            await place.survive()

            assert (left, await place.told()) == (left, told)
            assert (left, await place.kept()) == (left, kept)


@pytest.mark.postgres
async def test_a_death_at_some_writes_loses_and_doubles_nothing_on_postgres(
    tmp_path: Path, postgres_server: Server
) -> None:
    async with place_at(tmp_path, "whole", polls(SEED)) as place:
        await place.survive()
        told, kept, steps = await place.told(), await place.kept(), place.fate.steps
    for left in range(31, steps, 70):
        name = await postgres_server.migrated()
        async with await Database.open(postgres_server.named(name), clock=HandClock()) as database:
            place = Place(database, database, polls(SEED), fate=Fate(left))
            await place.survive()

            assert (left, await place.told()) == (left, told)
            assert (left, await place.kept()) == (left, kept)
        await postgres_server.give_back(name)


async def test_after_a_clean_stop_nothing_is_judged_again(tmp_path: Path) -> None:
    async with place_at(tmp_path, "stopped", polls(SEED)) as place:
        await place.survive()
        with capture_logs() as logs:
            begun = await Life(place).begin()

    assert begun.is_exact
    assert [(log["ticks"], log["batches"]) for log in logs if log["event"] == "engine_rebuilt"] == [(0, 0)]


async def until(place: Place, tick: int) -> None:
    """A life that ends without a word after so many ticks."""
    life = Life(place)
    await life.begin()
    await life.run(until=tick)


async def test_a_damaged_snapshot_costs_time_and_nothing_else(tmp_path: Path) -> None:
    async with place_at(tmp_path, "whole", polls(SEED)) as place:
        await place.survive()
        told = await place.told()
    async with place_at(tmp_path, "damaged", polls(SEED)) as place:
        await until(place, 23)
        spoil = update(tables.snapshot_piece).values(payload=b"spoilt")
        await place.samples.write(lambda connection: connection.execute(spoil).rowcount)
        with capture_logs() as logs:
            await place.survive()

        assert "snapshot_damaged" in [log["event"] for log in logs]
        assert await place.told() == told


# --- rules that change, and memory


class HabitParams(BaseModel):
    """How many times the usual of the hour is too much."""

    times: float = 3


class Habit(Plain):
    """Learns what each hour of the day is like; fires above so many times that."""

    Params: ClassVar[type[BaseModel]] = HabitParams
    roles: Mapping[str, Role] = {"value": Role()}

    def __init__(self, params: HabitParams) -> None:
        self._times = params.times

    def reach(self) -> Reach:
        return Reach(slot=HOUR, memory={"hours": 24})

    def learn(self, memory: Memory, slot: Slot) -> None:
        hour, known = memory["hours"][slot.start // HOUR % 24], slot.known > 0
        mean = slot.sums["value"] / np.maximum(slot.known, 1) * HOUR
        learned = np.where(np.isnan(hour), mean, 0.75 * hour + 0.25 * mean)
        hour[known] = learned[known]

    def recall(self, memory: Memory, at: Instant) -> Usual:
        return {"hour": memory["hours"][at // HOUR % 24].astype(np.float64)}

    def usual(self, recalled: Usual, levels: object) -> Usual:  # noqa: ARG002 - the seam's shape
        return recalled

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        seen = panel.value("value")
        limit = usual["hour"] * self._times
        reading = np.where(seen > limit, BREACH, CLEAR)
        unknown = np.isnan(seen) | np.isnan(limit)
        return Verdict(np.where(unknown, UNKNOWN, reading).astype(np.int8), seen, limit)

    def explain(self, panel: Panel, verdict: Verdict, row: int, since: Instant) -> Evidence:
        return Evidence(since, panel.end, seen=float(verdict.seen[row]))


def habit(times: float = 3) -> BoundRule:
    params = HabitParams(times=times)
    return BoundRule(
        Rule("habit", "habit", {"value": Selector("cdn_responses")}, ("resource",), params), Habit(params)
    )


def weeks(days: int = 21) -> list[SampleBatch]:
    """Hourly bins of two resources, with a day as it is every day."""
    [shape, *_] = polls(SEED)
    rng, found = np.random.default_rng(1), []
    for hour in range(days * 24):
        errors = rng.poisson(np.array([20.0, 40.0]) + 10 * (hour % 24))
        end = floor(START, DAY) + (hour + 1) * HOUR
        found.append(
            replace(
                shape,
                width=HOUR,
                fetched_at=end,
                settled_until=end,
                starts=np.array([end - HOUR]),
                values=np.stack([np.full(2, 1000.0), errors.astype(float)])[None],
            )
        )
    return found


def learned(life: Life) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    [track] = life.engine.tracks("habit", "cdn")
    return track.past.memory["hours"]


async def test_what_weeks_have_taught_survives_in_the_snapshot_and_is_learned_again_from_history(
    tmp_path: Path,
) -> None:
    async with place_at(tmp_path, "weeks", weeks()) as place:
        place.rules = lambda: [habit()]
        first = Life(place)
        await first.begin()
        await first.run()
        await first.end()
        again = Life(place)
        assert (await again.begin()).is_exact
        await again.lease.release()
        await place.samples.write(lambda one: one.execute(tables.snapshot.delete()).rowcount)
        rebuilt = Life(place)
        assert not (await rebuilt.begin()).is_exact

        assert np.isfinite(learned(first)).any()
        assert np.array_equal(learned(again), learned(first), equal_nan=True)
        assert np.array_equal(learned(rebuilt), learned(first), equal_nan=True)


class Wiser(Habit):
    """The same detector, as of a version that goes by half of what it has learned."""

    version: ClassVar[int] = 2

    def recall(self, memory: Memory, at: Instant) -> Usual:
        return {"hour": memory["hours"][at // HOUR % 24] / 2.0}


Wiser.__module__, Wiser.__qualname__ = Habit.__module__, Habit.__qualname__


async def test_a_detector_of_another_version_learns_again_what_the_one_before_had_learned(
    tmp_path: Path,
) -> None:
    async with place_at(tmp_path, "wiser", weeks()) as place:
        place.rules = lambda: [habit()]
        first = await live(place)
        place.rules = lambda: [replace(habit(), detector=Wiser(HabitParams()))]
        with capture_logs() as logs:
            again = await live(place)

        assert [log["rules_rebuilt"] for log in logs if log["event"] == "engine_rebuilt"] == [1]
        assert np.array_equal(learned(again), learned(first), equal_nan=True)


@pytest.mark.parametrize("change", [lambda: [*rules(), habit()], lambda: [errors_above(20), rules()[1]]])
async def test_a_rule_that_is_new_or_changed_is_rebuilt_and_the_others_stand(
    tmp_path: Path, change: Callable[[], list[BoundRule]]
) -> None:
    async with place_at(tmp_path, "whole", polls(SEED)) as place:
        await place.survive()
        told = [row for row in await place.told() if "spike" in row]
    async with place_at(tmp_path, "changed", polls(SEED)) as place:
        await until(place, 23)
        place.rules = change
        with capture_logs() as logs:
            await place.survive()

        [rebuilt] = [log["rules_rebuilt"] for log in logs if log["event"] == "engine_rebuilt"]
        assert rebuilt == 1
        assert [row for row in await place.told() if "spike" in row] == told


async def live(place: Place, until: int | None = None, *, ends: bool = True) -> Life:
    """One life more."""
    life = Life(place)
    await life.begin()
    await life.run(until)
    if ends:
        await life.end()
    return life


async def test_a_source_that_is_watched_again_has_what_it_learned_before(tmp_path: Path) -> None:
    async with place_at(tmp_path, "again", weeks()) as place:
        place.rules = lambda: [habit()]
        first = await live(place)
        place.sources = {"other": "test"}
        assert (await live(place, 0)).engine.sources == set()
        place.sources = {"cdn": "test"}
        again = await live(place)

        assert np.array_equal(learned(again), learned(first), equal_nan=True)


async def test_a_source_of_another_vendor_is_another_source(tmp_path: Path) -> None:
    async with place_at(tmp_path, "vendor", polls(SEED)) as place:
        await live(place, 20)
        place.sources = {"cdn": "new"}
        place.batches = [*place.batches[:20], *(replace(one, vendor="new") for one in place.batches[20:])]
        after = await live(place)

        keys = {
            key for one in rules() for track in after.engine.tracks(one.rule.id, "cdn") for key in track.keys
        }
        assert {dict(key)["vendor"] for key in keys if key} == {"new"}


async def test_book_and_engine_agree_after_a_life_without_the_source_that_was_killed(tmp_path: Path) -> None:
    """It has told that nobody judges the incident any more; the next life does again."""
    async with place_at(tmp_path, "killed", polls(SEED)) as place:
        await live(place, 35)
        place.sources = {"other": "test"}
        await live(place, 0, ends=False)
        place.sources = {"cdn": "test"}
        again = await live(place, ends=False)

        assert await standing(place) == fires(again)


async def standing(place: Place) -> int:
    return len([one for one in await Life(place).shelves.journal.standing() if not one.over])


def fires(life: Life) -> int:
    states = [
        life.engine.state(IncidentKey(one.rule.id, key))
        for one in rules()
        for track in life.engine.tracks(one.rule.id, "cdn")
        for key in track.index
    ]
    return len([state for state in states if state in {"firing", "recovering"}])


async def test_a_new_rule_reads_a_stream_that_has_said_nothing_for_days(tmp_path: Path) -> None:
    async with place_at(tmp_path, "slow", slow_and_fast()) as place:
        place.rules = lambda: [errors_above(40)]
        await live(place, 152)
        place.rules = lambda: [errors_above(40), large()]
        life = await live(place)

        [track] = life.engine.tracks("large", "cdn")
        assert [dict(key)["resource"] for key in track.index] == ["shop"]
        assert fired(life)


def large() -> BoundRule:
    other = errors_above(1000)
    rule = replace(other.rule, id="large", match={"value": Selector("cdn_bytes")})
    return replace(other, rule=rule)


def fired(life: Life) -> bool:
    [track] = life.engine.tracks("large", "cdn")
    return all(life.engine.state(IncidentKey("large", key)) == "firing" for key in track.index)


def slow_and_fast() -> list[SampleBatch]:
    """A statistic a day, whose newest is two days old; bins of an hour; and then the statistic again."""
    one = weeks(1)[0]

    def daily(day: int) -> SampleBatch:
        return replace(
            one,
            stream="daily",
            width=DAY,
            entities=one.entities[:1],
            metrics=(("cdn_bytes", ()),),
            starts=np.array([START + day * DAY]),
            values=np.full((1, 1, 1), 1e9),
            fetched_at=START + (day + 1) * DAY,
            settled_until=START + (day + 1) * DAY,
        )

    def hourly(number: int) -> SampleBatch:
        end = START + (number + 1) * HOUR
        starts = np.array([end - HOUR])
        return replace(one, starts=starts, values=one.values[:1], fetched_at=end, settled_until=end)

    return [*map(daily, range(8)), *map(hourly, range(144, 288)), *map(daily, range(13, 16))]
