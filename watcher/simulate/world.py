"""The part of a scenario every vendor shares: resources with traffic, and the troubles that befall them."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from watcher.document.fields import DurationField
from watcher.model.time import HOUR, MINUTE
from watcher.simulate.moment import MomentField, Timed

Share = Annotated[float, Field(ge=0, le=1)]
Code = Annotated[int, Field(ge=100, le=599)]

USUAL_MIX: Mapping[int, float] = {
    200: 0.87, 206: 0.02, 301: 0.01, 302: 0.01, 304: 0.05, 403: 0.004, 404: 0.03, 499: 0.004,
    500: 0.0006, 502: 0.0009, 503: 0.0003, 504: 0.0002,
}  # fmt: skip


class Resource(BaseModel):
    """One resource (domain, distribution) and its traffic in good times."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, description="the vendor's id of it")
    name: str = ""
    cname: str = ""
    requests_per_minute: float = Field(ge=0, description="mean over a week")
    daily_swing: Share = 0.5
    peak: DurationField = 18 * HOUR
    """Time of day, UTC, of the most traffic."""
    weekly_swing: Share = 0.1
    noise: Share = 0.02
    """Relative deviation of a minute's level, beyond that of chance arrivals."""
    hit_ratio: Share = 0.9
    bytes_per_request: float = Field(default=40_000, ge=0)
    """Mean body of a 2xx answer; other answers carry none."""
    latency: DurationField = 40
    """Median time of the smallest answers at the edge."""
    mix: Mapping[Code, Share] = Field(default=USUAL_MIX)
    """Shares of answers by status code; scaled to add up to 1."""

    @model_validator(mode="after")
    def _mix_holds_something(self) -> Self:
        if not sum(self.mix.values()) > 0:
            raise ValueError("mix holds no answers; write for example {200: 0.95, 404: 0.05}")
        return self


class Trouble(Timed):
    """Something that befalls one resource, for a span that is rounded down to whole minutes."""

    resource: str
    start: MomentField = Field()


class ErrorBurst(Trouble):
    """A share of the requests is answered with a server error."""

    kind: Literal["5xx_burst"]
    share: Share
    codes: Mapping[Code, Share] = Field(default={502: 0.6, 503: 0.25, 504: 0.15}, min_length=1)
    """How these errors divide by code; scaled to add up to 1."""
    tier: Literal["origin", "edge"] = "origin"
    """Where the errors are made; those made at the edge never reach the origin."""


class HitRatioCollapse(Trouble):
    """The cache serves less than it did."""

    kind: Literal["hit_ratio_collapse"]
    to: Share


class StrayErrors(Trouble):
    """A few errors beyond the mix, evenly spread over the span."""

    kind: Literal["stray_errors"]
    lasts: DurationField = MINUTE
    count: int = Field(default=1, ge=1)
    code: Code = 500


class TrafficLoss(Trouble):
    """A share of the requests does not arrive."""

    kind: Literal["traffic_loss"]
    share: Share


AnyTrouble: TypeAlias = Annotated[
    ErrorBurst | HitRatioCollapse | StrayErrors | TrafficLoss, Field(discriminator="kind")
]


class World(BaseModel):
    """Resources and troubles; `seed` makes every number of it repeatable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(default=1, ge=0, lt=2**32)
    resources: tuple[Resource, ...] = Field(min_length=1)
    troubles: tuple[AnyTrouble, ...] = ()

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        ids = Counter(resource.id for resource in self.resources)
        if twice := sorted(name for name, times in ids.items() if times > 1):
            raise ValueError(f"resources named twice: {', '.join(twice)}")
        if unknown := sorted({trouble.resource for trouble in self.troubles} - ids.keys()):
            raise ValueError(f"troubles of unknown resources: {', '.join(unknown)}")
        return self
