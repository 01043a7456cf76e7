"""From changed episodes to transitions: evidence from the bins, the words for it, and what explains what."""

from collections.abc import Callable, Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from watcher.engine.detector import SUSTAINED, UNKNOWN, Detector
from watcher.engine.episodes import Bin, Difference, Episode, in_order
from watcher.engine.extent import FEWEST, Extent, Leaf, LeafId
from watcher.engine.folding import SUMMARY, folded_evidence
from watcher.engine.kin import Kin
from watcher.engine.lifecycle import FOLDED, reading_of
from watcher.engine.restating import only_figures, restated
from watcher.engine.toll import Tally, Toll
from watcher.engine.track import Track
from watcher.engine.wording import Names, extent_evidence, healthy, of_one, subject, summary, wider_summary
from watcher.model.incident import Change, Evidence, Figures, IncidentKey, Resolution, Transition, Wider
from watcher.model.labels import LabelSet
from watcher.model.rule import Mode, Rule, Severity
from watcher.model.time import Duration, Instant, rfc3339
from watcher.model.words import span

SHOWN: Final = 5
"""Exemplars that evidence holds at most, the newest ones."""
_TAKEN_BACK: Final = frozenset({Change.WITHDRAWN, Change.MERGED})
_FLAPS: Final = frozenset({Change.FLAPPING, Change.STEADY})
_PROVEN: Final = frozenset({Change.OPENED, Change.ROSE})
"""Changes that state the evidence anew."""

Clock: TypeAlias = Callable[[str, Duration, Instant, LabelSet], Instant]
"""When a bin was settled, and known of a group: by stream, width, end, and the group's labels."""
Changed: TypeAlias = tuple[Track, int, Difference, Toll]
"""One row of a track, what became of it, and what that amounts to."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """One evaluation."""

    at: Instant
    names: Names
    clock: Clock | None = None
    """Where bins were not all settled at once."""

    def decided(self, bin_: Bin | None, group: LabelSet) -> Instant:
        """When it could be decided what a bin led to, for a group."""
        if self.clock is None or bin_ is None or not bin_.lane:
            return self.at
        return self.clock(bin_.lane.rpartition("@")[0], bin_.end - bin_.start, bin_.end, group)


def tell(kin: Kin, affected: Sequence[tuple[Track, Collection[int]]], occasion: Occasion) -> list[Transition]:
    """What has changed of one rule's incidents in one source: wider ones first, then what they explain."""
    tracks = [track for track, _ in affected]
    kin.sweep(tracks)
    changed: list[Changed] = []
    for track, rows in affected:
        untold = list(track.course.untold(rows))
        known = {(row, found.now.opened_at) for row, found in untold}
        untold += [
            (row, only_figures(one)) for row, one in restated(track) if (row, one.opened_at) not in known
        ]
        track.about = np.unique(np.array([row for row, _ in untold], np.intp))
        amounts = track.course.amounts([(row, found.now) for row, found in untold], track)
        changed += [(track, row, found, toll) for (row, found), toll in zip(untold, amounts, strict=True)]
    teller = _Teller(kin, tracks, occasion)
    ids = {(track.keys[row], found.now.opened_at) for track, row, found, _ in changed}
    return [*teller.extents(ids), *teller.leaves(changed), *teller.links()]


