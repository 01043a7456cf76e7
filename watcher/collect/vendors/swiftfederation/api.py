"""The vendor's one call as it documents it: the request out, its words for failure back."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from watcher.collect.collector import Window
from watcher.collect.http import Request, Response, by_status
from watcher.collect.words import clean, printable
from watcher.errors import (
    AuthenticationFailed,
    ClockSkewed,
    CollectError,
    PermissionMissing,
    RequestRefused,
    VendorFailed,
)
from watcher.model.time import DAY, MINUTE, SECOND, Duration, rfc3339

PATH: Final = "/cdn/v1.0/analytics/originHttpCodes"
MOST_NAMES: Final = 50
"""Domains of one call."""
FINE: Final[Duration] = 5 * MINUTE
COARSE: Final[Duration] = DAY
INTERVALS: Final[Mapping[Duration, str]] = {FINE: "minute", COARSE: "day"}
"""The vendor's word for a width: its "minute" is five."""
LONGEST: Final[Mapping[Duration, Duration]] = {FINE: DAY, COARSE: 30 * DAY}
"""The longest window of one call, by width."""

_MOST_READ: Final = 65_536
"""Bytes of a failure's body. One that only says what went wrong is far shorter."""


class UnknownName(RequestRefused):
    """The vendor does not know one of the names asked for, and does not say which."""


_FAMILIES: Final[Mapping[str, type[CollectError]]] = {
    "GetOriginHttpCodes.OperationFailed": VendorFailed,  # a failing backend behind HTTP 400
    "ServiceName.NotFound": UnknownName,
    "Signature.Expired": ClockSkewed,
    "Timestamp.Invalid": ClockSkewed,
    "AccessKeyId.Invalid": AuthenticationFailed,
    "AccessCredential.Invalid": AuthenticationFailed,
    "Signature.NotMatch": AuthenticationFailed,
    "Permission.Forbidden": PermissionMissing,
    "Product.Subscription.Invalid": PermissionMissing,
}
"""Of the vendor's codes that mean something else than their HTTP status does elsewhere."""


class _Question(msgspec.Struct, rename="camel"):
    service_names: Sequence[str]
    start_time: str
    end_time: str
    interval: str


class _Failure(msgspec.Struct):
    code: Any = None
    message: Any = None


def codes_request(base: str, names: Sequence[str], window: Window, width: Duration) -> Request:
    """One window of at most 50 domains, in bins of the width.

    Raises:
        ValueError: what the vendor's page does not allow; a programming error.
    """
    if not 0 < len(names) <= MOST_NAMES:
        raise ValueError(f"one call takes 1 to {MOST_NAMES} names, not {len(names)}")
    if window.start % width or window.end % width or not 0 < window.end - window.start <= LONGEST[width]:
        raise ValueError(f"a window is whole bins, and at most {LONGEST[width] // SECOND} s")
    question = _Question(names, rfc3339(window.start), rfc3339(window.end), INTERVALS[width])
    return Request(
        "POST",
        base + PATH,
        headers={"Content-Type": "application/json; charset=utf-8"},
        body=msgspec.json.encode(question),
        classify=classify,
    )


def classify(response: Response) -> CollectError | None:
    """An answer's error: by the vendor's code where that says more than HTTP's status."""
    error = by_status(response)
    if error is None:
        return None
    failure = _failure(response)
    code = clean(failure.code)
    family = type(error) if response.status >= 500 else _FAMILIES.get(code, type(error))
    message = "" if family is UnknownName else clean(failure.message)  # these words are kept as evidence
    said = ": ".join(filter(None, (code, message)))
    words = traced(f"HTTP {response.status} {said}".rstrip(), response)
    return family(words, status=error.status, retry_after=error.retry_after)


def traced(words: str, response: Response) -> str:
    """With the vendor's id of the call, so that an error can be asked about."""
    trace = trace_id(response)
    return f"{words} (trace {trace})" if trace else words


def trace_id(response: Response) -> str:
    """The id under which the vendor finds the call in its own logs; empty where it gave none."""
    return printable(response.headers.get("x-sfd-trace-id"), 64)


_FAILURE: Final = msgspec.json.Decoder(_Failure)


def _failure(response: Response) -> _Failure:
    """What the body says; nothing where it is not as documented: HTTP's status then judges alone."""
    try:
        return _FAILURE.decode(response.body[:_MOST_READ])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Failure()
