"""Slots of a track's past as they are kept, and as a detector sees them: levels of one time or of several."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from watcher.engine.arrays import scattered
from watcher.engine.detector import Levels, Slot
from watcher.engine.lifecycle import Rows
from watcher.engine.plane import COUNTS, TIMES, Columns, Form, Plane
from watcher.model.sample import Floats, Instants
from watcher.model.time import Duration, Instant

_SLACK: Final = 8
_PATIENCE: Final = 32
"""How often rings are left larger than they have to be before they are made smaller."""

SlotsState: TypeAlias = list[Any]
"""Places by start, rows, for how long each place was answered; what is known and sums as planes hold them."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one lane adds to some slots, or all of them together."""

    sums: Mapping[str, Floats]
    """By role, `[slots, rows]`; a role that no series plays is left out."""
    known: Floats
    """`[slots, rows]`: milliseconds."""
    answered: Floats
    """`[slots]`: milliseconds."""

    def of(self, role: str) -> Floats:
        """The sums of a role."""
        return self.sums[role] if role in self.sums else unplayed(self.known)


class Lender(Protocol):
    """A lane, as far as levels are made of it."""

    def lend(self, starts: Instants, width: Duration, rows: Rows | None) -> Share | None:
        """What its settled bins add to slots that follow each other; None where nothing came."""
        ...


def unplayed(known: Floats) -> Floats:
    """The sum of what no series says: of bins that count it is unknown."""
    return np.where(known > 0, np.nan, 0.0)


def joined(shares: Sequence[Share], most: float) -> Share:
    """What several lanes add together; a slot was answered for its own width at most."""
    roles = dict.fromkeys(role for share in shares for role in share.sums)
    return Share(
        {role: np.sum([share.of(role) for share in shares], axis=0) for role in roles},
        np.sum([share.known for share in shares], axis=0),
        np.minimum(np.sum([share.answered for share in shares], axis=0), most),
    )


