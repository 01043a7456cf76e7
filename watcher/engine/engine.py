"""The engine: batches in, transitions out. One owner, no clock; time comes in with the samples."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from watcher.engine.binding import Binding, bind, layout
from watcher.engine.episodes import Episode
from watcher.engine.lifecycle import NEVER, STATE_NAMES
from watcher.engine.telling import transition
from watcher.engine.track import BoundRule, Track
from watcher.model.incident import Incident, IncidentKey, Status, Transition
from watcher.model.labels import LabelSet
from watcher.model.sample import SampleBatch
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
        self._standing: dict[str, dict[LabelSet, list[Episode]]] = {}
        self._rebuilt = False

    def ingest(self, batch: SampleBatch) -> None:
        """Take a batch into the windows of every rule that reads it. Judges nothing."""
        marks = self._watermarks.setdefault(batch.source, {})
        marks[batch.stream] = max(marks.get(batch.stream, NEVER), batch.settled_until)
        if batch.names:
            self._names.setdefault(batch.source, {}).update(batch.names)
        for bound, binding in self._bound(batch):
            track = self._track(bound, batch, binding)
            lane = track.lane(batch.stream, batch.width)
            track.put_bound(lane, binding, batch.starts.tolist(), batch.values)
        self._see(batch)

    def evaluate(self, at: Instant) -> list[Transition]:
        """Judge what has settled or changed since the last call; `at` becomes `decided_at`."""
        found = []
        for (_, source), tracks in self._tracks.items():
            for track in tracks:
                affected = track.advance(self._watermarks[source])
                for stream in list(track.lanes):
                    affected |= track.lapse(stream, self._sighted.get((source, stream), NEVER))
                names = self._names.get(source, {})
                found += [
                    transition(track, row, difference, at=at, names=names)
                    for row, difference in track.untold(affected)
                ]
                track.freeze()
        return found

    def recall(self, batches: Iterable[SampleBatch]) -> None:
        """Take a page of the journal, in its order, and keep of it what `rebuild` will need."""
        for batch in batches:
            self.ingest(batch)
        for (_, source), tracks in self._tracks.items():
            for track in tracks:
                track.forget(self._watermark(track, source) - self._margin())

    def rebuild(self, standing: Iterable[Incident], at: Instant) -> list[Transition]:
        """Become what the recalled journal and the book say was; what the book lacks comes back.

        The journal reaches back `reach` behind each stream's watermark. Only what lies within the
        restatement horizon (and the rules' own timers) is judged again: older verdicts stand in the book.
        """
        for incident in standing:
            if incident.status is Status.WITHDRAWN:
                continue
            episodes = self._standing.setdefault(incident.key.rule, {}).setdefault(incident.key.labels, [])
            episodes.append(Episode(incident.opened_at, incident.resolved_at, incident.resolution))
        for (rule_id, source), tracks in self._tracks.items():
            for track in tracks:
                judge_from = self._watermark(track, source) - self._margin()
                track.begin(self._standing.get(rule_id, {}), judge_from)
            self._adopt(self._standing.get(rule_id, {}), source, tracks)
        self._rebuilt = True
        return self.evaluate(at)

    @staticmethod
    def _adopt(standing: Mapping[LabelSet, list[Episode]], source: str, tracks: list[Track]) -> None:
        """Give what stands open and is no longer read a row, so that its blindness is noted and ends it."""
        for key, episodes in standing.items():
            unread = ("source", source) in key and not any(key in track.index for track in tracks)
            if unread and episodes[-1].resolved_at is None:
                tracks[0].adopt(key)

    def _watermark(self, track: Track, source: str) -> Instant:
        return max(self._watermarks[source][stream] for stream in track.lanes)

    def _margin(self) -> Duration:
        """How far behind its watermark a track is judged again in a rebuild."""
        timers = max((b.rule.hold + b.rule.keep_firing_for for b in self._rules), default=0)
        return self._horizon + timers

    def reach(self) -> Duration:
        """How far behind a stream's watermark the journal must go for a rebuild to be exact."""
        deepest = 0
        for bound in self._rules:
            reach = bound.detector.reach()
            timers = bound.rule.hold + bound.rule.keep_firing_for
            deepest = max(deepest, reach.window + reach.baseline + reach.lag + timers)
        return deepest + self._horizon + HOUR

    def needed_from(self) -> Mapping[str, Instant]:
        """By source: samples older than this no verdict will ever need."""
        return {source: max(marks.values()) - self.reach() for source, marks in self._watermarks.items()}

    def state(self, key: IncidentKey) -> str:
        """`inactive`, `pending`, `firing` or `recovering`."""
        source = dict(key.labels).get("source", "")
        for track in self._tracks.get((key.rule, source), []):
            if key.labels in track.index:
                return STATE_NAMES[track.present.state[track.index[key.labels]]]
        return STATE_NAMES[0]

    def _bound(self, batch: SampleBatch) -> list[tuple[BoundRule, Binding]]:
        """The rules that read this batch, with their bindings; kept while the stream's layout stays."""
        key = (batch.source, batch.stream)
        if key not in self._bindings or self._bindings[key].layout != layout(batch):
            self._bindings[key] = _Bindings(self._rules, batch)
        return self._bindings[key].bound

    def _track(self, bound: BoundRule, batch: SampleBatch, binding: Binding) -> Track:
        """The track that holds these groups: streams of one source that share groups share a track."""
        tracks = self._tracks.setdefault((bound.rule.id, batch.source), [])
        for track in tracks:
            if batch.stream in track.lanes or any(key in track.index for key in binding.groups):
                return track
        track = Track(bound, self._horizon)
        if self._rebuilt:
            track.standing = self._standing.get(bound.rule.id, {})
        tracks.append(track)
        return track

    def _see(self, batch: SampleBatch) -> None:
        """Own sight moves the time of what it sees: carried states are judged while their stream is down."""
        if ("watcher_up", ()) not in batch.metrics:
            return
        up = batch.values[:, batch.metrics.index(("watcher_up", ())), :]
        for e, entity in enumerate(batch.entities):
            stream = dict(entity).get("stream", "")
            for b, start in enumerate(batch.starts.tolist()):
                key = (batch.source, stream)
                self._sighted[key] = max(self._sighted.get(key, NEVER), start + batch.width)
                if up[b, e] == 0:
                    self._carry_on(batch.source, stream, start)

    def _carry_on(self, source: str, stream: str, at: Instant) -> None:
        for (_, of), tracks in self._tracks.items():
            for track in tracks if of == source else ():
                lane = track.lanes.get(stream)
                if (
                    lane is None
                    or lane.width
                    or not any(role.carry for role in track.detector.roles.values())
                ):
                    continue
                if lane.starts and at > lane.starts[-1]:
                    track.put(lane, at, np.zeros(0, np.intp), {})
                    marks = self._watermarks[source]
                    marks[stream] = max(marks[stream], at)


class _Bindings:
    """The bindings of one stream's layout to every rule that reads it."""

    def __init__(self, rules: Sequence[BoundRule], batch: SampleBatch) -> None:
        self.layout = layout(batch)
        self.bound = [
            (bound, binding)
            for bound in rules
            if (binding := bind(bound.rule, bound.detector.roles, batch)) is not None
        ]
