"""What can go wrong with Huawei's answers beyond what can with any vendor's."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from watcher.simulate.faults import CommonFault, Fault


class Inserts(Fault):
    """After each page, so many records come in before those that were given: pages then overlap."""

    kind: Literal["inserts"]
    count: int = Field(default=1, ge=1)


class Miscounted(Fault):
    """The counters have more failed calls than the records, and fewer that succeeded."""

    kind: Literal["miscounted"]
    by: int = Field(default=1, ge=1)


class OddCodes(Fault):
    """Failed records have a code that is none, or an empty one."""

    kind: Literal["odd_codes"]
    code: str = ""


class Unlogged(Fault):
    """Calls for the records leave no record."""

    kind: Literal["unlogged"]


HuaweiFault: TypeAlias = Annotated[
    CommonFault | Inserts | Miscounted | OddCodes | Unlogged, Field(discriminator="kind")
]
