"""A rule of which something cannot be read: what is left of it, so that lint tells everything at once."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from watcher.document.node import Document, Loc, Value
from watcher.errors import ConfigurationError, Problem
from watcher.model.rule import Rule
from watcher.rulebook.loader import load_rule

_NEEDED: Final = frozenset({"rule", "detector", "match", "by"})
"""Without these the rest means nothing."""
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
    lost = {str(place[0]) if place else "" for place in places}
    lost |= _OVER if lost & (_OVER | {"with"}) else set()
    if lost & (_NEEDED | {""}) or not isinstance(document.data, dict):
        return None
    try:
        rule = load_rule(_without(document, places | {(name,) for name in lost if name != "with"}))
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
