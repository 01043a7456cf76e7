"""DescribeDomainsBySource as Alibaba Cloud documents it: the request, and its words for failure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any, Final
from urllib.parse import quote

import msgspec

from watcher.collect.http import Request, Response, by_status, retry_after
from watcher.collect.words import clean
from watcher.errors import (
    AuthenticationFailed,
    ClockSkewed,
    CollectError,
    PermissionMissing,
    QuotaExceeded,
    RequestRefused,
    VendorFailed,
)

ACTION: Final = "DescribeDomainsBySource"
VERSION: Final = "2018-05-10"
BATCH: Final = 20
"""Sources of one call. The vendor documents no limit."""
LONGEST: Final = 4_000
"""Characters of one call's sources as they are sent: gateways take about 8 000 of a URL."""

_NOT_FOUND: Final = "InvalidSources.NotFound"
_SHORT: Final = 4_096
"""Bytes. An answer that only says what went wrong is shorter, so a long one is not read for it."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_XML: Final = re.compile(r"<(Code|Message|RequestId)>([^<]*)</\1>")


class SourcesMalformed(RequestRefused):
    """Some source of the call is no address; the vendor does not say which."""


class SignatureRefused(AuthenticationFailed):
    """The vendor computes another signature. Its message holds what it signed: nobody may see that."""

    vendor_signed: str = ""
    """The message, for comparison alone."""


_FAMILIES: Final[Mapping[str, type[CollectError]]] = {
    "InvalidSources.Malformed": SourcesMalformed,
    "SignatureDoesNotMatch": SignatureRefused,
    "IncompleteSignature": SignatureRefused,
    "InvalidAccessKeyId": AuthenticationFailed,
    "MissingAccessKeyId": AuthenticationFailed,
    "InvalidSecurityToken": AuthenticationFailed,
    "MissingSecurityToken": AuthenticationFailed,
    "Forbidden": PermissionMissing,
    "NoPermission": PermissionMissing,
    "InvalidTimeStamp": ClockSkewed,
    "IllegalTimestamp": ClockSkewed,
    "Throttling": QuotaExceeded,
    "FlowControlError": QuotaExceeded,
    "ServiceBusy": QuotaExceeded,
    "SignatureNonceUsed": RequestRefused,
    "MissingParameter": RequestRefused,
    "InvalidAction": RequestRefused,
    "NoSuchVersion": RequestRefused,
    "InternalError": VendorFailed,
    "ServiceUnavailable": VendorFailed,
}
"""By how a code begins: the vendor refines codes after a dot. Any of them may come with HTTP 400."""


class _Envelope(msgspec.Struct, rename="pascal"):
    code: Any = ""
    message: Any = ""
    request_id: Any = ""


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says of itself; empty where it does not, or says what is no text."""

    code: str = ""
    message: str = ""
    request_id: str = ""


def domains_request(base: str, origins: Sequence[str]) -> Request:
    """The call for some origins, unsigned.

    POST as the vendor's own SDKs: an HTTP client may send a GET twice when a connection breaks, and so a
    nonce twice.
    """
    return Request("POST", f"{base}/", (("Sources", ",".join(origins)),), classify=classify)


def batches(origins: Sequence[str]) -> Iterator[Sequence[str]]:
    """Origins in order, as many a call as is wise."""
    batch: list[str] = []
    length = 0
    for origin in origins:
        added = len(quote(f",{origin}", safe=""))
        if batch and (len(batch) == BATCH or length + added > LONGEST):
            yield batch
            batch, length = [], 0
        batch.append(origin)
        length += added
    if batch:
        yield batch


def classify(response: Response) -> CollectError | None:
    """An answer's error by its `Code`, which says more than HTTP's status: throttling is a 400."""
    if 200 <= response.status < 300 and len(response.body) > _SHORT:
        return None
    said = read_words(response)
    if said.code == _NOT_FOUND:
        return None
    family = _family(said.code)
    if family is None:
        unknown = by_status(response)
        if unknown is None:
            return None
        family = type(unknown)
    error = family(_words(said, response), status=response.status, retry_after=retry_after(response))
    if isinstance(error, SignatureRefused):
        error.vendor_signed = said.message
    return error


def is_not_found(response: Response) -> bool:
    """Whether it says that none of the sources feeds a domain: an answer, and not a failure."""
    return len(response.body) <= _SHORT and read_words(response).code == _NOT_FOUND


def read_words(response: Response) -> Said:
    """Code, message and request id of an answer, in JSON or in XML."""
    body = response.body[: 16 * _SHORT]
    if body.lstrip()[:1] == b"<":
        found = {name: unescape(text) for name, text in _XML.findall(body.decode("utf-8", errors="replace"))}
        return _said(found.get("Code"), found.get("Message"), found.get("RequestId"))
    try:
        envelope = _ENVELOPE.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Said()  # what has no such body is judged by HTTP's status alone
    return _said(envelope.code, envelope.message, envelope.request_id)


def some(names: Sequence[str]) -> str:
    """The first few of them, for a message."""
    more = len(names) - 5
    return ", ".join(names[:5]) + (f" and {more} more" if more > 0 else "")


def _said(code: object, message: object, request_id: object) -> Said:
    return Said(
        clean(code, 80),
        message if isinstance(message, str) else "",
        request_id if isinstance(request_id, str) and _REQUEST_ID.fullmatch(request_id) else "",
    )


def _family(code: str) -> type[CollectError] | None:
    return next((family for start, family in _FAMILIES.items() if code.startswith(start)), None)


def _words(said: Said, response: Response) -> str:
    """The vendor's words; of a refused signature only the code, since its message holds what was signed."""
    secretive = _family(said.code) is SignatureRefused
    parts = (said.code, "" if secretive else clean(said.message))
    words = ": ".join(part for part in parts if part)
    where = f"HTTP {response.status}" + (f", request {said.request_id}" if said.request_id else "")
    return f"{words} ({where})" if words else where
