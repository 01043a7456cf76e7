"""One HTTP exchange as the collectors know it: plain values, and the shape that middlewares share.

Everything around an exchange (auth, retry, rate limit, deadline, redaction) is a middleware: it takes a
request and the next handler, and answers a response. The innermost handler is aiohttp in the daemon and a
function in tests. A handler raises nothing but `watcher.errors.CollectError`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Final, Protocol, TypeAlias

from watcher.errors import (
    AuthenticationFailed,
    CollectError,
    PermissionMissing,
    QuotaExceeded,
    RequestRefused,
    TimedOut,
    VendorFailed,
)
from watcher.model.time import DAY, SECOND

LONGEST_WAIT: Final = DAY / SECOND
"""Seconds of a `Retry-After` that are believed."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: any status, header names in lower case, the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def by_status(response: Response) -> CollectError | None:
    """What an HTTP status means where the vendor's page says nothing else; None is a good answer."""
    status = response.status
    if status < 400:
        return None
    families: dict[int, type[CollectError]] = {
        401: AuthenticationFailed,
        403: PermissionMissing,
        429: QuotaExceeded,
    }
    family = families.get(status, VendorFailed if status >= 500 else RequestRefused)
    return family(f"HTTP {status}", status=status, retry_after=retry_after(response))


def retry_after(response: Response) -> float | None:
    """Seconds that `Retry-After` asks for; a date in it is read against the answer's own `Date`.

    At most a day. None where it is not there, makes no sense, or is a date in an answer without one.
    """
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WAIT)
    try:
        until, sent = (parsedate_to_datetime(date) for date in (text, response.headers.get("date", "")))
        return min(max(0.0, until.timestamp() - sent.timestamp()), LONGEST_WAIT)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask. `query` keeps its order and repeats; `form` becomes a urlencoded body."""

    method: str
    url: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Sequence[tuple[str, str]] | None = None
    body: bytes | None = None
    classify: Callable[[Response], CollectError | None] = by_status
    """How this vendor's answers read as errors."""
    late: type[CollectError] = TimedOut
    """What it is when no answer comes in the time we give it."""
    dated: bool = False
    """Whether what proves who we are holds our time, so that a wrong clock looks like wrong credentials."""
    retry: bool = True
    """False where asking again by itself does harm (a login)."""


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class Middleware(Protocol):
    """One concern around an exchange."""

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Answer, usually by asking `call_next`."""
        ...


def chain(middlewares: Sequence[Middleware], innermost: Handler) -> Handler:
    """One handler out of many: the first middleware is the outermost."""
    handler = innermost
    for middleware in reversed(middlewares):
        handler = partial(middleware, call_next=handler)
    return handler
