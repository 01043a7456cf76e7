"""What a scenario says about its CDNvideo: accounts, credentials, limits and knobs."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from watcher.document.fields import DurationField
from watcher.model.time import HOUR, MINUTE
from watcher.simulate.faults import AnyFault

CALLS: Final = ("token", "accounts", "metrics")
"""The kinds of call that a fault may name."""


class Account(BaseModel):
    """One account and the resources it sees; none named is all of the scenario's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    status: str = "active"
    resources: tuple[str, ...] = ()


class CdnvideoSettings(BaseModel):
    """Defaults are the vendor's own limits, as far as they are known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    settle_lag: DurationField = 0
    """How long after its end a minute is still incomplete."""
    quiet: Literal["zeros", "nulls", "absent", "no_row"] = "zeros"
    """How a resource without a request in the window is shown; its hit ratio has no value in any case."""
    request_time: Literal["nested", "flat"] = "nested"
    """The vendor's page does not show the spelling."""
    with_status: bool = False
    """Whether good answers carry `status`, as the page's text says and its examples do not."""
    faults: tuple[AnyFault, ...] = ()

    @model_validator(mode="after")
    def _calls_are_known(self) -> Self:
        if unknown := {call for fault in self.faults for call in fault.calls} - set(CALLS):
            raise ValueError(f"no such calls: {', '.join(sorted(unknown))}; there are {', '.join(CALLS)}")
        return self
