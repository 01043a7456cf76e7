"""Where rules come from: the shipped pack, folders of the user's own, and overrides by id."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import watcher
from watcher.document.complaints import nearest
from watcher.document.load import load_yaml
from watcher.document.node import Document, Loc
from watcher.errors import ConfigurationError, Problem
from watcher.model.rule import Rule
from watcher.rulebook.inheritance import DEEP, alone, extended
from watcher.rulebook.loader import load_rule
from watcher.rulebook.meaning import MEANING, Subject

BUILTIN: Final = "builtin"
PACKS: Final = (BUILTIN,)
SUFFIXES: Final = (".yaml", ".yml")
PROOF: Final = ".test"
"""What the name of a proof has before its suffix."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """The part of a configuration that changes rules: a mapping of rule ids to fields, at a place."""

    document: Document
    at: Loc = ()

    def ids(self) -> tuple[str, ...]:
        """The rules it names."""
        found = self.document.get(self.at)
        return tuple(found) if isinstance(found, dict) else ()


def builtin_folder() -> Path:
    """The shipped rules: inside the installed package, or beside it in a checkout."""
    package = Path(watcher.__file__).parent
    shipped = package / "_rules"
    return shipped if shipped.is_dir() else package.parent / "rules"


def rule_files(folder: Path) -> Sequence[Path]:
    """Every rule file under a folder, sorted; a path to one file is itself."""
    if folder.is_file():
        return [folder]
    return [path for path in yaml_files(folder) if not is_proof(path)]


def yaml_files(folder: Path) -> Sequence[Path]:
    """Rules and proofs under a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)


def is_proof(path: Path) -> bool:
    """Whether it is a proof, and no rule."""
    return path.suffix in SUFFIXES and path.stem.endswith(PROOF)


def pack_files(packs: Iterable[str] = PACKS, paths: Iterable[Path] = ()) -> Sequence[Path]:
    """Every rule file of some packs and folders.

    Raises:
        KeyError: an unknown pack; the configuration has checked that.
    """
    folders = {BUILTIN: builtin_folder}
    return [file for folder in [*(folders[pack]() for pack in packs), *paths] for file in rule_files(folder)]


def load_rules(
    files: Iterable[Path], overrides: Overrides | None = None, *, bases: Iterable[Path] = ()
) -> Sequence[Rule]:
    """The rules of these files that judge, overrides applied, sorted by id.

    What they extend may also stand in `bases`, which are not among the rules.

    What a rule extends is meant as it is overridden. One that is not `enabled` is read like the others, so
    that a mistake in it is told, and left out.

    Raises:
        ConfigurationError: everything wrong in any of them, and in the overrides.
    """
    problems: list[Problem] = []
    documents = _documents(files, problems)
    if overrides is not None:
        documents = _overridden(documents, overrides, problems)
    own, rules = frozenset(documents), []
    documents = {**_documents(bases, problems), **documents}
    for name, document in extended(documents, problems).items():
        if name not in own:
            continue
        try:
            rule = load_rule(document)
        except ConfigurationError as error:
            problems += error.problems
            continue
        if overrides is not None and name in overrides.ids():
            problems += _meaningless(Subject(document, rule), overrides, name)
        if document.get(("enabled",)) is not False:
            rules.append(rule)
    if problems:
        raise ConfigurationError(dict.fromkeys(problems))
    return sorted(rules, key=lambda rule: rule.id)


def whole_document(path: Path) -> Document:
    """One rule file with what it extends: a shipped rule, or one in its own folder or below.

    Raises:
        ConfigurationError: one of them cannot be read, or is not there.
    """
    return alone(load_yaml(path), [builtin_folder()])


def _meaningless(subject: Subject, overrides: Overrides, name: str) -> Iterator[Problem]:
    """What an override makes of a rule that nothing can be, told at the override.

    What it leaves may no longer fit: a summary that names a label which is no more in `by`.
    """
    document, at = overrides.document, (*overrides.at, name)
    for check in MEANING:
        for problem in check(subject):
            if problem.file == document.file:
                yield problem
            else:
                yield document.problem(at, f"{name}: {problem.what}", problem.hint, key=True)


def _documents(files: Iterable[Path], problems: list[Problem]) -> dict[str, Document]:
    """By rule id (the file's stem where it names none); an id that stands twice is a problem."""
    documents: dict[str, Document] = {}
    for path in files:
        try:
            document = load_yaml(path)
        except ConfigurationError as error:
            problems += error.problems
            continue
        named = document.get(("rule",))
        name = named if isinstance(named, str) else path.stem
        if name in documents:
            hint = f"the first is {documents[name].file}; change a shipped rule by rules.override"
            problems.append(document.problem(("rule",), f"rule `{name}` stands twice", hint))
        else:
            documents[name] = document
    return documents


def _overridden(
    documents: Mapping[str, Document], overrides: Overrides, problems: list[Problem]
) -> dict[str, Document]:
    changed = dict(documents)
    for name in overrides.ids():
        at = (*overrides.at, name)
        patch = overrides.document.part(at)
        if name not in documents:
            hint = nearest(name, documents)
            problems.append(overrides.document.problem(at, f"unknown rule `{name}`", hint, key=True))
        elif not isinstance(patch.data, dict) or "rule" in patch.data:
            what = f"{name}: expected fields of the rule, such as {{enabled: false}}"
            problems.append(overrides.document.problem(at, what, "its id cannot be changed"))
        else:
            changed[name] = documents[name].overlaid(patch, deep=DEEP)
    return changed
