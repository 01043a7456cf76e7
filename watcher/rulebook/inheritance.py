"""`extends`: a rule that is written as what differs from another one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from watcher.document.complaints import nearest
from watcher.document.load import load_yaml
from watcher.document.node import Document
from watcher.errors import ConfigurationError, Problem

DEEP: Final = frozenset({"with", "clear_when"})
"""What is merged key by key; every other field is replaced."""
_OWN: Final = frozenset({"rule", "enabled", "extends"})
"""What a rule never has from another."""
_AT: Final = ("extends",)


def extended(documents: Mapping[str, Document], problems: list[Problem]) -> dict[str, Document]:
    """Every rule as it stands with what it extends, by id; whatever cannot be so is a problem."""
    found = {}
    for name in documents:
        try:
            found[name] = _whole(name, documents, ())
        except ConfigurationError as error:
            problems += error.problems
    return found


def alone(document: Document, folders: Iterable[Path]) -> Document:
    """One rule with what it extends, looked for by file name in the rule's own folder and in these.

    Raises:
        ConfigurationError: a file cannot be read, there is no such rule, or they extend each other.
    """
    folders = (document.folder, *folders)
    name = str(document.get(("rule",)))
    documents, wanted = {name: document}, document.get(_AT)
    while isinstance(wanted, str) and wanted not in documents:
        base = next(_named(wanted, folders), None)
        if base is None:
            break
        documents[wanted] = load_yaml(base)
        wanted = documents[wanted].get(_AT)
    return _whole(name, documents, ())


def _named(rule: str, folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        for suffix in (".yaml", ".yml"):
            yield from sorted(folder.rglob(f"{rule}{suffix}"))


def _whole(name: str, documents: Mapping[str, Document], above: Sequence[str]) -> Document:
    """The document of a rule laid over the whole one of what it extends."""
    document = documents[name]
    base = document.get(_AT)
    if not isinstance(base, str) or not base:
        return document
    chain = (*above, name)
    if base in chain:
        what = f"`{name}` extends itself: {' > '.join((*chain, base))}"
        raise ConfigurationError([document.problem(_AT, what, "one of them has to stand by itself")])
    if base not in documents:
        hint = nearest(base, [known for known in documents if known not in chain])
        raise ConfigurationError([document.problem(_AT, f"unknown rule `{base}`", hint)])
    return _laid(_whole(base, documents, chain), document)


def _laid(base: Document, document: Document) -> Document:
    """A rule over another. With another detector none of the other's parameters are meant."""
    if not isinstance(base.data, dict) or not isinstance(document.data, dict):
        return document
    detector = document.data.get("detector")
    dropped = _OWN | (DEEP | {"match"} if detector not in {None, base.data.get("detector")} else frozenset())
    kept = {name: value for name, value in base.data.items() if name not in dropped}
    laid = replace(base, data=kept).overlaid(document, deep=DEEP)
    marks = {place: mark for place, mark in laid.values.items() if not place or place[0] in laid.data}  # type: ignore[operator]
    return replace(laid, file=document.file, folder=document.folder, values=marks | {(): document.values[()]})
