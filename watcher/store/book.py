"""The book: one transaction a tick, in which a change, its story and what it owes are written together."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import groupby
from typing import Final

from sqlalchemy import Connection, bindparam, case, or_, select, tuple_, update

from watcher.model.act import UNACKNOWLEDGE_AFTER
from watcher.model.incident import Incident, Transition
from watcher.model.inventory import Heard
from watcher.model.message import Owed
from watcher.model.ports import Committed, IdFactory, Tick
from watcher.model.sample import Poll
from watcher.model.time import Duration, Instant
from watcher.store import tables
from watcher.store.acts import apply_acts, settle_ended, still_asked
from watcher.store.database import Database
from watcher.store.deeds import Moment
from watcher.store.dispatch import Dispatch
from watcher.store.errands import strike_off
from watcher.store.inventory import News, Stock, heard_in, read_items, write_inventory
from watcher.store.journal import journal_values, write_engine, write_kept, write_polls
from watcher.store.lease import Fence
from watcher.store.ledger import Entry, Ledger, mark_of
from watcher.store.letter import DUE
from watcher.store.letters import read_letters, write_letters
from watcher.store.rows import identity, incident_from, incident_values
from watcher.store.statements import among, chunks, insert_all

STORM: Final = 500
"""Changes in one tick."""


class SqlBook:
    """Writes ticks for the daemon that holds the lease."""

    def __init__(
        self,
        database: Database,
        lease: Fence,
        new_id: IdFactory,
        stock: Stock | None = None,
        *,
        unacknowledge_after: Duration = UNACKNOWLEDGE_AFTER,
    ) -> None:
        """`stock` is kept as the inventory is committed; it may be loaded already.

        An acknowledgement without an end of its own lapses after `unacknowledge_after`; 0 is never.
        """
        self._database = database
        self._unacknowledge_after = unacknowledge_after
        self._lease = lease
        self._new_id = new_id
        self._stock = Stock() if stock is None else stock

    async def commit(self, tick: Tick) -> Sequence[Committed]:
        """Write the tick, wholly or not at all; answer what really changed, in the tick's order.

        Raises:
            StoreUnavailable: nothing was written; the same tick may be committed later.
            LeaseLost: another daemon owns the database.
        """
        batches: Sequence[Mapping[str, object]] = ()
        if any(poll.batches for poll in tick.polls):
            batches = await self._database.apart(partial(_encoded, tick.polls))
        committed, news = await self._database.write(partial(self._commit, tick=tick, batches=batches))
        self._stock.take(news)
        return committed

    def _commit(
        self, connection: Connection, tick: Tick, batches: Sequence[Mapping[str, object]]
    ) -> tuple[Sequence[Committed], Sequence[News]]:
        with _uncollected() if len(tick.changes) > STORM else nullcontext():
            return self._write(connection, tick, batches)

    def _write(
        self, connection: Connection, tick: Tick, batches: Sequence[Mapping[str, object]]
    ) -> tuple[Sequence[Committed], Sequence[News]]:
        self._lease.renew(connection)
        write_polls(connection, tick.polls, batches, tick.at)
        strike_off(connection, tick.polls)
        news = self._news(connection, heard_in(tick.polls))
        judged = [one for one in tick.changes if one[0].act is None]
        committed = _apply(connection, judged, at=tick.at, new_id=self._new_id) if judged else []
        committed += self._act(connection, tick)
        _release(connection, tick.released, tick.at)
        if tick.kept is not None:
            write_kept(connection, tick.kept)
        if tick.engine is not None:
            write_engine(connection, tick.engine)
        return committed, news

    def _act(self, connection: Connection, tick: Tick) -> Sequence[Committed]:
        """What people asked for, after what the numbers say and in the order in which it was asked."""
        moment = Moment(tick.at, self._unacknowledge_after)
        ends = {change.act.id: (change, owed) for change, owed in tick.changes if change.act is not None}
        committed: list[Committed] = []
        for is_end, acts in groupby(still_asked(connection, tick.acts), lambda act: act.id in ends):
            asked = [*acts]
            if is_end:
                changes = [ends[act.id] for act in asked]
                done = _apply(connection, changes, at=tick.at, new_id=self._new_id)
                committed += done
                asked = settle_ended(connection, asked, done, tick.at)
            apply_acts(connection, asked, moment)
        return committed

    def _news(self, connection: Connection, heard: Sequence[Heard]) -> Sequence[News]:
        """What listings change in the inventory, written."""
        if not heard:
            return ()
        if not self._stock.is_loaded:
            self._stock.load(read_items(connection))
        news = self._stock.news(heard)
        write_inventory(connection, [difference for _heard, difference in news])
        return news


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for garbage: all that a storm makes stays until it is written, and is looked through in vain.

    That would take as long as the rest.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _encoded(polls: Sequence[Poll]) -> Sequence[Mapping[str, object]]:
    return [journal_values(batch) for poll in polls for batch in poll.batches]


def _apply(
    connection: Connection,
    changes: Sequence[tuple[Transition, Sequence[Owed]]],
    *,
    at: Instant,
    new_id: IdFactory,
) -> list[Committed]:
    transitions = [transition for transition, _owed in changes]
    held = _held(connection, transitions)
    ledger = Ledger(held, _marks(connection, held, transitions), new_id)
    entries = [(entry, owed) for transition, owed in changes if (entry := ledger.apply(transition))]
    touched = {entry.incident_id for entry, _owed in entries}
    dispatch = Dispatch(read_letters(connection, [one.id for one in held if one.id in touched], at))
    for entry, owed in entries:
        dispatch.owe(entry, () if ledger[entry.incident_id].shadow else owed)
    _write_incidents(connection, ledger)
    _write_timeline(connection, [*(entry for entry, _owed in entries), *ledger.inherited])
    write_letters(connection, dispatch, ledger.__getitem__, at)
    return [
        Committed(entry.transition.change, ledger[entry.incident_id], entry.transition.act)
        for entry, _owed in entries
    ]


_HELD: Final = (
    select(tables.incident)
    .where(among(tables.incident.c.identity, "identities"))
    .where(
        or_(
            tables.incident.c.resolved_at.is_(None),
            tables.incident.c.resolved_at >= bindparam("earliest"),
            tables.incident.c.opened_at >= bindparam("earliest"),
        )
    )
    .order_by(tables.incident.c.id)
)


def _held(connection: Connection, transitions: Sequence[Transition]) -> Sequence[Incident]:
    """The incidents of these keys that event time allows to be meant."""
    wider = [transition.wider for transition in transitions if transition.wider is not None]
    keys = {transition.key for transition in transitions} | {one.key for one in wider}
    starts = [min(transition.was, transition.opened_at) for transition in transitions]
    earliest = min([*starts, *(one.opened_at for one in wider)])
    asked = {"identities": sorted(map(identity, keys)), "earliest": earliest}
    return [incident_from(row) for row in connection.execute(_HELD, asked).mappings()]


def _marks(
    connection: Connection, held: Sequence[Incident], transitions: Sequence[Transition]
) -> set[tuple[str, str]]:
    """Which of these transitions the timelines of these incidents hold already."""
    if not held:
        return set()
    timeline = tables.timeline.c
    marks = {transition.key: set[str]() for transition in transitions}
    for transition in transitions:
        marks[transition.key].add(mark_of(transition))
    asked = [(incident.id, mark) for incident in held for mark in marks.get(incident.key, ())]
    found: set[tuple[str, str]] = set()
    for some in chunks(asked):
        query = select(timeline.incident_id, timeline.mark).where(
            tuple_(timeline.incident_id, timeline.mark).in_(some)
        )
        found.update((row.incident_id, row.mark) for row in connection.execute(query))
    return found


def _write_incidents(connection: Connection, ledger: Ledger) -> None:
    if changed := ledger.changed:
        values = [incident_values(incident) for incident in changed]
        columns: dict[str, object] = {name: bindparam(f"new_{name}") for name in values[0] if name != "id"}
        statement = update(tables.incident).where(tables.incident.c.id == bindparam("new_id")).values(columns)
        connection.execute(
            statement, [{f"new_{name}": value for name, value in row.items()} for row in values]
        )
    insert_all(connection, tables.incident, [incident_values(incident) for incident in ledger.added])


def _write_timeline(connection: Connection, entries: Sequence[Entry]) -> None:
    if entries:
        rows = [
            {
                "incident_id": entry.incident_id,
                "at": entry.transition.decided_at,
                "kind": entry.transition.change.value,
                "text": entry.text,
                "mark": entry.mark,
                "who": "" if entry.transition.act is None else entry.transition.act.who,
            }
            for entry in entries
        ]
        insert_all(connection, tables.timeline, rows)


def _release(connection: Connection, sources: Sequence[str], at: Instant) -> None:
    """What was held for these sources is due when it is ready; what waits for anything else since stays."""
    outbox = tables.outbox.c
    if sources:
        connection.execute(
            update(tables.outbox)
            .where(outbox.source.in_(sources), outbox.state == DUE, outbox.held, outbox.attempts == 0)
            .where(outbox.due_at > at, outbox.reason == "")
            .values(due_at=case((outbox.ready_at > at, outbox.ready_at), else_=at))
        )
