"""What a scenario says about its Huawei: the project, who may ask, limits and knobs."""

from typing import Annotated, Final, Literal

from pydantic import Field

from watcher.document.fields import DurationField
from watcher.model.time import DAY, MINUTE, Duration
from watcher.simulate.huawei.faults import HuaweiFault
from watcher.simulate.vendor import VendorSettings

CALLS: Final = frozenset({"token", "records"})
Id = Annotated[str, Field(pattern=r"^[a-z0-9]{32}$")]
Share = Annotated[float, Field(ge=0, le=1)]


class HuaweiSettings(VendorSettings):
    """Defaults are the vendor's own limits, as far as they are known."""

    project_id: Id = "0123456789abcdef0123456789abcdef"
    project: str = "ap-southeast-3"
    """The project's name, by which IAM knows it too."""
    domain: str = "demo-account"
    """The account's name."""
    access_key: str = "DEMOACCESSKEY0000000"
    secret_key: str = "demo-secret-key-of-forty-characters-0000"  # noqa: S105 - a dummy for a local server
    security_token: str = ""
    """Where set, the access key is a temporary one that goes with it."""
    username: str = "demo"
    password: str = "demo-password"  # noqa: S105 - a dummy
    tokens: tuple[str, ...] = ()
    """Tokens that are valid from the start and never expire, for a client configured with one."""
    token_lifetime: DurationField = DAY
    token_length: int = Field(default=4000, ge=32, le=8000)
    """Characters; the vendor's are long."""
    clock_window: DurationField = 15 * MINUTE
    """How far the time of a signature may be off."""
    lock_after: int = Field(default=5, ge=1)
    """Bad signatures, or wrong passwords, in a row."""
    lock_lasts: DurationField = 5 * MINUTE
    requests_per_minute: int = Field(default=0, ge=0)
    """More are throttled; 0 is no limit."""
    foreign_project: Literal[403, 404] = 403
    """How another's project is refused."""
    retention: DurationField = DAY
    """How long records are kept."""
    page: int = Field(default=2000, ge=1, le=2000)
    """Records of a page at most, where a call asks for more."""
    end: Literal["absent", "null", "empty", "same", "no_records"] = "absent"
    """What ends the pages: `next_marker`, or a page without records."""
    order: Literal["newest", "oldest"] = "newest"
    """Which records come first."""
    bounds: Literal["closed", "half_open"] = "closed"
    """Whether a call at just `end_time` is in."""
    late_share: Share = 0.0
    """Of records that come in later than the others."""
    late_by: DurationField = 2 * MINUTE
    logs_reads: bool = True
    """Whether calls for the records become records."""
    faults: tuple[HuaweiFault, ...] = ()

    def clock_tolerance(self) -> Duration | None:
        """Of signatures."""
        return self.clock_window

    @classmethod
    def calls(cls) -> frozenset[str]:
        """IAM's and DSC's."""
        return CALLS
