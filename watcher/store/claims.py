"""Claims on the outbox: which rows a courier is given, and what it has to know to decide on them.

A courier asks all the time: statements are built once, with names where its questions differ.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    RowMapping,
    Select,
    bindparam,
    case,
    func,
    literal_column,
    select,
    update,
)

from watcher.model.act import ActKind, ActState
from watcher.model.incident import Incident, Resolution, Status
from watcher.model.message import Due, Policy, Telling
from watcher.model.rule import Severity
from watcher.model.time import MINUTE, Instant
from watcher.store.letter import DONE, DUE, OPENINGS, SKIPPED, rank
from watcher.store.rows import incident_from
from watcher.store.statements import among, chunks
from watcher.store.tables import act, incident, outbox

OPEN: Final[ColumnElement[bool]] = outbox.c.state == literal_column(f"'{DUE}'")
"""In words, not as a parameter: so the index of open rows is found, and not looked for each time."""
URGENT: Final = rank(Telling.RESOLVED, Severity.CRITICAL)
"""The last rank of critical rows."""
ANY: Final = rank(Telling.RESOLVED, Severity.INFO)

_read_policy: Final = lru_cache(maxsize=1024)(msgspec.json.Decoder(Policy).decode)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a courier asks for."""

    target: str
    at: Instant
    until: Instant
    """When its lease ends."""
    limit: int
    rank: int
    """The last that is wanted."""

    @property
    def times(self) -> dict[str, object]:
        """What times of rows are compared with."""
        return {"at": self.at, "until": self.until, "soon": self.at + MINUTE}


@dataclass(frozen=True, slots=True)
class _Group:
    """Where one group stands at one target."""

    told_at: Instant
    standing: frozenset[str]
    """Incidents of it that the target has heard of and that are not over."""


def _heads() -> ColumnElement[bool]:
    """Open rows of the target `to` that do not wait for an older one about the same incident."""
    older = outbox.alias("older")
    is_open = older.c.state == literal_column(f"'{DUE}'")
    before = select(older.c.id).where(older.c.id == outbox.c.waits_for, is_open).correlate(outbox)
    return (outbox.c.target == bindparam("to")) & OPEN & ~before.exists()


def _grouped() -> ColumnElement[bool]:
    """Rows of these routes and groups, by columns: neither database looks pairs up in an index.

    A group of another route may be among them; nobody asks for it. The last words name the index, which
    SQLite takes for lists whose length it sees.
    """
    of_route = outbox.c.route.in_(bindparam("routes", expanding=True))
    of_group = outbox.c.group.in_(bindparam("groups", expanding=True))
    return of_route & of_group & (outbox.c.group != literal_column("''"))


def _heard() -> ColumnElement[bool]:
    """Whether the row's target has been told of the row's incident before, or by an attempt may have been."""
    told = outbox.alias("told")
    of_same = (told.c.incident_id == outbox.c.incident_id) & (told.c.target == outbox.c.target)
    may_be = (told.c.state == DONE) | ((told.c.state == SKIPPED) & (told.c.attempts > 0))
    return select(told.c.id).where(of_same, may_be).correlate(outbox).exists().label("heard")


def _claimable(*wanted: ColumnElement[bool]) -> Select[tuple[int, str, str]]:
    """What nobody holds, in the order it is told, `most` at most."""
    return (
        select(outbox.c.id, outbox.c.route, outbox.c.group)
        .where(HEADS, _FREE, *wanted)
        .order_by(outbox.c.rank, outbox.c.id)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
    )


def _with_incident() -> Select[Any]:
    joined = outbox.join(incident, incident.c.id == outbox.c.incident_id)
    columns = [column.label(f"outbox_{column.name}") for column in outbox.c]
    return select(*columns, *incident.c, _heard()).select_from(joined).where(_THESE)


HEADS: Final = _heads()
_THESE: Final = among(outbox.c.id, "ids")
_FREE: Final = (outbox.c.leased_until <= bindparam("at")) | (outbox.c.leased_until > bindparam("until"))
"""Nobody holds it, or a claim of the future does, which the clock was set back from."""
_FROM_AHEAD: Final = outbox.c.changed_at > bindparam("soon")
"""Written by a clock that was set back since: how long it should wait nobody knows, so it waits no more."""
_DUE: Final = _claimable(
    (outbox.c.due_at <= bindparam("at")) | _FROM_AHEAD, outbox.c.rank <= bindparam("last_rank")
)
_WAITING: Final = _claimable(
    outbox.c.due_at > bindparam("at"),
    ~_FROM_AHEAD,
    _grouped(),
    outbox.c.telling.in_(OPENINGS),
    outbox.c.attempts == 0,
    outbox.c.held.is_(False),
    outbox.c.reason == "",
)
_LEASE: Final = (
    update(outbox)
    .where(_THESE)
    .values(
        leased_until=bindparam("until"),
        fence=outbox.c.fence + 1,
        # A claim that ended without a word may have sent what it held: that was an attempt.
        attempts=outbox.c.attempts + case((outbox.c.leased_until > 0, 1), else_=0),
    )
)
_WITH_INCIDENT: Final = _with_incident()
_ENDED_BY: Final = (
    select(act.c.incident_id, act.c.who, act.c.text, act.c.asked_at)
    .where(among(act.c.incident_id, "ids"))
    .where(act.c.kind == ActKind.RESOLVE, act.c.state == ActState.APPLIED)
    .order_by(act.c.id)
)
_TOLD: Final = (outbox.c.target == bindparam("to")) & (outbox.c.state == DONE) & _grouped()
_TOLD_AT: Final = (
    select(outbox.c.route, outbox.c.group, func.max(outbox.c.changed_at))
    .where(_TOLD)
    .group_by(outbox.c.route, outbox.c.group)
)
_STANDING: Final = (
    select(outbox.c.route, outbox.c.group, outbox.c.incident_id)
    .distinct()
    .join(incident, incident.c.id == outbox.c.incident_id)
    .where(_TOLD, incident.c.status.in_([Status.OPEN, Status.ACKNOWLEDGED]))
)


