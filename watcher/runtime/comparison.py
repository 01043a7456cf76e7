"""What one rule set finds that another does not, over the same samples. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from watcher.model.incident import Incident, IncidentKey, Status


@dataclass(frozen=True, slots=True)
class Moved:
    """One episode that both find, with another start, end or severity."""

    was: Incident
    now: Incident


@dataclass(frozen=True, slots=True)
class Comparison:
    """Incidents that are not withdrawn, by what became of them."""

    gained: Sequence[Incident]
    lost: Sequence[Incident]
    moved: Sequence[Moved]

    @property
    def differs(self) -> bool:
        """Whether anything did."""
        return bool(self.gained or self.lost or self.moved)


def compare(was: Iterable[Incident], now: Iterable[Incident]) -> Comparison:
    """What became of the incidents of one rule set under another; episodes of one key are one by overlap."""
    left: defaultdict[IncidentKey, list[Incident]] = defaultdict(list)
    for incident in was:
        if incident.status is not Status.WITHDRAWN:
            left[incident.key].append(incident)
    gained, moved = [], []
    for incident in now:
        if incident.status is Status.WITHDRAWN:
            continue
        same = next((other for other in left[incident.key] if _overlap(other, incident)), None)
        if same is None:
            gained.append(incident)
            continue
        left[incident.key].remove(same)
        if _what_counts(same) != _what_counts(incident):
            moved.append(Moved(same, incident))
    lost = [incident for rest in left.values() for incident in rest]
    return Comparison(
        gained, sorted(lost, key=lambda one: (one.opened_at, one.key.rule, one.key.labels)), moved
    )


def _overlap(one: Incident, other: Incident) -> bool:
    ends = [inf if incident.resolved_at is None else incident.resolved_at for incident in (one, other)]
    return one.opened_at <= ends[1] and other.opened_at <= ends[0]


def _what_counts(incident: Incident) -> tuple[object, ...]:
    return incident.opened_at, incident.resolved_at, incident.severity, incident.resolution
