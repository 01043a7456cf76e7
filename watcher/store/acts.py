"""Acts of people as rows: left by commands, applied in the transaction of a tick."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, insert, select, text, update

from watcher.model.act import WATCHER, Act, ActKind, ActState
from watcher.model.incident import Asked, End, Incident, Status
from watcher.model.ports import Committed
from watcher.model.sample import BACKFILL
from watcher.model.time import Instant
from watcher.store import tables
from watcher.store.database import Database
from watcher.store.deeds import KINDS, Moment, deed_story, done, refusal
from watcher.store.dispatch import Dispatch
from watcher.store.journal import read_reached
from watcher.store.letter import DUE
from watcher.store.letters import read_letters, write_letters
from watcher.store.rows import incident_from, incident_values, key_from
from watcher.store.statements import chunks

MOST: Final = 200
"""Acts taken up at one look; the next look takes more."""
SNOOZED: Final = "snoozed"
"""The outbox's reason for a row that waits for the end of a snooze."""


class SqlActs:
    """What people do to incidents, in a database that a daemon may be using."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def leave(self, acts: Sequence[Act]) -> Sequence[int]:
        """Write them down, all or none; their ids. Who holds the lease applies them.

        Raises:
            StoreUnavailable: nothing was written.
        """
        return await self._database.write(partial(_leave, acts=acts))

    async def waiting(self, at: Instant) -> Sequence[Asked]:
        """What was asked and not applied yet, the oldest first; then acknowledgements that have run out.

        Raises:
            StoreUnavailable: it could not be answered in time.
        """
        return await self._database.read(partial(_waiting, at=at))

    async def named(self, ids: Collection[int]) -> Sequence[Act]:
        """These acts as they stand, by id.

        Raises:
            StoreUnavailable: it could not be answered in time.
        """
        act = tables.act.c
        query = select(tables.act).where(act.id.in_(sorted(ids))).order_by(act.id)
        return await self._database.read(partial(_acts, statement=query))

    async def of(self, incident_id: str) -> Sequence[Act]:
        """Every act on one incident, by id, refused ones too.

        Raises:
            StoreUnavailable: it could not be answered in time.
        """
        act = tables.act.c
        query = select(tables.act).where(act.incident_id == incident_id).order_by(act.id)
        return await self._database.read(partial(_acts, statement=query))

    async def ends(self, *, row: int, since: Instant) -> Sequence[End]:
        """The ends that people put to what went on, in the order in which they were applied.

        Those that were applied when the journal had reached a row, or count as of an event time, or later.

        Raises:
            StoreUnavailable: it could not be answered in time.
        """
        return await self._database.read(partial(_ends, row=row, since=since))

    async def watermarks(self) -> Mapping[str, Instant]:
        """By source: up to where it has been read, for who has no engine to ask.

        Raises:
            StoreUnavailable: it could not be answered in time.
        """
        return await self._database.read(_watermarks)


def still_asked(connection: Connection, acts: Sequence[Act]) -> Sequence[Act]:
    """Those of the acts that nobody has applied since they were read; locked until the transaction ends."""
    asked = tables.act.c.state == ActState.ASKED
    found: set[int] = set()
    for some in chunks([act.id for act in acts if act.id]):
        query = select(tables.act.c.id).where(tables.act.c.id.in_(some), asked).with_for_update()
        found.update(row.id for row in connection.execute(query))
    return [act for act in acts if not act.id or act.id in found]


def apply_acts(connection: Connection, acts: Sequence[Act], moment: Moment) -> Sequence[tuple[Act, Incident]]:
    """Do what was asked, in order; what was done, with the incident as it then stands.

    An end that is still among them has come to nothing: its transition would have settled it.
    """
    if not acts:
        return []
    incidents = _incidents(connection, {act.incident_id for act in acts})
    row = read_reached(connection)
    applied: list[tuple[Act, Incident]] = []
    for act in acts:
        before = incidents[act.incident_id]
        why = refusal(before, act, moment.at)
        if act.kind is ActKind.RESOLVE:
            why = why or "nothing judges it"
        if why:
            _settle(connection, replace(act, state=ActState.REFUSED, detail=why, applied_at=moment.at))
            continue
        after = incidents[before.id] = done(before, act, moment)
        written = replace(act, state=ActState.APPLIED, applied_at=moment.at, row=row)
        written = _settle(connection, written)
        _write_deed(connection, before, after, written)
        applied.append((written, after))
    _remind(connection, applied, moment.at)
    return applied


def _remind(connection: Connection, applied: Sequence[tuple[Act, Incident]], at: Instant) -> None:
    """Who knows of an incident that is nobody's again, or no longer snoozed, is told how it stands then."""
    when: dict[str, Instant] = {}
    for act, _after in applied:
        if act.kind is ActKind.UNACKNOWLEDGE:
            when[act.incident_id] = at
        elif act.kind is ActKind.SNOOZE:
            when[act.incident_id] = at if act.until is None else act.until
    if when:
        dispatch = Dispatch(read_letters(connection, [*when], at))
        for incident_id, due in when.items():
            dispatch.remind(incident_id, due)
        incidents = {after.id: after for _act, after in applied}
        write_letters(connection, dispatch, incidents.__getitem__, at)


def settle_ended(
    connection: Connection, acts: Sequence[Act], committed: Sequence[Committed], at: Instant
) -> list[Act]:
    """Settle the acts whose transitions have ended their incidents; those whose have not.

    The transition's row of the timeline is theirs.
    """
    ended = {one.act.id for one in committed if one.act is not None}
    row = read_reached(connection) if ended else 0
    for act in acts:
        if act.id in ended:
            _settle(connection, replace(act, state=ActState.APPLIED, applied_at=at, row=row))
    return [act for act in acts if act.id not in ended]


