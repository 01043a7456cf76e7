"""What a person configures of a Leaseweb source."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field

from watcher.collect.collector import SourceSettings
from watcher.collect.fields import BaseUrl, FineBackfill, problem
from watcher.document.fields import DurationField
from watcher.document.secrets import Secret, SecretUrl
from watcher.model.time import DAY, MINUTE

Scale: TypeAlias = Literal["auto", "ratio", "percent"]
View: TypeAlias = Literal["distributions", "providers", "regions", "customers", "totals"]

USUAL_VIEWS: Final[tuple[View, ...]] = ("distributions", "providers")


def _path(path: str) -> str:
    if not path.startswith("/") or path.endswith("/") or not path.isascii() or any(c in path for c in "?# "):
        raise problem(f"{path!r} is no path", "write one such as /statistics/customer")
    return path


def _distinct(views: tuple[View, ...]) -> tuple[View, ...]:
    if len(set(views)) < len(views):
        raise problem("a view stands twice", "list each once")
    return views


Path: TypeAlias = Annotated[str, AfterValidator(_path)]


class LeasewebSettings(SourceSettings):
    """One API key of a Leaseweb customer or reseller."""

    vendor: Literal["leaseweb"] = "leaseweb"
    base_url: BaseUrl = SecretUrl("https://api.leaseweb.com/cdn/v2")
    api_key: Secret
    scope: Literal["customer", "reseller"] = Field("customer", description="whose statistics to read")
    customer_path: Path = Field("/statistics/customer", description="of a customer's time series")
    reseller_path: Path = Field("/statistics/reseller", description="of a reseller's; not in public lists")
    views: Annotated[tuple[View, ...], AfterValidator(_distinct)] = Field(
        USUAL_VIEWS, min_length=1, description="how statistics are grouped; each one costs 7 calls a reading"
    )
    hit_ratio_scale: Scale = Field(
        "auto", description="of CACHEHIT, which the vendor leaves open: 0.93 is ratio, 93.0 is percent"
    )
    labels: Literal["start", "end"] = Field(
        "start", description="whether a point's time is the start of its 5 minutes or their end"
    )
    page_size: int = Field(100, ge=1, le=1_000, description="items asked for in one call of a list")
    every: DurationField = 5 * MINUTE
    settle: DurationField = 15 * MINUTE
    overlap: DurationField = 15 * MINUTE
    backfill: DurationField = DAY
    fine_backfill: FineBackfill = Field(DAY, description="how much of the backfill in bins of 5 minutes")
    limit: float = Field(
        default=1.0, ge=0.001, le=1000, allow_inf_nan=False, description="requests per second to this account"
    )

    @property
    def statistics_path(self) -> str:
        """Where this scope's time series are."""
        return self.reseller_path if self.scope == "reseller" else self.customer_path
