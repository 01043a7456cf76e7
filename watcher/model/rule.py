"""A rule: policy, frozen and validated. Mechanism lives in the detector it names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from pydantic import BaseModel

from watcher.model.labels import Selector
from watcher.model.time import Duration, Instant


class Severity(IntEnum):
    """Impact and urgency; ordered, so that the highest can be taken."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> "Severity":
        """From its lower-case name.

        Raises:
            ValueError: not one of the three.
        """
        for severity in cls:
            if str(severity) == text:
                return severity
        raise ValueError(f"{text!r} is not a severity; write info, warning or critical")


class Mode(StrEnum):
    """What becomes of a rule's incidents."""

    LIVE = "live"
    SHADOW = "shadow"
    """Recorded with a mark and told to nobody: a rule on trial."""


@dataclass(frozen=True, slots=True)
class NofM:
    """`for: 3 of 5`: so many breaching among the newest bins that are known. Unknown ones take no place."""

    breaching: int
    of: int

    def __str__(self) -> str:
        return f"{self.breaching} of {self.of}"


@dataclass(frozen=True, slots=True)
class Flapping:
    """How often, within how long, an incident comes back that counts as one which flaps."""

    returns: int
    within: Duration

    def until(self, comebacks: Sequence[Instant]) -> Instant | None:
        """The end of the time in which what came back at these times flaps; None where it does not."""
        if len(comebacks) < self.returns or comebacks[-1] - comebacks[-self.returns] >= self.within:
            return None
        return comebacks[-self.returns] + self.within

    def count(self, comebacks: Sequence[Instant]) -> int:
        """How many of these, in event order, are within the time that ends with the last."""
        return sum(comebacks[-1] - one < self.within for one in comebacks)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a rule was written."""

    file: str = ""
    line: int = 0
    digest: str = ""
    """SHA-256 of the rule as it stands after overrides, hex: two rules with one digest judge alike."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a rule book, in the order of its YAML."""

    id: str
    detector: str
    match: Mapping[str, Selector]
    """Series by the role they play for the detector (`part`, `whole`, `value`, ...)."""
    by: tuple[str, ...]
    params: BaseModel
    """The detector's own parameters, validated."""
    hold: Duration = 0
    """`for`: how long a breach must last before it fires."""
    keep_firing_for: Duration = 0
    severity: Severity = Severity.WARNING
    """Where a verdict says no other: the lowest, of several."""
    summary: str = "{subject}: {text}"
    why: str = ""
    false_alarms: str = ""
    runbook: str = ""
    provenance: Provenance = field(default_factory=Provenance)
    needs: NofM | None = None
    """`for` in bins, in place of `hold`."""
    clear_when: BaseModel | None = None
    """`params` as they are for being clear again; between the two an incident stays what it is."""
    severities: Mapping[Severity, BaseModel] = field(default_factory=dict)
    """`params` as they are for each severity, where there are several."""
    mode: Mode = Mode.LIVE
    extends: str = ""
    """The rule it was written as a change of."""
    reopen_within: Duration = 0
    """How soon after its end trouble is the same incident that comes back, from `resolved_at` to its first
    breaching bin; 0: never."""
    flapping: Flapping | None = None
    """From when on what comes back flaps; None: never."""
