"""A file a person wrote, as plain values with the position of every key and value."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from watcher.errors import Problem

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"
Loc: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the root, as pydantic names a place."""


class Mark(NamedTuple):
    """A position, 1-based. It names its file: a document may be a file with another laid over it."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """What one YAML file holds. `keys` and `values` are keyed by place; the root's own place is ``()``."""

    file: str
    folder: Path
    """Where relative paths in it start."""
    data: Value
    keys: Mapping[Loc, Mark]
    values: Mapping[Loc, Mark]

    def place(self, loc: Loc) -> Loc:
        """The nearest place that exists: what `loc` names and the document lacks (union tags) is skipped."""
        found: Loc = ()
        for step in loc:
            if (*found, step) in self.values:
                found = (*found, step)
        return found

    def get(self, loc: Loc) -> Value:
        """The value at a place; None where there is none."""
        value = self.data
        for step in loc:
            if isinstance(value, dict) and isinstance(step, str):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    def mark(self, loc: Loc, *, key: bool = False) -> Mark:
        """Position of the nearest value, or of its key."""
        place = self.place(loc)
        return self.keys.get(place, self.values[place]) if key else self.values[place]

    def problem(self, loc: Loc, what: str, hint: str = "", *, key: bool = False) -> Problem:
        """Something wrong at the nearest place."""
        return Problem(*self.mark(loc, key=key), what, hint)

    def part(self, at: Loc) -> "Document":
        """What stands at a place, as a document of its own with the positions it has here."""
        return Document(
            self.file,
            self.folder,
            self.get(at),
            {loc[len(at) :]: mark for loc, mark in self.keys.items() if loc[: len(at)] == at},
            {loc[len(at) :]: mark for loc, mark in self.values.items() if loc[: len(at)] == at},
        )

    def overlaid(self, patch: "Document", *, deep: frozenset[str]) -> "Document":
        """This mapping with another laid over it: keys in `deep` are merged all the way, others replaced."""
        if not isinstance(self.data, dict) or not isinstance(patch.data, dict):
            return patch
        data = dict(self.data)
        keys, values = dict(self.keys), dict(self.values)
        for name in patch.data:
            above = patch.part((name,))
            if name in deep and name in data:
                inner = patch.data[name]
                all_of_it = frozenset(inner) if isinstance(inner, dict) else frozenset[str]()
                above = self.part((name,)).overlaid(above, deep=all_of_it)
            _graft(keys, (name,), above.keys)
            _graft(values, (name,), above.values)
            keys[(name,)] = patch.keys[(name,)]
            data[name] = above.data
        return Document(self.file, self.folder, data, keys, values)


def _graft(marks: dict[Loc, Mark], at: Loc, branch: Mapping[Loc, Mark]) -> None:
    for loc in [loc for loc in marks if loc[: len(at)] == at]:
        del marks[loc]
    marks.update({(*at, *loc): mark for loc, mark in branch.items()})
