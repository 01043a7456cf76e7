"""The one file that knows apprise: delivers a message to one of its URLs.

apprise blocks, so each send runs in a thread; a send that is given up goes on in its thread and may still
arrive, which the message's key is for. apprise tells no HTTP status and no Retry-After, only log lines.
"""

import json
import logging
import sys
import tempfile
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, Final

import anyio
import anyio.to_thread

from watcher.document.redaction import redact
from watcher.document.secrets import SecretUrl
from watcher.errors import DeliveryFailed, DeliveryRejected, SecretUnavailable
from watcher.model.message import Message
from watcher.model.rule import Severity
from watcher.notify.apprise_log import listening, redacted, set_up
from watcher.notify.voice import Shape

PAGERS: Final = frozenset({"pagerduty", "opsgenie"})
"""Schemes that keep incidents of their own: each of ours is one there, by its id."""

_MAIL: Final = frozenset(
    {"mailto", "mailtos", "mailgun", "sendgrid", "ses", "o365", "azure", "smtp2go", "postmark", "brevo"}
    | {"resend", "mailersend", "sparkpost", "sendpulse", "groundmail"}
)
"""Schemes that take a whole HTML page; apprise adds the text part where the scheme sends both."""
_NO_BLOCKS: Final = "invalid_blocks"
"""What Slack answers to blocks it cannot show."""
_OVER: Final = frozenset({"resolved", "withdrawn"})
_REMEMBERED: Final = 100
"""Messages of which it is remembered who has them already."""
_LOADING: Final = Lock()


class AppriseSender:
    """One target. Each send builds its own apprise object: a kept one sleeps in its throttle."""

    def __init__(self, url: SecretUrl, *, attach: bool = False) -> None:
        """The URL is revealed at each send, so that a changed secret file is followed.

        With `attach` the incidents go along as a JSON file where the service takes files.
        """
        self._url = url
        self._attach = attach
        self._limiter: anyio.CapacityLimiter | None = None
        self._sending = False
        self._reached: dict[str, set[str]] = {}
        """By key of a message that failed: the addresses of its URL that have it."""

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
            return self._send(_revealed(self._url), message)
        finally:
            self._sending = False

    def _send(self, url: str, message: Message) -> str:
        service, refusal = self._attempt(url, message)
        if refusal and message.blocks and _NO_BLOCKS in refusal:
            service, refusal = self._attempt(
                url, replace(message, blocks=())
            )  # the words can go without them
        if refusal:
            raise DeliveryFailed(redact(redacted(refusal, url), self._url.values()))
        return f"accepted by {service}"

    def _attempt(self, url: str, message: Message) -> tuple[str, str]:
        """The service's name, and why it did not take the message; empty where it did."""
        service, said = _service(url)
        if service is None:
            raise DeliveryRejected(said)
        scheme = _scheme(url)
        _address(service, scheme, message)
        before = self._reached.pop(message.key, set())
        if before:
            service.targets = [target for target in service.targets if target[1] not in before]
        with listening() as lines:
            taken, status = _notified(service, scheme, message, attach=self._attach)
        if taken:
            return str(service.service_name), ""
        self._remember(message.key, before | lines.reached)
        return str(service.service_name), lines.words(f"apprise says {status}")

    def _remember(self, key: str, reached: set[str]) -> None:
        """Who has a message that must be sent again to others."""
        if reached:
            self._reached[key] = reached
        while len(self._reached) > _REMEMBERED:
            del self._reached[next(iter(self._reached))]


def problems(url: SecretUrl) -> str | None:
    """What is wrong with a URL, without sending anything; None when apprise can use it."""
    try:
        service, said = _service(url.reveal())
    except SecretUnavailable as error:
        return f"{error}; {error.hint}"
    return said if service is None else None


def shapes(url: SecretUrl) -> frozenset[Shape]:
    """What a message must be made into for this URL beside its text; all while the URL is not known."""
    try:
        scheme = _scheme(url.reveal())
    except SecretUnavailable:
        return frozenset(Shape)
    if scheme in _MAIL:
        return frozenset({Shape.HTML})
    return frozenset({Shape.BLOCKS}) if scheme == "slack" else frozenset()


def is_pager(url: SecretUrl) -> bool:
    """Whether it takes one incident at a time; not while the URL is not known."""
    try:
        return _scheme(url.reveal()) in PAGERS
    except SecretUnavailable:
        return False


