"""Huawei's calls as it documents them: requests out, its words for success and failure back."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import orjson

from watcher.collect.collector import Window
from watcher.collect.http import Request, Response, by_status
from watcher.collect.vendors.huawei_dsc.settings import IamAuth
from watcher.collect.words import clean
from watcher.errors import (
    AuthenticationFailed,
    ClockSkewed,
    CollectError,
    ContractBroken,
    PermissionMissing,
    QuotaExceeded,
    RequestRefused,
)
from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Duration, parse_rfc3339

RECORDS: Final = "/openapi/called-records"
PAGE_SIZE: Final = 2000
"""The most that the vendor gives."""
TOKEN_LIVES: Final[Duration] = DAY
CLOCK_PAUSE: Final = 5 * MINUTE / SECOND
"""Seconds. Signatures it calls too old count as bad ones, and five of these in a row lock the key."""

_SHORT: Final = 65_536
"""Bytes of a failing answer that are read for its reason."""
"""What may be an echoed token or key."""
_CLOCK: Final = re.compile(
    r"signature (?:has )?expired|signature time|x-sdk-date|time ?stamp|\bclock\b", re.IGNORECASE
)
"""In a 401: `calc aksk signature fail:signature expired, signature time:20211217T064303Z,server time:...`."""
_RATE: Final = re.compile(r"time:\s*(\d{1,6})\s*(second|minute|hour|day)", re.IGNORECASE)
"""In a 429: `policy user over ratelimit,limit:2,time:1 minute`."""
_UNITS: Final = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY}
_NO_SUCH_API: Final = "apig.0101"
_REJECTED: Final = "apig.0301"
_THROTTLED: Final = "apig.0308"


@dataclass(frozen=True, slots=True)
class Fault:
    """What an answer says went wrong; the code in lower case, and `apigw` as `apig`."""

    code: str = ""
    text: str = ""

    def words(self, status: int) -> str:
        """For people."""
        shown = ": ".join(filter(None, (self.code, self.text)))
        return f"HTTP {status}, {shown}" if shown else f"HTTP {status}"


def records_url(base: str, project_id: str) -> str:
    """Where the records of a project are."""
    return f"{base}/v1/{project_id}{RECORDS}"


def records_request(url: str, window: Window, *, limit: int, marker: str = "") -> Request:
    """Counters and up to `limit` records of a window.

    Whether the vendor's bounds are inclusive is not documented: with `end - 1` no record is counted twice.
    The query is sorted, as it is signed.
    """
    query = [("end_time", str(window.end - 1)), ("limit", str(limit))]
    if marker:
        query.append(("marker", marker))
    query.append(("start_time", str(window.start)))
    return Request("GET", url, query, {"Content-Type": "application/json"}, classify=classify)


def login_request(iam_url: str, auth: IamAuth, login: tuple[str, str], project_id: str) -> Request:
    """The token call; `login` is name and password. A rejected one counts, so it is never repeated."""
    username, password = login
    user = {"name": username, "password": password, "domain": {"name": auth.domain}}
    project = {"id": project_id} if auth.project is None else {"name": auth.project}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = orjson.dumps({"auth": {"identity": identity, "scope": {"project": project}}})
    headers = {"Content-Type": "application/json"}
    return Request(
        "POST", f"{iam_url}/v3/auth/tokens", (), headers, body=body, classify=classify, retry=False
    )


def parse_login(response: Response) -> tuple[str, Duration]:
    """The token and how long it lives; a day where the answer does not say, or says what cannot be.

    Raises:
        ContractBroken: no usable token in the answer.
    """
    token = response.headers.get("x-subject-token", "")
    if response.status not in {200, 201} or not (token and token.isascii() and token.isprintable()):
        raise ContractBroken(f"no usable token: HTTP {response.status}", status=response.status)
    return token, _lifetime(_decoded(response.body))


def classify(response: Response) -> CollectError | None:
    """An answer's error, by HTTP's status and the code in the body."""
    status = response.status
    plain = by_status(response)
    if plain is None:
        return None
    fault = fault_of(response)
    family = _family(status, fault) or type(plain)
    wait = plain.retry_after
    if family is QuotaExceeded and wait is None:
        wait = _period(fault.text)
    if family is ClockSkewed:
        wait = CLOCK_PAUSE
    return family(fault.words(status), status=status, retry_after=wait)


def _family(status: int, fault: Fault) -> type[CollectError] | None:
    if fault.code == _THROTTLED:
        return QuotaExceeded
    if status == 401 or fault.code == _REJECTED:
        return ClockSkewed if _CLOCK.search(fault.text) else AuthenticationFailed
    if status == 404:
        return RequestRefused if fault.code == _NO_SUCH_API else PermissionMissing
    return None


def _period(text: str) -> float | None:
    """Seconds that a quota is counted in, where the vendor names it; an hour at most."""
    found = _RATE.search(text)
    return None if found is None else min(int(found[1]) * _UNITS[found[2].lower()], HOUR) / SECOND


def fault_of(response: Response) -> Fault:
    """What a failing answer says; empty where it is not of a known form."""
    body = _decoded(response.body[:_SHORT])
    inner = body.get("error")
    said = inner if isinstance(inner, dict) else body
    code, text = (_first(said, names) for names in (("error_code", "code"), ("error_msg", "message")))
    return Fault(clean(code, 40).lower().replace("apigw.", "apig."), clean(text))


def _first(body: dict[str, Any], names: Sequence[str]) -> str:
    values = (body.get(name) for name in names)
    return next((str(value) for value in values if isinstance(value, str | int)), "")


def _decoded(content: bytes) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _lifetime(body: dict[str, Any]) -> Duration:
    """By the vendor's own times, so that clocks may differ."""
    token = body.get("token")
    times = token if isinstance(token, dict) else {}
    try:
        lifetime = parse_rfc3339(str(times.get("expires_at"))) - parse_rfc3339(str(times.get("issued_at")))
    except (ValueError, OverflowError):
        return TOKEN_LIVES
    return lifetime if MINUTE <= lifetime <= 30 * DAY else TOKEN_LIVES
