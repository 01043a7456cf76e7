"""What can go wrong at Leaseweb beyond what can go wrong anywhere."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from watcher.simulate.faults import CommonFault, Fault


class MissingPoints(Fault):
    """The last points of one metric are not there, while other metrics have them."""

    kind: Literal["missing_points"]
    metric: str = "STATUS_5XX"
    last: int = Field(default=1, ge=1)


class Ungrouped(Fault):
    """The backend forgets to group: all of it, under one name."""

    kind: Literal["ungrouped"]


class Denied(Fault):
    """The key may not see this: `ACCESS_DENIED`, in the form of sibling APIs."""

    kind: Literal["denied"]


class Unauthorized(Fault):
    """The key is refused in the form of sibling APIs: a message, and nothing else."""

    kind: Literal["unauthorized"]


class WrongMetadata(Fault):
    """What pages say of their list: nothing at all, or their own length as the whole."""

    kind: Literal["wrong_metadata"]
    says: Literal["nothing", "own_length"] = "nothing"


LeasewebFault: TypeAlias = Annotated[
    CommonFault | MissingPoints | Ungrouped | Denied | Unauthorized | WrongMetadata,
    Field(discriminator="kind"),
]
