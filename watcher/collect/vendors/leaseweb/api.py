"""Leaseweb's calls as it documents them: requests out, its forms of failure as errors of our tree."""

import re
from dataclasses import replace
from typing import Any, Final

import msgspec

from watcher.collect.collector import Window
from watcher.collect.http import Request, Response, by_status
from watcher.collect.words import clean
from watcher.errors import (
    AuthenticationFailed,
    CollectError,
    PermissionMissing,
    RequestRefused,
    VendorFailed,
)
from watcher.model.time import HOUR, MINUTE, Duration, Instant, to_datetime

GRANULARITIES: Final = {5 * MINUTE: "5MIN", 15 * MINUTE: "15MIN", HOUR: "HOUR"}
"""By width of a bin. Days and weeks are left out: where they begin is not documented."""

_SHORT: Final = 4_096
"""Bytes. An answer that only says what went wrong is shorter, so a long one is not read for it."""


class NotForThis(AuthenticationFailed):
    """A 401 of the service: `You are not authorized to view this resource`, be it for the key or for that."""


class Gone(RequestRefused):
    """A 404: there is nothing by that id, or no longer."""


class ErrorBody(msgspec.Struct):
    """The gateway's form, the service's, and what siblings of this API say; each field may be missing."""

    errorCode: Any = None  # noqa: N815 - the vendor's spelling
    errorMessage: Any = None  # noqa: N815
    userMessage: Any = None  # noqa: N815
    detail: Any = None
    """Of a 422: texts, or a list of what is wrong with which field."""


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


def classify(response: Response) -> CollectError | None:
    """An answer's error: by HTTP's status, or by the body's own code where HTTP says 200."""
    body = _error_body(response)
    status = _failing_status(response, body)
    if status < 400:
        return None
    words = _words(response.status, body)
    if body.errorCode == "ACCESS_DENIED" and status < 500:
        return PermissionMissing(words, status=status)
    if status == 404:
        return Gone(words, status=status)
    if status == 401 and body.errorCode is not None:
        return NotForThis(words, status=status)
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
