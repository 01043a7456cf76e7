"""What a scenario says about its Alibaba Cloud: credentials, limits and forms of answers."""

from collections.abc import Iterable
from typing import Final, Literal

from pydantic import Field

from watcher.document.fields import DurationField
from watcher.model.time import MINUTE, Duration
from watcher.simulate.alibaba.faults import AlibabaFault, BareDomains
from watcher.simulate.vendor import VendorSettings

CALLS: Final = frozenset({"domains"})


class AlibabaSettings(VendorSettings):
    """Defaults are the vendor's own limits, as far as they are known."""

    access_key_id: str = Field("LTAIDEMO00000000", min_length=1)
    access_key_secret: str = Field("demo-access-key-secret-0000000", min_length=1)
    security_token: str = ""
    """Where set, the key is temporary, and each call must carry this token."""
    kind: Literal["acs3", "rpc"] = "acs3"
    """Of signature, in the announced source. Both are accepted in any case."""
    per_second: int = Field(30, ge=1)
    """Calls a second and access key."""
    clock_window: DurationField = 15 * MINUTE
    """How far a request's time may be off. Pages say 31 minutes, the error centre says 15."""
    layout: Literal["nested", "flat"] = "nested"
    """Whether lists have objects around them, as on the wire, or not, as in the document."""
    nothing_found: Literal["refusal", "empty"] = "refusal"
    """What a call is told of whose sources none is used. The document knows no such refusal."""
    unused: Literal["absent", "entry"] = "absent"
    """Whether a source without domains is left out of the answer, or stands there with empty lists."""
    offset: Literal["+08:00", "Z"] = "+08:00"
    """How times are written."""
    orphans: tuple[str, ...] = ()
    """Origins of the announced source that feed no domain from the start."""
    faults: tuple[AlibabaFault, ...] = ()

    def clock_tolerance(self) -> Duration | None:
        """Of signatures."""
        return self.clock_window

    @classmethod
    def calls(cls) -> frozenset[str]:
        """There is one."""
        return CALLS

    def resources_named(self) -> Iterable[tuple[tuple[str | int, ...], str]]:
        """By faults."""
        return (
            (("faults", place, "resources", at), name)
            for place, fault in enumerate(self.faults)
            if isinstance(fault, BareDomains)
            for at, name in enumerate(fault.resources)
        )