def _revealed(url: SecretUrl) -> str:
    try:
        return url.reveal()
    except SecretUnavailable as error:
        raise DeliveryFailed(str(error)) from error


def _notified(service: Any, scheme: str, message: Message, *, attach: bool) -> tuple[bool, str]:  # noqa: ANN401 - plugins differ in attributes
    """Whether it was taken, and apprise's word for how it went."""
    if scheme == "opsgenie" and _ends(message):
        return _closed_at_opsgenie(service, message), "FAILURE"
    apprise = _apprise()
    courier = apprise.Apprise(asset=service.asset)
    courier.add(service)
    body, body_format = _body(service, scheme, message)
    with tempfile.TemporaryDirectory(prefix="watcher-") as folder:
        if scheme == "slack" and message.blocks and not service.template:
            service.template.add(str(_template(Path(folder), message)))
            service.use_blocks = True
        result = courier.notify(
            body=body,
            title=message.title,
            notify_type=_notify_type(message),
            body_format=body_format,
            attach=_file(service, message) if attach else None,
            log_level=logging.WARNING,
        )
    return bool(result), str(result.status.name)


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


def _address(service: Any, scheme: str, message: Message) -> None:  # noqa: ANN401 - see above
    """Add what lets a receiver see a message once, and join those of one incident."""
    mail, webhook = scheme in {"mailto", "mailtos"}, scheme in {"json", "jsons"}
    if mail or webhook:
        service.headers["X-Watcher-Key"] = message.key
    if mail and "id" in message.facts:
        root = f"<{message.facts['id']}@watcher.invalid>"
        service.headers |= {"In-Reply-To": root, "References": root}
    if webhook:
        extras = {"key": message.key, "kind": message.kind, "incidents": message.incidents}
        service.payload_extras = extras | service.payload_extras
    if scheme == "pagerduty" and service.action != "resolve":
        service.action = "resolve" if _ends(message) else "trigger"
        service.dedup = service.dedup or _incident(message)
    if scheme == "opsgenie":
        service.action = "new"  # mapped, information would become a note to what is not there
        service.alias = service.alias or _incident(message)
    overflow = _apprise().OverflowMode
    if scheme not in _MAIL and service.overflow_mode is overflow.UPSTREAM:
        # A long digest would be refused whole; a pager would ring once for each part.
        service.overflow_mode = overflow.TRUNCATE if scheme in PAGERS else overflow.SPLIT


def _incident(message: Message) -> str | None:
    """The id of the one incident that it tells of."""
    return str(message.incidents[0]["id"]) if len(message.incidents) == 1 else None


def _ends(message: Message) -> bool:
    """Whether all it tells of is over: withdrawn and closed ones too must not go on ringing."""
    return bool(message.incidents) and all(facts["status"] in _OVER for facts in message.incidents)


def _closed_at_opsgenie(service: Any, message: Message) -> bool:  # noqa: ANN401 - see above
    """Close by alias: apprise itself closes only what the same object has opened."""
    plugin = sys.modules[type(service).__module__]
    address = f"{plugin.OPSGENIE_API_LOOKUP[service.region_name]}/{service.alias}/close"
    payload = {"source": service.app_desc, "note": message.title}
    taken, _ = service._fetch(plugin.requests.post, address, payload, {"identifierType": "alias"})  # noqa: SLF001 - see above
    return bool(taken)


def _template(folder: Path, message: Message) -> Path:
    """Slack's blocks as the file that apprise takes them in."""
    path = folder / "blocks.json"
    content = {"blocks": [*message.blocks], "color": message.colour, "fallback": message.title}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _file(service: Any, message: Message) -> Any:  # noqa: ANN401 - see above
    """The incidents as a file, where the service takes one."""
    if not service.attachment_support or not message.incidents:
        return None
    from apprise.attachment.memory import AttachMemory  # noqa: PLC0415 - apprise is loaded at its first use

    name = f"{_incident(message) or message.kind}.json"
    content = json.dumps({"incidents": [*message.incidents]}, indent=2, ensure_ascii=False)
    return AttachMemory(content=content, name=name, mimetype="application/json")  # type: ignore[no-untyped-call]


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


def _body(service: Any, scheme: str, message: Message) -> tuple[str, Any]:  # noqa: ANN401 - see above
    """HTML for what takes pages, text for all else; always stated, or apprise sends markup as it stands."""
    formats = _apprise().NotifyFormat
    if scheme in _MAIL and message.html and service.resolve_format(formats.HTML) is formats.HTML:
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
    set_up()
    return apprise
