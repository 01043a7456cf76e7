"""The wider incidents of one rule over one source, as they stand and as they were last told."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from watcher.engine.episodes import Difference, Episode, differences
from watcher.engine.extent import FEWEST, LABELS, Extent, ExtentId, Group, Leaf, LeafId, Sweep, owners
from watcher.engine.kin_state import ExtentState, KinState
from watcher.engine.lifecycle import NEVER
from watcher.engine.members import Members, Tracked, looks_back
from watcher.engine.places import Places
from watcher.engine.toll import Amount, Tally, amount_of, toll_of
from watcher.model.incident import Change, Figures, Incident, IncidentKey, Wider
from watcher.model.labels import LabelSet, label_set
from watcher.model.rule import Rule, Severity
from watcher.model.time import DAY, HOUR, Duration, Instant

MARKEDLY: Final = 2
"""How many times as many leaves as were told make a new message."""
PATIENCE: Final[Duration] = HOUR
"""How long what explains what is not final for the sake of one that may yet fire, or be over."""
_BASE: Final = frozenset({"source", "vendor"})


@dataclass(frozen=True, slots=True)
class Growth:
    """A wider incident that explains more than was last told."""

    extent: Extent
    is_marked: bool
    """By so much that it is told again."""


@dataclass(slots=True)
class _Told:
    """What has been told."""

    extents: dict[Group, list[Episode]] = field(default_factory=dict)
    leaves: dict[LeafId, Wider] = field(default_factory=dict)
    sizes: dict[ExtentId, tuple[int, int]] = field(default_factory=dict)
    """Leaves as recorded, and as last told to people."""
    amounts: dict[LeafId, Amount] = field(default_factory=dict)
    """Figures of what is over; a restatement may yet change them."""


class Kin:
    """Decides anew, whenever episodes differ, which of them a wider incident explains."""

    def __init__(self, rule: Rule, places: Places) -> None:
        """None stands."""
        self.rule = rule
        self.extents: Sequence[Extent] = ()
        """In the order they opened."""
        self._places = places
        self._members = Members(self._groups_of)
        self._standing: list[Extent] = []
        """Those that opened before the edge, as they were there."""
        self._edge: Instant = NEVER
        self._finished: list[Leaf] = []
        self._told = _Told()
        self._base: LabelSet = ()
        self._groups: dict[LabelSet, Sequence[Group]] = {}
        self._edition = -1
        self._owners: Mapping[LeafId, Extent] = {}

    # --- deciding

    def sweep(self, tracks: Sequence[Tracked]) -> None:
        """Look at the episodes of all tracks of the rule and source."""
        leaves = {leaf.id: leaf for leaf in (*self._finished, *self._leaves(tracks))}
        if len(leaves) < FEWEST and not self._standing and not self.extents:
            return
        standing = [_as_now(extent, leaves) for extent in self._standing]
        self._members.look(tracks, self._places.edition)
        swept = Sweep(standing, self._groups_of, self._members.judged).run(leaves.values(), self._edge)
        self.extents = swept.extents
        self._owners = owners(self.extents)

    def _leaves(self, tracks: Iterable[Tracked]) -> Iterator[Leaf]:
        return (Leaf(key, episode) for key, episode in _episodes(tracks) if self._groups_of(key))

    def _groups_of(self, key: LabelSet) -> Sequence[Group]:
        """None of the row that speaks for a source's folded groups: it is wider than any."""
        if self._places.edition != self._edition:
            self._edition, self._groups = self._places.edition, {}
        if key not in self._groups:
            is_leaf = any(name not in _BASE for name, _ in key)
            self._groups[key] = self._places.groups(key) if is_leaf else ()
            self._base = self._base or _base_of(key)
        return self._groups[key]

    def settle(self, tracks: Sequence[Tracked]) -> None:
        """Make final what lies before the edge of all tracks; after they froze what is older.

        A wider incident is over for good when all its leaves are: one that has ended may go on after all for
        as long as the bin that ended it may change, which lies `keep_firing_for` behind its end.
        """
        for track in tracks:
            gone = [Leaf(track.keys[row], episode, toll) for row, episode, toll in track.course.finished]
            track.course.finished.clear()
            self._finished += [leaf for leaf in gone if self._groups_of(leaf.key)]
        settled = [max(track.course.open_from, self._waits(track)) for track in tracks]
        edge = _edge(settled)
        for track in tracks:
            for lane in track.lanes.values():
                lane.judged.forget(max(edge, self._waits(track)) - looks_back(track))
        if edge <= self._edge:
            return
        self._edge = edge
        held = {leaf.id for leaf in self._leaves(tracks)}
        lasting: list[Extent] = []
        for extent in self.extents:
            if extent.opened_at >= edge or extent.lasts(edge) or held & extent.leaves.keys():
                lasting.append(extent)
            else:
                self._forget(extent)
        final = {one.group for one in lasting if one.opened_at < edge}
        self._standing = [_as_of(one, edge, final) for one in lasting if one.opened_at < edge]
        over = {leaf.id: leaf for leaf in self._finished if not leaf.lasts(edge - 1)}
        self._finished = [leaf for leaf in self._finished if leaf.id not in over]
        self._standing = [_folded(extent, over) for extent in self._standing]
        self.extents = lasting
        self._owners = owners(self.extents)
        known = held | {leaf.id for leaf in self._finished}
        known |= {(self.key_of(extent.group).labels, extent.opened_at) for extent in self.extents}
        self._told.leaves = {leaf: wider for leaf, wider in self._told.leaves.items() if leaf in known}
        if self._told.amounts:
            known |= {(key, one.opened_at) for key, one in _episodes(tracks)}
            self._told.amounts = {one: said for one, said in self._told.amounts.items() if one in known}

    def _waits(self, track: Tracked) -> Instant:
        """The longest that is waited for what began or ended before the track's edge to be known."""
        return track.course.frozen_at - max(
            PATIENCE, self.rule.hold, self.rule.keep_firing_for, self.rule.reopen_within
        )

    def _forget(self, extent: Extent) -> None:
        told = self._told.extents.get(extent.group, [])
        left = [episode for episode in told if episode.opened_at != extent.opened_at]
        self._told.extents[extent.group] = left
        self._told.sizes.pop((extent.group, extent.opened_at), None)
        if not left:
            del self._told.extents[extent.group]

    # --- telling

    def key_of(self, group: Group) -> IncidentKey:
        """The key of a group's wider incident."""
        return IncidentKey(self.rule.id, label_set([*self._base, group]))  # known with the first leaf

    def wider(self, leaf: LeafId) -> Wider | None:
        """What explains an episode as it now stands."""
        extent = self._owners.get(leaf)
        return None if extent is None else self._as_wider(extent)

    def around(self, extent: Extent) -> Wider | None:
        """What explains a wider incident in its turn."""
        found = [one for one in self.extents if one.group == extent.within]
        return self._as_wider(found[-1]) if found else None

    def _as_wider(self, extent: Extent) -> Wider:
        return Wider(self.key_of(extent.group), extent.opened_at)

    def told(self, leaf: LeafId) -> Wider | None:
        """What explains an episode as it was last told."""
        return self._told.leaves.get(leaf)

    def tell(self, leaf: LeafId, wider: Wider | None, *, former: LeafId | None = None) -> None:
        """Count as told what explains an episode, which may have begun elsewhere before."""
        if former is not None:
            self._told.leaves.pop(former, None)
        if wider is None:
            self._told.leaves.pop(leaf, None)
        else:
            self._told.leaves[leaf] = wider

    def forget(self, leaf: LeafId) -> None:
        """It never was, or is another one's."""
        self._told.leaves.pop(leaf, None)
        self._told.amounts.pop(leaf, None)

    def amounts(self, leaf: LeafId, figures: Figures | None, *, former: LeafId | None = None) -> bool:
        """Count figures as told; whether they are other ones than were told before."""
        before = self._told.amounts.pop(former or leaf, None)
        now = amount_of(figures)
        if now is not None:
            self._told.amounts[leaf] = now
        return now != before

    def relinked(self) -> Iterator[LeafId]:
        """Episodes that something else explains than was told."""
        for leaf in sorted({*self._owners, *self._told.leaves}):
            if self.wider(leaf) != self.told(leaf) and group_of(leaf[0]) is None:
                yield leaf

    def untold(self) -> Iterator[tuple[Group, Difference]]:
        """What has changed of wider incidents since it was last asked; counts as told from now on."""
        now: dict[Group, list[Episode]] = {}
        for extent in self.extents:
            now.setdefault(extent.group, []).append(extent.episode)
        for group in sorted({*now, *self._told.extents}):
            for difference in differences(self._told.extents.get(group, []), now.get(group, [])):
                self._resize(group, difference)
                yield group, difference
        self._told.extents = now

    def _resize(self, group: Group, difference: Difference) -> None:
        """Let the size that was told go where its wider incident goes."""
        now, was = difference.now.opened_at, (difference.was or difference.now).opened_at
        size = self._told.sizes.pop((group, was), None)
        if size is not None and difference.change not in {Change.MERGED, Change.WITHDRAWN}:
            self._told.sizes[group, now] = size

    def nested(self) -> Iterator[tuple[IncidentKey, Extent]]:
        """Wider incidents that a still wider one explains, and that were not told so."""
        for extent in self.extents:
            key = self.key_of(extent.group)
            if self.around(extent) != self.told((key.labels, extent.opened_at)):
                yield key, extent

    def grown(self) -> Iterator[Growth]:
        """Wider incidents that explain more than was told; counts as told from now on."""
        for extent in self.extents:
            own, size = (extent.group, extent.opened_at), len(extent.keys)
            recorded, told = self._told.sizes.setdefault(own, (size, size))
            if size > recorded and extent.episode.resolved_at is None:
                marked = size >= MARKEDLY * told
                self._told.sizes[own] = size, size if marked else told
                yield Growth(extent, marked)

    def extent(self, group: Group, opened_at: Instant) -> Extent | None:
        """The wider incident of a group that began at a time; None where it never was."""
        return next((one for one in self.extents if (one.group, one.opened_at) == (group, opened_at)), None)

    # --- restarts

    def of_groups(self, incidents: Iterable[Incident], tracks: Iterable[Tracked]) -> Mapping[str, Group]:
        """Those of this rule and source that are wider ones, by id."""
        groups = {key for track in tracks for key in track.keys}
        return {
            one.id: group
            for one in incidents
            if one.key.labels not in groups and (group := group_of(one.key.labels)) is not None
        }

    def recall(self, incidents: Sequence[Incident], tracks: Sequence[Tracked]) -> None:
        """Take for told what the book says of this rule and source."""
        self._edge = _edge([track.course.frozen_at for track in tracks])
        self._base = next((_base_of(one.key.labels) for one in incidents), self._base)
        wider = self.of_groups(incidents, tracks)
        by_id = {one.id: one for one in incidents if one.id in wider}
        of = [one for one in incidents if one.id not in wider and one.parent_id in wider]
        held = {leaf.id for leaf in self._leaves(tracks)}
        for one in incidents:
            self.amounts(_id_of(one), Figures(one.peak, one.affected) if one.over else None)
        for id_, incident in by_id.items():
            leaves = [one for one in of if one.parent_id == id_]
            lasts = incident.resolved_at is None or incident.resolved_at >= self._edge
            is_held = any(_id_of(one) in held for one in leaves)
            if incident.opened_at >= self._edge or lasts or is_held:
                gone = [one for one in leaves if one.resolved_at is not None and _id_of(one) not in held]
                gone = [one for one in gone if (one.resolved_at or 0) < self._edge]
                self._expect(incident, wider[id_], [one for one in leaves if one not in gone], gone)

    def _expect(
        self, incident: Incident, group: Group, leaves: Sequence[Incident], gone: Sequence[Incident]
    ) -> None:
        told = replace(_episode(incident), returns=0)  # an extent never comes back by itself: its leaves do
        self._told.extents.setdefault(group, []).append(told)
        self._told.extents[group].sort(key=lambda one: one.opened_at)
        size = int(incident.evidence.seen or FEWEST)
        self._told.sizes[group, incident.opened_at] = size, size
        for leaf in leaves:
            self._told.leaves[leaf.key.labels, leaf.opened_at] = Wider(incident.key, incident.opened_at)
        if incident.opened_at < self._edge:
            held = [Leaf(one.key.labels, _episode(one)) for one in leaves if one.opened_at < self._edge]
            standing = Extent(group, incident.opened_at, size, highest=incident.severity)
            over = {_id_of(one): Leaf(one.key.labels, _episode(one), toll_of(one)) for one in gone}
            self._standing.append(_folded(standing.joined([*held, *over.values()]), over))

    def state(self) -> KinState:
        """All that it knows, as a value."""
        told = self._told
        return KinState(
            edge=self._edge,
            base=self._base,
            extents=tuple(map(ExtentState.of, self.extents)),
            standing=tuple(map(ExtentState.of, self._standing)),
            finished=tuple(self._finished),
            told=tuple((group, tuple(episodes)) for group, episodes in told.extents.items()),
            links=tuple((*leaf, wider.key, wider.opened_at) for leaf, wider in told.leaves.items()),
            sizes=tuple((*extent, *sizes) for extent, sizes in told.sizes.items()),
            amounts=tuple((*leaf, amount) for leaf, amount in told.amounts.items()),
        )

    def stand(self, state: KinState) -> None:
        """Begin where a former one stood."""
        self._edge, self._base = state.edge, state.base
        self.extents = [one.extent() for one in state.extents]
        self._standing = [one.extent() for one in state.standing]
        self._owners = owners(self.extents)
        self._finished = list(state.finished)
        self._told = _Told(
            {group: list(episodes) for group, episodes in state.told},
            {(key, opened): Wider(wider, since) for key, opened, wider, since in state.links},
            {(group, opened): (recorded, told) for group, opened, recorded, told in state.sizes},
            {(key, opened): amount for key, opened, amount in state.amounts},
        )