def _write_deed(connection: Connection, before: Incident, after: Incident, act: Act) -> None:
    if after != before:
        values = incident_values(after)
        statement = update(tables.incident).where(tables.incident.c.id == after.id)
        connection.execute(statement.values({name: values[name] for name in _OF_PEOPLE}))
    entry = {
        "incident_id": after.id,
        "at": act.asked_at,
        "kind": KINDS[act.kind],
        "text": deed_story(before, after, act),
        "mark": f"act:{act.id}",
        "who": act.who,
    }
    connection.execute(insert(tables.timeline).values(entry))
    if act.kind is ActKind.SNOOZE:
        _end_earlier_snooze(connection, after, act)


_OF_PEOPLE: Final = (
    "status",
    "acknowledged_at",
    "acknowledged_by",
    "unack_at",
    "assignee",
    "snoozed_until",
)
"""Columns of an incident that acts change."""


def _end_earlier_snooze(connection: Connection, incident: Incident, act: Act) -> None:
    """What waits for the end of a snooze waits for the new one."""
    outbox = tables.outbox.c
    until = act.applied_at if incident.snoozed_until is None else incident.snoozed_until
    connection.execute(
        update(tables.outbox)
        .where(outbox.incident_id == incident.id, outbox.state == DUE, outbox.reason == SNOOZED)
        .values(due_at=until)
    )


def _leave(connection: Connection, acts: Sequence[Act]) -> Sequence[int]:
    return [int(connection.execute(_inserted(act)).scalar_one()) for act in acts]


def _settle(connection: Connection, act: Act) -> Act:
    """Write what became of it. Of what nobody asked for only what was done is kept."""
    if not act.id:
        if act.state is ActState.REFUSED:
            return act
        return replace(act, id=int(connection.execute(_inserted(act)).scalar_one()))
    values = {name: value for name, value in _values(act).items() if name in _SETTLED}
    connection.execute(update(tables.act).where(tables.act.c.id == act.id).values(values))
    return act


_SETTLED: Final = ("state", "applied_at", "effective_at", "row", "detail")


def _inserted(act: Act) -> Any:  # noqa: ANN401 - what SQLAlchemy makes of `returning`
    return insert(tables.act).values(_values(act)).returning(tables.act.c.id)


def _values(act: Act) -> dict[str, object]:
    return {
        "incident_id": act.incident_id,
        "kind": act.kind.value,
        "who": act.who,
        "text": act.text,
        "until": act.until,
        "asked_at": act.asked_at,
        "state": act.state.value,
        "applied_at": act.applied_at,
        "effective_at": act.effective_at,
        "row": act.row,
        "detail": act.detail,
    }


def _act(row: RowMapping) -> Act:
    return Act(**{**row, "kind": ActKind(row["kind"]), "state": ActState(row["state"])})


def _acts(connection: Connection, statement: Any) -> Sequence[Act]:  # noqa: ANN401 - a SELECT
    return [_act(row) for row in connection.execute(statement).mappings()]


def _waiting(connection: Connection, at: Instant) -> Sequence[Asked]:
    # Written out, as the planner of SQLite looks for the very words of the partial index.
    query = select(tables.act).where(text("state = 'asked'")).order_by(tables.act.c.id).limit(MOST)
    acts = [*_acts(connection, query), *_lapsed(connection, at)]
    incidents = _incidents(connection, {act.incident_id for act in acts}) if acts else {}
    return [Asked(act, incidents[act.incident_id]) for act in acts]


def _lapsed(connection: Connection, at: Instant) -> Sequence[Act]:
    """Acknowledgements whose time has come."""
    incident = tables.incident.c
    query = (
        select(incident.id, incident.unack_at)
        .where(incident.status == Status.ACKNOWLEDGED, incident.unack_at <= at)
        .order_by(incident.unack_at, incident.id)
        .limit(MOST)
    )
    return [Act(row.id, ActKind.UNACKNOWLEDGE, WATCHER, row.unack_at) for row in connection.execute(query)]


def _incidents(connection: Connection, ids: Collection[str]) -> dict[str, Incident]:
    found: dict[str, Incident] = {}
    for some in chunks(sorted(ids)):
        query = select(tables.incident).where(tables.incident.c.id.in_(some))
        found |= {row["id"]: incident_from(row) for row in connection.execute(query).mappings()}
    return found


def _ends(connection: Connection, row: int, since: Instant) -> Sequence[End]:
    act, incident = tables.act.c, tables.incident.c
    query = (
        select(incident.rule, incident.labels, act.effective_at, act.row)
        .join(tables.act, act.incident_id == incident.id)
        .where(act.kind == ActKind.RESOLVE, act.state == ActState.APPLIED)
        .where((act.row >= row) | (act.effective_at >= since))
        .order_by(act.row, act.id)
    )
    return [
        End(key_from(found.rule, found.labels), found.effective_at, found.row)
        for found in connection.execute(query)
    ]


def _watermarks(connection: Connection) -> Mapping[str, Instant]:
    cursor = tables.cursor.c
    query = (
        select(cursor.source, func.max(cursor.position))
        .where(~cursor.stream.endswith(BACKFILL, autoescape=True))
        .group_by(cursor.source)
    )
    return {source: position for source, position in connection.execute(query)}  # noqa: C416 - rows, no tuples
