"""What can go wrong at Alibaba Cloud beyond what can go wrong anywhere."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from watcher.simulate.faults import CommonFault, Fault


class Flat(Fault):
    """Lists without the objects around them, as the document prints them."""

    kind: Literal["flat"]


class BareDomains(Fault):
    """Domains stand in `Domains` and not in `DomainInfos`: the two disagree."""

    kind: Literal["bare_domains"]
    resources: tuple[str, ...] = ()
    """Whose domains; none named is all."""


AlibabaFault: TypeAlias = Annotated[CommonFault | Flat | BareDomains, Field(discriminator="kind")]