def group_of(labels: LabelSet) -> Group | None:
    """The group that a wider incident's labels name; None of other labels."""
    rest = [(name, value) for name, value in labels if name not in _BASE]
    return rest[0] if len(rest) == 1 and rest[0][0] in LABELS else None


def _episodes(tracks: Iterable[Tracked]) -> Iterator[tuple[LabelSet, Episode]]:
    for track in tracks:
        for row, episodes in track.course.episodes.items():
            yield from ((track.keys[row], episode) for episode in episodes)


def _id_of(incident: Incident) -> LeafId:
    return incident.key.labels, incident.opened_at


def _base_of(labels: LabelSet) -> LabelSet:
    return tuple((name, value) for name, value in labels if name in _BASE)


def _edge(edges: Sequence[Instant]) -> Instant:
    """What lies before the edges of all tracks; one that nobody feeds any more is not waited for."""
    known = [edge for edge in edges if edge > NEVER]
    return max(min(known), max(known) - DAY) if known else NEVER


def _as_of(extent: Extent, edge: Instant, final: Collection[Group]) -> Extent:
    """An extent with what is final of it: what joined it later, or explains it since, may yet change."""
    leaves = {id_: leaf for id_, leaf in extent.leaves.items() if leaf.episode.opened_at < edge}
    return replace(extent, leaves=leaves, within=extent.within if extent.within in final else None)


