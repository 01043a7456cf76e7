"""How the engine becomes what it was: the last snapshot and the ticks after it, else what was recorded."""

import gc
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Self

import anyio
import anyio.to_thread
import structlog

from watcher.engine.engine import DUMP_FORMAT, BoundRule, Engine
from watcher.engine.lifecycle import NEVER
from watcher.errors import DumpUnusable, StoreUnavailable
from watcher.model.incident import Change, End, Transition
from watcher.model.inventory import Item, Known
from watcher.model.ports import Clock, Ticked, Wanted
from watcher.model.sample import Cursor
from watcher.model.snapshot import EngineDump, Kept, TrackState
from watcher.model.time import DAY, Instant
from watcher.store.acts import SqlActs
from watcher.store.database import Database
from watcher.store.journal import SqlJournal
from watcher.store.recording import SqlRecording
from watcher.store.snapshots import SqlSnapshots

_ATTEMPTS: Final = 3
"""To read a snapshot from a database that does not answer, before all is rebuilt."""


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where a restart reads."""

    journal: SqlJournal
    recording: SqlRecording
    snapshots: SqlSnapshots
    acts: SqlActs

    @classmethod
    def of(cls, database: Database, samples: Database) -> Self:
        """Those of a database, and of where its samples are."""
        snapshots = SqlSnapshots(samples, format_=DUMP_FORMAT)
        return cls(SqlJournal(database), SqlRecording(database, samples), snapshots, SqlActs(database))


@dataclass(frozen=True, slots=True)
class Restarted:
    """The engine as it was."""

    engine: Engine
    untold: Sequence[Transition]
    """What the book does not know yet."""
    cursors: Mapping[tuple[str, str], Cursor]
    is_exact: bool
    """Whether all of it came from a snapshot; otherwise one should be kept soon."""


async def restarted(
    rules: Sequence[BoundRule],
    sources: Mapping[str, str],
    shelves: Shelves,
    clock: Clock,
    *,
    known: Sequence[Known] = (),
) -> Restarted:
    """The engine, from what is durable; `sources` by name their vendor, `known` what the inventory holds.

    A rule that the snapshot was not judged by, or not as it is now, is rebuilt by itself from history and
    journal, and so is a source that was not watched then. Where there is no snapshot, or one that cannot be
    read, all is.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    with _uncollected():
        return await _restarted(rules, sources, shelves, clock, known)


async def _restarted(
    rules: Sequence[BoundRule],
    sources: Mapping[str, str],
    shelves: Shelves,
    clock: Clock,
    known: Sequence[Known],
) -> Restarted:
    states = await shelves.journal.engine()
    kept = await shelves.journal.kept()
    since = min((state.frozen_at for state in states), default=NEVER)
    ends = await shelves.acts.ends(row=kept.row if kept else 0, since=since)
    engine, ticks = _engine(rules, known), 0
    by_hand: Sequence[Transition] = ()
    dump = await _dump(shelves.snapshots, kept)
    if dump is not None and not await _loaded(engine, dump, sources):
        engine, dump = _engine(rules, known), None
    held = {name: sources[name] for name in engine.sources}
    if dump is not None and kept is not None:
        ticks, by_hand = await _replayed(engine, shelves.journal, kept, held, ends)
    new = [bound for bound in rules if dump is None or dump.rules.get(bound.rule.id) != bound.digest]
    unheld = {name: sources[name] for name in sources.keys() - held.keys()}
    batches = 0
    for of, where in ((new, held), (rules, unheld)):
        if of and where:
            batches += await _rebuilt(engine, of, where, shelves.recording, states)
    standing = await shelves.journal.standing()
    now = clock.now()
    rebuilt = await anyio.to_thread.run_sync(engine.rebuild, standing, states, now, ends)
    untold = [*(replace(end, decided_at=now) for end in by_hand), *rebuilt]
    structlog.get_logger().info(
        "engine_rebuilt", ticks=ticks, batches=batches, rules_rebuilt=len(new), untold=len(untold)
    )
    is_exact = not new and not unheld and not untold
    return Restarted(engine, untold, await shelves.journal.cursors(), is_exact)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for garbage: all that is made is kept, and would be looked through again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _engine(rules: Sequence[BoundRule], known: Sequence[Known]) -> Engine:
    """One that has seen nothing, and knows where resources belong."""
    engine, items = Engine(rules), defaultdict[str, list[Item]](list)
    for one in known:
        items[one.source].append(one.item)
    for source, found in items.items():
        engine.places.learn(source, found)
    return engine


