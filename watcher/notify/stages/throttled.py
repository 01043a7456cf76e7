"""More messages than a receiver's rate allows become fewer that tell of many; critical ones never wait.

Critical ones are told by themselves while there is room; all that is left is told in as few messages as can
be, the most severe in full and the rest a line each.
"""

from collections.abc import Sequence
from math import ceil

from watcher.model.rule import Severity
from watcher.notify.stages.plan import (
    DIGEST,
    DIGEST_SIZE,
    Bundle,
    Plan,
    Reason,
    View,
    Wait,
    merged,
    urgency,
)


def throttled(plans: Sequence[Plan], view: View) -> tuple[list[Plan], list[Wait]]:
    """What is told of these plans, given most severe first, and what has to wait for more room."""
    if view.room is None or len(plans) <= view.room:
        return list(plans), []
    if not view.gathers:
        return _in_turn(plans, view.room, view.more_room_at)
    critical = sum(plan.severity is Severity.CRITICAL for plan in plans)
    incidents = sum(len(plan.every) for plan in plans)
    digests = 1 + ceil(incidents / DIGEST_SIZE)  # what stands and what is over are never in one message
    apart = min(critical, max(view.room - digests, 0))
    rest, bundle = plans[apart:], Bundle(DIGEST, Reason.THROTTLED)
    standing = merged([plan for plan in rest if not plan.ends], bundle)
    over = merged([plan for plan in rest if plan.ends], bundle)
    return [*plans[:apart], *sorted([*standing, *over], key=urgency)], []


def _in_turn(plans: Sequence[Plan], room: int, more_room_at: int) -> tuple[list[Plan], list[Wait]]:
    """For a target that takes one incident a message."""
    passing = [plan for at, plan in enumerate(plans) if at < room or plan.severity is Severity.CRITICAL]
    told = {id(plan) for plan in passing}
    rest = [plan for plan in plans if id(plan) not in told]
    return passing, [Wait(plan.rows, Reason.AWAITS_RATE, more_room_at) for plan in rest]
