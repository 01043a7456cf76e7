"""Reads the configuration: every check runs, and every problem is told at once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, TypeVar

from pydantic import BaseModel

from watcher.collect.collector import SourceSettings
from watcher.config.database import checked_database
from watcher.config.routes import group_warnings, mute_problems, mute_warnings, route_warnings
from watcher.config.settings import DEFAULT_DATABASE, Config, ConfigFile, RulesSettings, SampleSettings
from watcher.config.sources import load_sources
from watcher.document.complaints import nearest
from watcher.document.context import ValidationContext
from watcher.document.fields import DurationField, PathField
from watcher.document.load import load_yaml, validate
from watcher.document.node import Document, Loc
from watcher.document.secrets import SecretUrl
from watcher.errors import ConfigurationError, Problem, SecretUnavailable
from watcher.model.act import UNACKNOWLEDGE_AFTER
from watcher.model.rule import Rule
from watcher.model.silence import Silence
from watcher.model.time import Duration
from watcher.notify.receivers import ReceiverSettings
from watcher.notify.routing import OWN_SOURCE
from watcher.notify.suppressing import MaintenanceSettings, windows
from watcher.rulebook.packs import Overrides, load_rules, pack_files, rule_files

UrlCheck: TypeAlias = Callable[[str], str | None]
"""What is wrong with a receiver's URL, in words without the URL; None when nothing is."""


Model = TypeVar("Model", bound=BaseModel)


class _DatabaseOnly(BaseModel):
    """Whatever else stands in the file."""

    database: SecretUrl = SecretUrl(DEFAULT_DATABASE)


class _PatienceOnly(BaseModel):
    """The same."""

    unacknowledge_after: DurationField = UNACKNOWLEDGE_AFTER


class _MaintenanceOnly(BaseModel):
    """The same."""

    maintenance: tuple[MaintenanceSettings, ...] = ()


class _TemplatesOnly(BaseModel):
    """The same."""

    templates: PathField | None = None


class _ReceiversOnly(BaseModel):
    """The same."""

    receivers: tuple[ReceiverSettings, ...] = ()


def load_config(
    path: Path, *, secrets: bool = True, writes: bool = True, url_check: UrlCheck | None = None
) -> Config:
    """The configuration in a file.

    `secrets` says whether every secret must be there now, `writes` whether the database must be writable:
    verbs that only read need neither. `url_check` knows what a receiver's URL may be:
    the packages that send are no business of this one.

    Raises:
        ConfigurationError: all that is wrong in the file and in the rules it names.
    """
    document = load_yaml(path)
    context = ValidationContext(path.parent, secrets=secrets)
    problems: list[Problem] = []
    file = _section(document, context, problems)
    sources = load_sources(document, context, problems)
    problems += _name_problems(document)
    problems += mute_problems(document)
    database = _database(document, context, problems, writes=writes)
    rules = _rules(document, context, problems)
    if url_check is not None:
        problems += _url_problems(document, context, url_check)
    problems += _template_problems(document, context)
    if problems or file is None or database is None:
        raise ConfigurationError(dict.fromkeys(problems))
    return _config(path, document, file, sources=sources, database=database, rules=rules)


def load_database(path: Path) -> SecretUrl:
    """Only the `database` of a configuration: what verbs that read the book need, whatever else is wrong.

    Raises:
        ConfigurationError: the file is not YAML, or its database is none.
    """
    document = load_yaml(path)
    return checked_database(document, validate(document, _DatabaseOnly).database, writes=False)


def receiver_names(path: Path) -> Sequence[str]:
    """Names of receivers, right or wrong.

    Raises:
        ConfigurationError: the file is not YAML.
    """
    return [name for _, name in _named(load_yaml(path), "receivers")]


def load_receiver(path: Path, name: str, *, url_check: UrlCheck) -> Config:
    """A configuration of one receiver alone, that has such a name: it can be told whatever else is wrong.

    Raises:
        ConfigurationError: all that is wrong with it; its secrets must be there.
    """
    document = load_yaml(path)
    [place, *_] = (loc[:-1] for loc, one in _named(document, "receivers") if one == name)
    context = ValidationContext(path.parent, secrets=True)
    receiver = validate(document, ReceiverSettings, at=place, context=context)
    if problems := [*_problems_of_urls(document, place, receiver, url_check)]:
        raise ConfigurationError(problems)
    return Config(
        path=path,
        database=SecretUrl(DEFAULT_DATABASE),
        samples=SampleSettings(),
        sources=(),
        rules=(),
        receivers=(receiver,),
        routes=(),
        times={},
        http=None,
        document=document,
    )


def load_patience(path: Path) -> Duration:
    """Only `unacknowledge_after`, for verbs that act on incidents.

    Raises:
        ConfigurationError: the file is not YAML, or this is no duration.
    """
    return validate(load_yaml(path), _PatienceOnly).unacknowledge_after


def load_maintenance(path: Path) -> tuple[Silence, ...]:
    """Only the windows of `maintenance`, for verbs that show them.

    Raises:
        ConfigurationError: the file is not YAML, or a window is not right.
    """
    return windows(validate(load_yaml(path), _MaintenanceOnly).maintenance)


def _section(document: Document, context: ValidationContext, problems: list[Problem]) -> ConfigFile | None:
    try:
        return validate(document, ConfigFile, context=context)
    except ConfigurationError as error:
        problems += error.problems
        return None


def _told_already(
    document: Document, model: type[Model], context: ValidationContext, *, at: Loc = ()
) -> Model | None:
    """A part of the file, if it is right: of what is wrong in it the validation of the whole has told."""
    try:
        return validate(document, model, at=at, context=context)
    except ConfigurationError:
        return None


