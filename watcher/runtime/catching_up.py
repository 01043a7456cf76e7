"""Which sources are catching up: until then what their transitions owe is held back."""

from collections.abc import Iterable

from watcher.model.sample import Sight


class CatchingUp:
    """Remembers the last sight of every stream.

    A source that has not yet been seen caught up counts as catching up: at start nobody knows.
    """

    def __init__(self) -> None:
        """No source has been seen."""
        self._streams: dict[str, dict[str, bool]] = {}
        self._caught_up: set[str] = set()

    def see(self, sights: Iterable[Sight]) -> tuple[str, ...]:
        """Take the sights of a tick; the sources that have caught up with it."""
        for sight in sights:
            self._streams.setdefault(sight.source, {})[sight.stream] = sight.caught_up
        now = {source for source, streams in self._streams.items() if all(streams.values())}
        newly = tuple(sorted(now - self._caught_up))
        self._caught_up = now
        return newly

    def __contains__(self, source: str) -> bool:
        return source not in self._caught_up
