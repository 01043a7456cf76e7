"""CDNvideo's tokens: who gets one, for how long, and who is banned for guessing."""

import hmac
import secrets
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from watcher.model.time import MINUTE, Duration, Instant
from watcher.simulate.cdnvideo.answers import Refused
from watcher.simulate.cdnvideo.settings import CdnvideoSettings
from watcher.simulate.wire import as_sent


@dataclass(frozen=True, slots=True)
class Token:
    """A token just given."""

    text: str = field(repr=False)
    lifetime: Duration


class Tokens:
    """All the state behind the token call."""

    def __init__(self, settings: CdnvideoSettings) -> None:
        self._settings = settings
        self._expiry: dict[str, Instant] = {}
        self._asked: deque[Instant] = deque()
        self._wrong: Counter[str] = Counter()
        self._banned_until: dict[str, Instant] = {}

    def give(self, username: str, password: str, at: Instant) -> Token:
        """A new token; former ones stay valid until they expire.

        Raises:
            Refused: 401 wrong credentials, 403 banned, 429 asked too often. The last two are not documented.
        """
        self._limit(at)
        if at < self._banned_until.get(username, at):
            raise Refused(403, "Account is temporarily blocked")
        if not self._right(username, password):
            self._count_wrong(username, at)
            raise Refused(401, "Invalid username or password")
        self._wrong.pop(username, None)
        token = Token(f"cdn1_{secrets.token_hex(20)}", self._settings.token_lifetime)
        self._expiry[token.text] = at + token.lifetime
        return token

    def valid(self, text: str, at: Instant) -> bool:
        """Whether a data call may use it."""
        return _is_one_of(text, self._settings.tokens) or at < self._expiry.get(text, at)

    def revoke(self) -> None:
        """Forget every token given so far."""
        self._expiry.clear()

    def _limit(self, at: Instant) -> None:
        while self._asked and self._asked[0] <= at - MINUTE:
            self._asked.popleft()
        if len(self._asked) >= self._settings.tokens_per_minute:
            raise Refused(429, "Too many token requests")
        self._asked.append(at)

    def _right(self, username: str, password: str) -> bool:
        known = username == self._settings.username
        return _is_one_of(password, [self._settings.password]) and known

    def _count_wrong(self, username: str, at: Instant) -> None:
        self._wrong[username] += 1
        if self._wrong[username] >= self._settings.ban_after:
            self._banned_until[username] = at + self._settings.ban_lasts
            del self._wrong[username]


def _is_one_of(text: str, candidates: Iterable[str]) -> bool:
    return any(hmac.compare_digest(as_sent(text), candidate.encode()) for candidate in candidates)
