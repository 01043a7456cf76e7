"""Who we are to Huawei: an access key that signs, a given token, or an IAM user that gets tokens.

All are middlewares. A few bad signatures in a row lock the key, and wrong passwords lock the user: a
rejection is an `AuthenticationFailed`, which `breaker.Credentials` keeps from being tried again.
"""

from dataclasses import dataclass, replace
from typing import Final

import anyio

from watcher.collect.collector import Access
from watcher.collect.credentials import header_value, revealed
from watcher.collect.http import Handler, Middleware, Request, Response
from watcher.collect.vendors.huawei_dsc.api import CLOCK_PAUSE, login_request, parse_login
from watcher.collect.vendors.huawei_dsc.settings import (
    HuaweiDscSettings,
    IamAuth,
    KeyAuth,
    TokenAuth,
    iam_of,
)
from watcher.collect.vendors.huawei_dsc.signing import Key, signed
from watcher.errors import (
    AuthenticationFailed,
    ClockSkewed,
    CollectError,
    NetworkFailed,
    QuotaExceeded,
    VendorFailed,
)
from watcher.model.time import Instant

_PASSING: Final = (VendorFailed, NetworkFailed, QuotaExceeded)
"""Of the token call: what says nothing of the password."""


def credential(settings: HuaweiDscSettings, access: Access) -> Middleware:
    """What the settings name."""
    match settings.auth:
        case KeyAuth() as key:
            return SignedCalls(key, settings.project_id, access)
        case TokenAuth() as given:
            return GivenToken(given)
        case IamAuth() as user:
            iam_url = iam_of(settings.base_url.reveal()) if user.iam_url is None else user.iam_url.reveal()
            return Login(iam_url.rstrip("/"), user, settings.project_id, access)


class SignedCalls:
    """Every attempt is signed anew."""

    def __init__(self, auth: KeyAuth, project_id: str, access: Access) -> None:
        self._auth = auth
        self._project_id = project_id
        self._now = access.now

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Send it signed.

        Raises:
            ClockSkewed: with a pause, since each such signature counts as a bad one.
            AuthenticationFailed: the key is unknown, wrong or locked.
        """
        key = self._key()
        plain = replace(request, headers={**request.headers, "X-Project-Id": self._project_id})
        headers = signed(plain, key, self._now())
        try:
            return await call_next(replace(plain, headers=headers, dated=True))
        except ClockSkewed as error:
            raise ClockSkewed(str(error), status=error.status, retry_after=CLOCK_PAUSE) from error

    def _key(self) -> Key:
        auth = self._auth
        token = "" if auth.security_token is None else header_value(auth.security_token)
        return Key(header_value(auth.access_key), revealed(auth.secret_key), token)


class GivenToken:
    """A token that a person put into the configuration."""

    def __init__(self, auth: TokenAuth) -> None:
        self._auth = auth

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Send it with the token.

        Raises:
            AuthenticationFailed: the token is invalid, or has expired.
        """
        return await _with_token(request, call_next, header_value(self._auth.token))


@dataclass(frozen=True, slots=True, repr=False)
class _Token:
    value: str
    renew_at: Instant
    """When a tenth of its life is left."""
    expires_at: Instant


class Login:
    """A token got as an IAM user. Old tokens stay valid when a new one is given."""

    def __init__(self, iam_url: str, auth: IamAuth, project_id: str, access: Access) -> None:
        self._iam_url = iam_url
        self._auth = auth
        self._project_id = project_id
        self._now = access.now
        self._learned = access.learned
        self._token: _Token | None = None
        self._lock = anyio.Lock()

    async def __call__(self, request: Request, call_next: Handler) -> Response:
        """Send it with a token that has some life left; once more with a new one where that is refused.

        Raises:
            AuthenticationFailed: the login was rejected, or a new token is refused too.
        """
        token = await self._current(call_next)
        try:
            return await _with_token(request, call_next, token)
        except CollectError as error:
            if error.status != 401:
                raise
        token = await self._current(call_next, refused=token)
        try:
            return await _with_token(request, call_next, token)
        except CollectError as error:
            if error.status != 401:
                raise
            raise AuthenticationFailed(f"a new token is refused ({error})", status=401) from error

    async def _current(self, call_next: Handler, refused: str = "") -> str:
        """A token with some life left, other than the refused one."""
        async with self._lock:
            held = self._token
            if held is None or held.value == refused:
                self._token = None
                self._token = await self._log_in(call_next)
            elif self._now() >= held.renew_at:
                self._token = await self._renewed(call_next, held)
            return _held(self._token)

    async def _renewed(self, call_next: Handler, held: _Token) -> _Token:
        """A new token; the held one while it lives and the vendor cannot give another just now.

        A rejection ends the held one too: nothing may succeed that has not logged in anew.
        """
        try:
            return await self._log_in(call_next)
        except _PASSING:
            if self._now() >= held.expires_at:
                raise
            return held
        except AuthenticationFailed:
            self._token = None
            raise

    async def _log_in(self, call_next: Handler) -> _Token:
        login = (revealed(self._auth.username), revealed(self._auth.password))
        request = login_request(self._iam_url, self._auth, login, self._project_id)
        asked_at = self._now()
        try:
            value, lifetime = parse_login(await call_next(request))
        except _PASSING:
            raise
        except CollectError as error:
            raise AuthenticationFailed(f"login rejected ({error})", status=error.status) from error
        self._learned(value)
        return _Token(value, asked_at + lifetime * 9 // 10, asked_at + lifetime)


def _held(token: _Token | None) -> str:
    if token is None:
        raise AssertionError("a login gives a token or raises")
    return token.value


async def _with_token(request: Request, call_next: Handler, token: str) -> Response:
    headers = {**request.headers, "X-Auth-Token": token}
    return await call_next(replace(request, headers=headers))
