"""What can go wrong at CDNvideo beyond what can go wrong anywhere."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from watcher.simulate.faults import CommonFault, Fault


class Empty(Fault):
    """An answer without rows."""

    kind: Literal["empty"]


class TooLarge(Fault):
    """The query times out when its minutes times its metrics exceed this."""

    kind: Literal["too_large"]
    limit: int = Field(ge=0)


class ExtraMetrics(Fault):
    """Rows carry metrics that no document knows."""

    kind: Literal["extra_metrics"]


class AbsentMetrics(Fault):
    """Rows lack these metrics, though they were asked for."""

    kind: Literal["absent_metrics"]
    metrics: tuple[str, ...] = Field(min_length=1)


class RefusedInside(Fault):
    """The token call answers with HTTP 200, and refuses in the body's `status`."""

    kind: Literal["refused_inside"]
    status: int = Field(default=401, ge=400, le=599)
    description: str = "Invalid username or password"


class EchoedToken(Fault):
    """An error whose description repeats the token that came."""

    kind: Literal["echoed_token"]
    status: int = Field(default=403, ge=400, le=599)


CdnvideoFault: TypeAlias = Annotated[
    CommonFault | Empty | TooLarge | ExtraMetrics | AbsentMetrics | RefusedInside | EchoedToken,
    Field(discriminator="kind"),
]
