"""What is told of the rows that are due: pure decisions, a file each, each with the reason the log keeps."""

from watcher.notify.stages.decide import decide
from watcher.notify.stages.plan import (
    DIGEST,
    DIGEST_SIZE,
    GROUP,
    IN_FULL,
    TELL_WITHIN,
    Decision,
    Plan,
    Reason,
    Skip,
    View,
    Wait,
)
from watcher.notify.stages.suppressions import Suppressions

__all__ = [
    "DIGEST",
    "DIGEST_SIZE",
    "GROUP",
    "IN_FULL",
    "TELL_WITHIN",
    "Decision",
    "Plan",
    "Reason",
    "Skip",
    "Suppressions",
    "View",
    "Wait",
    "decide",
]
