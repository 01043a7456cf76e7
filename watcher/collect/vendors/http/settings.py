"""What a person configures of HTTP probes: URLs, and what a good answer is."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import SchemaError

from watcher.collect.collector import SourceSettings
from watcher.collect.fields import is_address, problem
from watcher.collect.hosts import ascii_name, is_ip
from watcher.collect.probing import ProbeTimeout
from watcher.collect.vendors.http.answer import body_pattern, status_range
from watcher.document.context import context_of
from watcher.document.credentials import SECRET_NAME
from watcher.document.fields import DurationField
from watcher.document.secrets import Secret, SecretUrl
from watcher.errors import SecretUnavailable
from watcher.model.time import MINUTE, SECOND

ANY_BUT_FAILED: Final = ("200-499",)
"""What is expected of a domain of which nothing is known but its name: that somebody answers for it."""
_USER: Final = re.compile(r"(?<=://)[^/?#]*@")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_TEXT: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


def _url(url: SecretUrl) -> SecretUrl:
    try:
        text = url.reveal()
    except SecretUnavailable:
        return url  # nothing is known of it yet
    if not is_address(text):
        raise problem("url is not an HTTP address", "write https://host/path")
    host = urlsplit(text).hostname or ""
    if not is_ip(host):
        try:
            ascii_name(host)
        except ValueError as error:
            raise problem(f"url: {error}", "write https://host/path") from error
    return url


def _statuses(value: Any) -> Any:  # noqa: ANN401 - whatever YAML held
    """One or a list of `200`, `2xx`, `200-299` as texts."""
    given = value if isinstance(value, list | tuple) else [value]
    texts = [str(one) if isinstance(one, int | str) and not isinstance(one, bool) else "" for one in given]
    if not texts or not all(map(status_range, texts)):
        raise problem("expect_status is no HTTP status", "write 200, 2xx, 200-299 or a list of these")
    return tuple(texts)


def _body(text: str) -> str:
    if text.startswith("~"):
        try:
            body_pattern(text[1:])
        except SchemaError as error:
            why = str(error).strip().splitlines()[-1].strip().removeprefix("error: ")
            raise problem(
                f"{text!r} is not a regular expression: {why}", "write text, or ~ and a pattern"
            ) from error
    return text


def _header(value: Any, info: ValidationInfo) -> str | Secret:  # noqa: ANN401 - whatever YAML held
    if isinstance(value, str):
        if not _HEADER_TEXT.fullmatch(value):
            raise problem("the header holds a control character", "write it on one line")
        return value
    return Secret.read(value, context_of(info))


ProbeUrl: TypeAlias = Annotated[SecretUrl, AfterValidator(_url)]
Statuses: TypeAlias = Annotated[
    tuple[str, ...],
    BeforeValidator(_statuses, json_schema_input_type=int | str | list[int | str]),
]
BodyText: TypeAlias = Annotated[str, AfterValidator(_body)]
HeaderValue: TypeAlias = Annotated[str | Secret, PlainValidator(_header, json_schema_input_type=str | Secret)]


class HttpTarget(BaseModel):
    """One URL, and what a good answer is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: ProbeUrl
    method: Literal["GET", "HEAD"] = "GET"
    expect_status: Statuses = Field(("2xx",), description="200, 2xx, 200-299, or a list of these")
    expect_body: BodyText = Field("", description="text that the body holds, or ~regex found in it")
    follow_redirects: bool = Field(default=False, description="judge the answer that redirects lead to")
    max_redirects: int = Field(5, ge=1, le=20, description="how many are followed")
    headers: Mapping[str, HeaderValue] = Field(
        default_factory=dict, description="to send; a value may be a secret"
    )
    per_address: bool = Field(default=False, description="probe each address of the host by itself")
    provider: str = Field("", description="which CDN or cloud answers there, as a label")
    timeout: ProbeTimeout | None = Field(None, description="of one probe; default: the source's")

    @field_validator("headers")
    @classmethod
    def _names_and_secrets(cls, headers: Mapping[str, str | Secret]) -> Mapping[str, str | Secret]:
        """What stands under a name such as `Authorization` is a secret, however it is written."""
        for name in headers:
            if not _HEADER_NAME.fullmatch(name):
                raise problem(f"{name!r} is no name of a header", "write one such as Accept")
        return {
            name: Secret(text=value) if isinstance(value, str) and value and _is_secret(name) else value
            for name, value in headers.items()
        }

    @model_validator(mode="after")
    def _head_has_no_body(self) -> Self:
        if self.method == "HEAD" and self.expect_body:
            raise problem("the answer to HEAD has no body", "write method: GET to look at the body")
        return self

    @property
    def label(self) -> str:
        """The URL as it may be seen: without user, fragment and what may be a secret in the query."""
        return _USER.sub("", self.url.masked()).partition("#")[0]

    @property
    def host(self) -> str:
        """Of the URL.

        Raises:
            SecretUnavailable: the URL is given by reference, and cannot be had now.
        """
        return urlsplit(self.url.reveal()).hostname or ""


class HttpSettings(SourceSettings):
    """A list of URLs to ask for."""

    vendor: Literal["http"] = "http"
    targets: tuple[HttpTarget, ...] = Field((), description="what to ask for")
    discover: bool = Field(
        default=False, description="also https://NAME/ of the domains that other sources know"
    )
    expect_status: Statuses = Field(
        ANY_BUT_FAILED, description="of discovered domains; targets have their own"
    )
    every: DurationField = MINUTE
    timeout: ProbeTimeout = Field(10 * SECOND, description="of one look-up, and of one probe, at most 45s")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if not self.targets and not self.discover:
            raise problem("nothing to probe", "write targets: [{url: https://www.example.com/}]")
        if len({(target.label, target.provider) for target in self.targets}) < len(self.targets):
            raise problem("a target stands twice", "list each URL once, or with another provider")
        if self.proxy is not None and any(target.per_address for target in self.targets):
            raise problem("per_address and proxy exclude each other", "a proxy chooses the address itself")
        return self


def _is_secret(name: str) -> bool:
    return SECRET_NAME.search(name) is not None or "cookie" in name.lower()
