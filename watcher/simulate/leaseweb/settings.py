"""What a scenario says about its Leaseweb: the key, the limits, and how what is not documented looks."""

from typing import Final, Literal

from pydantic import Field

from watcher.simulate.leaseweb.faults import LeasewebFault
from watcher.simulate.vendor import VendorSettings

CALLS: Final = frozenset(
    {"statistics", "origins", "groups", "members", "certificates", "actions", "distributions", "domains"}
    | {"policies", "acls"}
)


class LeasewebSettings(VendorSettings):
    """Defaults are as the document's examples show."""

    api_key: str = "demo-leaseweb-key"
    layout: Literal["by_call", "one_object", "one_name"] = "by_call"
    """Of `series`: as in the document, regions in one object and all else in one each, or all alike."""
    hit_ratio: Literal["ratio", "percent"] = "ratio"
    """Scale of CACHEHIT, which no document states."""
    labels: Literal["start", "end"] = "start"
    """What a point's time is of its bin."""
    quiet: Literal["zeros", "absent"] = "zeros"
    """Whether a bin without a request has points."""
    largest_page: int = Field(default=1_000, ge=1)
    """What a larger `limit` is lowered to, without a word."""
    failure_shows_in: Literal["status", "url_status"] = "status"
    """Where the word of a failed job stands; the other place then says that all is well."""
    wrong_parameter: Literal[400, 422] = 400
    """How a bad `limit`, `offset` or `filters` is refused: as documented, or as a validator would."""
    faults: tuple[LeasewebFault, ...] = ()

    @classmethod
    def calls(cls) -> frozenset[str]:
        """By kind of what is asked for."""
        return CALLS
