"""What a scenario says about its CDNvideo: accounts, credentials, limits and knobs."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from pydantic import Field

from watcher.document.fields import DurationField
from watcher.model.time import HOUR, MINUTE
from watcher.simulate.cdnvideo.faults import CdnvideoFault
from watcher.simulate.vendor import VendorSettings
from watcher.simulate.world import Section

CALLS: Final = frozenset({"token", "accounts", "metrics"})


class Account(Section):
    """One account and the resources it sees; none named is all that CDNvideo shows."""

    name: str = Field(min_length=1)
    status: str = "active"
    resources: tuple[str, ...] = ()


class CdnvideoSettings(VendorSettings):
    """Defaults are the vendor's own limits, as far as they are known."""

    username: str = "demo"
    password: str = "demo-password"  # noqa: S105 - a dummy for a local server
    tokens: tuple[str, ...] = ()
    """Tokens that are valid from the start and never expire, for a client configured with one."""
    accounts: tuple[Account, ...] = (Account(name="test_account"),)
    token_lifetime: DurationField = 6 * HOUR
    tokens_per_minute: int = Field(default=20, ge=1)
    ban_after: int = Field(default=7, ge=1)
    """Wrong passwords in a row."""
    ban_lasts: DurationField = 3 * HOUR
    max_window: Annotated[DurationField, Field(ge=MINUTE)] = 10 * MINUTE
    """One stored version of the vendor's page allows a single minute only."""
    quiet: Literal["zeros", "nulls", "absent", "no_row"] = "zeros"
    """How a resource without a request in the window is shown; its hit ratio has no value in any case."""
    request_time: Literal["nested", "flat"] = "nested"
    """The vendor's page does not show the spelling."""
    with_status: bool = False
    """Whether good answers carry `status`, as the page's text says and its examples do not."""
    faults: tuple[CdnvideoFault, ...] = ()

    @classmethod
    def calls(cls) -> frozenset[str]:
        """As in the documentation's sections."""
        return CALLS

    def resources_named(self) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """By accounts."""
        return (
            (("accounts", place, "resources", at), name)
            for place, account in enumerate(self.accounts)
            for at, name in enumerate(account.resources)
        )
