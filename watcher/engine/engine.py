"""The engine: batches in, transitions out. One owner, no clock; time comes in with the samples."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from watcher.engine.acting import acted, attributed, dismissed, family, settled
from watcher.engine.bins import BinLane
from watcher.engine.bound import BoundRule
from watcher.engine.cells import Cells
from watcher.engine.dumping import FORMAT as DUMP_FORMAT
from watcher.engine.dumping import dump, load
from watcher.engine.guard import Guard
from watcher.engine.instants import InstantLane
from watcher.engine.lane import lane_key
from watcher.engine.lifecycle import INACTIVE, NEVER, STATE_NAMES, UNJUDGED_AFTER
from watcher.engine.places import Places
from watcher.engine.restart import closed, end_again, expect, restore, state_of
from watcher.engine.roster import Roster
from watcher.engine.telling import Clock, Occasion, tell
from watcher.engine.track import Track
from watcher.errors import DumpUnusable
from watcher.model.act import Act
from watcher.model.incident import Asked, End, Incident, IncidentKey, Resolution, Status, Transition
from watcher.model.sample import SampleBatch
from watcher.model.snapshot import EngineDump, TrackState
from watcher.model.time import HOUR, Duration, Instant

__all__ = ["DUMP_FORMAT", "BoundRule", "Engine"]

HORIZON: Duration = 2 * HOUR


class Engine:
    """Judges every rule over every source, bin by settled bin, and re-judges what late data changes."""

    def __init__(
        self, rules: Sequence[BoundRule], horizon: Duration = HORIZON, *, places: Places | None = None
    ) -> None:
        """An engine that has seen nothing; `places` are those of an engine that is to adopt it."""
        self.guard = Guard()
        self.places = Places() if places is None else places
        """Where resources belong: known from batches; the inventory may add to it."""
        self._roster = Roster(rules, horizon, self.places)
        self._horizon = horizon
        self._sources: frozenset[str] = frozenset()
        """Those that are watched, as known while restarting."""
        self._is_loaded = False
        """It stood where a dump said: what was told is known exactly, of tracks begun since then too."""
        self._adopted: set[tuple[str, str]] = set()
        """Rule and source of what another engine rebuilt."""

    @property
    def late(self) -> int:
        """Bins that came too late to be judged."""
        tracks = sum(track.late for tracks in self._roster.tracks.values() for track in tracks)
        return tracks + sum(feed.grid.late for feed in self._roster.feeds)

    def ingest(self, batch: SampleBatch) -> None:
        """Take a batch into the windows of every rule that reads it. Judges nothing."""
        batch = self.guard.admit(batch)
        self.places.see(batch)
        self._roster.vendors[batch.source] = batch.vendor
        self._roster.mark(batch.source, lane_key(batch.stream, batch.width), batch.settled_until)
        if batch.names:
            self._roster.names.setdefault(batch.source, {}).update(batch.names)
        if batch.width:
            self._take_bins(batch)
        for bound, binding in self._roster.bindings(batch):
            if binding is not None:
                track = self._roster.track(bound, batch, binding.groups)
                track.take(track.instant_lane(batch.stream, batch.width), binding, batch)
            else:
                self._put_nothing(bound.rule.id, batch)
        self._see(batch)

    def _take_bins(self, batch: SampleBatch) -> None:
        """Take the bins of a batch into the grid that all rules share, and see who reads it."""
        for feed in self._roster.feeds_of(batch.source, batch.vendor, batch.stream, batch.width):
            feed.grid.take(batch)
            accepted = batch.starts[batch.starts >= feed.grid.accept_from]
            for bound, casting in feed.castings:
                was_ready = casting.is_ready
                changed = casting.update(feed.grid)
                if not (was_ready or casting.is_ready):
                    continue
                track = self._roster.track(bound, batch, casting.groups)
                lane = track.bin_lane(feed.grid, casting)
                if changed:
                    self._roster.join(track, batch.source, casting.groups)
                    track.bind(lane)
                lane.saw(accepted)

    def evaluate(self, at: Instant, clock: Clock | None = None) -> list[Transition]:
        """Judge what has settled or changed since the last call; `at` becomes `decided_at`.

        With a `clock` the batches since came in order: what a bin shows was decided when it was settled.
        """
        found = []
        for (rule, source), tracks in self._roster.tracks.items():
            kin, affected = self._roster.kin[rule, source], []
            for track in tracks:
                rows = track.advance(self._roster.watermarks.get(source, {}))
                affected.append((track, rows | track.course.lapse(self._now_of(track, source))))
            found += tell(kin, affected, Occasion(at, self._roster.names.get(source, {}), clock))
            for track in tracks:
                track.freeze()
            kin.settle(tracks)
        self._let_go()
        return found

    def act(self, asked: Sequence[Asked], at: Instant) -> tuple[list[Act], list[Transition]]:
        """What people asked for, with the event time at which it counts, and what becomes of it.

        It counts from where the streams of the incident's rule are settled: what is judged later is not
        what a person has seen. Numbers that come later change nothing of that.
        """
        marks = {one.incident.key: settled(self._roster, one.incident.key) for one in asked}
        reached = {key: mark for key, mark in marks.items() if mark is not None}
        acts, ends = acted(asked, at, reached)
        hands = [End(end.key, end.resolved_at) for end in ends if end.resolved_at is not None]
        return acts, attributed(dismissed(self._roster, hands, at), ends)

    def act_again(self, ends: Iterable[End], at: Instant) -> list[Transition]:
        """While restarting: what people ended where the recalled ticks stand now; what becomes of it.

        What a dump holds already changes nothing.
        """
        return dismissed(self._roster, ends, at)

    def _let_go(self) -> None:
        """Every track has looked: grids keep what the next verdicts need."""
        for feed in self._roster.feeds:
            readers = list(self._roster.readers(feed))
            mark = self._roster.watermarks[feed.source][feed.key]
            needed = [track.needed(lane, track.course.frozen_at) for track, lane in readers]
            feed.grid.settled(mark)
            feed.grid.close(mark, self._horizon)
            feed.grid.forget(min(needed, default=mark - self._horizon))

    # --- restarts

    def snapshot(self) -> tuple[TrackState, ...]:
        """Where every track stands: committed with the tick, and given to `restore` after a restart."""
        states = [
            state_of(track, source)
            for (_, source), tracks in self._roster.tracks.items()
            for track in tracks
            if track.lanes or track.index
        ]
        return tuple(state for state in states if state.rows or state.frozen_at > NEVER)

    def restore(self, states: Iterable[TrackState], sources: Collection[str]) -> None:
        """Before the journal is recalled: begin where the last tick stood, as far as it is still watched."""
        self._sources = frozenset(sources)
        rules = {bound.rule.id: bound for bound in self._roster.rules}
        for state in states:
            if state.rule in rules and state.source in sources:
                restore(self._roster.new_track(rules[state.rule], state.source), state)

    def recall(self, batches: Iterable[SampleBatch]) -> None:
        """Take a page of the journal, in its order, and keep of it what `rebuild` will need.

        What came too late when it came is refused again, by the edge as it stood then.
        """
        for batch in batches:
            if batch.source not in self._sources:
                continue
            self.ingest(batch)
            for track in self._roster.of_source(batch.source):
                if (lane := track.lanes.get(lane_key(batch.stream, batch.width))) is not None:
                    lane.watermark = max(lane.watermark, batch.settled_until)
                    track.accept_from = max(track.accept_from, track.edge())
                    if isinstance(lane, BinLane):
                        lane.grid.close(lane.watermark, self._horizon)
        for tracks in self._roster.tracks.values():
            for track in tracks:
                track.forget_recalled()

    def rebuild(
        self,
        standing: Iterable[Incident],
        states: Iterable[TrackState],
        at: Instant,
        ends: Iterable[End] = (),
    ) -> list[Transition]:
        """Become what the recalled journal, the states and the book say was; what the book lacks comes back.

        A rule that is new judges from the restatement horizon on. An incident that no present rule and source
        can judge is closed as unjudged. `ends` are what people ended, whatever the book made of it since.
        """
        for tracks in self._roster.tracks.values():
            for track in tracks:
                track.begin()
        states = tuple(states)
        for end in ends:
            if (place := self._roster.find(end.key)) is not None and self._asks_the_book(family(end.key)):
                end_again(*place, end.at)
        orphans = []
        standing = [incident for incident in standing if incident.status is not Status.WITHDRAWN]
        wider = self._recall_wider(standing)
        by_hand = {one.id: one.resolved_at for one in standing if one.resolution is Resolution.MANUAL}
        for incident in standing:
            found = self._roster.find(incident.key)
            if found is not None:
                if self._asks_the_book(family(incident.key)):
                    expect(*found, incident, ended_with=by_hand.get(incident.parent_id or ""))
            elif not incident.over and incident.id not in wider:
                orphans.append(closed(incident, states, at))
        transitions = self.evaluate(at)
        for key, tracks in self._roster.tracks.items():
            occasion = Occasion(at, self._roster.names.get(key[1], {}))
            transitions += tell(
                self._roster.kin[key], [(track, set(track.course.told)) for track in tracks], occasion
            )
        return orphans + transitions

    def _recall_wider(self, standing: Iterable[Incident]) -> set[str]:
        """Take for told what the book alone says of wider incidents; the ids of all of them."""
        of: dict[tuple[str, str], list[Incident]] = {}
        for incident in standing:
            of.setdefault(family(incident.key), []).append(incident)
        found: set[str] = set()
        for of_one, incidents in of.items():
            if of_one in self._roster.kin:
                kin, tracks = self._roster.kin[of_one], self._roster.tracks[of_one]
                found |= kin.of_groups(incidents, tracks).keys()
                if self._asks_the_book(of_one):
                    kin.recall(incidents, tracks)
        return found

    def _asks_the_book(self, of_one: tuple[str, str]) -> bool:
        """Whether the book alone knows what was told of a rule and source: no dump did."""
        return not self._is_loaded or of_one in self._adopted

    # --- the whole state

    def dump(self) -> EngineDump:
        """Everything the engine stands on, copied."""
        return dump(self._roster, self.guard)

    def load(self, dumped: EngineDump, sources: Mapping[str, str]) -> None:
        """Stand where a dump says, as far as its sources are watched and its rules are still the same.

        `sources` is by name the vendor: one that was of another vendor is another source.

        Raises:
            DumpUnusable: it is of another version of the engine, or damaged; this engine is of no more use.
        """
        self._sources |= frozenset(sources)
        try:
            load(self._roster, self.guard, dumped, sources)
        except (LookupError, TypeError, ValueError) as error:
            raise DumpUnusable(f"a dump cannot be read: {type(error).__name__}: {error}") from error
        self._is_loaded = True

    def adopt(self, other: "Engine") -> None:
        """Take over what another engine has rebuilt of rules or sources that this one has not."""
        self._roster.adopt(other._roster)  # noqa: SLF001 - of the same class
        self._adopted |= other._roster.tracks.keys()  # noqa: SLF001 - of the same class
        self._sources |= other._sources  # noqa: SLF001 - of the same class
        for key, stream in other.guard.streams.items():
            self.guard.streams.setdefault(key, stream)

    @property
    def sources(self) -> frozenset[str]:
        """Those it has heard of."""
        return frozenset(self._roster.vendors)

    def reached(self, source: str) -> Instant | None:
        """How far the stream of a source that is furthest behind is settled; None before there is one."""
        return min(self._roster.watermarks.get(source, {}).values(), default=None)

    def needed_from(self) -> Mapping[tuple[str, str], Instant]:
        """By source and stream: samples older than this no verdict will ever need."""
        needed: dict[tuple[str, str], Instant] = {}
        for source, marks in self._roster.watermarks.items():
            for key, mark in marks.items():
                stream = key.rpartition("@")[0]
                needed[source, stream] = max(needed.get((source, stream), NEVER), mark - self._horizon)
        for (_, source), tracks in self._roster.tracks.items():
            for track in tracks:
                for lane in track.lanes.values():
                    wanted = (needed[source, lane.stream], track.needed_from(), lane.needed_from())
                    needed[source, lane.stream] = min(at for at in wanted if at is not None)
        return needed

    def state(self, key: IncidentKey) -> str:
        """`inactive`, `pending`, `firing` or `recovering`."""
        found = self._roster.find(key)
        return STATE_NAMES[INACTIVE if found is None else max(INACTIVE, found[0].course.state(found[1]))]

    def tracks(self, rule: str, source: str) -> Sequence[Track]:
        """The tracks of a rule at a source: what explains its verdicts."""
        return self._roster.tracks.get((rule, source), ())

    def _put_nothing(self, rule_id: str, batch: SampleBatch) -> None:
        """An answer without any series of a rule is one: what was said of its bins before is withdrawn."""
        for track in self._roster.tracks.get((rule_id, batch.source), ()):
            lane = track.lanes.get(lane_key(batch.stream, batch.width))
            if isinstance(lane, InstantLane):
                track.take(lane, None, batch)

    # --- own sight

    def _see(self, batch: SampleBatch) -> None:
        """Own sight moves the time of what it sees: a silent stream's states are judged on, or unknown."""
        if ("watcher_up", ()) not in batch.metrics:
            return
        up = batch.values[:, batch.metrics.index(("watcher_up", ())), :]
        for e, entity in enumerate(batch.entities):
            key = (batch.source, dict(entity).get("stream", ""))
            for b, start in enumerate(batch.starts[batch.starts < batch.settled_until].tolist()):
                end = start + batch.width
                self._roster.sighted[key] = max(self._roster.sighted.get(key, NEVER), end)
                if up[b, e] == 0:
                    self._roster.down[key] = max(self._roster.down.get(key, NEVER), end)
                    self._carry_on(*key, start)

    def _carry_on(self, source: str, stream: str, at: Instant) -> None:
        """An instant without readings is one to judge at: the last may stand, and unknown pauses timers."""
        for track in self._roster.of_source(source):
            lane = track.lanes.get(lane_key(stream, 0))
            if isinstance(lane, InstantLane) and lane.starts and at > lane.starts[-1]:
                track.put(lane, at, Cells())
                self._roster.mark(source, lane.key, at)

    def _now_of(self, track: Track, source: str) -> Instant:
        """The time that blindness is judged by: how far the bins are, or when a stream was last seen silent.

        A stream that answers and is merely far behind is not blind. A track that no stream feeds any more is
        judged by whatever else is heard of its source.
        """
        bins = max((lane.watermark for lane in track.lanes.values()), default=NEVER)
        down = max(
            (self._roster.down.get((source, stream), NEVER) for stream in track.streams), default=NEVER
        )
        seen = max(
            (self._roster.sighted.get((source, stream), NEVER) for stream in track.streams), default=NEVER
        )
        newest = max(self._roster.watermarks.get(source, {}).values(), default=NEVER)
        is_unfed = newest - max(bins, seen) > UNJUDGED_AFTER
        return newest if is_unfed else max(bins, down)
