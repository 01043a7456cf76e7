"""A rule of which something cannot be read: what is left of it, so that lint tells everything at once."""

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from watcher.document.node import Document, Loc, Value
from watcher.errors import ConfigurationError, Problem
from watcher.model.rule import Rule
from watcher.rulebook.loader import ID, load_bare, load_rule

_BARE: Final = frozenset({"detector", "match"})
"""Without these nothing is known of `with` and what is laid over it."""
_STAND_IN: Final[Mapping[str, Value]] = {"detector": "none", "match": {}, "by": []}
_OVER: Final = frozenset({"clear_when", "severity"})
"""What is laid over `with`, and compared: without the one, what the others come to is not known."""


@dataclass(frozen=True, slots=True)
class Rest:
    """A rule without some of its fields, which have their defaults."""

    rule: Rule
    lost: frozenset[str]


def salvaged(document: Document, problems: Iterable[Problem]) -> Rest | None:
    """The rule without the fields that these problems are of; None where too little is left of it."""
    root = document.mark(())
    places = {
        place_of(document, one) for one in problems if (one.line, one.column) != (root.line, root.column)
    }
    if not isinstance(document.data, dict):
        return None
    lost = {str(place[0]) if place else "" for place in places} | ({"rule", *_BARE} - document.data.keys())
    lost |= _OVER if lost & (_OVER | {"with"}) else set()
    if "" in lost:
        return None
    left = _without(document, places | {(name,) for name in lost if name != "with"})
    try:
        rule = load_bare(_filled(left)) if lost & _BARE else load_rule(_filled(left))
    except ConfigurationError:
        return None
    return Rest(rule, frozenset(lost))


def _without(document: Document, places: AbstractSet[Loc]) -> Document:
    """The same without some fields, and some parameters of `with`; a severity has to be there."""
    assert isinstance(document.data, dict)  # noqa: S101 - the caller has looked
    kept = {name: value for name, value in document.data.items() if (name,) not in places}
    data: dict[str, Value] = {"severity": "info", **kept}
    if isinstance(params := data.get("with"), dict):
        data["with"] = {name: value for name, value in params.items() if ("with", name) not in places}
    values = {loc: mark for loc, mark in document.values.items() if not places & {loc[:1], loc[:2]}}
    return replace(document, data=data, values=values)


def _filled(document: Document) -> Document:
    """The same with something in the place of each field that has to be there."""
    assert isinstance(document.data, dict)  # noqa: S101 - as above
    stem = Path(document.file).stem
    name = stem if re.fullmatch(ID, stem) else "unnamed"
    return replace(document, data={"rule": name, **_STAND_IN, **document.data})


def place_of(document: Document, problem: Problem) -> Loc:
    """The field that a problem stands in, of `with` the parameter; empty where it is of another file."""
    at = (problem.line, problem.column)
    before = [
        (mark, loc)
        for loc, mark in document.keys.items()
        if mark.file == problem.file and (mark.line, mark.column) <= at
    ]
    fields = [(mark, loc) for mark, loc in before if len(loc) == 1]
    if not fields:
        return ()
    field = max(fields)[1]
    inner = [(mark, loc) for mark, loc in before if loc[:-1] == field == ("with",)]
    return max(inner)[1] if inner else field
