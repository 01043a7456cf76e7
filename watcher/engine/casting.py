"""Which series of a grid play which role of a rule, for which group: each is matched once, when it comes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np

from watcher.engine.binding import Cell, is_count, matching, only, spread
from watcher.engine.detector import Role, Several
from watcher.engine.grid import Columns, Grid
from watcher.model.labels import LabelSet, Selector
from watcher.model.rule import Rule
from watcher.model.sample import MetricKey

_Span: TypeAlias = tuple[Sequence[tuple[int, MetricKey]], Sequence[tuple[int, LabelSet]]]
"""Metrics and entities of a grid, with their indexes: all pairs of them."""
_NONE: Final = np.zeros(0, np.intp)


@dataclass(slots=True)
class Part:
    """The series that play one role: planes and columns of the grid, and the group of each."""

    several: Several
    """How those of one group combine."""
    plane: Columns = field(default_factory=_NONE.copy)
    column: Columns = field(default_factory=_NONE.copy)
    group: Columns = field(default_factory=_NONE.copy)
    """Indexes into the casting's groups."""
    details: list[LabelSet] = field(default_factory=list)
    """The labels of each that evidence keeps apart; empty where none are."""

    def add(self, cells: Sequence[tuple[int, int, int]], details: Iterable[LabelSet]) -> None:
        """More series: plane, column and group of each."""
        more = np.array(cells, np.intp).reshape(-1, 3)
        self.plane = np.concatenate([self.plane, more[:, 0]])
        self.column = np.concatenate([self.column, more[:, 1]])
        self.group = np.concatenate([self.group, more[:, 2]])
        self.details += details

    def keep(self, kept: Columns) -> None:
        """Only some of them."""
        self.plane, self.column, self.group = self.plane[kept], self.column[kept], self.group[kept]
        self.details = [self.details[at] for at in kept.tolist()] if self.details else []


class _RebindError(Exception):
    """What has come changes who plays a role among those that are known: match all of them again."""


