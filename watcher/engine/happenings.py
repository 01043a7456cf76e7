"""What the events of rows make of their episodes: begun, graded, over, or come back after a short rest."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from watcher.engine.episodes import Bin, Episode
from watcher.engine.lifecycle import Event, Lifecycle, Rows
from watcher.model.incident import Resolution
from watcher.model.rule import Severity
from watcher.model.time import Duration, Instant

Episodes: TypeAlias = dict[int, list[Episode]]
"""By row, in event order."""
ENDINGS = frozenset({Event.ENDED, Event.GONE, Event.LAPSED, Event.DISMISSED})


def record(
    episodes: Episodes, happening: tuple[Event, Rows, Bin, Lifecycle], rows: Rows, within: Duration
) -> None:
    """Write what a step found into the episodes; the lifecycle is of `rows`, what was found are places in it.

    What has recovered and breaks again `within` so long is the same episode: its run begins where that did.
    """
    event, found, bin_, life = happening
    for at, row in zip(found.tolist(), rows[found].tolist(), strict=True):
        held = episodes.setdefault(row, [])
        if event is not Event.FIRED:
            held[-1] = _changed(held[-1], event, bin_, life, at)
        elif held and returns(held[-1], int(life.opened[at]), within):
            episode = held[-1].returned(int(life.opened[at]), bin_)
            life.opened[at] = episode.opened_at
            life.highest[at] = max(int(life.highest[at]), episode.highest or 0)
            held[-1] = _graded(episode, life, at, bin_)
        else:
            held.append(_graded(Episode(int(life.opened[at]), fired_in=bin_), life, at, None))


def returns(episode: Episode, opened: Instant, within: Duration) -> bool:
    """Whether trouble that begins at a time is an episode that comes back."""
    if episode.resolution is not Resolution.RECOVERED or episode.resolved_at is None:
        return False
    return opened - episode.resolved_at < within


def standing(life: Lifecycle, at: int) -> Episode:
    """The open episode of a row that fires, as far as its lifecycle knows it."""
    return _graded(Episode(int(life.opened[at])), life, at, None)


def taken_from(episodes: Episodes, row: int, over: Episode) -> None:
    """Let go of an episode that is final."""
    left = [episode for episode in episodes.get(row, ()) if episode.opened_at != over.opened_at]
    if left:
        episodes[row] = left
    else:
        episodes.pop(row, None)


def joined(own: Episodes, added: Episodes, places: Sequence[int] | Rows) -> None:
    """Add the episodes of other rows, by their places among these; where both hold some, the own stay."""
    for row, episodes in added.items():
        own.setdefault(int(places[row]), episodes)


def _graded(episode: Episode, life: Lifecycle, at: int, graded_in: Bin | None) -> Episode:
    """With the severities of a row; those of an older snapshot only the book knows."""
    if not life.level[at]:
        return episode
    return episode.graded(Severity(int(life.level[at])), Severity(int(life.highest[at])), graded_in)


def _changed(episode: Episode, event: Event, bin_: Bin, life: Lifecycle, at: int) -> Episode:
    """The episode after an event that is not its first."""
    match event:
        case Event.GRADED:
            return _graded(episode, life, at, bin_)
        case Event.NOTED:
            return replace(episode, noted=True)
        case Event.LAPSED:
            return episode.ended(int(life.breached_until[at]), Resolution.UNJUDGED, None)
        case Event.GONE:
            return episode.ended(bin_.end, Resolution.GONE, bin_)
        case Event.DISMISSED:
            return episode.ended(max(bin_.end, episode.opened_at), Resolution.MANUAL, None)
    # A state is over with the first good reading; a bin's trouble with the last bad bin.
    end = life.breached_until[at] if bin_.end > bin_.start else life.clear_from[at]
    return episode.ended(int(end), Resolution.RECOVERED, bin_)
