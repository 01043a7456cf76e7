"""Who we are to CDNvideo: a token got by logging in, or one that was given. Both are middlewares.

The vendor bans an account for 3 hours after 7 wrong passwords and takes 20 token calls a minute. So one
task logs in at a time, a rejected login is repeated after an hour at the earliest and three times at most,
and a refused data call asks for one new token only. Statuses decide here, not error families: whatever
judged the answer first may have seen a skewed clock in it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import anyio
from aiolimiter import AsyncLimiter

from watcher.collect.http import Handler, Middleware, Request, Response
from watcher.collect.vendors.cdnvideo.api import accounts_request, is_header, login_request, parse_token
from watcher.collect.vendors.cdnvideo.settings import CdnvideoSettings
from watcher.document.secrets import Secret
from watcher.errors import (
    AuthenticationFailed,
    CollectError,
    NetworkFailed,
    PermissionMissing,
    QuotaExceeded,
    SecretUnavailable,
    VendorFailed,
)
from watcher.model.time import HOUR, MINUTE, Duration, Instant

HEADER: Final = "CDN-AUTH-TOKEN"
REJECTION_HOLDS: Final[Duration] = HOUR
BAN: Final[Duration] = 3 * HOUR
"""How long the vendor bans after 7 wrong passwords; a 403 from the token call may be that."""
MOST_REJECTIONS: Final = 4
"""Of the same credentials, ever: well under 7."""
REFUSAL_HOLDS: Final[Duration] = HOUR
"""How long an account refused to a fresh token is believed refused, before another login is spent on it."""
_REFUSED: Final = {401, 403}
_REJECTED: Final = {400, 401, 403}
"""Of the token call. OAuth says 400 where others say 401."""
_PASSING: Final = (VendorFailed, NetworkFailed, QuotaExceeded)


def credential(settings: CdnvideoSettings, base: str, now: Callable[[], Instant]) -> Middleware:
    """What the settings name: a login or a token."""
    if settings.token is not None:
        return GivenToken(base, settings.token)
    if settings.username is None or settings.password is None:
        raise AssertionError("the settings' validator lets through a whole login or a token")
    return Login(base, settings.username, settings.password, now)


class GivenToken:
    """A token that a person put into the configuration. It is never renewed."""

    def __init__(self, base: str, token: Secret) -> None:
        self._base = base
        self._token = token
        self._answered: set[str] = set()
        """Subjects whose last call was answered: while there are any, the token is good."""

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Send it with the token.

        Raises:
            AuthenticationFailed: the token is invalid.
            PermissionMissing: it may not see this account.
        """
        token, subject = _header(_reveal(self._token)), _subject(request)
        try:
            response = await _ask(request, call_next, token)
        except CollectError as error:
            if error.status not in _REFUSED:
                raise
            self._answered.discard(subject)
            if error.status == 401 or not await self._good(call_next, token):
                raise AuthenticationFailed(f"the token is invalid ({error})", status=error.status) from error
            raise _no_access(subject, error) from error
        self._answered.add(subject)
        return response

    async def _good(self, call_next: Handler, token: str) -> bool:
        """A data call's 403 is "invalid token or no access": the list of accounts tells which, by 401."""
        if self._answered:
            return True
        try:
            await _ask(accounts_request(self._base), call_next, token)
        except CollectError as error:
            return error.status not in _REFUSED
        return True


@dataclass(frozen=True, slots=True, repr=False)
class _Token:
    value: str
    renew_at: Instant | None
    """When less than a tenth of its life is left; None where the vendor did not say how long it lives."""
    expires_at: Instant | None


@dataclass(frozen=True, slots=True, repr=False)
class _Rejection:
    login: tuple[str, str]
    message: str
    status: int | None
    until: Instant
    times: int


