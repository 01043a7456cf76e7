"""Who is let in: keys, times, signatures, nonces, and how many calls a second."""

import hmac
import re
from collections import deque
from dataclasses import dataclass
from typing import Final

from watcher.model.time import SECOND, Instant, parse_rfc3339
from watcher.simulate.alibaba.answers import Refused
from watcher.simulate.alibaba.claims import Claim
from watcher.simulate.alibaba.settings import AlibabaSettings

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_NO_DATE: Final = (
    'The input parameter "Timestamp" that is mandatory for processing this request is not supplied.'
)


class Gate:
    """All the state behind authentication."""

    def __init__(self, settings: AlibabaSettings) -> None:
        self._settings = settings
        self._nonces = _Nonces(kept=2 * settings.clock_window + SECOND)
        self._bucket = _Bucket(settings.per_second)

    def admit(self, claim: Claim, at: Instant) -> None:
        """Let a claim pass that is true.

        Raises:
            Refused: it is not, or comes too soon after others.
        """
        self._check_key(claim)
        self._check_date(claim, at)
        self._check_signature(claim)
        if not self._nonces.take(claim.nonce, at):
            raise Refused(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
        if not self._bucket.take(at):
            raise Refused(400, "Throttling.User", "Request was denied due to user flow control.")

    def _check_key(self, claim: Claim) -> None:
        if not _equal(claim.key_id, self._settings.access_key_id):
            raise no_such_key()
        token = self._settings.security_token
        if token and not claim.token:
            raise Refused(400, "MissingSecurityToken", "SecurityToken is mandatory for this action.")
        if not _equal(claim.token, token):
            raise Refused(
                400,
                "InvalidSecurityToken.MismatchWithAccessKey",
                "Specified SecurityToken mismatch with the AccessKey.",
            )

    def _check_date(self, claim: Claim, at: Instant) -> None:
        try:
            date = parse_rfc3339(claim.date) if _DATE.fullmatch(claim.date) else None
        except ValueError:
            date = None
        if date is None:
            raise Refused(400, "IllegalTimestamp", _NO_DATE)
        if abs(at - date) > self._settings.clock_window:
            raise Refused(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")

    def _check_signature(self, claim: Claim) -> None:
        secret = self._settings.access_key_secret
        matches = [_equal(claim.signature, claim.sign(secret, text)) for text in claim.texts]
        if not any(matches):
            raise Refused(
                400,
                "SignatureDoesNotMatch",
                "Specified signature is not matched with our calculation. "
                f"server string to sign is:{claim.texts[0]}",
            )


def no_such_key() -> Refused:
    """What a key is told that is unknown, or no longer there."""
    return Refused(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")


def _equal(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(errors="replace"), right.encode())


class _Nonces:
    """Those seen for as long as the time beside one could be repeated."""

    def __init__(self, *, kept: int) -> None:
        self._kept = kept
        self._seen: set[str] = set()
        self._order: deque[tuple[Instant, str]] = deque()

    def take(self, nonce: str, at: Instant) -> bool:
        """Whether it is new."""
        while self._order and self._order[0][0] <= at - self._kept:
            self._seen.discard(self._order.popleft()[1])
        if nonce in self._seen:
            return False
        self._seen.add(nonce)
        self._order.append((at, nonce))
        return True


@dataclass(slots=True)
class _Bucket:
    """So many at once, and as many again each second."""

    size: int
    spent: float = 0
    since: Instant = 0

    def take(self, at: Instant) -> bool:
        """Whether one is left."""
        self.spent = max(0.0, self.spent - max(0, at - self.since) / SECOND * self.size)
        self.since = at
        if self.spent + 1 > self.size:
            return False
        self.spent += 1
        return True
