"""What a person configures of a Huawei Cloud DSC source."""

import re
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from watcher.collect.collector import SourceSettings
from watcher.collect.fields import BaseUrl, problem
from watcher.document.fields import DurationField
from watcher.document.secrets import Secret
from watcher.errors import SecretUnavailable
from watcher.model.time import MINUTE

_PROJECT_ID: Final = re.compile(r"[a-z0-9]{32}", re.ASCII)
_ENDPOINT: Final = re.compile(r"https://[a-z]+\.([a-z0-9-]+\.myhuaweicloud\.(?:com|eu))(?::443)?/?", re.ASCII)
"""Of any service: the host after the service's own name is the region's."""


class _Auth(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeyAuth(_Auth):
    """An access key: every request is signed with it."""

    kind: Literal["aksk"]
    access_key: Secret
    secret_key: Secret
    security_token: Secret | None = Field(None, description="goes with a temporary access key")


class TokenAuth(_Auth):
    """A token got elsewhere. It is never renewed."""

    kind: Literal["token"]
    token: Secret


class IamAuth(_Auth):
    """An IAM user: watcher gets tokens with it."""

    kind: Literal["iam"]
    iam_url: BaseUrl | None = Field(None, description="absent: the IAM of base_url's region")
    username: Secret
    password: Secret
    domain: str = Field(min_length=1, description="name of the account, not a DNS name")
    project: str | None = Field(None, min_length=1, description="name of the project; absent: by project_id")


AnyAuth: TypeAlias = Annotated[KeyAuth | TokenAuth | IamAuth, Field(discriminator="kind")]


def _project_id(text: str) -> str:
    if not _PROJECT_ID.fullmatch(text):
        hint = "write the 32 lower-case letters and digits of My Credentials > API Credentials"
        raise problem("not a project id", hint)
    return text


class HuaweiDscSettings(SourceSettings):
    """A project whose API calls are counted, and who asks."""

    vendor: Literal["huawei_dsc"] = "huawei_dsc"
    base_url: BaseUrl
    project_id: Annotated[str, AfterValidator(_project_id)]
    auth: AnyAuth
    overlap: DurationField = 5 * MINUTE
    show_users: bool = Field(
        default=False, description="whether evidence may name who called: evidence is in messages"
    )
    signatures: int = Field(
        default=200, ge=1, le=2000, description="kinds of failing call told apart; the rest is `other`"
    )
    max_pages: int = Field(default=25, ge=1, le=1000, description="pages of 2000 records read for one minute")

    @model_validator(mode="after")
    def _iam_is_known(self) -> Self:
        if isinstance(self.auth, IamAuth) and self.auth.iam_url is None:
            try:
                iam_of(self.base_url.reveal())
            except SecretUnavailable:
                pass  # nothing is known of it yet
            except LookupError:
                hint = "write auth.iam_url, as https://iam.REGION.myhuaweicloud.com"
                raise problem("base_url does not tell where IAM is", hint) from None
        return self


def iam_of(base_url: str) -> str:
    """The IAM of the region that an endpoint is in.

    Raises:
        LookupError: the endpoint is not one of Huawei's own.
    """
    found = _ENDPOINT.fullmatch(base_url)
    if found is None:
        raise LookupError(base_url)
    return f"https://iam.{found[1]}"
