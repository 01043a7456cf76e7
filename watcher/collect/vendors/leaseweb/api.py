"""Leaseweb's calls as it documents them: requests out, its forms of failure as errors of our tree."""

import re
from dataclasses import replace
from typing import Any, Final, TypeVar

import msgspec

from watcher.collect.collector import Window
from watcher.collect.http import Handler, Middleware, Request, Response, by_status
from watcher.document.secrets import Secret
from watcher.errors import (
    AuthenticationFailed,
    CollectError,
    ContractBroken,
    PermissionMissing,
    RequestRefused,
    SecretUnavailable,
    VendorFailed,
)
from watcher.model.time import HOUR, MINUTE, Duration, Instant, parse_rfc3339, to_datetime

HEADER: Final = "X-LSW-Auth"
GRANULARITIES: Final = {5 * MINUTE: "5MIN", 15 * MINUTE: "15MIN", HOUR: "HOUR"}
"""By width of a bin. Days and weeks are left out: where they begin is not documented."""

T = TypeVar("T")

_SHORT: Final = 4_096
"""Bytes. An answer that only says what went wrong is shorter, so a long one is not read for it."""
_SECRET: Final = re.compile(r"[A-Za-z0-9_+/=-]{32,}")
"""What may be an echoed key. A correlation id looks the same and would make each message a new one."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?P<zone>Z|[+-]\d\d:\d\d)?", re.ASCII)
_LONGEST_ID: Final = 256


class Gone(RequestRefused):
    """A 404: there is nothing by that id, or no longer."""


class ErrorBody(msgspec.Struct):
    """The gateway's form, the service's, and what siblings of this API say; each field may be missing."""

    errorCode: Any = None  # noqa: N815 - the vendor's spelling
    errorMessage: Any = None  # noqa: N815
    userMessage: Any = None  # noqa: N815
    detail: Any = None
    """Of a 422: texts, or a list of what is wrong with which field."""


def authenticated(key: Secret) -> Middleware:
    """Sends the API key with each request; read anew each time, so that a changed one is used at once."""

    async def send_key(request: Request, call_next: Handler) -> Response:
        return await call_next(replace(request, headers={**request.headers, HEADER: _revealed(key)}))

    return send_key


def statistics_request(url: str, metric: str, group_by: str, labels: Window, width: Duration) -> Request:
    """One metric by group. Both ends are inclusive: `labels` is the first and the last point asked for."""
    query = [("fromDt", second(labels.start)), ("toDt", second(labels.end)), ("metric", metric)]
    if group_by:
        query.append(("groupBy", group_by))
    query.append(("granularity", GRANULARITIES[width]))
    return Request("GET", url, query, classify=classify)


def list_request(url: str, *, limit: int, offset: int) -> Request:
    """One page of a list. Default sizes differ by list, so both are always said."""
    return Request("GET", url, (("limit", str(limit)), ("offset", str(offset))), classify=classify)


def item_request(url: str) -> Request:
    """One item by its id."""
    return Request("GET", url, classify=classify)


def second(instant: Instant) -> str:
    """`2024-07-14T13:40:00`: UTC, without a zone."""
    return to_datetime(instant).strftime("%Y-%m-%dT%H:%M:%S")


def parse_time(text: str | None, what: str) -> Instant | None:
    """The instant of any of this vendor's times; one without a zone is UTC. None for null and `""`.

    Raises:
        ContractBroken: no time; `what` names it.
    """
    if not text:
        return None
    form = _TIME.fullmatch(text)
    try:
        if form is not None:
            return parse_rfc3339(text if form["zone"] else f"{text}Z")
    except (ValueError, OverflowError):
        pass  # a 31st of February
    raise ContractBroken(f"{what} is {clean(text, 40)!r}, which is no time")


def converted(row: object, kind: type[T], what: str) -> T:
    """A decoded JSON value as a struct.

    Raises:
        ContractBroken: it has another shape.
    """
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as error:
        raise ContractBroken(f"{what}: {error}") from error


def checked_id(text: str, what: str) -> str:
    """A text that is to become a label or part of a path.

    Raises:
        ContractBroken: it is empty, not printable or far too long.
    """
    if not text.isprintable() or not 0 < len(text) <= _LONGEST_ID:
        raise ContractBroken(f"{what} {clean(text, 40)!r}")
    return text


def clean(text: object, limit: int = 200) -> str:
    """A vendor's text for a message: one line, printable, short, without anything like a key."""
    if not isinstance(text, str):
        return ""
    masked = _SECRET.sub("***", text)  # before it is cut: the rest of a key looks like none
    return " ".join("".join(c if c.isprintable() else " " for c in masked[: 10 * limit]).split())[:limit]


def classify(response: Response) -> CollectError | None:
    """An answer's error: by HTTP's status, or by the body's own code where HTTP says 200.

    401 is a rejected key, 403 and `ACCESS_DENIED` a key that may not see this: other keys stay tried.
    """
    body = _error_body(response)
    status = _failing_status(response, body)
    if status < 400:
        return None
    words = _words(status, body)
    if body.errorCode == "ACCESS_DENIED" and status < 500:
        return PermissionMissing(words, status=status)
    if status == 404:
        return Gone(words, status=status)
    error = by_status(replace(response, status=status)) or VendorFailed(words)
    return type(error)(words, status=status, retry_after=error.retry_after)


_ERROR_BODY: Final = msgspec.json.Decoder(ErrorBody)


def _error_body(response: Response) -> ErrorBody:
    if response.status < 400 and len(response.body) > _SHORT:
        return ErrorBody()
    try:
        return _ERROR_BODY.decode(response.body[: 16 * _SHORT])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ErrorBody()  # a failure without a documented body is judged by HTTP's status alone


def _failing_status(response: Response, body: ErrorBody) -> int:
    """The body's code counts only where HTTP says that all is well; the gateway's own codes are failures."""
    code = body.errorCode
    if response.status >= 400 or not isinstance(code, str | int) or not isinstance(body.errorMessage, str):
        return response.status
    text = str(code)
    return int(text) if re.fullmatch("[45][0-9][0-9]", text) else 403 if text == "ACCESS_DENIED" else 500


def _words(status: int, body: ErrorBody) -> str:
    said = clean(body.errorMessage) or clean(body.userMessage) or _details(body.detail)
    code = clean(body.errorCode, 40)
    shown = f" ({code})" if code and code != str(status) else ""
    return f"HTTP {status}: {said}{shown}" if said else f"HTTP {status}{shown}"


def _details(detail: object) -> str:
    """What a 422 says is wrong, field by field."""
    if not isinstance(detail, list):
        return clean(detail)
    return clean("; ".join(filter(None, map(_detail, detail[:5]))))


def _detail(entry: object) -> str:
    if not isinstance(entry, dict):
        return clean(entry)
    path = entry.get("loc")
    where = ".".join(str(part)[:40] for part in path[:5]) if isinstance(path, list) else ""
    return ": ".join(filter(None, (clean(where), clean(entry.get("msg")))))


def _revealed(key: Secret) -> str:
    try:
        value = key.reveal()
    except SecretUnavailable as error:
        raise AuthenticationFailed(f"{error}; {error.hint}") from error
    if not value.isascii() or not value.isprintable():
        raise AuthenticationFailed("the API key holds characters that no header can carry")
    return value
