"""The pipeline: rows of one claim go through every stage, and each comes out told, waiting or skipped."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from watcher.model.message import Due
from watcher.notify.stages.caught_up import caught_up
from watcher.notify.stages.digested import digest, digested
from watcher.notify.stages.grouped import group, grouped
from watcher.notify.stages.inhibited import inhibited
from watcher.notify.stages.maintenance import maintained
from watcher.notify.stages.muted import after_mute, muted
from watcher.notify.stages.plan import (
    Bundle,
    Case,
    Decision,
    Hold,
    Plan,
    Skip,
    View,
    Wait,
    Word,
    merged,
    single,
    urgency,
)
from watcher.notify.stages.silenced import silenced
from watcher.notify.stages.snoozed import snoozed
from watcher.notify.stages.throttled import throttled
from watcher.notify.stages.told import told

Holding: TypeAlias = Callable[[Word, View], Hold | None]
Bundling: TypeAlias = Callable[[Word], Bundle | None]

SUPPRESSING: Final[tuple[Holding, ...]] = (snoozed, silenced, maintained, inhibited, muted)
"""Asked in their order of words that tell of trouble alone: an all-clear is never suppressed."""
PACING: Final[tuple[Holding, ...]] = (digested, grouped)
"""Asked of every word."""
BUNDLING: Final[tuple[Bundling, ...]] = (caught_up, after_mute, digest, group)
"""The first that knows a bundle for a word puts it there."""


def decide(rows: Iterable[Due], view: View) -> Decision:
    """What one target is told of these rows, all of one claim."""
    words: list[Word] = []
    waits: list[Wait] = []
    skips: list[Skip] = []
    for case in cases(rows):
        match _considered(case, view):
            case Word() as word:
                words.append(word)
            case Wait() as wait:
                waits.append(wait)
            case Skip() as skip:
                skips.append(skip)
    plans, held_back = throttled(sorted(_gathered(words, view), key=urgency), view)
    return Decision(tuple(plans), (*waits, *held_back), tuple(skips))


def cases(rows: Iterable[Due]) -> list[Case]:
    """Rows by incident, in the order they were owed."""
    grouped_rows: dict[str, list[Due]] = {}
    for row in sorted(rows, key=lambda row: (row.created_at, row.id)):
        grouped_rows.setdefault(row.incident.id, []).append(row)
    return [Case(of[-1].incident, tuple(of)) for of in grouped_rows.values()]


def _considered(case: Case, view: View) -> Word | Wait | Skip:
    word = told(case, view)
    if not isinstance(word, Word):
        return Skip(case.rows, word)
    for stage in (*(SUPPRESSING if word.is_news else ()), *PACING):
        hold = stage(word, view)
        if hold is not None:
            if hold.until is None:
                return Skip(case.rows, hold.reason, hold.by)
            return Wait(case.rows, hold.reason, hold.until, hold.by)
    return word


def _gathered(words: Sequence[Word], view: View) -> list[Plan]:
    """The messages that tell of these words; what is in no bundle is told by itself."""
    bundled: dict[Bundle, list[Plan]] = {}
    plans: list[Plan] = []
    for word in words:
        bundle = next((found for stage in BUNDLING if (found := stage(word))), None) if view.gathers else None
        (plans if bundle is None else bundled.setdefault(bundle, [])).append(single(word))
    for bundle, parts in bundled.items():
        plans += merged(parts, bundle)
    return plans