def claimed(connection: Connection, asked: Asked) -> Sequence[Due]:
    """Lease what is asked for, and read it with the incidents as they stand."""
    wanted = {"to": asked.target, "last_rank": asked.rank, "most": asked.limit}
    picked = connection.execute(_DUE, wanted | asked.times).all()
    ids = [row.id for row in picked]
    ids += _waiting_with(connection, asked, {(row.route, row.group) for row in picked if row.group}, ids)
    if not ids:
        return []
    connection.execute(_LEASE, {"ids": ids, "until": asked.until})
    found = connection.execute(_WITH_INCIDENT, {"ids": ids})
    rows = {row["outbox_id"]: row for row in found.mappings()}
    groups = _groups(connection, asked.target, rows.values())
    return _with_who_ended(connection, [_row(rows[one], groups) for one in ids])


def _with_who_ended(connection: Connection, rows: Sequence[Due]) -> Sequence[Due]:
    """With who ended what was ended by hand, and why: the acts know."""
    known = with_who_ended(connection, [row.incident for row in rows])
    return [
        row if incident is row.incident else replace(row, incident=incident)
        for row, incident in zip(rows, known, strict=True)
    ]


def with_who_ended(connection: Connection, incidents: Sequence[Incident]) -> Sequence[Incident]:
    """With who ended what was ended by hand, why, and when that was: the acts know."""
    ended = sorted({one.id for one in incidents if one.resolution is Resolution.MANUAL})
    if not ended:
        return incidents
    found = connection.execute(_ENDED_BY, {"ids": ended})
    acts = {row.incident_id: (row.who, row.text, row.asked_at) for row in found}
    return [_attributed(one, *acts[one.id]) if one.id in acts else one for one in incidents]


def _attributed(incident: Incident, who: str, why: str, at: Instant) -> Incident:
    return replace(incident, resolved_by=who, resolved_why=why, ended_by_hand_at=at)


def _waiting_with(
    connection: Connection, asked: Asked, groups: Collection[tuple[str, str]], taken: Sequence[int]
) -> Sequence[int]:
    """Openings that wait for the rest of these groups: the time to tell them has come."""
    found: list[int] = []
    room = asked.limit - len(taken)
    for some in chunks(sorted(groups)):
        wanted = {"to": asked.target, "most": max(room - len(found), 0)} | _named(some)
        rows = connection.execute(_WAITING, wanted | asked.times)
        found += [row.id for row in rows if (row.route, row.group) in groups]
    return found


def _groups(
    connection: Connection, target: str, rows: Iterable[RowMapping]
) -> Mapping[tuple[str, str], _Group]:
    """Where the groups of these rows stand, as far as the target was told of them."""
    wanted = sorted({(row["outbox_route"], row["outbox_group"]) for row in rows if row["outbox_group"]})
    told_at: dict[tuple[str, str], Instant] = {}
    standing: dict[tuple[str, str], set[str]] = {}
    for some in chunks(wanted):
        of_these = {"to": target} | _named(some)
        for route, group, last in connection.execute(_TOLD_AT, of_these):
            told_at[route, group] = last
        for route, group, one in connection.execute(_STANDING, of_these):
            standing.setdefault((route, group), set()).add(one)
    return {key: _Group(at, frozenset(standing.get(key, ()))) for key, at in told_at.items()}


def _named(groups: Sequence[tuple[str, str]]) -> dict[str, object]:
    return {"routes": sorted({route for route, _ in groups}), "groups": [group for _, group in groups]}


def _row(row: RowMapping, groups: Mapping[tuple[str, str], _Group]) -> Due:
    group = groups.get((row["outbox_route"], row["outbox_group"]))
    return Due(
        id=row["outbox_id"],
        telling=Telling(row["outbox_telling"]),
        target=row["outbox_target"],
        incident=incident_from(row),
        created_at=row["outbox_created_at"],
        attempts=row["outbox_attempts"],
        held=row["outbox_held"],
        heard=row["heard"],
        route=row["outbox_route"],
        group=row["outbox_group"],
        policy=_read_policy(row["outbox_policy"]),
        reason=row["outbox_reason"],
        fence=row["outbox_fence"],
        group_told_at=None if group is None else group.told_at,
        group_stands=group is not None and bool(group.standing - {row["outbox_incident_id"]}),
    )