def _database(
    document: Document, context: ValidationContext, problems: list[Problem], *, writes: bool
) -> SecretUrl | None:
    part = _told_already(document, _DatabaseOnly, context)
    try:
        return None if part is None else checked_database(document, part.database, writes=writes)
    except ConfigurationError as error:
        problems += error.problems
        return None


def _rules(document: Document, context: ValidationContext, problems: list[Problem]) -> tuple[Rule, ...]:
    settings = _told_already(document, RulesSettings, context, at=("rules",))
    if settings is None:
        return ()
    problems += _path_problems(document, settings.paths)
    files = pack_files(settings.packs, settings.paths)
    try:
        return tuple(load_rules(files, Overrides(document, ("rules", "override"))))
    except ConfigurationError as error:
        problems += error.problems
        return ()


def _path_problems(document: Document, paths: Sequence[Path]) -> Iterator[Problem]:
    """Paths that add no rule."""
    for at, path in enumerate(paths):
        place = ("rules", "paths", at)
        if not path.exists():
            yield document.problem(place, f"{path} is not there", "check the path")
        elif not rule_files(path):
            yield document.problem(place, f"{path} holds no rule", "a rule is a file *.yaml or *.yml")


def _name_problems(document: Document) -> Iterator[Problem]:
    """Names that stand twice, and routes to receivers that are none."""
    receivers = _named(document, "receivers")
    yield from _twice(document, "source", _named(document, "sources"))
    yield from _reserved(document)
    yield from _twice(document, "receiver", receivers)
    names = {name for _, name in receivers}
    routes = document.get(("routes",))
    for at, route in enumerate(routes if isinstance(routes, list) else []):
        to = route.get("to") if isinstance(route, dict) else None
        for index, name in enumerate(to if isinstance(to, list) else []):
            if isinstance(name, str) and name not in names:
                place = ("routes", at, "to", index)
                yield document.problem(place, f"unknown receiver `{name}`", nearest(name, names))


def _reserved(document: Document) -> Iterator[Problem]:
    for place, name in _named(document, "sources"):
        if name == OWN_SOURCE:
            yield document.problem(place, f"`{name}` is what watcher calls itself", "choose another name")


def _named(document: Document, section: str) -> list[tuple[Loc, str]]:
    """Places and values of the names in a section, as far as they are names."""
    items = document.get((section,))
    return [
        ((section, at, "name"), name)
        for at, item in enumerate(items if isinstance(items, list) else [])
        if isinstance(item, dict) and isinstance(name := item.get("name"), str)
    ]


def _twice(document: Document, what: str, names: Iterable[tuple[Loc, str]]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for place, name in names:
        line = document.mark(place).line
        if name in first:
            hint = f"the first is in line {first[name]}"
            yield document.problem(place, f"{what} `{name}` stands twice", hint)
        first.setdefault(name, line)


def _url_problems(document: Document, context: ValidationContext, check: UrlCheck) -> Iterator[Problem]:
    part = _told_already(document, _ReceiversOnly, context)
    for at, receiver in enumerate(part.receivers if part else ()):
        yield from _problems_of_urls(document, ("receivers", at), receiver, check)


def _problems_of_urls(
    document: Document, at: Loc, receiver: ReceiverSettings, check: UrlCheck
) -> Iterator[Problem]:
    for index, url in enumerate(receiver.urls):
        try:
            wrong = check(url.reveal())
        except SecretUnavailable:
            continue  # told by validation, where secrets must be there
        if wrong is not None:
            yield document.problem((*at, "urls", index), f"urls[{index}]: {wrong}")


def _template_problems(document: Document, context: ValidationContext) -> Iterator[Problem]:
    """A missing folder is a problem of its line, what is wrong in it one of its files."""
    part = _told_already(document, _TemplatesOnly, context)
    folder = None if part is None else part.templates
    if folder is None:
        return
    if not folder.is_dir():
        yield document.problem(("templates",), f"there is no folder {folder}", "check the path")
        return
    from watcher.notify.proofreading import template_problems  # noqa: PLC0415 - Jinja, where there are any

    yield from template_problems(folder)


def _config(
    path: Path,
    document: Document,
    file: ConfigFile,
    *,
    sources: tuple[SourceSettings, ...],
    database: SecretUrl,
    rules: tuple[Rule, ...],
) -> Config:
    config = Config(
        path=path,
        database=database,
        samples=file.samples,
        sources=sources,
        rules=rules,
        receivers=file.receivers,
        routes=file.routes,
        times={name: tuple(one.recurrence() for one in spans) for name, spans in file.times.items()},
        http=file.http,
        document=document,
        unacknowledge_after=file.unacknowledge_after,
        public_url=file.public_url,
        templates=file.templates,
        heartbeat=file.heartbeat,
        maintenance=windows(file.maintenance),
        inhibit=tuple(one.inhibit() for one in file.inhibit),
        retention=file.retention,
    )
    return replace(config, warnings=tuple(sorted(_warnings(config))))


def _warnings(config: Config) -> Iterator[Problem]:
    for place, secret in config.secrets():
        if secret.literal:
            what = f"{place[-1] if isinstance(place[-1], str) else place[-2]}: a secret stands in the file"
            yield config.problem(place, what, "write {env: NAME} or {file: path}")
    if not config.sources:
        yield config.problem(("sources",), "no sources: nothing is watched", "add one")
    if not config.receivers:
        yield config.problem(("receivers",), "no receivers: nobody is told", "add one")
    yield from route_warnings(config)
    yield from mute_warnings(config)
    yield from group_warnings(config)
