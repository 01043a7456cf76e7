"""What a person configures of a SwiftFederation source: who signs how, and which domains to read."""

import re
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from watcher.collect.collector import SourceSettings
from watcher.collect.fields import BaseUrl, FineBackfill, Names, problem
from watcher.document.fields import DurationField
from watcher.document.secrets import Secret, SecretUrl
from watcher.model.time import DAY, MINUTE

_SERVICE: Final = re.compile(r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,250}[A-Za-z0-9_])?")
_OURS: Final = frozenset({"host", "content-type", "content-length", "connection", "transfer-encoding"})
"""Headers that the transport or the call itself writes."""


def _services(names: tuple[str, ...]) -> tuple[str, ...]:
    """Domain names as the vendor knows them. Case makes no other domain, so none may stand twice by it."""
    for name in names:
        if not _SERVICE.fullmatch(name):
            raise problem(f"{name!r} is no domain name", "write one such as www.example.com, in ASCII")
    if len({name.lower() for name in names}) < len(names):
        raise problem("a name stands twice", "list each once")
    return names


def _free_header(name: str) -> str:
    if name.lower() in _OURS or name.lower().startswith("x-sfd-"):
        raise problem(f"{name} is a header of the call itself", "name the header that your gateway reads")
    return name


def _version_2_unless_said(auth: Any) -> Any:  # noqa: ANN401 - whatever YAML held
    return {"kind": "sfd_hmac_v2", **auth} if isinstance(auth, dict) else auth


class _Auth(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HmacAuth(_Auth):
    """The vendor's own signature; version 1 is for older hosts."""

    kind: Literal["sfd_hmac_v2", "sfd_hmac_v1"] = "sfd_hmac_v2"
    access_key_id: Secret
    access_key_secret: Secret


class BearerAuth(_Auth):
    """`Authorization: Bearer <token>`."""

    kind: Literal["bearer"]
    token: Secret


class HeaderAuth(_Auth):
    """A header of a gateway in between."""

    kind: Literal["header"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"), AfterValidator(_free_header)]
    value: Secret


class NoAuth(_Auth):
    """Nothing: a gateway in between signs."""

    kind: Literal["none"]


AnyAuth: TypeAlias = Annotated[
    Annotated[HmacAuth | BearerAuth | HeaderAuth | NoAuth, Field(discriminator="kind")],
    BeforeValidator(_version_2_unless_said),
]


class SwiftfederationSettings(SourceSettings):
    """An access key, and the domains whose origins to watch."""

    vendor: Literal["swiftfederation"] = "swiftfederation"
    base_url: BaseUrl = SecretUrl("https://open-api.swiftfederation.com")
    auth: AnyAuth = Field(description="kind: sfd_hmac_v2, with access_key_id and access_key_secret")
    fzone: str = Field(
        "", pattern=r"^[A-Za-z0-9_.-]*$", description="sent as X-SFD-FZone and signed; absent: not sent"
    )
    domains: Annotated[Names, AfterValidator(_services)] = Field(
        description="domain names, as the vendor lists them"
    )
    settle: DurationField = 10 * MINUTE
    overlap: DurationField = 15 * MINUTE
    fine_backfill: FineBackfill = Field(
        2 * DAY, description="how much of the backfill in bins of 5 minutes; what is older, in days"
    )
