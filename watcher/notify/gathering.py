"""Title and first sentence of a message that tells of several incidents: how many, and why together."""

from collections.abc import Sequence
from typing import Final

from watcher.model.incident import Incident, Status
from watcher.notify.facts import recovered
from watcher.notify.stages import GROUP, Plan, Reason
from watcher.notify.story import shortened

_WHY: Final = {
    Reason.CAUGHT_UP: ("found while catching up", "Found while catching up with what happened before"),
    Reason.AFTER_MUTE: ("while you were not to be disturbed", "Kept back while you were not to be disturbed"),
    Reason.DIGESTED: ("in this digest", "What came since the digest before"),
    Reason.THROTTLED: ("at once", "More came at once than this receiver is told one by one"),
}
"""By the reason of a digest: how its title says it, and its first sentence."""


def heading(plan: Plan) -> tuple[str, str]:
    """Title and lead. The title begins with `Resolved` where all of them have recovered, and never else."""
    incidents = [*plan.incidents, *plan.more]
    going_on = sum(not incident.over for incident in incidents)
    count = _counted(len(incidents))
    state = _state(incidents)
    if plan.kind == GROUP:
        common = ", ".join(f"{name} {value}" for name, value in plan.group.items())
        lead = f"{count}{f' of {common}' if common else ''}, {going_on} of them open."
        return shortened(f"{state} {count}{f': {common}' if common else ''}"), lead
    short, long = _WHY.get(plan.reason, _WHY[Reason.DIGESTED])
    lead = f"{long}: {count}, {going_on} of them open."
    if state == "Resolved:":
        return f"Resolved: {count} {short}", lead
    return f"{state} {count} {short}, {going_on} open", lead


def _counted(count: int) -> str:
    return f"{count} incident{'' if count == 1 else 's'}"


def _state(incidents: Sequence[Incident]) -> str:
    """How the title begins: recovered and withdrawn ones as such, others by the highest severity."""
    if all(map(recovered, incidents)):
        return "Resolved:"
    if all(incident.status is Status.WITHDRAWN for incident in incidents):
        return "Withdrawn:"
    standing = [incident for incident in incidents if not incident.over] or incidents
    return f"[{max(incident.severity for incident in standing)}]"