class Login:
    """A token got by username and password, shared by all streams of the source."""

    def __init__(self, base: str, username: Secret, password: Secret, now: Callable[[], Instant]) -> None:
        self._base = base
        self._username = username
        self._password = password
        self._now = now
        self._token: _Token | None = None
        self._rejection: _Rejection | None = None
        self._refused: dict[str, Instant] = {}
        self._lock = anyio.Lock()
        # A leaky bucket lets its size through at once and as much again in a minute: 20 in any minute.
        self._limiter = AsyncLimiter(10, 60)

    def forget(self) -> None:
        """Allow one more login after a rejected one. For a person who asked, never for a loop."""
        self._rejection = None

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Send it with a token that has some life left; once more with a new one where that is refused.

        Raises:
            AuthenticationFailed: the login was rejected, now or before; then nothing was sent.
            PermissionMissing: a new token is refused too.
        """
        token, subject = await self._current(call_next), _subject(request)
        try:
            return await _ask(request, call_next, token)
        except CollectError as error:
            if error.status not in _REFUSED:
                raise
            if self._now() < self._refused.get(subject, 0):
                raise _no_access(subject, error) from error
        token = await self._current(call_next, refused=token)
        try:
            response = await _ask(request, call_next, token)
        except CollectError as error:
            if error.status not in _REFUSED:
                raise
            self._refused[subject] = self._now() + REFUSAL_HOLDS
            raise _no_access(subject, error) from error
        self._refused.pop(subject, None)
        return response

    async def _current(self, call_next: Handler, refused: str = "") -> str:
        """A token with some life left, other than the refused one."""
        async with self._lock:
            held, now = self._token, self._now()
            if held is None or held.value == refused:
                self._token = await self._log_in(call_next)
            elif held.renew_at is not None and now >= held.renew_at:
                self._token = await self._renewed(call_next, held)
            return self._token.value if self._token is not None else ""

    async def _renewed(self, call_next: Handler, held: _Token) -> _Token:
        """A new token; the held one for another minute where the vendor cannot give one just now."""
        try:
            return await self._log_in(call_next)
        except _PASSING:
            now = self._now()
            if held.expires_at is None or now >= held.expires_at:
                raise
            return replace(held, renew_at=now + MINUTE)

    async def _log_in(self, call_next: Handler) -> _Token:
        login = (_reveal(self._username), _reveal(self._password))
        self._check_not_rejected(login)
        async with self._limiter:
            asked_at = self._now()
            try:
                response = await _exchange(login_request(self._base, *login), call_next, login)
            except CollectError as error:
                if error.status not in _REJECTED:
                    raise
                raise self._rejected(login, error) from error
        self._rejection = None
        value, lifetime = parse_token(response)
        if lifetime is None:
            return _Token(value, None, None)
        return _Token(value, asked_at + lifetime * 9 // 10, asked_at + lifetime)

    def _rejected(self, login: tuple[str, str], error: CollectError) -> AuthenticationFailed:
        before = self._rejection
        times = 1 + (before.times if before is not None and before.login == login else 0)
        until = self._now() + (BAN if error.status == 403 else REJECTION_HOLDS)
        self._rejection = _Rejection(login, f"login rejected ({error})", error.status, until, times)
        return AuthenticationFailed(self._rejection.message, status=error.status)

    def _check_not_rejected(self, login: tuple[str, str]) -> None:
        rejection = self._rejection
        if rejection is None or rejection.login != login:
            return
        if rejection.times >= MOST_REJECTIONS or self._now() < rejection.until:
            raise AuthenticationFailed(rejection.message, status=rejection.status)


async def _ask(request: Request, call_next: Handler, token: str) -> Response:
    headers = {**request.headers, HEADER: token}
    return await _exchange(replace(request, headers=headers), call_next, (token,))


async def _exchange(request: Request, call_next: Handler, secrets: tuple[str, ...]) -> Response:
    """An answer that is no error, whether or not the handler judges answers itself.

    Raises:
        CollectError: without our secrets, should the vendor have echoed one.
    """
    try:
        response = await call_next(request)
        error = request.classify(response)
    except CollectError as raised:
        error = raised
    else:
        if error is None:
            return response
    raise _masked(error, secrets) from None


def _masked(error: CollectError, secrets: tuple[str, ...]) -> CollectError:
    text = str(error)
    for secret in secrets:
        text = text.replace(secret, "***") if len(secret) > 3 else text
    return type(error)(text, status=error.status, retry_after=error.retry_after)


def _no_access(subject: str, error: CollectError) -> PermissionMissing:
    return PermissionMissing(f"{subject}: no access ({error})", status=error.status)


def _subject(request: Request) -> str:
    account = dict(request.query).get("account")
    return "the list of accounts" if account is None else f"account {account}"


def _header(token: str) -> str:
    if not is_header(token):
        raise AuthenticationFailed("the token holds characters that no header can carry")
    return token


def _reveal(secret: Secret) -> str:
    try:
        return secret.reveal()
    except SecretUnavailable as error:
        raise AuthenticationFailed(f"{error}; {error.hint}") from error
