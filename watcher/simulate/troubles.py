"""What may befall a scenario's resources: one language for all vendors, each kind with its own fields."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from watcher.document.fields import DurationField
from watcher.model.time import MINUTE
from watcher.simulate.moment import Moment, MomentField, Timed

Share = Annotated[float, Field(ge=0, le=1)]
Code = Annotated[int, Field(ge=100, le=599)]
Tier: TypeAlias = Literal["origin", "edge"]
JobKind: TypeAlias = Literal["INVALIDATION", "CREATE_DIST", "UPDATE_DIST", "DELETE_DIST"]

SERVER_ERRORS: Mapping[int, float] = {502: 0.6, 503: 0.25, 504: 0.15}


class Trouble(Timed):
    """Something that befalls one resource from `start` on; for good unless `lasts` is given."""

    kind: str
    resource: str
    start: MomentField = Field()


class TrafficTrouble(Trouble):
    """What shows in numbers: a span that is rounded down to whole minutes."""

    provider: str = ""
    """Only what this provider serves of the resource."""
    region: str = ""
    """Only what is served there."""


class Errors(TrafficTrouble):
    """A share of the requests is answered with errors."""

    share: Share
    tier: Tier = "origin"
    """Where the errors are made; those made at the edge never reach the origin."""

    @property
    def answers(self) -> Mapping[int, float]:
        """How these errors divide by code; scaled to add up to 1."""
        return SERVER_ERRORS


class ServerErrors(Errors):
    """Errors of several codes."""

    codes: Mapping[Code, Share] = Field(default=SERVER_ERRORS, min_length=1)

    @property
    def answers(self) -> Mapping[int, float]:
        """As `codes` says."""
        return self.codes


class ErrorBurst(ServerErrors):
    """Server errors of one resource."""

    kind: Literal["5xx_burst"]


class SingleCodeBurst(Errors):
    """One code out of nowhere: 530, 403, 429."""

    kind: Literal["single_code_burst"]
    code: Code

    @property
    def answers(self) -> Mapping[int, float]:
        """The one."""
        return {self.code: 1.0}


class PartialOutage(ServerErrors):
    """Server errors in a part of the world: of the resources, of one provider or one region."""

    kind: Literal["partial_outage"]
    resource: str = ""
    of: Share = 1.0
    """How many of the resources, chosen by the seed."""


class ProviderFailing(ServerErrors):
    """One provider of a broker answers with server errors, for every resource it serves."""

    kind: Literal["provider_failing"]
    resource: str = ""
    provider: str = Field(min_length=1)
    tier: Tier = "edge"


class HitRatioCollapse(TrafficTrouble):
    """The cache serves less than it did."""

    kind: Literal["hit_ratio_collapse"]
    to: Share


class StrayErrors(TrafficTrouble):
    """A few errors beyond the mix, evenly spread over the span."""

    kind: Literal["stray_errors"]
    lasts: DurationField = MINUTE
    count: int = Field(default=1, ge=1)
    code: Code = 500


class TrafficLoss(TrafficTrouble):
    """A share of the requests does not arrive."""

    kind: Literal["traffic_loss"]
    share: Share


class FlashCrowd(TrafficTrouble):
    """So many times the usual requests, answered as well as ever: no incident."""

    kind: Literal["flash_crowd"]
    times: float = Field(default=4, ge=1)


class Slowness(TrafficTrouble):
    """Answers take so many times as long as usual."""

    kind: Literal["slowness"]
    times: float = Field(default=5, ge=1)


class LateBins(TrafficTrouble):
    """Minutes of the span are missing until so long after their end."""

    kind: Literal["late_bins"]
    resource: str = ""
    by: DurationField


class CorrectedBins(TrafficTrouble):
    """Minutes of the span first show other numbers, until so long after their end."""

    kind: Literal["corrected_bins"]
    resource: str = ""
    after: DurationField
    first: float = Field(default=1.0, ge=0)
    """What is shown at first, as a multiple of the final number of answers."""
    first_errors: float | None = Field(default=None, ge=0)
    """The same of 5xx answers, where it differs."""


class DomainOffline(Trouble):
    """A vendor reports the domain in another state than online."""

    kind: Literal["domain_offline"]
    status: str = "offline"


class StuckChange(Trouble):
    """A change of the domain's configuration does not come to its end."""

    kind: Literal["stuck_change"]
    status: str = "configuring"


class DomainGone(Trouble):
    """A vendor no longer lists the domain."""

    kind: Literal["domain_gone"]


class CertificateNearExpiry(Trouble):
    """The resource's certificate at the vendor ends so many days after the simulator's start."""

    kind: Literal["certificate_near_expiry"]
    start: MomentField = Moment()
    days_left: float = 5


class CertificateInvalid(Trouble):
    """The vendor calls the resource's certificate invalid or untrusted."""

    kind: Literal["certificate_invalid"]
    valid: bool = False
    trusted: bool = True


class StuckJob(Trouble):
    """A job that begins and does not come to its end within the span."""

    kind: Literal["stuck_job"]
    job: JobKind = "INVALIDATION"


class FailedJob(Trouble):
    """A job that ends badly a minute after it began."""

    kind: Literal["failed_job"]
    job: JobKind = "INVALIDATION"
    status: str = "FAILED"
    """No vendor document gives a word for it."""


class OriginGroupEmpty(Timed):
    """No member of an origin group is active."""

    kind: Literal["origin_group_empty"]
    start: MomentField = Field()
    group: str
    status: str = "inactive"


class FailingApiCalls(Timed):
    """A share of the calls to a vendor's API fails."""

    kind: Literal["failing_api_calls"]
    start: MomentField = Field()
    share: Share
    url: str = ""
    """Only calls of this URL template; none given is all."""
    user: str = ""
    """Only calls of this user."""
    status: str = "500"
    reason: str = "Internal error"


ErrorTrouble: TypeAlias = ErrorBurst | SingleCodeBurst | PartialOutage | ProviderFailing
ResourceTrouble: TypeAlias = (
    ErrorTrouble
    | HitRatioCollapse
    | StrayErrors
    | TrafficLoss
    | FlashCrowd
    | Slowness
    | LateBins
    | CorrectedBins
    | DomainOffline
    | StuckChange
    | DomainGone
    | CertificateNearExpiry
    | CertificateInvalid
    | StuckJob
    | FailedJob
)
AnyTrouble: TypeAlias = Annotated[
    ResourceTrouble | OriginGroupEmpty | FailingApiCalls, Field(discriminator="kind")
]
