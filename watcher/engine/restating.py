"""Episodes that are over, and of which a correction changes the figures and no reading."""

import numpy as np

from watcher.engine.episodes import Difference, Episode
from watcher.engine.track import Track
from watcher.model.incident import Change
from watcher.model.time import Instant


def restated(track: Track) -> list[tuple[int, Episode]]:
    """Episodes that are over, by row, of whose bins some say something else than when that was last asked."""
    changed = [one for lane in track.lanes.values() for one in lane.judged.restated()]
    if not changed:
        return []
    over = {row: held for row, held in track.course.episodes.items() if held[0].resolved_at is not None}
    found: dict[tuple[int, Instant], Episode] = {}
    for start, rows in changed if over else ():
        for row in np.intersect1d(rows, sorted(over)).tolist():
            own = (one for one in over[row] if _holds(one, start) and _is_whole(track, row, one))
            found |= {(row, one.opened_at): one for one in own}
    return [(row, one) for (row, _), one in sorted(found.items())]


def _holds(episode: Episode, start: Instant) -> bool:
    """Whether a bin that begins at a time counts for an episode that is over."""
    return episode.resolved_at is not None and episode.opened_at <= start < episode.resolved_at


def _is_whole(track: Track, row: int, episode: Episode) -> bool:
    """Whether all its bins are at hand, or summed up: after a rebuild the first ones may be neither."""
    judged = [int(lane.judged.starts[0]) for lane in track.lanes.values() if len(lane.judged.starts)]
    return (row, episode.opened_at) in track.course.tolls or episode.opened_at >= min(judged)


def only_figures(episode: Episode) -> Difference:
    """Nothing of it is other than it was told, but perhaps its figures."""
    return Difference(Change.MOVED, episode, episode)
