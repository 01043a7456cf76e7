"""Who we are to CDNvideo: a token got by logging in, or one that was given. Both are middlewares.

The vendor bans an account for 3 hours after 7 wrong passwords and takes 20 token calls a minute. So one
task logs in at a time, an answer without a token is a rejection, which `breaker.Credentials` guards, and no
login is repeated by whoever repeats the call that needed it. Statuses decide on data calls, not error
families: whatever judged the answer first may have seen a skewed clock in it.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import anyio

from watcher.collect.collector import Access
from watcher.collect.credentials import revealed
from watcher.collect.http import Handler, Middleware, Request, Response
from watcher.collect.middlewares import limiter
from watcher.collect.vendors.cdnvideo.api import accounts_request, is_header, login_request, parse_token
from watcher.collect.vendors.cdnvideo.settings import CdnvideoSettings
from watcher.document.redaction import redact
from watcher.document.secrets import Secret
from watcher.errors import (
    AuthenticationFailed,
    CollectError,
    NetworkFailed,
    PermissionMissing,
    QuotaExceeded,
    VendorFailed,
)
from watcher.model.time import HOUR, MINUTE, SECOND, Duration, Instant

HEADER: Final = "CDN-AUTH-TOKEN"
BAN: Final = 3 * HOUR / SECOND
"""Seconds that the vendor bans for after 7 wrong passwords; a 403 from the token call may be that."""
FAILURE_HOLDS: Final[Duration] = MINUTE
"""How long a login that failed in passing stands for all who need one."""
REFUSAL_HOLDS: Final[Duration] = HOUR
"""How long an account refused to a fresh token is believed refused, before another login is spent on it."""
LOGINS: Final = 19 / MINUTE * SECOND
"""A second: the vendor takes 20 in any minute."""
_REFUSED: Final = {401, 403}
_PASSING: Final = (VendorFailed, NetworkFailed, QuotaExceeded)
"""Of the token call: what says nothing of the password."""


def credential(settings: CdnvideoSettings, base: str, access: Access) -> Middleware:
    """What the settings name: a login or a token."""
    if settings.token is not None:
        return GivenToken(base, settings.token)
    if settings.username is None or settings.password is None:
        raise AssertionError("the settings' validator lets through a whole login or a token")
    return Login(base, settings.username, settings.password, access)


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
        token, subject = _header(revealed(self._token)), _subject(request)
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


@dataclass(frozen=True, slots=True)
class _Failure:
    error: CollectError
    at: Instant


class Login:
    """A token got by username and password, shared by all streams of the source."""

    def __init__(self, base: str, username: Secret, password: Secret, access: Access) -> None:
        self._base = base
        self._username = username
        self._password = password
        self._now = access.now
        self._learned = access.learned
        self._token: _Token | None = None
        self._failure: _Failure | None = None
        self._refused: dict[str, Instant] = {}
        """When an account was refused to a fresh token."""
        self._lock = anyio.Lock()
        self._pace = limiter(LOGINS)

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Send it with a token that has some life left; once more with a new one where that is refused.

        Raises:
            AuthenticationFailed: the login was rejected; the request was not sent.
            PermissionMissing: a new token is refused too.
        """
        token, subject = await self._current(call_next), _subject(request)
        try:
            return await _ask(request, call_next, token)
        except CollectError as error:
            if error.status not in _REFUSED:
                raise
            if self._holds(self._refused.get(subject), REFUSAL_HOLDS):
                raise _no_access(subject, error) from error
        token = await self._current(call_next, refused=token)
        try:
            response = await _ask(request, call_next, token)
        except CollectError as error:
            if error.status not in _REFUSED:
                raise
            self._refused[subject] = self._now()
            raise _no_access(subject, error) from error
        self._refused.pop(subject, None)
        return response

    async def _current(self, call_next: Handler, refused: str = "") -> str:
        """A token with some life left, other than the refused one."""
        async with self._lock:
            held = self._token
            if held is None or held.value == refused:
                self._token = token = await self._log_in(call_next)
            elif held.renew_at is not None and self._now() >= held.renew_at:
                self._token = token = await self._renewed(call_next, held)
            else:
                token = held
            return token.value

    async def _renewed(self, call_next: Handler, held: _Token) -> _Token:
        """A new token; the held one while it lives and the vendor cannot give another just now."""
        try:
            return await self._log_in(call_next)
        except _PASSING:
            if held.expires_at is None or self._now() >= held.expires_at:
                raise
            return held

    async def _log_in(self, call_next: Handler) -> _Token:
        """A new token. A rejection ends the held one too: nothing may succeed that has not logged in anew."""
        if self._failure is not None and self._holds(self._failure.at, FAILURE_HOLDS):
            raise _again(self._failure.error)
        login = (revealed(self._username), revealed(self._password))
        asked_at = self._now()

        async def send(request: Request) -> Response:
            nonlocal asked_at
            asked_at = self._now()
            return await _exchange(request, call_next, login)

        try:
            value, lifetime = parse_token(await self._pace(login_request(self._base, *login), send))
        except _PASSING as error:
            self._failure = _Failure(_again(error), self._now())
            raise
        except CollectError as error:
            self._token = None
            raise _rejected(error) from error
        self._learned(value)
        if lifetime is None:
            return _Token(value, None, None)
        return _Token(value, asked_at + lifetime * 9 // 10, asked_at + lifetime)

    def _holds(self, since: Instant | None, duration: Duration) -> bool:
        """Also when the clock was set back since: then it is over."""
        return since is not None and 0 <= self._now() - since < duration


def _rejected(error: CollectError) -> AuthenticationFailed:
    """Of a token call answered without a token: whatever it says, it may count as a wrong password."""
    wait = BAN if error.status == 403 else error.retry_after
    return AuthenticationFailed(f"login rejected ({error})", status=error.status, retry_after=wait)


async def _ask(request: Request, call_next: Handler, token: str) -> Response:
    headers = {**request.headers, HEADER: token}
    return await _exchange(replace(request, headers=headers), call_next, (token,))


async def _exchange(request: Request, call_next: Handler, secrets: Collection[str]) -> Response:
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


def _masked(error: CollectError, secrets: Collection[str]) -> CollectError:
    return _again(error, redact(str(error), secrets))


def _again(error: CollectError, message: str = "") -> CollectError:
    """As it was, to be raised anew."""
    return type(error)(message or str(error), status=error.status, retry_after=error.retry_after)


def _no_access(subject: str, error: CollectError) -> PermissionMissing:
    return PermissionMissing(f"{subject}: no access ({error})", status=error.status)


def _subject(request: Request) -> str:
    account = dict(request.query).get("account")
    return "the list of accounts" if account is None else f"account {account}"


def _header(token: str) -> str:
    if not is_header(token):
        raise AuthenticationFailed("the token holds characters that no header can carry")
    return token
