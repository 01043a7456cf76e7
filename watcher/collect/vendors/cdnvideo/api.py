"""CDNvideo's calls as it documents them: requests out, its words for success and failure back."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from watcher.collect.collector import Window
from watcher.collect.decode import decode_json
from watcher.collect.http import Request, Response, by_status
from watcher.collect.words import clean
from watcher.errors import CollectError, ContractBroken
from watcher.model.time import MINUTE, Duration, Instant, to_datetime

TOKEN: Final = "/app/oauth/v1/token/"  # noqa: S105 - a path
ACCOUNTS: Final = "/app/inventory/v1/accounts/"
TOTALS: Final = "/app/metrics/v1/"
RESOURCES: Final = "/app/metrics/v1/resources"

_SHORT: Final = 4_096
"""Bytes. An answer that only says what went wrong is shorter, so a long one is not read for it."""
"""What may be an echoed token: its known prefix, or longer than any metric's name."""


class Envelope(msgspec.Struct):
    """The part of an answer that says how it went. The document's text has it, its examples do not."""

    status: Any = None
    description: Any = None


class TokenAnswer(Envelope):
    """`lifetime` is in milliseconds. The prose says `auth_token`, every example says `token`."""

    token: str = ""
    auth_token: str = ""
    lifetime: float | None = None


class Account(msgspec.Struct):
    """One account that the login may see."""

    name: str
    status: str = ""


class AccountsAnswer(msgspec.Struct):
    """The list as the document's general part would have it; in examples it is bare."""

    data: list[Account]


class QueryTimedOut(CollectError):
    """A 504, or no answer in our time: asking the same again is no use, asking for less is.

    So nothing retries it by itself.
    """

    family = "vendor"


def login_request(base: str, username: str, password: str) -> Request:
    """The token call. Wrong passwords are counted and the seventh bans, so it is never simply repeated."""
    form = (("username", username), ("password", password))
    return Request("POST", base + TOKEN, form=form, classify=classify, retry=False)


def accounts_request(base: str) -> Request:
    """The list of accounts."""
    return Request("GET", base + ACCOUNTS, classify=classify)


def metrics_request(url: str, account: str, window: Window, metrics: Sequence[str]) -> Request:
    """One window of one account: by resource or in total, as the URL says.

    Raises:
        ValueError: a window the vendor's page does not allow; a programming error.
    """
    if window.start % MINUTE or window.end % MINUTE:
        raise ValueError("a window starts and ends on a whole minute")
    if not MINUTE <= window.end - window.start <= 10 * MINUTE:
        raise ValueError("a window is 1 to 10 minutes long")
    which = (("account", account), ("start", minute(window.start)), ("end", minute(window.end)))
    query = (*which, *(("metric", metric) for metric in metrics))
    return Request("GET", url, query, classify=classify_query, late=QueryTimedOut)


def minute(instant: Instant) -> str:
    """`2025-07-16T11:00:00`: UTC, seconds 00, and no `Z`."""
    return to_datetime(instant).strftime("%Y-%m-%dT%H:%M:00")


def coarse_width(max_window: Duration) -> Duration:
    """The longest allowed window of which a whole number makes an hour."""
    return max(width for minutes in (1, 2, 3, 4, 5, 6, 10) if (width := minutes * MINUTE) <= max_window)


def classify(response: Response) -> CollectError | None:
    """An answer's error: HTTP's status, or the body's own where HTTP says 200."""
    envelope = _envelope(response)
    status = _failing_status(response, envelope)
    if status < 400:
        return None
    error = by_status(replace(response, status=status))
    if error is None:
        return None
    return type(error)(_words(status, envelope), status=status, retry_after=error.retry_after)


def classify_query(response: Response) -> CollectError | None:
    """The same of a query for metrics, which may have asked for too much at once."""
    error = classify(response)
    return QueryTimedOut(str(error), status=504) if error is not None and error.status == 504 else error


def _words(status: int, envelope: Envelope) -> str:
    text = clean(envelope.description)
    return f"HTTP {status}: {text}" if text else f"HTTP {status}"


_ENVELOPE: Final = msgspec.json.Decoder(Envelope)


def parse_token(response: Response) -> tuple[str, Duration | None]:
    """The token and how long it lives; None where the answer does not say, or says what cannot be.

    Raises:
        ContractBroken: no usable token in the answer.
    """
    answer = decode_json(response, TokenAnswer, strict=False, secret=True)
    token = answer.token or answer.auth_token
    if not is_header(token):
        raise ContractBroken(f"no usable token: {_words(response.status, answer)}", status=response.status)
    lifetime = answer.lifetime
    return token, int(lifetime) if lifetime is not None and 1 <= lifetime < 2**53 else None


def parse_accounts(response: Response) -> list[Account]:
    """The accounts, from a bare list or one under `data`.

    Raises:
        ContractBroken: the answer is neither, or names an account by nothing printable.
    """
    if response.body.lstrip()[:1] == b"{":
        accounts = decode_json(response, AccountsAnswer).data
    else:
        accounts = decode_json(response, list[Account])
    if not all(account.name and account.name.isprintable() for account in accounts):
        raise ContractBroken("an account without a usable name")
    return accounts


def is_header(value: str) -> bool:
    """Whether HTTP can carry this as a header's value."""
    return bool(value) and value.isascii() and value.isprintable()


def _envelope(response: Response) -> Envelope:
    if response.status == 200 and len(response.body) > _SHORT:
        return Envelope()
    try:
        return _ENVELOPE.decode(response.body[: 16 * _SHORT])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Envelope()  # a failure without the documented body is judged by HTTP's status alone


def _failing_status(response: Response, envelope: Envelope) -> int:
    """The body's status counts only where HTTP says 200 and the body names a failure."""
    inner = envelope.status
    if response.status == 200 and isinstance(inner, int | float | str):
        text = str(inner)
        if text.isascii() and text.isdigit() and 400 <= int(text[:9]) < 600:
            return int(text)
    return response.status
