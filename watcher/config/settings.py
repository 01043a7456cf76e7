"""The shape of the configuration; sources have the shape their vendors give them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from watcher.collect.collector import SourceSettings
from watcher.document.fields import DurationField, PathField
from watcher.document.node import Document, Loc
from watcher.document.secrets import Secret, SecretUrl
from watcher.errors import Problem
from watcher.model.rule import Rule
from watcher.model.time import DAY
from watcher.notify.routing import ReceiverSettings, RouteSettings

NO_SECRETS: Final = frozenset({"username"})
"""Given by reference as secrets are, and none: masking every `admin` would spoil paths and words."""
DEFAULT_DATABASE: Final = "sqlite:///watcher.db"
_LISTEN: Final = r"^(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):\d{1,5}$"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SampleSettings(_Section):
    """What is kept of what was read."""

    retention: DurationField = Field(default=30 * DAY, description="how long samples are kept")


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
    sources: tuple[dict[str, Any], ...] = ()
    rules: RulesSettings = RulesSettings()
    receivers: tuple[ReceiverSettings, ...] = ()
    routes: tuple[RouteSettings, ...] = ()
    http: HttpSettings | None = None


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
    http: HttpSettings | None
    document: Document = field(repr=False)
    warnings: tuple[Problem, ...] = ()
    """What is allowed and probably not meant."""

    def problem(self, loc: Loc, what: str, hint: str = "") -> Problem:
        """Something that only use shows to be wrong, at its place in the file."""
        return self.document.problem(loc, what, hint)

    def secrets(self) -> Iterator[tuple[Loc, Secret | SecretUrl]]:
        """Every secret and every URL that may hold one, with its place."""
        yield ("database",), self.database
        for name in ("sources", "receivers", "http"):
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
