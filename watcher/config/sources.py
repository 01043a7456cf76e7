"""Sources: each is validated by the settings of the vendor it names."""

from watcher.collect.collector import SourceSettings
from watcher.collect.vendors import known, vendor
from watcher.document.complaints import nearest
from watcher.document.context import ValidationContext
from watcher.document.load import validate
from watcher.document.node import Document
from watcher.errors import ConfigurationError, Problem


def load_sources(
    document: Document, context: ValidationContext, problems: list[Problem]
) -> tuple[SourceSettings, ...]:
    """Every source that is right; what is wrong with the others is added to the problems."""
    items = document.get(("sources",))
    sources = []
    for at in range(len(items) if isinstance(items, list) else 0):
        try:
            sources.append(_source(document, at, context))
        except ConfigurationError as error:
            problems += error.problems
    return tuple(sources)


def _source(document: Document, at: int, context: ValidationContext) -> SourceSettings:
    place = ("sources", at)
    item = document.get(place)
    if not isinstance(item, dict):
        raise ConfigurationError([])  # told by the validation of the whole
    name = item.get("vendor")
    if "vendor" not in item:
        hint = f"known: {', '.join(known())}"
        raise ConfigurationError([document.problem(place, "`vendor` is missing", hint)])
    found = vendor(name) if isinstance(name, str) else None
    if found is None:
        raise ConfigurationError([_unknown(document, at, str(name))])
    return validate(document, found.settings, at=place, context=context)


def _unknown(document: Document, at: int, name: str) -> Problem:
    listed = f"known: {', '.join(known())}"
    place = ("sources", at, "vendor")
    near = nearest(name, known())
    hint = near if near.startswith("did") else listed
    return document.problem(place, f"unknown vendor `{name[:40]}`", hint)