async def _dump(snapshots: SqlSnapshots, kept: Kept | None) -> EngineDump | None:
    """The snapshot that counts, where it can be read."""
    if kept is None:
        return None
    log, failure = structlog.get_logger(), ""
    for attempt in range(_ATTEMPTS):
        await anyio.sleep(attempt)
        try:
            dump = await snapshots.load(kept)
        except StoreUnavailable as error:
            failure = str(error)
            continue
        except DumpUnusable as error:
            failure = str(error)
            break
        if dump is None:
            log.warning("snapshot_not_used")
        return dump
    log.error("snapshot_damaged", error=failure)
    return None


async def _loaded(engine: Engine, dump: EngineDump, sources: Mapping[str, str]) -> bool:
    """Whether the engine stands where the dump says."""
    try:
        await anyio.to_thread.run_sync(engine.load, dump, sources)
    except DumpUnusable as error:
        structlog.get_logger().error("snapshot_damaged", error=str(error))
        return False
    return True


async def _replayed(
    engine: Engine,
    journal: SqlJournal,
    kept: Kept,
    sources: Mapping[str, str],
    ends: Sequence[End],
) -> tuple[int, Sequence[Transition]]:
    """Judge again what was committed after the snapshot, tick by tick: the book holds what that led to.

    How many ticks, and the ends that people's ends came to: of what a command ended in the daemon's absence
    the book knows no more than the incident that was named.
    """
    ticks, reached = 0, kept.row
    found = _ended(engine, ends, range(reached, reached + 1))
    async for tick in journal.ticks(kept.row):
        await anyio.to_thread.run_sync(_judge, engine, tick, sources)
        found += _ended(engine, ends, range(reached + 1, tick.row + 1))
        ticks, reached = ticks + 1, tick.row
    return ticks, found


def _ended(engine: Engine, ends: Sequence[End], rows: range) -> list[Transition]:
    """Let people end again what they ended when the journal had reached one of some rows."""
    again = engine.act_again([end for end in ends if end.row in rows], 0)
    return [one for one in again if one.change is Change.RESOLVED]


def _judge(engine: Engine, tick: Ticked, sources: Mapping[str, str]) -> None:
    for batch in tick.batches:
        if sources.get(batch.source) == batch.vendor:
            engine.ingest(batch)
    engine.evaluate(tick.at)


async def _rebuilt(
    engine: Engine,
    rules: Sequence[BoundRule],
    sources: Mapping[str, str],
    recording: SqlRecording,
    states: Sequence[TrackState],
) -> int:
    """Let the engine adopt some rules over some sources, from what was recorded; how many batches.

    One source after the other: nothing joins two, and what is decoded at once is of one.
    """
    fresh, batches = Engine(rules, places=engine.places), 0
    fresh.restore([state for state in states if _is_of(state, sources)], sources)
    for name, vendor in sources.items():
        own = [state for state in states if state.source == name and _is_of(state, sources)]
        since = _since(rules, own, engine.reached(name))
        async for page in recording.pages(Wanted(name, since=since)):
            await anyio.to_thread.run_sync(fresh.recall, [one for one in page if one.vendor == vendor])
            batches += len(page)
    engine.adopt(fresh)
    return batches


def _is_of(state: TrackState, sources: Mapping[str, str]) -> bool:
    """Whether a state is of one of these sources, and not of another vendor by the same name."""
    vendors = {dict(row.labels).get("vendor") for row in state.rows}
    return state.source in sources and vendors <= {sources[state.source], None}


def _since(
    rules: Sequence[BoundRule], states: Sequence[TrackState], reached: Instant | None
) -> Instant | None:
    """What none of these rules looks back beyond; None where one remembers all there was.

    A stream that is far behind was settled as far as `reached`.
    """
    reaches = [bound.detector.reach() for bound in rules]
    edges = [state.frozen_at for state in states if state.frozen_at > 0]
    if not edges or any(reach.memory for reach in reaches):
        return None
    edge = min(edges) if reached is None else min(*edges, reached)
    return edge - max(reach.window + reach.recent + reach.lag for reach in reaches) - DAY
