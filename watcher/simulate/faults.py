"""What can go wrong with a vendor's answers: a scenario's knobs, and which of them hold for a call."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import Field

from watcher.document.fields import DurationField
from watcher.model.time import MINUTE, SECOND, Instant
from watcher.simulate.moment import Moment, MomentField, Timed


class Fault(Timed):
    """One knob: which calls it is for, when, and how often."""

    kind: str
    calls: tuple[str, ...] = ()
    """Kinds of call, in the vendor's words (cdnvideo: token, accounts, metrics); none named is all."""
    every: int = Field(default=1, ge=1)
    """Only every n-th of these calls, counted from the first that the span holds."""


class Refusal(Fault):
    """An error answer in the vendor's own form: 500, 429 with Retry-After, 504 after a wait, anything."""

    kind: Literal["refusal"]
    status: int = Field(default=500, ge=400, le=599)
    code: str = ""
    """The vendor's own word for the error, where it has such; none given is one that fits the status."""
    description: str = "Simulated failure"
    retry_after: DurationField | None = None
    delay: DurationField = 0
    """Real time before the answer."""


class Html(Fault):
    """A proxy's page in place of JSON."""

    kind: Literal["html"]
    status: int = 200


class Truncated(Fault):
    """The right answer, cut in the middle: no longer JSON."""

    kind: Literal["truncated"]


class Nonsense(Fault):
    """JSON of a form that no document knows."""

    kind: Literal["nonsense"]


class Slow(Fault):
    """The right answer, late in real time."""

    kind: Literal["slow"]
    delay: DurationField = 40 * SECOND


class Dropped(Fault):
    """The connection is closed without an answer."""

    kind: Literal["dropped"]


class Skewed(Fault):
    """The vendor's clock, as its Date header shows it, is off."""

    kind: Literal["skewed"]
    by: MomentField = Moment(offset=10 * MINUTE)


class Lag(Fault):
    """Recent minutes stay incomplete for this long after their end."""

    kind: Literal["lag"]
    lag: DurationField


class Revoked(Fault):
    """Every token given so far stops working."""

    kind: Literal["revoked"]


CommonFault: TypeAlias = Refusal | Html | Nonsense | Truncated | Slow | Dropped | Skewed | Lag | Revoked
"""What any vendor can have. A vendor's own settings join theirs: `Annotated[CommonFault | Mine,
Field(discriminator="kind")]`."""
AnyFault: TypeAlias = Annotated[CommonFault, Field(discriminator="kind")]
FaultT = TypeVar("FaultT", bound=Fault)


@dataclass(frozen=True, slots=True)
class Active:
    """The faults that hold for one call."""

    faults: tuple[Fault, ...] = ()

    def first(self, kind: type[FaultT]) -> FaultT | None:
        """The first of a kind, in the scenario's order."""
        return next((fault for fault in self.faults if isinstance(fault, kind)), None)


@dataclass(slots=True)
class Faults:
    """A vendor's knobs at run time; tests may turn them between calls."""

    anchor: Instant
    knobs: list[Fault] = field(default_factory=list)
    _calls: Counter[int] = field(default_factory=Counter)

    def turn(self, *knobs: Fault) -> None:
        """Have these faults and no others from now on, counted anew."""
        self.knobs[:] = knobs
        self._calls.clear()

    def active(self, call: str, at: Instant) -> Active:
        """The faults of this call, which it counts."""
        return Active(
            tuple(knob for number, knob in enumerate(self.knobs) if self._holds(number, knob, call, at))
        )

    def _holds(self, number: int, knob: Fault, call: str, at: Instant) -> bool:
        start, end = knob.span(self.anchor)
        if (knob.calls and call not in knob.calls) or not start <= at < end:
            return False
        self._calls[number] += 1
        return self._calls[number] % knob.every == 0
