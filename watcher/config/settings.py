"""The shape of the configuration; sources have the shape their vendors give them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from watcher.collect.collector import SourceSettings
from watcher.document.fields import DurationField, PathField
from watcher.document.node import Document, Loc
from watcher.document.secrets import Secret, SecretUrl
from watcher.errors import Problem
from watcher.model.act import UNACKNOWLEDGE_AFTER
from watcher.model.inhibition import Inhibit
from watcher.model.recurrence import Recurrence
from watcher.model.rule import Rule
from watcher.model.silence import Silence
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Duration, format_duration
from watcher.notify.receivers import HeartbeatSettings, PublicUrl, ReceiverSettings
from watcher.notify.routing import RouteSettings
from watcher.notify.suppressing import InhibitSettings, MaintenanceSettings
from watcher.notify.times import NamedTime

NO_SECRETS: Final = frozenset({"username"})
"""Given by reference as secrets are, and none: masking every `admin` would spoil paths and words."""
DEFAULT_DATABASE: Final = "sqlite:///watcher.db"
_LISTEN: Final = r"^(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):\d{1,5}$"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SampleSettings(_Section):
    """What is kept of what was read."""

    retention: DurationField = Field(default=30 * DAY, description="how long samples are kept")
    snapshot_every: DurationField = Field(
        default=5 * MINUTE, description="how much a restart judges again at most"
    )
    journal: DurationField = Field(
        default=6 * HOUR, description="how long samples stay in the database before they become history"
    )
    chunk: DurationField = Field(
        default=DAY, description="how much time one chunk of history holds at most; 1d is the most"
    )

    @field_validator("snapshot_every", "chunk")
    @classmethod
    def _within_a_day(cls, value: Duration) -> Duration:
        if not SECOND <= value <= DAY:
            raise ValueError(f"{format_duration(value)} is not between 1s and 1d")
        return value


class RetentionSettings(_Section):
    """How long the book keeps what is over."""

    incidents: DurationField = Field(
        default=400 * DAY, description="incidents, from their end, with all that belongs to them"
    )
    timeline: DurationField = Field(default=400 * DAY, description="the lines of incidents that are over")
    deliveries: DurationField = Field(default=90 * DAY, description="who was told what of them")
    acts: DurationField = Field(default=400 * DAY, description="what people did to them")
    silences: DurationField = Field(default=400 * DAY, description="silences, from their end")
    inventory_changes: DurationField = Field(default=90 * DAY, description="what came, went and changed")

    @field_validator("*")
    @classmethod
    def _long_enough(cls, value: Duration, info: ValidationInfo) -> Duration:
        said, whole = format_duration(value), info.data.get("incidents")
        if value < _JUST_OVER:
            least = format_duration(_JUST_OVER)
            raise ValueError(f"{said} is less than {least}, and what is just over may come back")
        if whole is not None and info.field_name in _OF_INCIDENTS and value > whole:
            raise ValueError(f"{said} is longer than incidents: {format_duration(whole)}, with which they go")
        return value


_JUST_OVER: Final[Duration] = 7 * DAY
_OF_INCIDENTS: Final = frozenset({"timeline", "deliveries", "acts"})


class RulesSettings(_Section):
    """Which rules judge, and how they differ from the shipped ones."""

    packs: tuple[Literal["builtin"], ...] = Field(default=("builtin",), description="shipped rules")
    paths: tuple[PathField, ...] = Field(default=(), description="folders or files with rules of your own")
    override: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="by rule id: fields to change; `with` is merged key by key"
    )


class TokenSettings(_Section):
    """Somebody who may use the HTTP API."""

    name: str = Field(min_length=1, description="who it is, as audit lines say it")
    token: Secret
    role: str = Field(default="viewer", pattern=r"^[a-z]+$", description="what they may do: viewer, operator")


class HttpSettings(_Section):
    """The HTTP API and the page."""

    listen: Annotated[str, Field(pattern=_LISTEN)] = "127.0.0.1:8080"
    tokens: tuple[TokenSettings, ...] = ()


class ConfigFile(_Section):
    """The whole file. `sources` are validated one by one, each by its vendor's own settings."""

    database: SecretUrl = Field(
        default=SecretUrl(DEFAULT_DATABASE), description="sqlite:///file or postgresql://user@host/db"
    )
    samples: SampleSettings = SampleSettings()
    retention: RetentionSettings = RetentionSettings()
    sources: tuple[dict[str, Any], ...] = ()
    rules: RulesSettings = RulesSettings()
    receivers: tuple[ReceiverSettings, ...] = ()
    routes: tuple[RouteSettings, ...] = ()
    times: dict[str, NamedTime] = Field(
        default_factory=dict, description="named times that routes may be muted in: nights, weekends"
    )
    maintenance: tuple[MaintenanceSettings, ...] = Field(
        default=(), description="windows, once or weekly, in which nobody is told of what matches"
    )
    inhibit: tuple[InhibitSettings, ...] = Field(
        default=(), description="which incidents explain others, beyond what is built in"
    )
    http: HttpSettings | None = None
    public_url: PublicUrl = Field(
        default="", description="where people reach watcher's page: messages then hold links, not commands"
    )
    templates: PathField | None = Field(
        default=None, description="folder with message templates of your own, used before the shipped ones"
    )
    heartbeat: HeartbeatSettings | None = Field(
        default=None, description="address that is asked while collectors, engine, store and courier get on"
    )
    unacknowledge_after: DurationField = Field(
        default=UNACKNOWLEDGE_AFTER,
        description="how long an acknowledgement holds: then the incident is open again and reminded of; "
        "0s is for good",
    )


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration without problems."""

    path: Path
    database: SecretUrl
    """A relative SQLite path has become one that starts at the file's folder."""
    samples: SampleSettings
    sources: tuple[SourceSettings, ...]
    """Each is an instance of its vendor's own settings."""
    rules: tuple[Rule, ...]
    """Those that judge, overrides applied, sorted by id."""
    receivers: tuple[ReceiverSettings, ...]
    routes: tuple[RouteSettings, ...]
    times: Mapping[str, tuple[Recurrence, ...]]
    http: HttpSettings | None
    document: Document = field(repr=False)
    warnings: tuple[Problem, ...] = ()
    """What is allowed and probably not meant."""
    unacknowledge_after: Duration = UNACKNOWLEDGE_AFTER
    public_url: str = ""
    templates: Path | None = None
    heartbeat: HeartbeatSettings | None = None
    maintenance: tuple[Silence, ...] = ()
    """Windows, each by its name or its place in the file."""
    inhibit: tuple[Inhibit, ...] = ()
    retention: RetentionSettings = field(default_factory=RetentionSettings)

    def problem(self, loc: Loc, what: str, hint: str = "") -> Problem:
        """Something that only use shows to be wrong, at its place in the file."""
        return self.document.problem(loc, what, hint)

    def secrets(self) -> Iterator[tuple[Loc, Secret | SecretUrl]]:
        """Every secret and every URL that may hold one, with its place."""
        yield ("database",), self.database
        for name in ("sources", "receivers", "http", "heartbeat"):
            for place, secret in secrets_in(getattr(self, name), (name,)):
                if place[-1] not in NO_SECRETS:
                    yield place, secret

    def secret_values(self) -> tuple[str, ...]:
        """All texts that no log may show."""
        return tuple(dict.fromkeys(value for _, secret in self.secrets() for value in secret.values()))


def secrets_in(value: object, loc: Loc = ()) -> Iterator[tuple[Loc, Secret | SecretUrl]]:
    """Secrets anywhere in settings, with their places as the file names them."""
    match value:
        case Secret() | SecretUrl():
            yield loc, value
        case BaseModel():
            for name, info in type(value).model_fields.items():
                yield from secrets_in(getattr(value, name), (*loc, info.alias or name))
        case dict():
            for key, item in value.items():
                yield from secrets_in(item, (*loc, key))
        case list() | tuple():
            for index, item in enumerate(value):
                yield from secrets_in(item, (*loc, index))
