"""What the configuration says is not told: maintenance windows, and incidents that others explain."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from watcher.model.inhibition import Inhibit
from watcher.model.labels import Matcher
from watcher.model.silence import Silence, matchers_of
from watcher.model.time import Instant, parse_rfc3339
from watcher.notify.times import TimeSettings


def _compiles(match: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
    for label, spec in match.items():
        Matcher.parse(label, spec)
    return match


def _instant(value: Any) -> Any:  # noqa: ANN401 - whatever YAML held
    try:
        return parse_rfc3339(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"{value!r} is no time; write it with its zone, as 2026-11-25T22:00Z or 2026-11-25T23:00+01:00"
        ) from None


MatchField: TypeAlias = Annotated[dict[str, str | list[str]], AfterValidator(_compiles)]
TimeField: TypeAlias = Annotated[Instant, BeforeValidator(_instant, json_schema_input_type=str)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MaintenanceSettings(_Section):
    """One window in which nobody is told of what matches: once, or week by week."""

    match: MatchField = Field(
        description="incident labels, `severity` and `rule`: a string, a list, or ~regex; empty matches all"
    )
    reason: str = Field(min_length=1, description="what is being done")
    name: str = Field(default="", description="what the delivery log calls it")
    start: TimeField | None = Field(default=None, alias="from", description="when it begins, RFC 3339")
    end: TimeField | None = Field(default=None, alias="to", description="when it ends, RFC 3339")
    weekly: TimeSettings | None = Field(
        default=None, description="days, from, to and zone: it comes back; `from` and `to` then bound it"
    )

    @model_validator(mode="after")
    def _has_times(self) -> "MaintenanceSettings":
        if self.weekly is None and (self.start is None or self.end is None):
            raise ValueError("when is it? write `from` and `to`, or `weekly`")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError("`to` is not after `from`")
        return self

    def window(self, ordinal: int) -> Silence:
        """The same for who reckons with it; without a name it is called by its place."""
        return Silence(
            id=self.name or f"maintenance[{ordinal}]",
            matchers=matchers_of(self.match),
            starts_at=0 if self.start is None else self.start,
            ends_at=self.end,
            author="configuration",
            reason=self.reason,
            recurrence=None if self.weekly is None else self.weekly.recurrence(),
        )


class InhibitSettings(_Section):
    """While an incident that is `source` is open, nobody is told of those that are `target`."""

    source: MatchField = Field(min_length=1, description="which incidents explain others")
    target: MatchField = Field(min_length=1, description="which they explain")
    equal: tuple[str, ...] = Field(
        default=("source",), description="labels in which both must be equal; [] for none"
    )

    def inhibit(self) -> Inhibit:
        """The same for who reckons with it."""
        return Inhibit(matchers_of(self.source), matchers_of(self.target), self.equal)


def windows(settings: Sequence[MaintenanceSettings]) -> tuple[Silence, ...]:
    """The windows of a configuration, in its order."""
    return tuple(one.window(ordinal) for ordinal, one in enumerate(settings))
