"""A rule's `match`: which series play which role for its detector."""

from collections.abc import Iterable, Mapping

from watcher.document.complaints import nearest
from watcher.document.node import Document, Loc
from watcher.engine.detector import Role
from watcher.errors import ConfigurationError, Problem
from watcher.model.labels import Matcher, Selector


def selectors(document: Document, roles: Mapping[str, Role]) -> Mapping[str, Selector]:
    """Read `match`: a selector a role, or one selector alone where only one role must be there.

    Raises:
        ConfigurationError: every role missing or unknown, every selector that is not one.
    """
    at = ("match",)
    needed = tuple(name for name, role in roles.items() if not role.optional)
    match = document.get(at)
    if not isinstance(match, dict):
        what = "match: expected a mapping such as {metric: cdn_requests, tier: edge}"
        raise ConfigurationError([document.problem(at, what)])
    found: dict[str, Loc]
    problems: list[Problem] = []
    if len(needed) == 1 and isinstance(match.get("metric"), str):
        found = {needed[0]: at}
    else:
        found = {role: (*at, role) for role in roles if role in match}
        problems = _wrong_roles(document, match, tuple(roles), needed)
    read: dict[str, Selector] = {}
    for role, place in found.items():
        try:
            read[role] = _selector(document, place)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return read


def _wrong_roles(
    document: Document, match: Iterable[str], roles: tuple[str, ...], needed: tuple[str, ...]
) -> list[Problem]:
    unknown = [
        document.problem(("match", role), f"unknown role `{role}`", nearest(role, roles), key=True)
        for role in match
        if role not in roles
    ]
    return unknown + [
        document.problem(("match",), f"match: role `{role}` is missing", f"add {role}: {{metric: ...}}")
        for role in needed
        if role not in match
    ]


def _selector(document: Document, at: Loc) -> Selector:
    labels = document.get(at)
    if not isinstance(labels, dict) or not isinstance(labels.get("metric"), str):
        what = f"{at[-1]}: expected a selector such as {{metric: cdn_requests, tier: edge}}"
        raise ConfigurationError([document.problem(at, what)])
    problems: list[Problem] = []
    matchers: list[Matcher] = []
    otherwise = _selector(document, (*at, "else")) if "else" in labels else None
    for label, spec in labels.items():
        if label in {"metric", "else"}:
            continue
        try:
            matchers.append(Matcher.read(label, spec))
        except ValueError as error:
            problems.append(document.problem((*at, label), str(error)))
    if problems:
        raise ConfigurationError(problems)
    return Selector(str(labels["metric"]), tuple(matchers), otherwise)
