"""The one file that knows apprise: delivers a message to one of its URLs.

apprise blocks, so each send runs in a thread; a send that is given up goes on in its thread and may still
arrive, which the message's key is for. apprise tells no HTTP status and no Retry-After, only log lines.
"""

import logging
import re
import warnings
from functools import cache
from threading import Lock
from types import ModuleType
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import anyio
import anyio.to_thread

from watcher.document.secrets import MASK, SecretUrl
from watcher.errors import DeliveryFailed, DeliveryRejected, SecretUnavailable
from watcher.model.message import Message
from watcher.model.rule import Severity

_MAIL: Final = frozenset(
    {"mailto", "mailtos", "mailgun", "sendgrid", "ses", "o365", "azure", "smtp2go", "postmark", "brevo"}
    | {"resend", "mailersend", "sparkpost", "sendpulse", "groundmail"}
)
"""Schemes that take a whole HTML page; apprise adds the text part where the scheme sends both."""
_OPEN: Final = frozenset({"mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms"})
"""Schemes whose hosts are hosts; elsewhere they may be tokens."""
_HOST: Final = re.compile(r"\d+\.\d+\.\d+\.\d+|[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}", re.IGNORECASE)
_TOKEN_LENGTH: Final = 6
"""Shorter parts of a URL are words, not secrets."""
_LOADING: Final = Lock()


class AppriseSender:
    """One target. Each send builds its own apprise object: a kept one sleeps in its throttle."""

    def __init__(self, url: SecretUrl) -> None:
        """The URL is revealed at each send, so that a changed secret file is followed."""
        self._url = url
        self._limiter: anyio.CapacityLimiter | None = None
        self._sending = False

    async def send(self, message: Message) -> str:
        """Deliver; the answer names the service.

        Raises:
            DeliveryFailed: it was not accepted, or a send given up before has not ended yet.
            DeliveryRejected: apprise cannot read the URL.
        """
        if self._sending:
            raise DeliveryFailed("the attempt before has not ended")
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(1)
        return await anyio.to_thread.run_sync(
            self._blocking, message, abandon_on_cancel=True, limiter=self._limiter
        )

    def _blocking(self, message: Message) -> str:
        self._sending = True
        try:
            return _send(_revealed(self._url), message)
        finally:
            self._sending = False


def problems(url: SecretUrl) -> str | None:
    """What is wrong with a URL, without sending anything; None when apprise can use it."""
    try:
        service, said = _service(url.reveal())
    except SecretUnavailable as error:
        return f"{error}; {error.hint}"
    return said if service is None else None


def redacted(text: str, url: str) -> str:
    """The text without anything of the URL that may be a secret, as written or decoded."""
    plain = _scheme(url) in _OPEN
    parts = re.split(r"[/?&=@:#,]+", url.partition("://")[2])
    secrets = [part for part in parts if len(part) >= _TOKEN_LENGTH and not (plain and _HOST.fullmatch(part))]
    forms = {form for part in (*secrets, urlsplit(url).password or "") for form in (part, unquote(part))}
    for form in sorted(forms - {""}, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def _revealed(url: SecretUrl) -> str:
    try:
        return url.reveal()
    except SecretUnavailable as error:
        raise DeliveryFailed(str(error)) from error


def _send(url: str, message: Message) -> str:
    service, said = _service(url)
    if service is None:
        raise DeliveryRejected(said)
    _address(service, _scheme(url), message)
    apprise = _apprise()
    courier = apprise.Apprise(asset=service.asset)
    courier.add(service)
    body, body_format = _body(service, _scheme(url), message)
    result = courier.notify(
        body=body,
        title=message.title,
        notify_type=_notify_type(message),
        body_format=body_format,
        log_level=logging.WARNING,
    )
    if not result:
        lines = [entry.message for entry in result.logs()]
        raise DeliveryFailed(redacted(lines[-1] if lines else f"apprise says {result.status.name}", url))
    return f"accepted by {service.service_name}"


def _service(url: str) -> tuple[Any, str]:
    """The apprise service of a URL, or None with what is wrong with it."""
    apprise = _apprise()
    if _scheme(url) not in _plugins(apprise):
        return None, f"apprise knows no receiver of the kind {_scheme(url)}://"
    asset = apprise.AppriseAsset(
        app_id="watcher",
        app_desc="watcher",
        app_url="",
        secure_logging=True,
        async_mode=False,
        service_timeout=0,
    )
    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as captured:
        service = apprise.Apprise.instantiate(url, asset=asset)
        lines = captured.getvalue().strip().splitlines()
    return service, f"apprise cannot use this URL: {redacted(' '.join(lines[:1]), url)}"


def _address(service: Any, scheme: str, message: Message) -> None:  # noqa: ANN401 - plugins differ in attributes
    """Add what lets a receiver see a message once, and a mail client thread an incident's messages."""
    mail, webhook = scheme in {"mailto", "mailtos"}, scheme in {"json", "jsons"}
    if mail or webhook:
        service.headers["X-Watcher-Key"] = message.key
    if mail and "id" in message.facts:
        root = f"<{message.facts['id']}@watcher.invalid>"
        service.headers |= {"In-Reply-To": root, "References": root}
    if webhook:
        extras = {"key": message.key, "kind": message.kind, "incidents": _incidents(message)}
        service.payload_extras = extras | service.payload_extras
    overflow = _apprise().OverflowMode
    if scheme not in _MAIL and service.overflow_mode is overflow.UPSTREAM:
        service.overflow_mode = overflow.SPLIT  # a long digest would be refused whole


def _incidents(message: Message) -> object:
    """The incident facts of a message, always as a list."""
    return message.facts.get("incidents", [message.facts] if message.facts else [])


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


def _body(service: Any, scheme: str, message: Message) -> tuple[str, Any]:  # noqa: ANN401 - see above
    """HTML for what takes pages, text for all else; always stated, or apprise sends markup as it stands."""
    formats = _apprise().NotifyFormat
    if scheme in _MAIL and service.resolve_format(formats.HTML) is formats.HTML:
        return message.html, formats.HTML
    return message.text, formats.TEXT


def _notify_type(message: Message) -> Any:  # noqa: ANN401 - an enumeration known at the first use
    kinds = _apprise().NotifyType
    if message.recovery:
        return kinds.SUCCESS
    by_severity = {
        Severity.CRITICAL: kinds.FAILURE,
        Severity.WARNING: kinds.WARNING,
        Severity.INFO: kinds.INFO,
    }
    return by_severity[message.severity]


def _plugins(apprise: Any) -> Any:  # noqa: ANN401 - apprise's managers are untyped
    """All schemes there are: the one instance of apprise's manager."""
    return apprise.NotificationManager()


def _apprise() -> ModuleType:
    """Loaded at the first use, for it takes a second; its loggers kept from printing payloads."""
    with _LOADING:
        return _load()


@cache
def _load() -> ModuleType:
    import apprise  # noqa: PLC0415 - see above

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the mail plugin imports imghdr
        _plugins(apprise).load_modules()
    own = logging.getLogger("apprise")
    own.propagate = False
    own.setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    return apprise
