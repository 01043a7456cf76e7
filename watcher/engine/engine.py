"""The engine: batches in, transitions out. One owner, no clock; time comes in with the samples."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from watcher.engine.binding import Binding, bind, layout
from watcher.engine.cells import Cells
from watcher.engine.lane import lane_key
from watcher.engine.lifecycle import INACTIVE, NEVER, STATE_NAMES, UNJUDGED_AFTER
from watcher.engine.restart import closed, expect, restore, state_of
from watcher.engine.telling import transition
from watcher.engine.track import BoundRule, Track
from watcher.model.incident import Incident, IncidentKey, Status, Transition
from watcher.model.sample import SampleBatch
from watcher.model.snapshot import TrackState
from watcher.model.time import HOUR, Duration, Instant

__all__ = ["BoundRule", "Engine"]

HORIZON: Duration = 2 * HOUR


class Engine:
    """Judges every rule over every source, bin by settled bin, and re-judges what late data changes."""

    def __init__(self, rules: Sequence[BoundRule], horizon: Duration = HORIZON) -> None:
        """An engine that has seen nothing."""
        self._rules = rules
        self._horizon = horizon
        self._tracks: dict[tuple[str, str], list[Track]] = {}
        self._bindings: dict[tuple[str, str], _Bindings] = {}
        self._watermarks: dict[str, dict[str, Instant]] = {}
        self._names: dict[str, dict[str, str]] = {}
        self._sighted: dict[tuple[str, str], Instant] = {}
        self._down: dict[tuple[str, str], Instant] = {}
        self._sources: frozenset[str] = frozenset()
        """Those that are watched, as known while restarting."""

    @property
    def late(self) -> int:
        """Bins that came too late to be judged."""
        return sum(track.late for tracks in self._tracks.values() for track in tracks)

    def ingest(self, batch: SampleBatch) -> None:
        """Take a batch into the windows of every rule that reads it. Judges nothing."""
        self._mark(batch.source, lane_key(batch.stream, batch.width), batch.settled_until)
        if batch.names:
            self._names.setdefault(batch.source, {}).update(batch.names)
        for bound, binding in self._bound(batch):
            if binding is not None:
                track = self._track(bound, batch, binding)
                lane = track.lane(batch.stream, batch.width)
                track.take(lane, binding, batch)
            else:
                self._put_nothing(bound.rule.id, batch)
        self._see(batch)

    def evaluate(self, at: Instant) -> list[Transition]:
        """Judge what has settled or changed since the last call; `at` becomes `decided_at`."""
        found = []
        for (_, source), tracks in self._tracks.items():
            for track in tracks:
                affected = track.advance(self._watermarks.get(source, {}))
                affected |= track.lapse(self._now_of(track, source))
                found += self._told(track, source, affected, at)
                track.freeze()
        return found

    def _told(self, track: Track, source: str, affected: Iterable[int], at: Instant) -> list[Transition]:
        names = self._names.get(source, {})
        untold = track.untold(affected)
        return [transition(track, row, difference, at=at, names=names) for row, difference in untold]

    # --- restarts

    def snapshot(self) -> tuple[TrackState, ...]:
        """Where every track stands: committed with the tick, and given to `restore` after a restart."""
        states = [
            state_of(track, source)
            for (_, source), tracks in self._tracks.items()
            for track in tracks
            if track.lanes or track.index
        ]
        return tuple(state for state in states if state.rows or state.frozen_at > NEVER)

    def restore(self, states: Iterable[TrackState], sources: Collection[str]) -> None:
        """Before the journal is recalled: begin where the last tick stood, as far as it is still watched."""
        self._sources = frozenset(sources)
        rules = {bound.rule.id: bound for bound in self._rules}
        for state in states:
            if state.rule in rules and state.source in sources:
                track = Track(rules[state.rule], self._horizon)
                restore(track, state)
                self._tracks.setdefault((state.rule, state.source), []).append(track)

    def recall(self, batches: Iterable[SampleBatch]) -> None:
        """Take a page of the journal, in its order, and keep of it what `rebuild` will need.

        What came too late when it came is refused again, by the edge as it stood then.
        """
        for batch in batches:
            if batch.source not in self._sources:
                continue
            self.ingest(batch)
            for (_, source), tracks in self._tracks.items():
                for track in tracks if source == batch.source else ():
                    if (lane := track.lanes.get(lane_key(batch.stream, batch.width))) is not None:
                        lane.watermark = max(lane.watermark, batch.settled_until)
                        track.accept_from = max(track.accept_from, track.edge())
        for tracks in self._tracks.values():
            for track in tracks:
                track.forget_recalled()

    def rebuild(
        self, standing: Iterable[Incident], states: Iterable[TrackState], at: Instant
    ) -> list[Transition]:
        """Become what the recalled journal, the states and the book say was; what the book lacks comes back.

        A rule that is new judges from the restatement horizon on. An incident that no present rule and source
        can judge is closed as unjudged.
        """
        for tracks in self._tracks.values():
            for track in tracks:
                track.begin()
        states = tuple(states)
        orphans = []
        for incident in standing:
            found = self._find(incident.key)
            if found is not None and incident.status is not Status.WITHDRAWN:
                expect(*found, incident)
            elif not incident.over:
                orphans.append(closed(incident, states, at))
        transitions = self.evaluate(at)
        for (_, source), tracks in self._tracks.items():
            for track in tracks:
                transitions += self._told(track, source, list(track.told), at)
        return orphans + transitions

    def needed_from(self) -> Mapping[tuple[str, str], Instant]:
        """By source and stream: samples older than this no verdict will ever need."""
        needed: dict[tuple[str, str], Instant] = {}
        for source, marks in self._watermarks.items():
            for key, mark in marks.items():
                stream = key.rpartition("@")[0]
                needed[source, stream] = max(needed.get((source, stream), NEVER), mark - self._horizon)
        for (_, source), tracks in self._tracks.items():
            for track in tracks:
                for lane in track.lanes.values():
                    wanted = (needed[source, lane.stream], track.needed_from(), lane.needed_from())
                    needed[source, lane.stream] = min(at for at in wanted if at is not None)
        return needed

    def state(self, key: IncidentKey) -> str:
        """`inactive`, `pending`, `firing` or `recovering`."""
        found = self._find(key)
        return STATE_NAMES[INACTIVE if found is None else max(INACTIVE, found[0].present.state[found[1]])]

    def _mark(self, source: str, lane: str, settled_until: Instant) -> None:
        marks = self._watermarks.setdefault(source, {})
        marks[lane] = max(marks.get(lane, NEVER), settled_until)

    # --- finding the way

    def _find(self, key: IncidentKey) -> tuple[Track, int] | None:
        source = dict(key.labels).get("source", "")
        for track in self._tracks.get((key.rule, source), []):
            if key.labels in track.index:
                return track, track.index[key.labels]
        return None

    def _bound(self, batch: SampleBatch) -> "list[tuple[BoundRule, Binding | None]]":
        """Every rule with its binding to this batch; kept while the stream's layout stays."""
        key = (batch.source, batch.stream)
        if key not in self._bindings or self._bindings[key].layout != layout(batch):
            self._bindings[key] = _Bindings(self._rules, batch)
        return self._bindings[key].bound

    def _track(self, bound: BoundRule, batch: SampleBatch, binding: Binding) -> Track:
        """The track that the stream feeds; else one that holds its groups: streams may follow each other.

        States of one source are one track: what one stream lists another may list later.
        """
        tracks = self._tracks.setdefault((bound.rule.id, batch.source), [])
        for track in tracks:
            if batch.stream in track.streams:
                return track
        for track in tracks:
            if not batch.width or any(key in track.index for key in binding.groups):
                return track
        track = Track(bound, self._horizon)
        tracks.append(track)
        return track

    def _put_nothing(self, rule_id: str, batch: SampleBatch) -> None:
        """An answer without any series of a rule is one: what was said of its bins before is withdrawn."""
        for track in self._tracks.get((rule_id, batch.source), []):
            if (lane := track.lanes.get(lane_key(batch.stream, batch.width))) is not None:
                track.take(lane, None, batch)

    # --- own sight

    def _see(self, batch: SampleBatch) -> None:
        """Own sight moves the time of what it sees: a silent stream's states are judged on, or unknown."""
        if ("watcher_up", ()) not in batch.metrics:
            return
        up = batch.values[:, batch.metrics.index(("watcher_up", ())), :]
        for e, entity in enumerate(batch.entities):
            key = (batch.source, dict(entity).get("stream", ""))
            for b, start in enumerate(batch.starts.tolist()):
                end = start + batch.width
                self._sighted[key] = max(self._sighted.get(key, NEVER), end)
                if up[b, e] == 0:
                    self._down[key] = max(self._down.get(key, NEVER), end)
                    self._carry_on(*key, start)

    def _carry_on(self, source: str, stream: str, at: Instant) -> None:
        """An instant without readings is one to judge at: the last may stand, and unknown pauses timers."""
        for (_, of), tracks in self._tracks.items():
            for track in tracks if of == source else ():
                lane = track.lanes.get(lane_key(stream, 0))
                if lane is not None and lane.starts and at > lane.starts[-1]:
                    track.put(lane, at, Cells())
                    self._mark(source, lane.key, at)

    def _now_of(self, track: Track, source: str) -> Instant:
        """The time that blindness is judged by: how far the bins are, or when a stream was last seen silent.

        A stream that answers and is merely far behind is not blind. A track that no stream feeds any more is
        judged by whatever else is heard of its source.
        """
        bins = max((lane.watermark for lane in track.lanes.values()), default=NEVER)
        down = max((self._down.get((source, stream), NEVER) for stream in track.streams), default=NEVER)
        seen = max((self._sighted.get((source, stream), NEVER) for stream in track.streams), default=NEVER)
        newest = max(self._watermarks.get(source, {}).values(), default=NEVER)
        is_unfed = newest - max(bins, seen) > UNJUDGED_AFTER
        return newest if is_unfed else max(bins, down)


class _Bindings:
    """The bindings of one stream's layout to every rule; None for those that do not read it."""

    def __init__(self, rules: Sequence[BoundRule], batch: SampleBatch) -> None:
        self.layout = layout(batch)
        self.bound = [(bound, bind(bound.rule, bound.detector.roles, batch)) for bound in rules]
