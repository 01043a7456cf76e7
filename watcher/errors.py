"""Every error watcher raises, so that an ``except`` can be chosen from the picture.

::

    WatcherError
    ├── UserError                  a person can mend it: exit code 2, never a traceback
    │   ├── ConfigurationError     problems in files they wrote, each with file:line:column
    │   ├── SecretUnavailable      the variable or file a secret refers to is not there
    │   └── DatabaseUnusable       the database cannot be opened, migrated or written at start
    ├── CollectError               how a call to a vendor ended; one class a family
    │   ├── AuthenticationFailed   "auth"        credentials rejected: never retried in a loop
    │   │   └── RejectedByClock    "clock"       rejected while the clocks differ: perhaps for that
    │   ├── PermissionMissing      "permission"  known, but not allowed to see this
    │   ├── QuotaExceeded          "quota"       asked too often; may carry retry_after
    │   ├── ClockSkewed            "clock"       the vendor says our time is wrong
    │   ├── RequestRefused         "request"     our fault: the vendor calls the request invalid
    │   ├── VendorFailed           "vendor"      their fault: 5xx, maintenance
    │   ├── NetworkFailed          "network"     no answer: DNS, connect, TLS
    │   │   └── TimedOut           "network"     connected, and no answer in our time
    │   └── ContractBroken         "contract"    an answer that is not as documented
    ├── StoreError                 the database, while running
    │   ├── StoreUnavailable       locked, full, gone: try again
    │   ├── StoreReplaced          its file was removed or replaced: what is written is lost
    │   └── LeaseLost              another daemon owns this database now
    ├── DumpUnusable               a dump of the engine that this version cannot stand on
    └── DeliveryError              one attempt to tell one target
        ├── DeliveryFailed         may succeed later; may carry retry_after
        └── DeliveryRejected       will never succeed as it is
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar


class WatcherError(Exception):
    """Root of everything raised on purpose."""


class UserError(WatcherError):
    """A person can mend it; the command line prints it and exits 2."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a file: where (1-based), what, and what would be right."""

    file: str
    line: int
    column: int
    what: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.what}{hint}"


class ConfigurationError(UserError):
    """All the problems found in the files a person wrote, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = sorted(problems)
        super().__init__("\n".join(map(str, self.problems)))


class SecretUnavailable(UserError):
    """What a secret refers to is absent, empty or readable by everyone."""

    def __init__(self, message: str, *, hint: str) -> None:
        """``hint`` says what would mend it."""
        super().__init__(message)
        self.hint = hint


class DatabaseUnusable(UserError):
    """The database cannot be opened, migrated or written."""


class CollectError(WatcherError):
    """How a call to a vendor ended, when not in an answer."""

    family: ClassVar[str] = "vendor"

    def __init__(self, message: str, *, retry_after: float | None = None, status: int | None = None) -> None:
        """``retry_after`` in seconds, as the vendor asked; ``status`` is HTTP's, where there was one."""
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status


class AuthenticationFailed(CollectError):
    """Credentials rejected. Vendors ban for repeating it, so nothing retries it by itself."""

    family = "auth"


class RejectedByClock(AuthenticationFailed):
    """Credentials rejected while the clocks differ: they may be right, and what they sign misdated."""

    family = "clock"


class PermissionMissing(CollectError):
    """The vendor knows us and refuses this account or resource."""

    family = "permission"


class QuotaExceeded(CollectError):
    """Asked too often."""

    family = "quota"


class ClockSkewed(CollectError):
    """The vendor says our time is wrong."""

    family = "clock"


class RequestRefused(CollectError):
    """The vendor calls the request invalid: our fault, repeating it is pointless."""

    family = "request"


class VendorFailed(CollectError):
    """The vendor failed to answer a valid request."""

    family = "vendor"


class NetworkFailed(CollectError):
    """No answer came: DNS, connect, TLS, reset, timeout."""

    family = "network"


class TimedOut(NetworkFailed):
    """Connected, and no answer came in the time we give one: a shorter question may have one."""


class ContractBroken(CollectError):
    """An answer came, and it is not what the vendor documents."""

    family = "contract"


class StoreError(WatcherError):
    """The database, while running."""


class StoreUnavailable(StoreError):
    """Locked, full, gone: the same transaction may succeed later."""


class StoreReplaced(StoreError):
    """The file that was opened is not the one at its path any more: nothing written is seen by anybody."""


class LeaseLost(StoreError):
    """Another daemon owns this database now; this one must stop writing."""


class DumpUnusable(WatcherError):
    """A dump of the engine that this version cannot stand on: it is rebuilt from what was recorded."""


class DeliveryError(WatcherError):
    """One attempt to tell one target did not succeed."""


class DeliveryFailed(DeliveryError):
    """It may succeed later."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        """``retry_after`` in seconds, where the receiver asked for it."""
        super().__init__(message)
        self.retry_after = retry_after


class DeliveryRejected(DeliveryError):
    """It will never succeed as it is."""
