"""The book: one transaction a tick, in which a change, its story and what it owes are written together."""

from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy import Connection, bindparam, case, insert, or_, select, tuple_, update

from watcher.model.incident import Incident, Transition
from watcher.model.inventory import Heard
from watcher.model.message import Owed, Telling
from watcher.model.ports import Committed, IdFactory, Tick
from watcher.model.sample import Poll
from watcher.model.time import Instant
from watcher.store import tables
from watcher.store.database import Database
from watcher.store.dispatch import DUE, SKIPPED, Dispatch, Letter, letter_values
from watcher.store.errands import strike_off
from watcher.store.inventory import News, Stock, heard_in, read_items, write_inventory
from watcher.store.journal import journal_values, write_engine, write_kept, write_polls
from watcher.store.lease import Lease
from watcher.store.ledger import Entry, Ledger, mark_of
from watcher.store.rows import identity, incident_from, incident_values, source_of
from watcher.store.statements import chunks


class SqlBook:
    """Writes ticks for the daemon that holds the lease."""

    def __init__(
        self, database: Database, lease: Lease, new_id: IdFactory, stock: Stock | None = None
    ) -> None:
        """`stock` is kept as the inventory is committed; it may be loaded already."""
        self._database = database
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
        self._lease.renew(connection)
        write_polls(connection, tick.polls, batches, tick.at)
        strike_off(connection, tick.polls)
        news = self._news(connection, heard_in(tick.polls))
        committed = _apply(connection, tick.changes, at=tick.at, new_id=self._new_id) if tick.changes else ()
        _release(connection, tick.released, tick.at)
        if tick.kept is not None:
            write_kept(connection, tick.kept)
        if tick.engine is not None:
            write_engine(connection, tick.engine)
        return committed, news

    def _news(self, connection: Connection, heard: Sequence[Heard]) -> Sequence[News]:
        """What listings change in the inventory, written."""
        if not heard:
            return ()
        if not self._stock.is_loaded:
            self._stock.load(read_items(connection))
        news = self._stock.news(heard)
        write_inventory(connection, [difference for _heard, difference in news])
        return news


def _encoded(polls: Sequence[Poll]) -> Sequence[Mapping[str, object]]:
    return [journal_values(batch) for poll in polls for batch in poll.batches]


def _apply(
    connection: Connection,
    changes: Sequence[tuple[Transition, Sequence[Owed]]],
    *,
    at: Instant,
    new_id: IdFactory,
) -> Sequence[Committed]:
    transitions = [transition for transition, _owed in changes]
    held = _held(connection, transitions)
    ledger = Ledger(held, _marks(connection, held, transitions), new_id)
    entries = [(entry, owed) for transition, owed in changes if (entry := ledger.apply(transition))]
    touched = {entry.incident_id for entry, _owed in entries}
    dispatch = Dispatch(_letters(connection, [one.id for one in held if one.id in touched], at))
    for entry, owed in entries:
        dispatch.owe(entry, () if ledger[entry.incident_id].shadow else owed)
    _write_incidents(connection, ledger)
    _write_timeline(connection, [entry for entry, _owed in entries])
    _write_outbox(connection, dispatch, ledger, at)
    return [Committed(entry.transition.change, ledger[entry.incident_id]) for entry, _owed in entries]


def _held(connection: Connection, transitions: Sequence[Transition]) -> Sequence[Incident]:
    """The incidents of these keys that event time allows to be meant."""
    incident = tables.incident.c
    wider = [transition.wider for transition in transitions if transition.wider is not None]
    keys = {transition.key for transition in transitions} | {one.key for one in wider}
    identities = sorted(map(identity, keys))
    starts = [min(transition.was, transition.opened_at) for transition in transitions]
    earliest = min([*starts, *(one.opened_at for one in wider)])
    recent = or_(
        incident.resolved_at.is_(None), incident.resolved_at >= earliest, incident.opened_at >= earliest
    )
    found: list[Incident] = []
    for some in chunks(identities):
        query = select(tables.incident).where(incident.identity.in_(some), recent).order_by(incident.id)
        found += [incident_from(row) for row in connection.execute(query).mappings()]
    return found


def _marks(
    connection: Connection, held: Sequence[Incident], transitions: Sequence[Transition]
) -> set[tuple[str, str]]:
    """Which of these transitions the timelines of these incidents hold already."""
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


def _letters(connection: Connection, incident_ids: Sequence[str], at: Instant) -> Sequence[Letter]:
    """Their outbox rows, locked: a courier that claims meanwhile skips them."""
    outbox = tables.outbox.c
    letters: list[Letter] = []
    for some in chunks(incident_ids):
        query = (
            select(tables.outbox).where(outbox.incident_id.in_(some)).order_by(outbox.id).with_for_update()
        )
        letters += [
            Letter(
                id=row.id,
                incident_id=row.incident_id,
                target=row.target,
                telling=Telling(row.telling),
                state=row.state,
                sending=row.leased_until > at,
            )
            for row in connection.execute(query)
        ]
    return letters


def _write_incidents(connection: Connection, ledger: Ledger) -> None:
    if ledger.changed:
        values = [incident_values(incident) for incident in ledger.changed]
        columns: dict[str, object] = {name: bindparam(f"new_{name}") for name in values[0] if name != "id"}
        statement = update(tables.incident).where(tables.incident.c.id == bindparam("new_id")).values(columns)
        connection.execute(
            statement, [{f"new_{name}": value for name, value in row.items()} for row in values]
        )
    if ledger.added:
        connection.execute(insert(tables.incident), [incident_values(incident) for incident in ledger.added])


def _write_timeline(connection: Connection, entries: Sequence[Entry]) -> None:
    if entries:
        rows = [
            {
                "incident_id": entry.incident_id,
                "at": entry.transition.decided_at,
                "kind": entry.transition.change.value,
                "text": entry.text,
                "mark": entry.mark,
            }
            for entry in entries
        ]
        connection.execute(insert(tables.timeline), rows)


def _write_outbox(connection: Connection, dispatch: Dispatch, ledger: Ledger, at: Instant) -> None:
    if dispatch.dropped:
        statement = (
            update(tables.outbox)
            .where(tables.outbox.c.id == bindparam("row"))
            .values(state=SKIPPED, detail=bindparam("reason"), changed_at=at)
        )
        dropped = [{"row": row, "reason": reason} for row, reason in dispatch.dropped.items()]
        connection.execute(statement, dropped)
    letters = dispatch.added
    if letters:
        incidents = [ledger[letter.incident_id] for letter in letters]
        rows = [
            letter_values(letter, incident, source_of(incident.key), at)
            for letter, incident in zip(letters, incidents, strict=True)
        ]
        connection.execute(insert(tables.outbox), rows)


def _release(connection: Connection, sources: Sequence[str], at: Instant) -> None:
    """What was held for these sources is due when it is ready; what waits for another attempt stays."""
    outbox = tables.outbox.c
    if sources:
        connection.execute(
            update(tables.outbox)
            .where(outbox.source.in_(sources), outbox.state == DUE, outbox.held, outbox.attempts == 0)
            .where(outbox.due_at > at)
            .values(due_at=case((outbox.ready_at > at, outbox.ready_at), else_=at))
        )
