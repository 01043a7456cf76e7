"""The whole engine as a value, and back: a restart from it needs only what came after it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from watcher.engine.binding import Cell
from watcher.engine.bins import BinLane
from watcher.engine.bound import BoundRule
from watcher.engine.casting import Casting, Part
from watcher.engine.course import Course
from watcher.engine.detector import Several
from watcher.engine.grid import Grid
from watcher.engine.growth import Growth, Name
from watcher.engine.guard import Guard, StreamGuard
from watcher.engine.instants import InstantLane
from watcher.engine.lane import Lane, lane_key
from watcher.engine.packing import Packer, Unpacker
from watcher.engine.past import Past
from watcher.engine.roster import Feed, Roster
from watcher.engine.totals import Running, Totals
from watcher.engine.track import Track
from watcher.errors import DumpUnusable
from watcher.model.labels import label_set
from watcher.model.snapshot import EngineDump

Json: TypeAlias = Any

FORMAT: Final = 8
_GRID: Final = (
    "phase", "metrics", "born", "serial", "low", "high", "judged_to", "accept_from", "late", "exemplars",
)  # fmt: skip
_CASTING: Final = ("_seen", "_metrics", "_ranks")
_TRACK: Final = ("streams", "fed", "accept_from", "held_from", "late")
_GROUPS: Final = ("left", "spare")
_PAST: Final = ("learned", "memory", "held", "stale", "recalled", "columns")
_COURSE: Final = (
    "present", "frozen", "frozen_at", "episodes", "told", "fold", "finished", "stepped_to", "_blind", "hands",
    "settled", "ended", "tolls", "flapping",
)  # fmt: skip
_BINS: Final = ("watermark", "first", "member", "rows", "_touched", "_is_recast")
_INSTANTS: Final = (
    "watermark", "first", "member", "starts", "answered_at", "_cells", "_stood", "_fill_from", "_changed",
)  # fmt: skip
_ROSTER: Final = ("watermarks", "vendors", "names", "sighted", "down")
_GUARD: Final = ("counts", "reached", "_present")
_STREAM: Final = ("_settled", "_leapt")
_GROWTH: Final = ("_begun", "_day", "_minute", "_left")


# --- writing


def dump(roster: Roster, guard: Guard) -> EngineDump:
    """Everything the engine stands on, copied: nothing in it changes later."""
    packer = Packer()
    meta: dict[str, Json] = {
        "format": FORMAT,
        "roster": _taken(packer, roster, _ROSTER),
        "guard": _guard(packer, guard),
        "places": {source: packer.label_sets(said) for source, said in roster.places.heard.items()},
        "feeds": [_feed(packer, feed) for feed in roster.feeds],
        "tracks": [
            {"rule": rule, "source": source} | _track(packer, track)
            for (rule, source), tracks in roster.tracks.items()
            for track in tracks
        ],
        "kin": [
            {"rule": rule, "source": source, "state": packer.pack(kin.state())}
            for (rule, source), kin in roster.kin.items()
        ],
    }
    meta |= {"shared": packer.shared, "labels": packer.labels()}
    return EngineDump(meta, packer.arrays, {bound.rule.id: bound.digest for bound in roster.rules})


def _taken(packer: Packer, held: object, names: Collection[str]) -> Json:
    return {name: packer.pack(getattr(held, name)) for name in names}


def _guard(packer: Packer, guard: Guard) -> Json:
    streams = [
        {
            "source": source,
            "stream": stream,
            "own": _taken(packer, one, _STREAM),
            "entities": _growth(packer, one.entities, packer.label_sets),
            "keys": _growth(packer, one.keys, lambda keys: packer.pack(list(keys))),
        }
        for (source, stream), one in guard.streams.items()
    ]
    return _taken(packer, guard, _GUARD) | {"streams": streams}


def _growth(packer: Packer, growth: Growth[Name], names: Callable[[Iterable[Name]], Json]) -> Json:
    last, young, old = growth.known
    return {"own": _taken(packer, growth, _GROWTH), "names": [names(last), names(young), names(old)]}


def _feed(packer: Packer, feed: Feed) -> Json:
    castings = {bound.rule.id: _casting(packer, one) for bound, one in feed.castings}
    own: Json = {
        "source": feed.source,
        "vendor": feed.vendor,
        "stream": feed.grid.stream,
        "width": feed.grid.width,
    }
    own["rules"] = [bound.rule.id for bound, _ in feed.castings]
    return {**own, "grid": _grid(packer, feed.grid), "castings": castings}


def _grid(packer: Packer, grid: Grid) -> Json:
    planes, came, said = grid.held()
    bare = np.arange(grid.high, grid.low + len(came)) % len(came)
    return {
        **_taken(packer, grid, _GRID),
        "entities": packer.label_sets(grid.entities),
        "planes": [packer.array(plane, bare if plane.ndim > 1 else None) for plane in planes],
        "came": packer.array(came),
        "said": packer.array(said),
    }


def _casting(packer: Packer, casting: Casting) -> Json:
    return {
        **_taken(packer, casting, _CASTING),
        "groups": packer.label_sets(casting.groups),
        "waiting": {
            name: _cells(packer, [cell for cells in waiting.values() for cell in cells])
            for name, waiting in casting.waiting.items()
        },
        "loose": {name: _cells(packer, cells) for name, cells in casting.loose.items()},
        "parts": {
            name: {
                "several": str(part.several),
                "cells": packer.array(np.stack([part.plane, part.column, part.group])),
                "details": packer.label_sets(part.details),
            }
            for name, part in casting.parts.items()
        },
    }


def _cells(packer: Packer, cells: Sequence[Cell]) -> Json:
    places = np.array([cell[:2] for cell in cells], np.int32).reshape(-1, 2)
    details = packer.label_sets(label_set(details) if details else () for *_, details in cells)
    return [packer.array(places), packer.label_sets(key for *_, key, _ in cells), details]


def _track(packer: Packer, track: Track) -> Json:
    return {
        **_taken(packer, track, _TRACK),
        "keys": packer.label_sets(track.keys),
        "groups": _taken(packer, track.groups, _GROUPS),
        "words": track.words.known,
        "past": _taken(packer, track.past, _PAST),
        "course": _taken(packer, track.course, _COURSE),
        "lanes": [_lane(packer, lane) for lane in track.lanes.values()],
    }


def _lane(packer: Packer, lane: Lane) -> Json:
    judged = {"starts": packer.array(lane.judged.starts), "codes": packer.array(lane.judged.codes)}
    judged["hurts"] = packer.pack(lane.judged.hurts)
    base = {"stream": lane.stream, "width": lane.width, "judged": judged}
    if isinstance(lane, BinLane):
        return base | {"bins": _taken(packer, lane, _BINS), "totals": _totals(packer, lane.totals)}
    return base | {"instants": _taken(packer, lane, _INSTANTS)}


def _totals(packer: Packer, totals: Totals) -> Json:
    return [
        [role, bins, one.last, packer.array(np.stack([one.sums, one.holes, one.known]))]
        for (role, bins), one in totals.running.items()
    ]


# --- reading


def load(roster: Roster, guard: Guard, dumped: EngineDump, watched: Mapping[str, str]) -> None:
    """Stand where a dump says, as far as its sources are watched and its rules are still the same.

    `watched` is by source its vendor; one that was of another vendor is another source.

    Raises:
        DumpUnusable: it is of another version of the engine.
    """
    meta = dumped.meta
    if meta["format"] != FORMAT:
        raise DumpUnusable(f"a dump of format {meta['format']}; this engine writes {FORMAT}")
    reader = Unpacker(dumped.arrays, meta["shared"], meta["labels"])
    rules = {bound.rule.id: bound for bound in roster.rules}
    same = {rule for rule, bound in rules.items() if dumped.rules.get(rule) == bound.digest}
    _given(reader, roster, meta["roster"])
    sources = {source for source, vendor in roster.vendors.items() if watched.get(source) == vendor}
    roster.keep(sources)
    _load_guard(reader, guard, dict(meta["guard"]), sources)
    for source in sources & meta["places"].keys():
        roster.places.hear(source, reader.label_sets(meta["places"][source]))
    for held in meta["feeds"]:
        if held["source"] in sources:
            _load_feed(reader, roster, held, same)
    for held in meta["tracks"]:
        if held["source"] in sources and held["rule"] in same:
            _load_track(reader, roster, rules[held["rule"]], held)
    for held in meta["kin"]:
        if held["source"] in sources and held["rule"] in same:
            roster.family(rules[held["rule"]], held["source"])
            roster.kin[held["rule"], held["source"]].stand(reader.unpack(held["state"]))


def _given(reader: Unpacker, held: object, packed: Mapping[str, Json]) -> None:
    for name, value in packed.items():
        setattr(held, name, reader.unpack(value))


def _load_guard(reader: Unpacker, guard: Guard, held: dict[str, Json], sources: Collection[str]) -> None:
    for stream in held.pop("streams"):
        if stream["source"] not in sources:
            continue
        one = guard.streams[stream["source"], stream["stream"]] = StreamGuard()
        _given(reader, one, stream["own"])
        _load_growth(reader, one.entities, stream["entities"], reader.label_sets)
        _load_growth(reader, one.keys, stream["keys"], reader.unpack)
    _given(reader, guard, held)


def _load_growth(
    reader: Unpacker, growth: Growth[Name], held: Mapping[str, Json], names: Callable[[Json], Iterable[Name]]
) -> None:
    _given(reader, growth, held["own"])
    last, young, old = map(names, held["names"])
    growth.know(last, young, old)


def _load_feed(reader: Unpacker, roster: Roster, held: Mapping[str, Json], same: Collection[str]) -> None:
    own = dict(held["grid"])
    grid = roster.grid(held["stream"], held["width"])
    planes = [reader.arrays[name] for name in own.pop("planes")]
    came, said = reader.arrays[own.pop("came")], reader.arrays[own.pop("said")]
    grid.entities = reader.label_sets(own.pop("entities"))
    _given(reader, grid, own)
    grid.hold(planes, came, said)
    feed = roster.restored(held["source"], held["vendor"], grid, {*held["rules"]} & {*same})
    for bound, casting in feed.castings:
        if bound.rule.id in held["castings"]:
            _load_casting(reader, casting, dict(held["castings"][bound.rule.id]))


def _load_casting(reader: Unpacker, casting: Casting, held: dict[str, Json]) -> None:
    parts = held.pop("parts")
    for name, packed in held.pop("waiting").items():
        waiting = casting.waiting[name] = {}
        for cell in _read_cells(reader, packed):
            waiting.setdefault(cell[2], []).append(cell)
    for name, packed in held.pop("loose").items():
        casting.loose[name] = list(_read_cells(reader, packed))
    casting.groups = {key: at for at, key in enumerate(reader.label_sets(held.pop("groups")))}
    for name, part in parts.items():
        plane, column, group = reader.arrays[part["cells"]]
        casting.parts[name] = Part(
            Several(part["several"]), plane, column, group, reader.label_sets(part["details"])
        )
    _given(reader, casting, held)


def _read_cells(reader: Unpacker, packed: Sequence[str]) -> Iterator[Cell]:
    places = reader.arrays[packed[0]].tolist()
    rows = zip(places, *map(reader.label_sets, packed[1:]), strict=True)
    return ((metric, column, key, dict(kept)) for (metric, column), key, kept in rows)


def _load_track(reader: Unpacker, roster: Roster, bound: BoundRule, held: Mapping[str, Json]) -> None:
    track = roster.new_track(bound, held["source"])
    grids = {feed.key: feed for feed in roster.feeds if feed.source == held["source"] and feed.reads(bound)}
    for name in _TRACK:
        setattr(track, name, reader.unpack(held[name]))
    track.keys[:] = reader.label_sets(held["keys"])
    track.index.update({key: row for row, key in enumerate(track.keys) if key})
    _given(reader, track.groups, held["groups"])
    track.words.codes(held["words"])
    past: Past = track.past
    course: Course = track.course
    _given(reader, past, held["past"])
    _given(reader, course, held["course"])
    for lane in held["lanes"]:
        _load_lane(reader, track, grids, lane)


def _load_lane(reader: Unpacker, track: Track, feeds: Mapping[str, Feed], held: Mapping[str, Json]) -> None:
    lane: BinLane | InstantLane
    if "bins" in held:
        feed = feeds[lane_key(held["stream"], held["width"])]
        lane = track.bin_lane(feed.grid, feed.casting(track.rule.id))
        _given(reader, lane, held["bins"])
        lane.bind(lane.rows)
        for role, bins, last, name in held["totals"]:
            lane.totals.running[role, bins] = Running(last, *reader.arrays[name])
    else:
        lane = track.instant_lane(held["stream"], held["width"])
        _given(reader, lane, held["instants"])
    lane.judged.starts = reader.arrays[held["judged"]["starts"]]
    lane.judged.codes = reader.arrays[held["judged"]["codes"]]
    lane.judged.hurts = reader.unpack(held["judged"]["hurts"])
