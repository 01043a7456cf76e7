"""The part of a scenario every vendor shares: resources with traffic, origins, callers, and the troubles."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from watcher.document.fields import DurationField
from watcher.model.time import HOUR
from watcher.simulate.troubles import AnyTrouble, Code, Share

Weight = Annotated[float, Field(gt=0)]

USUAL_MIX: Mapping[int, float] = {
    200: 0.87, 206: 0.02, 301: 0.01, 302: 0.01, 304: 0.05, 403: 0.004, 404: 0.03, 499: 0.004,
    500: 0.0006, 502: 0.0009, 503: 0.0003, 504: 0.0002,
}  # fmt: skip


class Section(BaseModel):
    """What any part of a scenario file has in common: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Resource(Section):
    """One resource (domain, distribution) and its traffic in good times."""

    id: str = Field(min_length=1, description="the vendor's id of it")
    name: str = ""
    cname: str = ""
    vendors: tuple[str, ...] = ()
    """Which vendors show it; none named is all."""
    requests_per_minute: float = Field(ge=0, le=1e9, description="mean over a week")
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
    providers: Mapping[str, Weight] = Field(default={})
    """How a broker divides it among its providers."""
    regions: Mapping[str, Weight] = Field(default={})
    origin: str = ""
    """Host that answers what no cache can."""
    origin_group: str = ""
    """Or a group of such hosts."""
    type: str = "web"
    days_left: float = 60
    """Until its certificate at the vendor expires, counted from the simulator's start."""
    tls: bool = True
    age_days: float = 200
    """How long before the simulator's start it was made."""

    @property
    def host(self) -> str:
        """The domain name that visitors ask for."""
        return self.cname or f"{self.id}.example.com"

    @property
    def origin_host(self) -> str:
        """Where none is named, one of its own."""
        return self.origin or f"origin.{self.host}"

    @model_validator(mode="after")
    def _mix_holds_something(self) -> Self:
        if not sum(self.mix.values()) > 0:
            raise ValueError("mix holds no answers; write for example {200: 0.95, 404: 0.05}")
        return self


class OriginGroup(Section):
    """Several origin hosts, each active, backup or inactive."""

    id: str = Field(min_length=1)
    members: Mapping[str, str] = Field(min_length=1)
    """Status by host."""


class Caller(Section):
    """Somebody who calls a vendor's API."""

    name: str
    id: str


class Endpoint(Section):
    """One call of a vendor's API that people make."""

    url: str
    """With `{project_id}` where the project's own id stands."""
    method: str = "POST"
    calls_per_minute: float = Field(default=2, ge=0)


class Api(Section):
    """Who calls a vendor's API, what, how often, and how often that fails in good times."""

    callers: tuple[Caller, ...] = Field(
        default=(
            Caller(name="build", id="0a1b2c3d4e5f60718293a4b5c6d7e8f9"),
            Caller(name="nightly", id="19f8e7d6c5b4a39281706f5e4d3c2b1a"),
        ),
        min_length=1,
    )
    endpoints: tuple[Endpoint, ...] = Field(
        default=(
            Endpoint(url="/v1/{project_id}/sdg/doc/watermark/embed", calls_per_minute=6),
            Endpoint(url="/v1/{project_id}/sdg/doc/watermark/extract", calls_per_minute=2),
            Endpoint(url="/v1/{project_id}/data/mask", calls_per_minute=4),
        ),
        min_length=1,
    )
    failing: Share = 0.0
    """Share of calls that fail in good times, each for one of `usual_failures`."""
    usual_failures: Mapping[str, str] = Field(default={"400": "Invalid parameter"}, min_length=1)
    """Reason by status."""


class World(Section):
    """Resources and troubles; `seed` makes every number of it repeatable."""

    seed: int = Field(default=1, ge=0, lt=2**32)
    resources: tuple[Resource, ...] = Field(min_length=1)
    origin_groups: tuple[OriginGroup, ...] = ()
    api: Api = Api()
    jobs_every: DurationField = 3 * HOUR
    """How often a background job (purge, change of a distribution) is begun, in good times."""
    troubles: tuple[AnyTrouble, ...] = ()

    def shown_by(self, vendor: str) -> Sequence[Resource]:
        """The resources of one vendor, in the file's order."""
        return [resource for resource in self.resources if vendor in (resource.vendors or (vendor,))]