class Slots:
    """Slots over all rows, 0 where nothing is known, as planes: each slot has a place in all of them."""

    def __init__(self, width: Duration) -> None:
        """None is there."""
        self._width = width
        self._place: dict[Instant, int] = {}
        """By start, of those that are there."""
        self._rows = 0
        self._answered = np.zeros(0)
        """By place."""
        self._known = Plane(0, 1, TIMES)
        self._sums: dict[str, Plane] = {}
        self._unused = 0
        """How often in a row there were more places than needed."""

    @property
    def state(self) -> SlotsState:
        """All of it, as arrays that go on changing."""
        sums = {role: list(plane.held) for role, plane in self._sums.items()}
        return [dict(self._place), self._rows, self._answered, list(self._known.held), sums]

    def stand(self, state: SlotsState) -> None:
        """Begin with the state of another: its arrays become one's own."""
        self._place, self._rows, self._answered, known, sums = state
        self._known = Plane.of(known, TIMES)
        self._sums = {role: Plane.of(held, COUNTS) for role, held in sums.items()}

    # --- reading

    def __contains__(self, start: Instant) -> bool:
        return start in self._place

    def starts(self, since: Instant, until: Instant) -> Instants:
        """Of the slots that are there and begin in a time, ascending."""
        return np.array(sorted(start for start in self._place if since <= start < until), np.int64)

    def _places(self, starts: Instants) -> Columns:
        """-1 for one that is not there."""
        return np.array([self._place.get(start, -1) for start in starts.tolist()], np.intp)

    def answered(self, starts: Instants) -> Floats:
        """For how many milliseconds of each slot the vendor answered."""
        places = self._places(starts)
        return np.where(places >= 0, np.append(self._answered, 0.0)[places], 0.0)

    def known(self, starts: Instants, rows: Rows | None, total: int) -> Floats:
        """`[slots, rows]` of some rows (None: all of so many): milliseconds."""
        return self._read(self._known, starts, rows, total)

    def sums(self, role: str, starts: Instants, rows: Rows | None, total: int) -> Floats:
        """`[slots, rows]` of a role."""
        if role in self._sums:
            return self._read(self._sums[role], starts, rows, total)
        return unplayed(self.known(starts, rows, total))

    def _read(self, plane: Plane, starts: Instants, rows: Rows | None, total: int) -> Floats:
        self._widen(total)
        columns = slice(0, total) if rows is None else rows
        places = self._places(starts)
        is_there = places >= 0
        if is_there.all():
            return plane.read(places, columns)
        values = np.zeros((len(starts), total if rows is None else len(rows)))
        values[is_there] = plane.read(places[is_there], columns)
        return values

    def slot(self, start: Instant, roles: Collection[str], total: int) -> Slot:
        """One that is there, to learn from."""
        one = np.array([start])
        sums = Asked(roles, lambda role: self.sums(role, one, None, total)[0])
        answered = float(self._answered[self._place[start]])
        return Slot(start, self._width, sums, self.known(one, None, total)[0], answered)

    # --- writing

    def put(self, starts: Instants, share: Share, rows: Rows | None, total: int) -> None:
        """Write some slots, in some rows (None: all of so many) which then must be there.

        One that nobody answered for is not there.
        """
        has_come = share.answered > 0
        if not has_come.all():
            for start in starts[~has_come].tolist() if rows is None else ():
                self.drop(start)
            sums = {role: column[has_come] for role, column in share.sums.items()}
            share = Share(sums, share.known[has_come], share.answered[has_come])
            starts = starts[has_come]
        if not len(starts):
            return
        self._widen(total)
        self._admit(starts)
        places = self._places(starts)
        columns = slice(0, total) if rows is None else rows
        for role in (*share.sums, *(role for role in self._sums if role not in share.sums)):
            self._plane(role).write(places, columns, _single(share.of(role)))
        self._known.write(places, columns, _single(share.known))
        self._answered[places] = share.answered

    def _plane(self, role: str) -> Plane:
        """Of a role; of one that nothing has played yet it is made."""
        if role not in self._sums:
            plane = self._sums[role] = Plane(len(self._answered), self._known.columns, COUNTS)
            places, every = np.arange(len(self._answered)), slice(0, self._rows)
            plane.write(places, every, unplayed(self._known.read(places, every)))
        return self._sums[role]

    def _admit(self, starts: Instants) -> None:
        """Give places to slots that have none."""
        fresh = [start for start in starts.tolist() if start not in self._place]
        free = sorted(set(range(len(self._answered))).difference(self._place.values()))
        if len(free) < len(fresh):
            self._remake(len(self._place) + len(fresh))
            free = list(range(len(self._place), len(self._answered)))
        self._place.update(zip(fresh, free, strict=False))

    def drop(self, start: Instant) -> None:
        """A slot is not there."""
        self._place.pop(start, None)

    def forget(self, before: Instant) -> None:
        """Slots that begin before a time are needed no more."""
        for start in [start for start in self._place if start < before]:
            del self._place[start]
        is_large = len(self._answered) > len(self._place) + 1
        self._unused = self._unused + 1 if is_large else 0
        if self._unused >= _PATIENCE:
            self._remake(len(self._place) + 1)

    def _remake(self, places: int) -> None:
        """So many places; those that are taken are the first ones."""
        self._unused = 0
        old = np.array(list(self._place.values()), np.intp)
        new = np.arange(len(old))
        self._place = dict(zip(self._place, new.tolist(), strict=True))
        answered = np.zeros(places)
        answered[new] = self._answered[old]
        self._answered = answered
        for plane in self._planes:
            plane.resize(places, old, new)

    # --- rows

    @property
    def _planes(self) -> list[Plane]:
        return [self._known, *self._sums.values()]

    def _widen(self, total: int) -> None:
        """Room for so many rows; of those that are new nothing is known in any slot."""
        if total <= self._rows:
            return
        had, self._rows = self._rows, total
        if total >= self._known.columns:
            for plane in self._planes:
                plane.widen(total + (total // _SLACK if had else 0) + 1)
        self._clear(np.arange(had, total))

    def blank(self, rows: Rows) -> None:
        """Nothing is known of some rows."""
        self._clear(rows[rows < self._rows])

    def _clear(self, rows: Columns) -> None:
        every = np.arange(len(self._answered))
        for plane in self._planes:
            plane.write(every, rows, np.zeros((len(every), len(rows))))

    def move(self, places: Rows, rows: int) -> None:
        """Row `i` is now `places[i]`, of so many."""
        self._known = self._moved(self._known, TIMES, places, rows)
        self._sums = {role: self._moved(plane, COUNTS, places, rows) for role, plane in self._sums.items()}
        self._rows = rows

    def _moved(self, plane: Plane, form: Form, places: Rows, rows: int) -> Plane:
        every = np.arange(len(self._answered))
        moved = Plane(len(every), rows + 1, form)
        values = plane.read(every, slice(0, self._rows))
        moved.write(every, slice(0, rows), scattered(values, places[: self._rows], rows, 0))
        return moved

    def join(self, other: "Slots", total: int) -> None:
        """Add the slots of another one, over other ones of as many rows."""
        for start in other.starts(_FIRST, _LAST).tolist():
            one = np.array([start])
            shares = [slots._share(one, total) for slots in (self, other) if start in slots]  # noqa: SLF001
            most = max(float(share.answered[0]) for share in shares)
            self.put(one, joined(shares, most), None, total)

    def _share(self, starts: Instants, total: int) -> Share:
        sums = {role: self.sums(role, starts, None, total) for role in self._sums}
        return Share(sums, self.known(starts, None, total), self.answered(starts))


_FIRST: Final[Instant] = -(1 << 62)
_LAST: Final[Instant] = 1 << 62


def _single(column: Floats) -> Floats:
    """In the four bytes that a sum has, wherever it is held."""
    return column.astype(np.float32).astype(np.float64)


def levels(
    slots: Slots,
    spans: Sequence[tuple[Instant, Instant]],
    roles: Collection[str],
    width: Duration,
    *,
    total: int,
    rows: Rows | None,
) -> Levels:
    """Of the slots of equally long spans, the rows of one behind those of another: see `Reach.undated`.

    A slot in which nothing came is left out where there is one span.
    """
    since, until = spans[0]
    if len(spans) == 1:
        starts, each, places = slots.starts(since, until), None, None
    else:
        starts, each = np.arange(since, spans[-1][1], width), (until - since) // width
        firsts = np.array([(edge - since) // width for edge, _ in spans])
        places = firsts[None, :] + np.arange(each)[:, None]

    def spread(found: Floats) -> Floats:
        return found if places is None else found[places].reshape(len(places), len(spans) * found.shape[1])

    return Levels(
        width=width,
        until=until,
        starts=starts[:each],
        sums=Asked(roles, lambda role: spread(slots.sums(role, starts, rows, total))),
        known=spread(slots.known(starts, rows, total)),
        answered=slots.answered(starts[:each]),
    )


class Asked(Mapping[str, Floats]):
    """Sums by role, gathered when they are asked for: a detector that has learned enough needs none."""

    def __init__(self, roles: Iterable[str], gather: Callable[[str], Floats]) -> None:
        """Of these roles."""
        self._roles = list(roles)
        self._gather = gather

    def __getitem__(self, role: str) -> Floats:
        if role not in self._roles:
            raise KeyError(role)
        return self._gather(role)

    def __iter__(self) -> Iterator[str]:
        return iter(self._roles)

    def __len__(self) -> int:
        return len(self._roles)
