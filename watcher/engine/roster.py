"""Every stream that has come and every track there is: who reads what, and which track holds a group."""

from collections.abc import Collection, Iterator, Sequence

from watcher.engine.binding import Binding, bind, layout
from watcher.engine.bound import BoundRule
from watcher.engine.casting import Casting
from watcher.engine.grid import Grid
from watcher.engine.kin import Kin
from watcher.engine.lane import Lane, lane_key
from watcher.engine.lifecycle import NEVER
from watcher.engine.places import Places
from watcher.engine.track import Track
from watcher.model.incident import IncidentKey
from watcher.model.labels import LabelSet
from watcher.model.sample import SampleBatch
from watcher.model.time import Duration, Instant


class Feed:
    """The bins of one stream, and the rules that may read them."""

    def __init__(self, rules: Sequence[BoundRule], source: str, vendor: str, grid: Grid) -> None:
        """Nothing has come."""
        self.source, self.vendor = source, vendor
        self.grid = grid
        self.key = lane_key(grid.stream, grid.width)
        base = {"source": source, "vendor": vendor}
        self.castings = [(bound, Casting(bound.rule, bound.detector.roles, base)) for bound in rules]

    def reads(self, bound: BoundRule) -> bool:
        """Whether a rule may read it."""
        return any(one is bound for one, _ in self.castings)

    def casting(self, rule: str) -> Casting:
        """That of one of its rules."""
        return next(casting for bound, casting in self.castings if bound.rule.id == rule)


class Bindings:
    """The bindings of one layout of states to every rule; None for those that do not read it."""

    def __init__(self, rules: Sequence[BoundRule], batch: SampleBatch) -> None:
        """Of the batch's layout."""
        self.layout = layout(batch)
        self.bound: list[tuple[BoundRule, Binding | None]] = [
            (bound, bind(bound.rule, bound.detector.roles, batch)) for bound in rules
        ]


