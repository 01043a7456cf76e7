"""Who may ask: the gateway's checks of keys and tokens, its locks and its throttle, and IAM's tokens."""

import secrets
from collections import deque
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any, Final

from watcher.model.time import MINUTE, Duration, Instant, to_datetime
from watcher.simulate.huawei.answers import THROTTLED, Refused, rejected
from watcher.simulate.huawei.settings import HuaweiSettings
from watcher.simulate.huawei.signature import Claim, Received, is_right, signed_at
from watcher.simulate.wire import as_sent

_LOCKED: Final = "AK access failed to reach the limit,forbidden"


@dataclass(slots=True)
class Lock:
    """Closes after so many failures in a row, for so long after the last one."""

    after: int
    lasts: Duration
    failures: int = 0
    failed_at: Instant = 0

    def closed(self, now: Instant) -> bool:
        """Whether it is closed."""
        if self.failures >= self.after and now - self.failed_at >= self.lasts:
            self.failures = 0
        return self.failures >= self.after

    def failed(self, now: Instant) -> None:
        """Once more."""
        self.failures += 1
        self.failed_at = now

    def succeeded(self) -> None:
        """The row of failures is over."""
        self.failures = 0


@dataclass(frozen=True, slots=True)
class Token:
    """A token as IAM gives it."""

    text: str = field(repr=False)
    issued_at: Instant
    expires_at: Instant


class Gate:
    """The state of who may ask. `now` is the vendor's clock, which a scenario may set wrong."""

    def __init__(self, settings: HuaweiSettings) -> None:
        self._settings = settings
        self._tokens: dict[str, Instant] = {}
        self._given: set[str] = set(settings.tokens)
        self._key = Lock(settings.lock_after, settings.lock_lasts)
        self._user = Lock(settings.lock_after, settings.lock_lasts)
        self._recent: deque[Instant] = deque()

    def admit(self, request: Received, now: Instant) -> None:
        """Let a call through that is signed, or has a token.

        Raises:
            Refused: 401 as the gateway says it, or 429.
        """
        if "X-Auth-Token" in request.headers:
            self._check_token(request.headers["X-Auth-Token"], now)
        elif "Authorization" in request.headers:
            self._check_signature(request, now)
        else:
            raise rejected("x-auth-token not found")
        self._throttle(now)

    def _check_token(self, token: str, now: Instant) -> None:
        if token not in self._given and self._tokens.get(token, 0) <= now:
            raise rejected("decrypt token fail")

    def _check_signature(self, request: Received, now: Instant) -> None:
        claim = Claim.read(request.headers["Authorization"])
        if claim.access != self._settings.access_key:
            raise rejected("Get secretKey failed,ak:******,err:ak not exist")
        if self._key.closed(now):
            raise rejected(_LOCKED)
        try:
            self._verify(request, claim, now)
        except Refused:
            self._key.failed(now)
            raise
        self._key.succeeded()

    def _verify(self, request: Received, claim: Claim, now: Instant) -> None:
        if abs(signed_at(request.headers) - now) > self._settings.clock_window:
            times = f"signature time:{request.headers['X-Sdk-Date']},server time:{_written(now)}"
            raise rejected(f"calc aksk signature fail:signature expired, {times}")
        token = self._settings.security_token
        if token and not _has(request, claim, token):
            raise rejected("verify aksk signature fail, security token invalid")
        if not is_right(request, claim, self._settings.secret_key):
            raise rejected("verify aksk signature fail")

    def _throttle(self, now: Instant) -> None:
        limit = self._settings.requests_per_minute
        while self._recent and self._recent[0] <= now - MINUTE:
            self._recent.popleft()
        if limit and len(self._recent) >= limit:
            policy = f"policy user over ratelimit,limit:{limit},time:1 minute"
            raise Refused(429, THROTTLED, f"The throttling threshold has been reached: {policy}")
        self._recent.append(now)

    def log_in(self, identity: Any, now: Instant) -> Token | None:  # noqa: ANN401 - whatever JSON held
        """A new token for the user; None where name, account or password is wrong, or the user is locked."""
        settings = self._settings
        if self._user.closed(now):
            return None
        match identity:
            case {"methods": [*methods], "password": {"user": dict() as user}} if "password" in methods:
                said = (user.get("name"), user.get("domain"), str(user.get("password")))
            case _:
                said = (None, None, "")
        right = compare_digest(said[2].encode(), settings.password.encode())
        if said[:2] != (settings.username, {"name": settings.domain}) or not right:
            self._user.failed(now)
            return None
        self._user.succeeded()
        text = f"MII{secrets.token_hex(settings.token_length)}"[: settings.token_length]
        self._tokens[text] = now + settings.token_lifetime
        return Token(text, now, self._tokens[text])

    def revoke(self) -> None:
        """Every token given so far stops working, as after a change of the password."""
        self._tokens.clear()
        self._given.clear()


def _written(now: Instant) -> str:
    return to_datetime(now).strftime("%Y%m%dT%H%M%SZ")


def _has(request: Received, claim: Claim, token: str) -> bool:
    """Whether a temporary key's token is there, and signed."""
    said = request.headers.get("X-Security-Token", "")
    return "x-security-token" in claim.names and compare_digest(as_sent(said), token.encode())