def _episode(incident: Incident) -> Episode:
    plain = Episode(incident.opened_at, incident.resolved_at, incident.resolution)
    plain = replace(plain, returns=incident.returns, flapping=incident.flapping)
    return plain.graded(incident.severity, incident.severity, None)


def _as_now(extent: Extent, leaves: Mapping[LeafId, Leaf]) -> Extent:
    """An extent that stood at the edge, with its leaves as they are by now."""
    return replace(extent, leaves={leaf: leaves[leaf] for leaf in extent.leaves if leaf in leaves})


def _folded(extent: Extent, over: Mapping[LeafId, Leaf]) -> Extent:
    """The same, its finished leaves remembered by their keys and what they amount to together."""
    gone = [over[id_] for id_ in extent.leaves if id_ in over]
    ends = [leaf.episode.resolved_at for leaf in gone if leaf.episode.resolved_at is not None]
    return replace(
        extent,
        leaves={id_: leaf for id_, leaf in extent.leaves.items() if id_ not in over},
        ever=extent.ever | {leaf.key for leaf in gone},
        highest=max([extent.highest, *(leaf.episode.highest or Severity.INFO for leaf in gone)]),
        tally=extent.tally + Tally.of((one.key, one.episode, one.toll) for one in gone if one.toll),
        ended_at=max([*ends, *([extent.ended_at] if extent.ended_at is not None else [])], default=None),
    )
