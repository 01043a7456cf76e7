"""What can go wrong at SwiftFederation beyond what can go wrong anywhere."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from watcher.simulate.faults import CommonFault, Fault


class OperationFailed(Fault):
    """The backend fails, which the vendor tells as a 400."""

    kind: Literal["operation_failed"]


class Forgotten(Fault):
    """These domains are not known; none named is all."""

    kind: Literal["forgotten"]
    domains: tuple[str, ...] = ()


SwiftfederationFault: TypeAlias = Annotated[
    CommonFault | OperationFailed | Forgotten, Field(discriminator="kind")
]