class _Teller:
    """Words for one evaluation of one rule and source."""

    def __init__(self, kin: Kin, tracks: Sequence[Track], occasion: Occasion) -> None:
        self._kin = kin
        self._rule = kin.rule
        self._tracks = tracks
        self._occasion = occasion

    # --- wider incidents

    def extents(self, changed: AbstractSet[LeafId]) -> Iterator[Transition]:
        """What became of the wider ones, given which of the single ones have changed."""
        untold = list(self._kin.untold())
        known = {(group, found.now.opened_at) for group, found in untold}
        for group, found in untold:
            extent = self._kin.extent(group, found.now.opened_at)
            like = extent or self._kin.extent(group, (found.was or found.now).opened_at)
            yield from self._of_extent(self._kin.key_of(group), found, extent or like)
        for growth in list(self._kin.grown()):
            yield self._widened(growth.extent, is_marked=growth.is_marked)
        for extent in self._kin.extents:
            if (extent.group, extent.opened_at) not in known and not changed.isdisjoint(extent.leaves):
                yield from self._amended(extent)

    def _amended(self, extent: Extent) -> Iterator[Transition]:
        """What is over, where its figures have become other ones."""
        key, episode = self._kin.key_of(extent.group), extent.episode
        figures = self._amounts(extent)
        if episode.resolved_at is None or not self._kin.amounts((key.labels, extent.opened_at), figures):
            return
        plain = self._plain(key, Change.MOVED, episode, was=extent.opened_at)
        yield replace(plain, figures=figures, quiet=True)

    def _amounts(self, extent: Extent) -> Figures | None:
        """What its leaves amount to together; None of what has no figures."""
        tally = extent.tally + Tally.of((leaf.key, leaf.episode, toll) for leaf, toll in self._tolls(extent))
        if tally.worst is None and not tally.returns:
            return None
        peak = None if tally.worst is None else tally.worst.peak(self._tracks[0].detector)
        about = subject(self._rule, tally.key, self._occasion.names)
        affected = None if tally.hurt is None else float(round(tally.hurt))
        return Figures(peak and of_one(peak, about), affected, tally.returns, extent.episode.flapping)

    def _tolls(self, extent: Extent) -> Iterator[tuple[Leaf, Toll]]:
        """Its leaves, each with what it amounts to by now."""
        left = []
        for leaf in extent.leaves.values():
            if leaf.toll is None:
                left.append(leaf)
            else:
                yield leaf, leaf.toll
        for track in self._tracks:
            own = [leaf for leaf in left if leaf.key in track.index]
            found = track.course.amounts([(track.index[leaf.key], leaf.episode) for leaf in own], track)
            yield from zip(own, found, strict=True)

    def _of_extent(self, key: IncidentKey, found: Difference, extent: Extent | None) -> Iterator[Transition]:
        now, was = found.now, found.was or found.now
        former = (key.labels, was.opened_at)
        told = self._kin.told(former)
        plain = self._plain(key, found.change, now, was=was.opened_at)
        if extent is None or found.change in _TAKEN_BACK:
            self._kin.forget(former)
            yield replace(plain, quiet=told is not None)
            return
        wider = self._kin.around(extent)
        if found.change is not Change.OPENED and wider != told:
            yield self._linked(key, was, wider)
        self._kin.tell((key.labels, now.opened_at), wider, former=former)
        decided = self._extent_decided(found.change, extent)
        figures = self._amounts(extent)
        self._count(former, (key.labels, now.opened_at), now, figures)
        plain = replace(plain, wider=wider, quiet=wider is not None, decided_at=decided, figures=figures)
        reached = max(track.course.stepped_to.end for track in self._tracks)
        yield flapping(self._worded(plain, extent), found, self._rule, reached)

    def _count(self, former: LeafId, leaf: LeafId, now: Episode, figures: Figures | None) -> bool:
        """Count the figures of what is over as told; whether they are other ones than were."""
        return self._kin.amounts(leaf, figures if now.resolved_at is not None else None, former=former)

    def _worded(self, told: Transition, extent: Extent) -> Transition:
        """With what proves it, where it says so anew, and with the healthy reading at its end."""
        if told.change in _PROVEN:
            return self._proven(told, extent)
        is_healthy = told.change is Change.RESOLVED and told.resolution is Resolution.RECOVERED
        if is_healthy and told.resolved_at is not None:
            text = f"all {len(extent.keys)} are over"
            return replace(told, recovery=Evidence(told.resolved_at, told.resolved_at, text=text))
        return told

    def _widened(self, extent: Extent, *, is_marked: bool) -> Transition:
        wider = self._kin.around(extent)
        key = self._kin.key_of(extent.group)
        plain = self._plain(key, Change.WIDENED, extent.episode, was=extent.opened_at)
        plain = replace(plain, wider=wider, figures=self._amounts(extent))
        return self._proven(replace(plain, quiet=wider is not None or not is_marked), extent)

    def _proven(self, told: Transition, extent: Extent) -> Transition:
        """With how far it reaches, and one of its leaves as an example."""
        names, leaves = self._occasion.names, sorted(extent.leaves.values(), key=_gravest)
        where = {key: at for at in self._tracks for key in (leaf.key for leaf in leaves) if key in at.index}
        example: Evidence | None = None
        for leaf in leaves[:1]:
            if (track := where.get(leaf.key)) is not None:
                row = track.index[leaf.key]
                example = _explained(track, row, leaf.episode.fired_in, leaf.episode.opened_at, names)
        evidence = extent_evidence(self._rule, extent, [leaf.key for leaf in leaves], example, names)
        return replace(told, summary=wider_summary(self._rule, extent, evidence, names), evidence=evidence)

    def _extent_decided(self, change: Change, extent: Extent) -> Instant:
        """When enough of its leaves had fired; or when the last one ended."""
        decided, leaves = self._occasion.decided, extent.leaves.values()
        if change is Change.RESOLVED:
            ended = (decided(leaf.episode.ended_in, leaf.key) for leaf in leaves)
            return max(ended, default=self._occasion.at)
        early = [leaf for leaf in leaves if leaf.episode.opened_at <= extent.opened_at]
        fired = sorted(decided(leaf.episode.fired_in, leaf.key) for leaf in early)
        needed = min(len(fired), max(FEWEST, (extent.members + 1) // 2))
        return fired[needed - 1] if fired else self._occasion.at

    # --- what they explain

    def leaves(self, changed: Sequence[Changed]) -> Iterator[Transition]:
        """What became of single groups, each after what it has to do with a wider one."""
        for track, row, found, toll in changed:
            key = track.keys[row]
            now, was = found.now, found.was or found.now
            leaf, former = (key, now.opened_at), (key, was.opened_at)
            wider, told = self._kin.wider(leaf), self._kin.told(former)
            figures = _figures(now, was, toll, track.detector)
            own = replace(transition(track, row, found, occasion=self._occasion), figures=figures)
            own = flapping(own, found, self._rule, track.course.stepped_to.end)
            if found.change in _TAKEN_BACK:
                self._kin.forget(former)
                yield replace(own, quiet=told is not None)
                continue
            is_other = self._count(former, leaf, now, figures)
            if found.change is Change.MOVED and now is was and not is_other:
                continue
            if found.change is not Change.OPENED and wider != told:
                yield self._linked(IncidentKey(self._rule.id, key), was, wider)
            self._kin.tell(leaf, wider, former=former)
            yield replace(own, wider=wider, quiet=wider is not None)

    def links(self) -> Iterator[Transition]:
        """Those that only came to be explained otherwise."""
        for leaf in list(self._kin.relinked()):
            wider = self._kin.wider(leaf)
            episode = self._episode(leaf)
            self._kin.tell(leaf, wider)
            if episode is not None:
                yield self._linked(IncidentKey(self._rule.id, leaf[0]), episode, wider)
        for key, extent in list(self._kin.nested()):
            wider = self._kin.around(extent)
            self._kin.tell((key.labels, extent.opened_at), wider)
            yield self._linked(key, extent.episode, wider)

    def _episode(self, leaf: LeafId) -> Episode | None:
        for track in self._tracks:
            held = track.course.episodes.get(track.index.get(leaf[0], -1), ())
            for episode in held:
                if episode.opened_at == leaf[1]:
                    return episode
        return None

    def _linked(self, key: IncidentKey, episode: Episode, wider: Wider | None) -> Transition:
        change = Change.PARTED if wider is None else Change.JOINED
        return replace(self._plain(key, change, episode, was=episode.opened_at), wider=wider)

    def _plain(self, key: IncidentKey, change: Change, episode: Episode, *, was: Instant) -> Transition:
        return _plain(self._rule, key, change, episode, was=was, at=self._occasion.at)


def _plain(
    rule: Rule, key: IncidentKey, change: Change, episode: Episode, *, was: Instant, at: Instant
) -> Transition:
    return Transition(
        change=change,
        key=key,
        severity=episode.told_severity or rule.severity,
        was=was,
        opened_at=episode.opened_at,
        resolved_at=episode.resolved_at,
        decided_at=at,
        summary="",
        evidence=Evidence(episode.opened_at, episode.resolved_at or max(at, episode.opened_at)),
        resolution=episode.resolution,
        shadow=rule.mode is Mode.SHADOW,
    )


def _figures(now: Episode, was: Episode, toll: Toll, detector: Detector) -> Figures | None:
    """What the book should hold of them; None of what has none."""
    if toll.seen is None and not now.returns and not was.returns:
        return None
    affected = None if toll.seen is None or toll.hurt is None else float(round(toll.hurt))
    return Figures(toll.peak(detector), affected, now.returns)


def flapping(told: Transition, found: Difference, rule: Rule, reached: Instant) -> Transition:
    """The transition, with whether its episode flaps; bins have been judged up to the time `reached`.

    Only changes of their own begin and end that. At its end: how long what flaps may still come back.
    """
    if rule.flapping is None:
        return told
    now, was = found.now, found.was
    told = replace(told, figures=told.figures or (Figures() if found.change in _FLAPS else None))
    if told.figures is not None:
        begun = now if found.change in _FLAPS | {Change.RESOLVED} else was
        told = replace(told, figures=replace(told.figures, flapping=begun is not None and begun.flapping))
    if found.change is Change.FLAPPING and now.comebacks:
        often, within = rule.flapping.count(now.comebacks), span(rule.flapping.within)
        text = f"it came back {often} times within {within}"
        told = replace(told, evidence=replace(told.evidence, seen=float(often), text=text))
    if found.change is Change.RESOLVED and now.flapping and now.resolution is Resolution.RECOVERED:
        known_by = (now.resolved_at or reached) + rule.reopen_within + _proof(rule, now.ended_in)
        return replace(told, rest=max(0, known_by - reached))
    return told


def _proof(rule: Rule, bin_: Bin | None) -> Duration:
    """How long a return goes on before it is one, in bins like this one."""
    in_bins = 0 if rule.needs is None or bin_ is None else rule.needs.of * (bin_.end - bin_.start)
    return rule.hold + in_bins


def transition(track: Track, row: int, difference: Difference, *, occasion: Occasion) -> Transition:
    """The transition that tells of one difference of one group."""
    now, was = difference.now, difference.was or difference.now
    key = IncidentKey(track.rule.id, track.keys[row])
    told = _plain(track.rule, key, difference.change, now, was=was.opened_at, at=occasion.at)
    told = replace(told, severity=now.told_severity or was.told_severity or track.rule.severity)
    told = replace(told, decided_at=occasion.decided(_decisive(difference), track.keys[row]))
    names = occasion.names
    if difference.change in _PROVEN:
        bin_ = now.fired_in if difference.change is Change.OPENED else now.graded_in or now.fired_in
        evidence = _explained(track, row, bin_, now.opened_at, names) or told.evidence
        return replace(told, summary=_summary(track, row, evidence, names), evidence=evidence)
    if difference.change is Change.RESOLVED and now.resolution is Resolution.MANUAL:
        return replace(told, recovery=_last_read(track, row, now, names))
    is_healthy = difference.change is Change.RESOLVED and now.resolution is Resolution.RECOVERED
    if is_healthy and now.resolved_at is not None:
        ended = _explained(track, row, now.ended_in, now.resolved_at, names)
        return replace(told, recovery=ended and healthy(ended, now.opened_at))
    return told


def _decisive(difference: Difference) -> Bin | None:
    """The bin with which a change could be known."""
    match difference.change:
        case Change.OPENED:
            return difference.now.fired_in
        case Change.ROSE | Change.FELL:
            return difference.now.graded_in
        case Change.RESOLVED:
            return difference.now.ended_in
        case Change.REOPENED if difference.now.returns > (difference.was or difference.now).returns:
            return difference.now.back_in
        case Change.FLAPPING:
            return difference.now.back_in
    return None


def _gravest(leaf: Leaf) -> tuple[int, Instant, LabelSet]:
    return -(leaf.episode.told_severity or Severity.INFO), leaf.episode.opened_at, leaf.key


def _explained(track: Track, row: int, bin_: Bin | None, since: Instant, names: Names) -> Evidence | None:
    """Evidence from the bins since a time up to and with one bin; None where they are no longer at hand."""
    look = track.look(bin_, row) if bin_ is not None else None
    if bin_ is None or look is None:
        return None
    if track.course.fold is not None and row == track.course.fold.row:
        folded = [(row, subject(track.rule, track.keys[row], names)) for row in _folded(track, bin_)]
        return folded_evidence(look.verdict, folded, track.words.known, bin_, since)
    found = track.detector.explain(look.panel, look.verdict, look.at, since)
    shown = track.lanes[bin_.lane].exemplars(row, found.start, max(found.end, bin_.end))
    records = tuple({"at": rfc3339(one.at), **one.facts} for one in list(shown)[-SHOWN:])
    return replace(found, exemplars=records) if records else found


def _last_read(track: Track, row: int, episode: Episode, names: Names) -> Evidence | None:
    """What the newest bin said of what a person ended; None where that was nothing."""
    held = [
        Bin(int(lane.judged.starts[at - 1]), int(lane.judged.starts[at - 1]) + lane.width, key)
        for key, lane in track.lanes.items()
        if lane.feeds(row) and (at := int(np.searchsorted(lane.judged.starts, episode.resolved_at or 0)))
    ]
    newest = max(held, key=in_order, default=None)
    look = None if newest is None else track.look(newest, row)
    if newest is None or look is None or look.verdict.reading[look.at] == UNKNOWN:
        return None
    return _explained(track, row, newest, newest.start, names)


def _folded(track: Track, bin_: Bin) -> list[int]:
    """Rows that a bin says are as bad as they have been for long, and that are folded."""
    codes = [block.codes for block in track.blocks(bin_.start, bin_.start + 1) if block.lane == bin_.lane]
    long_bad: list[int] = np.flatnonzero(reading_of(codes[0][0]) == SUSTAINED).tolist() if codes else []
    return [row for row in long_bad if track.course.state(row) == FOLDED]


def _summary(track: Track, row: int, evidence: Evidence, names: Names) -> str:
    is_fold = track.course.fold is not None and row == track.course.fold.row
    rule = replace(track.rule, summary=SUMMARY) if is_fold else track.rule
    return summary(rule, track.keys[row], evidence, names)
