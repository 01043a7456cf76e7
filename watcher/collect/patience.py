"""When bins that keep failing are left out, and how far they reach."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from watcher.errors import CollectError, TimedOut

Patience: TypeAlias = Mapping[str, int]
"""Attempts by family; a failure of any other family is never the fault of one bin."""

LIVE: Final[Patience] = {"request": 2, "contract": 10, "vendor": 20}
"""Polls after which one bin is left out, if a newer one is answered."""
AGAIN: Final[Patience] = {"request": 2, "contract": 3, "vendor": 5}
"""The same for bins that a person wants to be read once more."""


def attempts(error: CollectError, patience: Patience) -> int | None:
    """How many attempts a bin is worth that fails so; None where the fault is not in what was asked for."""
    return patience.get("vendor" if isinstance(error, TimedOut) else error.family)


async def first_answered(last: int, is_refused: Callable[[int], Awaitable[bool]]) -> int:
    """The first of the bins 1 to `last` that is answered, where the one before them is refused.

    The last is known to be answered. It takes few questions, whether one bin is refused or a long run of
    them; in a run with gaps, the end of any of its parts may be found.
    """
    refused, answered = 0, 1
    while answered < last and await is_refused(answered):
        refused, answered = answered, min(last, 2 * answered + 1)
    while answered - refused > 1:
        middle = (refused + answered) // 2
        if await is_refused(middle):
            refused = middle
        else:
            answered = middle
    return answered