class Roster:
    """See the module's docstring."""

    def __init__(self, rules: Sequence[BoundRule], horizon: Duration, places: Places) -> None:
        """Nothing has come."""
        self.rules = rules
        self._feeds: dict[tuple[str, str], list[Feed]] = {}
        """By source and lane; several where rules were taken over that another engine has rebuilt."""
        self.tracks: dict[tuple[str, str], list[Track]] = {}
        """By rule and source."""
        self.kin: dict[tuple[str, str], Kin] = {}
        """The same."""
        self.watermarks: dict[str, dict[str, Instant]] = {}
        """By source and lane."""
        self.vendors: dict[str, str] = {}
        """By source: every one that was heard of."""
        self.names: dict[str, dict[str, str]] = {}
        """By source: what people call a resource, by its id."""
        self.sighted: dict[tuple[str, str], Instant] = {}
        """By source and stream: until when it was looked at."""
        self.down: dict[tuple[str, str], Instant] = {}
        """And until when in vain."""
        self.places = places
        self._horizon = horizon
        self._stateful = [bound for bound in rules if is_stateful(bound)]
        self._binned = [bound for bound in rules if not is_stateful(bound)]
        self._bindings: dict[tuple[str, str], Bindings] = {}
        selectors = (one for bound in self._binned for one in bound.rule.match.values())
        self._reads = tuple(dict.fromkeys(one for selector in selectors for one in selector.choices()))

    # --- streams

    @property
    def feeds(self) -> Iterator[Feed]:
        """All of them."""
        for feeds in self._feeds.values():
            yield from feeds

    def feeds_of(self, source: str, vendor: str, stream: str, width: Duration) -> Sequence[Feed]:
        """The bins of a stream, made at first sight."""
        key = (source, lane_key(stream, width))
        if key not in self._feeds:
            self.open(Feed(self._binned, source, vendor, self.grid(stream, width)))
        return self._feeds[key]

    def grid(self, stream: str, width: Duration) -> Grid:
        """An empty one, for what the rules read."""
        return Grid(stream, width, self._reads)

    def restored(self, source: str, vendor: str, grid: Grid, rules: Collection[str]) -> Feed:
        """A feed that stood before, for those of its rules that are still here."""
        feed = Feed([one for one in self._binned if one.rule.id in rules], source, vendor, grid)
        self.open(feed)
        return feed

    def open(self, feed: Feed) -> None:
        """Let a feed take what comes of its stream. No rule reads a stream twice."""
        own = {bound.rule.id for bound, _ in feed.castings}
        feeds = self._feeds.setdefault((feed.source, feed.key), [])
        for other in feeds:
            other.castings = [one for one in other.castings if one[0].rule.id not in own]
        feeds.append(feed)

    def bindings(self, batch: SampleBatch) -> Sequence[tuple[BoundRule, Binding | None]]:
        """Every rule that reads its states, with its binding to a batch; kept while the layout stays."""
        key = (batch.source, batch.stream)
        if key not in self._bindings or self._bindings[key].layout != layout(batch):
            self._bindings[key] = Bindings(self._stateful if batch.width else self.rules, batch)
        return self._bindings[key].bound

    def mark(self, source: str, lane: str, settled_until: Instant) -> None:
        """A stream is settled so far."""
        marks = self.watermarks.setdefault(source, {})
        marks[lane] = max(marks.get(lane, NEVER), settled_until)

    def readers(self, feed: Feed) -> Iterator[tuple[Track, Lane]]:
        """The tracks that read a feed, each with its lane."""
        for bound, _ in feed.castings:
            for track in self.tracks.get((bound.rule.id, feed.source), ()):
                if feed.key in track.lanes:
                    yield track, track.lanes[feed.key]

    # --- tracks

    def family(self, bound: BoundRule, source: str) -> list[Track]:
        """The tracks of one rule over one source."""
        key = (bound.rule.id, source)
        if key not in self.tracks:
            self.tracks[key], self.kin[key] = [], Kin(bound.rule, self.places)
        return self.tracks[key]

    def new_track(self, bound: BoundRule, source: str) -> Track:
        """One more track of a rule over a source."""
        track = Track(bound, self._horizon)
        self.family(bound, source).append(track)
        return track

    def track(self, bound: BoundRule, batch: SampleBatch, groups: Collection[LabelSet]) -> Track:
        """The track that the stream feeds; else one that holds its groups: streams may follow each other.

        States of one source are one track: what one stream lists another may list later.
        """
        tracks = self.family(bound, batch.source)
        own = [track for track in tracks if batch.stream in track.streams]
        is_one = not batch.width or is_stateful(bound)
        found = own or [track for track in tracks if is_one or any(key in track.index for key in groups)]
        return found[0] if found else self.new_track(bound, batch.source)

    def join(self, track: Track, source: str, groups: Collection[LabelSet]) -> None:
        """Join to a track all others that hold a group which a stream of its own now feeds.

        No group is of two tracks.
        """
        tracks = self.tracks[track.rule.id, source]
        for other in [one for one in tracks if one is not track]:
            if any(key in other.index for key in groups):
                track.join(other)
                tracks.remove(other)

    def adopt(self, other: "Roster") -> None:
        """Take over the tracks that are not here, with the feeds they read, and what is known of new sources.

        Every rule then reads every stream, also one that said nothing while its tracks were rebuilt.
        """
        for key, tracks in other.tracks.items():
            self.tracks[key], self.kin[key] = tracks, other.kin[key]
        for feed in other.feeds:
            self.open(feed)
        for source, marks in other.watermarks.items():
            for lane, mark in marks.items():
                self.mark(source, lane, mark)
        self.vendors = other.vendors | self.vendors
        self.names = other.names | self.names
        self.sighted, self.down = other.sighted | self.sighted, other.down | self.down
        for feeds in list(self._feeds.values()):
            known = {bound.rule.id for feed in feeds for bound, _ in feed.castings}
            if blind := [bound for bound in self._binned if bound.rule.id not in known]:
                grid = self.grid(feeds[0].grid.stream, feeds[0].grid.width)
                self.open(Feed(blind, feeds[0].source, feeds[0].vendor, grid))

    def keep(self, sources: Collection[str]) -> None:
        """Forget what is known of other sources: it would be out of date when they are read again."""
        self.watermarks = {key: of for key, of in self.watermarks.items() if key in sources}
        self.vendors = {key: of for key, of in self.vendors.items() if key in sources}
        self.names = {key: of for key, of in self.names.items() if key in sources}
        self.sighted = {key: of for key, of in self.sighted.items() if key[0] in sources}
        self.down = {key: of for key, of in self.down.items() if key[0] in sources}

    def of_source(self, source: str) -> Iterator[Track]:
        """All tracks over one source."""
        for (_, of), tracks in self.tracks.items():
            if of == source:
                yield from tracks

    def find(self, key: IncidentKey) -> tuple[Track, int] | None:
        """The track and the row of a group."""
        source = dict(key.labels).get("source", "")
        for track in self.tracks.get((key.rule, source), ()):
            if key.labels in track.index:
                return track, track.index[key.labels]
        return None


def is_stateful(bound: BoundRule) -> bool:
    """Whether the rule reads state sets, or values that stand while nothing new comes; of whatever bins."""
    return any(role.state or role.carry for role in bound.detector.roles.values())
