"""What each target's name meant when a daemon started last: one that is called otherwise now keeps its own.

Targets are named by their receiver and their place in it. A receiver that is renamed, or loses the first of
its URLs, gives other names to the same addresses: what they are owed and were told of goes with them.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

from sqlalchemy import Connection, Table, case, delete, func, insert, select, update

from watcher.store.database import Database
from watcher.store.tables import outbox, target, thread

_ON_THE_WAY: Final = "~"
"""Before a name while others still have it; no receiver's begins so."""


class SqlTargets:
    """Names of targets in a database, each with the mark of its address."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def adopt(self, marks: Mapping[str, str]) -> Mapping[str, str]:
        """Take these marks by name for those of today; new names by old ones, of what was renamed.

        Raises:
            StoreUnavailable: nothing was written.
        """
        return await self._database.write(partial(_adopt, now=marks))


def renamed(before: Mapping[str, str], now: Mapping[str, str]) -> Mapping[str, str]:
    """New names by old ones, given marks by name. Pure.

    A mark that two have says nothing: those keep to their place, as does an address that was corrected in it.
    Who stood where another has come to is set aside, under a name of nobody's (`mail/0~3fa9c1`).
    """
    left = {name: mark for name, mark in before.items() if now.get(name) != mark}
    came = {name: mark for name, mark in now.items() if before.get(name) != mark}
    moves = {
        old: new
        for old, mark in left.items()
        for new, same in came.items()
        if same == mark and _once(mark, left) and _once(mark, came)
    }
    aside = {name: _aside(name, before) for name in moves.values() if name not in moves}
    return moves | aside


def _aside(name: str, before: Mapping[str, str]) -> str:
    """One that nobody is known by, nor was set aside under."""
    free = f"{name}~{before.get(name, '')[:6]}"
    while free in before:
        free += "~"
    return free


def _once(mark: str, among: Mapping[str, str]) -> bool:
    return [*among.values()].count(mark) == 1


def _adopt(connection: Connection, now: Mapping[str, str]) -> Mapping[str, str]:
    before: dict[str, str] = {row.name: row.mark for row in connection.execute(select(target))}
    names = renamed(before, now)
    if names:
        _rename(connection, outbox, names)
        _rename(connection, thread, names)
    after = {names.get(name, name): mark for name, mark in before.items()} | dict(now)
    if after != before:
        connection.execute(delete(target))
        connection.execute(insert(target), [{"name": name, "mark": after[name]} for name in sorted(after)])
    return {old: new for old, new in names.items() if old in before}


def _rename(connection: Connection, table: Table, names: Mapping[str, str]) -> None:
    """In two steps: two that change places must not have one name in between."""
    on_the_way = {old: f"{_ON_THE_WAY}{new}" for old, new in names.items()}
    called = table.c.target
    connection.execute(
        update(table).where(called.in_(on_the_way)).values(target=case(on_the_way, value=called))
    )
    connection.execute(
        update(table).where(called.in_(on_the_way.values())).values(target=func.substr(called, 2))
    )
