"""What a scenario says about its SwiftFederation: the access key, the domains and the knobs."""

from typing import Final, Literal

from pydantic import Field

from watcher.document.fields import DurationField
from watcher.model.time import HOUR, Duration
from watcher.simulate.swiftfederation.faults import SwiftfederationFault
from watcher.simulate.vendor import VendorSettings

CLOCK_WINDOW: Final[Duration] = HOUR
"""How far a date may be off, either side."""
CALLS: Final = frozenset({"codes"})


class SwiftfederationSettings(VendorSettings):
    """Defaults are the vendor's own limits, as far as they are known."""

    access_key_id: str = Field(default="AKDEMO0000000001", min_length=1)
    access_key_secret: str = Field(default="SKDEMO00000000000000000000000001", min_length=1)
    unknown_domains: tuple[str, ...] = ()
    """Names that the announced source asks for, and nobody knows."""
    hidden: DurationField = 0
    """How long after its end a bin is missing; then it grows until `settle_lag` is over."""
    quiet: Literal["absent", "empty"] = "absent"
    """How a bin without a request is shown: the vendor's page does not say."""
    refuse_replays: bool = False
    """Whether a nonce is taken once only; nothing is published about it."""
    faults: tuple[SwiftfederationFault, ...] = ()

    def clock_tolerance(self) -> Duration | None:
        """Of signatures."""
        return CLOCK_WINDOW

    @classmethod
    def calls(cls) -> frozenset[str]:
        """The one there is."""
        return CALLS