class Casting:
    """One rule over one grid. Wide and optional roles make no groups: they speak for those there are."""

    def __init__(self, rule: Rule, roles: Mapping[str, Role], base: Mapping[str, str]) -> None:
        """`base` holds the labels that all series of the grid have."""
        self.groups: dict[LabelSet, int] = {}
        self.parts: dict[str, Part] = {}
        self._rule, self._roles, self._base = rule, roles, base
        self._order = sorted(roles, key=lambda name: (roles[name].optional, roles[name].wide))
        self._names = {one.metric for selector in rule.match.values() for one in selector.choices()}
        self.recasts = 0
        """How often all were matched again: the groups and who speaks for them may be other ones since."""
        self._seen = 0
        self._metrics = 0
        self._keys: dict[LabelSet, LabelSet] = {}
        self._clear()

    def _clear(self) -> None:
        self.groups, self.parts = {}, {}
        self._ranks: dict[str, int] = {}
        """By role: which of its selector's choices plays it."""
        self.waiting: dict[str, dict[LabelSet, list[Cell]]] = {}
        """Of optional roles: what speaks for a group that nobody has made yet."""
        self.loose: dict[str, list[Cell]] = {}
        """Of wide roles: what has no group of its own, and speaks for those that agree."""

    @property
    def is_ready(self) -> bool:
        """Whether there is something to judge: each role that must be played is."""
        return bool(self.groups)

    def update(self, grid: Grid) -> bool:
        """Learn what is new in the grid; whether that changes anything."""
        if grid.serial == self._seen:
            return False
        if not self.is_ready and not any(name in self._names for name, _ in grid.metrics):
            return False
        since, self._seen, self._keys = self._seen, grid.serial, grid.keys
        metrics = list(enumerate(grid.metrics))
        known, self._metrics = self._metrics, len(metrics)
        if self.is_ready:
            fresh = [(column, grid.entities[column]) for column in grid.new_columns(since)]
            spans: list[_Span] = [(metrics[:known], fresh)]
            if len(metrics) > known:
                spans.append((metrics[known:], _live(grid)))
            try:
                self._drop(grid, since)
                self._add(spans)
            except _RebindError:
                self._clear()
                self.recasts += 1
        if not self.is_ready:
            self._add([(metrics, _live(grid))])
            if not self._is_played():
                self._clear()
        return True

    def _is_played(self) -> bool:
        needed = {name for name, role in self._roles.items() if not role.optional}
        is_witnessed = any(self._roles[name].witness for name in self.parts)
        return bool(self.parts) and (is_witnessed or needed <= self.parts.keys())

    def _drop(self, grid: Grid, since: int) -> None:
        """Let go of series that the grid gave up, and of groups that nothing speaks for any more."""
        dead = (grid.born == 0) | (grid.born > since)
        if not any(dead[part.column].any() for part in self.parts.values()):
            return
        for part in self.parts.values():
            part.keep(np.flatnonzero(~dead[part.column]))
        for waiting in self.waiting.values():
            for key, cells in waiting.items():
                waiting[key] = [cell for cell in cells if not dead[cell[1]]]
        for name, cells in self.loose.items():
            self.loose[name] = [cell for cell in cells if not dead[cell[1]]]
        used = np.unique(np.concatenate([part.group for part in self.parts.values()]))
        place = np.full(len(self.groups), -1, np.intp)
        place[used] = np.arange(len(used))
        self.groups = {key: int(place[at]) for key, at in self.groups.items() if place[at] >= 0}
        for part in self.parts.values():
            part.group = place[part.group]
        if not self.groups:
            raise _RebindError

    # --- matching

    def _add(self, spans: Sequence[_Span]) -> None:
        before = len(self.groups)
        for name in self._order:
            cells, metric = self._found(name, spans)
            role = self._roles[name]
            if role.wide:
                own = [cell for cell in cells if cell[2] in self.groups]
                loose = [cell for cell in cells if cell[2] not in self.groups]
                self.loose.setdefault(name, [])
                fresh = dict(list(self.groups.items())[before:])
                if before and any(cell[2] in fresh for cell in self.loose[name]):
                    raise _RebindError
                own += spread(loose, self.groups)
                own += spread(self.loose[name], fresh)
                self.loose[name] += loose
                cells = own
            elif role.optional and not role.witness:
                cells = self._awaited(name, cells, before)
            if cells:
                self._cast(name, metric, cells)

    def _found(self, name: str, spans: Sequence[_Span]) -> tuple[list[Cell], str]:
        """What plays a role among pairs that are new, and its metric."""
        selector = self._rule.match.get(name)
        if selector is None:
            return [], ""
        rank_now = self._ranks.get(name)
        for rank, choice in enumerate(selector.choices()):
            if rank_now is not None and rank > rank_now:
                break
            if cells := self._matching(name, choice, spans):
                if rank_now is not None and rank < rank_now:
                    raise _RebindError
                self._ranks[name] = rank
                return cells, choice.metric
        choices = list(selector.choices())
        return [], choices[rank_now].metric if rank_now is not None else ""

    def _matching(self, name: str, choice: Selector, spans: Sequence[_Span]) -> list[Cell]:
        return [
            cell
            for metrics, entities in spans
            for cell in matching(
                self._rule,
                choice,
                self._base,
                metrics=metrics,
                entities=entities,
                keep=bool(self._roles[name].detail),
            )
        ]

    def _key(self, key: LabelSet) -> LabelSet:
        """The object that other rules have for an equal key, if any."""
        return self._keys.setdefault(key, key)

    def _awaited(self, name: str, cells: Iterable[Cell], before: int) -> list[Cell]:
        """Of an optional role: cells of groups there are, with those that waited for one that is new."""
        waiting = self.waiting.setdefault(name, {})
        found: list[Cell] = []
        for cell in cells:
            (found if cell[2] in self.groups else waiting.setdefault(cell[2], [])).append(cell)
        if waiting:
            for key in list(self.groups)[before:]:
                found += waiting.pop(key, [])
        return found

    def _cast(self, name: str, metric: str, cells: Sequence[Cell]) -> None:
        role = self._roles[name]
        if name not in self.parts:
            self.parts[name] = Part(role.counts if is_count(metric) else role.several)
        groups = self.groups
        for _, _, key, _ in cells:
            if key not in groups:
                groups[self._key(key)] = len(groups)
        placed = [(m, e, groups[key]) for m, e, key, _ in cells]
        details = (self._key(only(cell[3], role.detail)) for cell in cells) if role.detail else ()
        self.parts[name].add(placed, details)


def _live(grid: Grid) -> list[tuple[int, LabelSet]]:
    return [(column, grid.entities[column]) for column in grid.new_columns(0)]
