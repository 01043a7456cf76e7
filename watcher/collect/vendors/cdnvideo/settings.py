"""What a person configures of a CDNvideo source."""

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from watcher.collect.collector import SourceSettings
from watcher.collect.fields import BaseUrl, Names, problem
from watcher.document.fields import DurationField
from watcher.document.secrets import Secret, SecretUrl
from watcher.model.time import HOUR, MINUTE, Duration

TIERS: Final = ("edge", "origin")
CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")
CODES: Final = (
    *("200", "204", "206", "301", "302", "304", "400", "401", "403", "404", "416", "429"),
    *("500", "501", "502", "503", "504", "505"),
)
METRICS: Final = (
    *(f"{tier}_status_{status}" for tier in TIERS for status in (*CLASSES, *CODES)),
    *(f"{tier}_{what}" for tier in TIERS for what in ("requests_total", "bandwidth", "request_time")),
    *("edge_hit_ratio", "edge_hit_bytes"),
)
"""All that the vendor's page lists."""

EVALUATED: Final = (
    *("edge_requests_total", "edge_status_2xx", "edge_status_3xx", "edge_status_4xx", "edge_status_5xx"),
    *("edge_status_500", "edge_status_502", "edge_status_503", "edge_status_504"),
    *("edge_hit_ratio", "edge_hit_bytes", "edge_bandwidth"),
    *("origin_requests_total", "origin_status_2xx", "origin_status_3xx"),
    *("origin_status_4xx", "origin_status_5xx", "origin_status_500", "origin_status_502"),
    *("origin_status_503", "origin_status_504", "origin_bandwidth"),
)
"""What shipped rules judge. More metrics make the vendor's query slower (504). Edge first: a query cut in
two is then one query a tier, and the classes of a tier still come from one answer."""


def _max_window(window: Duration) -> Duration:
    if window % MINUTE or not MINUTE <= window <= 10 * MINUTE:
        raise problem("the vendor answers for 1 to 10 whole minutes", "write 1m to 10m")
    return window


def _documented(metrics: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := sorted(set(metrics) - set(METRICS)):
        raise problem(f"the vendor has no metric {', '.join(unknown)}", "see docs/vendors/cdnvideo.md")
    return metrics


class CdnvideoSettings(SourceSettings):
    """A CDNvideo login, and which of its accounts to read."""

    vendor: Literal["cdnvideo"] = "cdnvideo"
    base_url: BaseUrl = SecretUrl("https://api.cdnvideo.ru")
    username: Secret | None = None
    password: Secret | None = None
    token: Secret | None = Field(None, description="a token got elsewhere, instead of username and password")
    accounts: Names | None = Field(None, description="names; absent: every active one the login may see")
    fine_backfill: DurationField = Field(HOUR, description="how much of the backfill in 60 s windows")
    max_window: Annotated[DurationField, AfterValidator(_max_window)] = Field(
        10 * MINUTE, description="longest window the vendor answers for; 1m is always safe"
    )
    metrics: Annotated[Names, AfterValidator(_documented)] = Field(
        EVALUATED, description="what to ask for; each one more makes the vendor's query slower"
    )

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        login = (self.username, self.password)
        if self.token is not None and login != (None, None):
            raise problem("both a token and a login", "write token, or username and password, not both")
        if self.token is None and None in login:
            missing = "password" if self.username is not None else "username"
            what = "no credentials" if login == (None, None) else f"{missing} is missing"
            raise problem(what, "write username and password, or token")
        return self
