"""Receivers as the configuration gives them: who can be told, and by which ways."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Annotated, Any, Final, TypeAlias
from zoneinfo import ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from watcher.document.context import context_of
from watcher.document.credentials import scheme
from watcher.document.fields import DurationField
from watcher.document.secrets import Secret, SecretUrl
from watcher.errors import SecretUnavailable
from watcher.model.time import DAY, MINUTE, format_duration, zone_of
from watcher.notify.rate import USUAL, RateField

ENCODED: Final = "whsec_"
"""Before a secret in base64, as Standard Webhooks writes it; any other is taken as it stands."""
SLACK_API: Final = "https://slack.com/api"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _web(url: SecretUrl) -> SecretUrl:
    if url.whole is None and scheme(url.template) not in {"http", "https"}:
        raise ValueError("expected a URL that begins with https:// or http://")
    return url


def _zone(name: str) -> str:
    try:
        zone_of(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        if not available_timezones():
            what = f"{name!r} cannot be looked up: no time zones are installed here"
            raise ValueError(f"{what}; install the package tzdata, or write UTC") from None
        raise ValueError(f"{name!r} is no time zone; write one as Europe/Berlin, or UTC") from None
    return name


def _public(url: str) -> str:
    if url and scheme(url) not in {"http", "https"}:
        raise ValueError("expected a URL that begins with https:// or http://")
    return url


def _known(secret: Secret, info: ValidationInfo) -> str:
    """The value, where it may be looked at now; else nothing: whether it must be there is asked elsewhere."""
    context = context_of(info)
    if not secret.literal and (context is None or not context.secrets):
        return ""
    try:
        return secret.reveal()
    except SecretUnavailable:
        return ""


PublicUrl: TypeAlias = Annotated[str, AfterValidator(_public)]
WebUrl: TypeAlias = Annotated[SecretUrl, AfterValidator(_web)]
ZoneName: TypeAlias = Annotated[str, AfterValidator(_zone)]


class WebhookSettings(_Section):
    """Posts of our own JSON, signed."""

    url: WebUrl = Field(description="where to post, https://...")
    secret: Secret | None = Field(default=None, description="signs each post: HMAC-SHA256 of time and body")
    headers: dict[str, Secret] = Field(
        default_factory=dict, description="sent with each post, as Authorization: {env: HOOK_AUTH}"
    )

    @field_validator("secret")
    @classmethod
    def _is_a_key(cls, secret: Secret | None, info: ValidationInfo) -> Secret | None:
        value = "" if secret is None else _known(secret, info)
        if value.startswith(ENCODED):
            try:
                base64.b64decode(value.removeprefix(ENCODED), validate=True)
            except binascii.Error:
                raise ValueError(f"it begins with {ENCODED}, and what follows is not base64") from None
        return secret


class AlertmanagerSettings(_Section):
    """An Alertmanager, whose routes and silences go on working."""

    url: WebUrl = Field(description="its address, http://alertmanager:9093")
    expires: DurationField = Field(
        default=DAY, description="how long an alert stands there without a word from watcher"
    )
    resend: DurationField = Field(
        default=MINUTE, description="how often it is told again of what stands, as it forgets at a restart"
    )

    @model_validator(mode="after")
    def _stands_until_told_again(self) -> "AlertmanagerSettings":
        """One lost resend must not end an alert that stands."""
        if self.expires <= 2 * self.resend:
            expires, resend = format_duration(self.expires), format_duration(self.resend)
            raise ValueError(
                f"`expires` ({expires}) must exceed twice `resend` ({resend}), or alerts end by themselves"
            )
        return self


class SlackSettings(_Section):
    """A Slack app that may post: one thread an incident."""

    token: Secret = Field(description="the bot's token, xoxb-..., with the scope chat:write")
    channel: str = Field(min_length=1, description="the channel's id, as C0123456789, or its #name")
    api_url: WebUrl = Field(default=SecretUrl(SLACK_API), description="another address of Slack's API")

    @field_validator("token")
    @classmethod
    def _is_a_bot_s(cls, token: Secret, info: ValidationInfo) -> Secret:
        value = _known(token, info)
        if value and not value.startswith("xoxb-"):
            raise ValueError("it is not a bot's token, which begins with xoxb-")
        return token


class HeartbeatSettings(_Section):
    """A dead man's switch: an address that is asked while all is well, and raises the alarm when not."""

    url: WebUrl = Field(description="what is asked, https://hc-ping.com/...")
    every: DurationField = Field(default=MINUTE, gt=0, description="how often")

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, value: Any) -> Any:  # noqa: ANN401 - whatever YAML held
        """The URL alone is what most people try first."""
        if isinstance(value, str):
            raise ValueError("expected a mapping, as {url: https://..., every: 1m}")  # noqa: TRY004 - for pydantic
        return value


Target: TypeAlias = SecretUrl | WebhookSettings | AlertmanagerSettings | SlackSettings
"""One way to tell; a `SecretUrl` is apprise's."""


class ReceiverSettings(_Section):
    """Somebody to tell: each way is a target of its own."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="unique name of the receiver")
    urls: tuple[SecretUrl, ...] = Field(default=(), min_length=1, description="apprise URLs, one target each")
    webhook: WebhookSettings | None = None
    alertmanager: AlertmanagerSettings | None = None
    slack: SlackSettings | None = None
    rate: RateField = Field(
        default=USUAL, description="messages each of its targets takes, as 10/1m; more become digests"
    )
    zone: ZoneName = Field(default="UTC", description="the time zone of its messages, as Europe/Berlin")
    attach: bool = Field(
        default=False, description="attach the incident as JSON where an apprise URL takes attachments"
    )

    @model_validator(mode="after")
    def _can_be_told(self) -> "ReceiverSettings":
        if not self.targets():
            raise ValueError("a receiver needs one of `urls`, `webhook`, `alertmanager` and `slack`")
        return self

    def targets(self) -> dict[str, Target]:
        """Ways by target, `mail/0`: the URLs in their order, then webhook, Alertmanager, Slack."""
        native = (self.webhook, self.alertmanager, self.slack)
        ways: list[Target] = [*self.urls, *(way for way in native if way is not None)]
        return {f"{self.name}/{ordinal}": way for ordinal, way in enumerate(ways)}


def marks(receivers: Iterable[ReceiverSettings]) -> Mapping[str, str]:
    """By target, what its address is known by wherever it stands in the file: a digest, of no secret."""
    return {
        target: sha256(_address(way, receiver.name).encode()).hexdigest()[:16]
        for receiver in receivers
        for target, way in receiver.targets().items()
    }


def _address(way: Target, receiver: str) -> str:
    """Its kind and where it leads; references to secrets by their names, secrets not at all."""
    match way:
        case SecretUrl():
            return f"urls {_shown(way, receiver)}"
        case WebhookSettings():
            return f"webhook {_shown(way.url, receiver)}"
        case AlertmanagerSettings():
            return f"alertmanager {_shown(way.url, receiver)}"
        case SlackSettings():
            return f"slack {way.channel} {way.token}"


def _shown(url: SecretUrl, receiver: str) -> str:
    """What is shown of a URL; where that hides a secret, whose it is: without it two may look alike."""
    return f"{url.masked()} {receiver}" if url.literal else url.masked()
