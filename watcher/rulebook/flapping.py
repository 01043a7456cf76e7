"""`flapping`: how often, within how long, what comes back is told of as one that flaps."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from watcher.document.fields import DurationField
from watcher.engine.episodes import KEPT
from watcher.model.rule import Flapping
from watcher.model.time import DAY, Duration, format_duration

RETURNS: Final = 3
"""So many make it, unless a rule says otherwise: once is chance, twice may be."""


def _is_no_season(within: Duration) -> Duration:
    if not 0 < within <= DAY:
        raise ValueError(
            f"{format_duration(within)} is no time to flap in; write 1d or less, and more than 0s"
        )
    return within


class FlappingFile(BaseModel):
    """The field as it is written; what is left out follows from `reopen_within`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    returns: int = Field(default=RETURNS, ge=2, le=KEPT, description="how often it comes back")
    within: Annotated[DurationField, AfterValidator(_is_no_season)] | None = Field(
        default=None, description="within how long; `reopen_within` times one more than `returns`"
    )


def _not_simply_on(value: object) -> object:
    if value is True:
        raise ValueError(
            "a rule with `reopen_within` flaps unless it says false; leave it out, or say how often"
        )
    return value


FlappingField: TypeAlias = Annotated[FlappingFile | Literal[False] | None, BeforeValidator(_not_simply_on)]


def flapping(file: FlappingFile | Literal[False] | None, reopen_within: Duration) -> Flapping | None:
    """From when on incidents of a rule flap; None where they never come back, or it says never.

    Whatever comes back `returns` times, each time within `reopen_within` of an end, and is short does so
    within the default.
    """
    if file is False or not reopen_within:
        return None
    file = file or FlappingFile()
    return Flapping(file.returns, file.within or min(DAY, (file.returns + 1) * reopen_within))
