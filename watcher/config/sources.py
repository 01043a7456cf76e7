"""Sources: each is validated by the settings of the vendor it names."""

from typing import Final

from watcher.collect.collector import SourceSettings
from watcher.collect.vendors import known, vendor
from watcher.document.complaints import nearest
from watcher.document.context import ValidationContext
from watcher.document.load import validate
from watcher.document.node import Document
from watcher.errors import ConfigurationError, Problem

PLANNED: Final = frozenset(
    {"swiftfederation", "cdnvideo", "leaseweb", "huawei_dsc", "alibaba_cdn", "tls", "http"}
)
"""The vendors of the design; those not known to the registry are not built yet."""


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
        hint = f"built: {', '.join(known())}"
        raise ConfigurationError([document.problem(place, "`vendor` is missing", hint)])
    found = vendor(name) if isinstance(name, str) else None
    if found is None:
        raise ConfigurationError([_unknown(document, at, str(name))])
    return validate(document, found.settings, at=place, context=context)


def _unknown(document: Document, at: int, name: str) -> Problem:
    built = f"built: {', '.join(known())}"
    place = ("sources", at, "vendor")
    if name in PLANNED:
        return document.problem(place, f"vendor `{name}` is not built yet", built)
    near = nearest(name, known())
    hint = near if near.startswith("did") else built
    return document.problem(place, f"unknown vendor `{name[:40]}`", hint)
