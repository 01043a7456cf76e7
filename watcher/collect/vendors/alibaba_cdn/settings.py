"""What a person configures of an Alibaba Cloud CDN source."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from watcher.collect.collector import SourceSettings
from watcher.collect.fields import BaseUrl, problem
from watcher.collect.hosts import ascii_name
from watcher.document.fields import DurationField
from watcher.document.secrets import Secret, SecretUrl
from watcher.model.time import MINUTE

MOST_PER_SECOND: Final = 30.0
"""Calls that the vendor allows an account, all its callers together."""


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    access_key_id: Secret
    access_key_secret: Secret
    security_token: Secret | None = Field(None, description="of temporary credentials (STS)")


class RpcAuth(_Keys):
    """The classic signature, HMAC-SHA1 in the query. The vendor still accepts it."""

    kind: Literal["rpc"] = Field(description="the classic signature in the query")


class Acs3Auth(_Keys):
    """The signature that the vendor recommends, HMAC-SHA256 in headers."""

    kind: Literal["acs3"] = Field(description="ACS3-HMAC-SHA256 in headers; the vendor recommends it")


Auth: TypeAlias = Annotated[RpcAuth | Acs3Auth, Field(discriminator="kind")]


def _origin(origin: str) -> str:
    if not origin.isprintable() or any(letter in ", /" for letter in origin):
        raise problem("no origin address", "write a host name or an address, without scheme, port or path")
    return origin


def comparable(origin: str) -> str:
    """An origin as DNS writes it, so that it is one however it is spelt; lower case where it is no name."""
    try:
        return ascii_name(origin)
    except ValueError:
        return origin.casefold()


def _distinct(origins: tuple[str, ...]) -> tuple[str, ...]:
    if len({comparable(origin) for origin in origins}) < len(origins):
        raise problem("an origin stands twice", "list each once, in one spelling")
    return origins


class AlibabaCdnSettings(SourceSettings):
    """An access key, and the origins whose domains to watch."""

    vendor: Literal["alibaba_cdn"] = "alibaba_cdn"
    base_url: BaseUrl = SecretUrl("https://cdn.aliyuncs.com")
    auth: Auth = Field(description="kind: acs3 or rpc, access_key_id and access_key_secret")
    origins: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_origin)], ...],
        Field(min_length=1),
        AfterValidator(_distinct),
    ] = Field(description="origin addresses as the vendor knows them; it matches them exactly")
    every: DurationField = 2 * MINUTE
    limit: float = Field(
        default=2.0,
        ge=0.001,
        le=MOST_PER_SECOND,
        allow_inf_nan=False,
        description="requests per second; the vendor allows 30 to all callers of the account together",
    )
