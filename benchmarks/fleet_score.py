"""How well incidents match a fleet's truth: by incident, with delays, and what should not have been told."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np

from benchmarks.fleet_world import HOUR

FAMILIES: Final[Mapping[str, str]] = {
    "http_5xx_spike": "5xx",
    "origin_5xx_spike": "5xx",
    "provider_failing": "5xx",
    "hit_ratio_drop": "hit",
}
APART: Final = frozenset({"traffic_loss", "http_4xx_surge"})
"""Rules about something else, counted apart."""
PAGES: Final = frozenset({"warning", "critical"})
GRACE: Final = HOUR
"""How long after its end an incident may still be found."""
DELAY_BIN: Final = 300


@dataclass(slots=True)
class Score:
    """Counts of one or several fleets."""

    name: str
    found: int = 0
    missed: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    """By rule."""
    repeats: int = 0
    unsure: int = 0
    """Found, though nobody could be sure."""
    apart: Counter[str] = field(default_factory=Counter)
    forbidden: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    """In bins of five minutes, after the evidence suffices."""
    months: float = 0.0
    worst: float = 0.0
    """False alarms a month of the worst domain."""

    @property
    def recall(self) -> float:
        """Of the incidents that could be found."""
        return self.found / max(1, self.found + self.missed.total())

    @property
    def precision(self) -> float:
        """Of the pages; those that repeat or find what nobody could be sure of are neither."""
        return self.found / max(1, self.found + self.false.total())

    @property
    def f1(self) -> float:
        """By incident."""
        return 2 * self.recall * self.precision / max(1e-9, self.recall + self.precision)

    def __str__(self) -> str:
        median, late = (np.percentile(self.delays or [0.0], share) for share in (50, 90))
        return (
            f"{self.name:10} F1 {self.f1:.3f}  recall {self.recall:.3f}  precision {self.precision:.3f}  "
            f"found {self.found} missed {self.missed.total()} false {self.false.total()} "
            f"repeats {self.repeats} unsure {self.unsure}  "
            f"false/domain-month {self.false.total() / max(self.months, 1e-9):.3f} (worst {self.worst:.1f})  "
            f"delay {median:.1f}/{late:.1f}  forbidden {dict(self.forbidden)}  apart {dict(self.apart)}  "
            f"missed {dict(self.missed)}  false {dict(self.false)}"
        )


def score(name: str, truth: Mapping[str, Any], incidents: Iterable[Mapping[str, Any]]) -> Score:
    """Of what `watcher backtest --json` said of a fleet."""
    made = Score(name, months=truth["months"])
    found: set[int] = set()
    worst: Counter[str] = Counter()
    pages = [one for one in incidents if one["severity"] in PAGES and one["status"] != "withdrawn"]
    for page in sorted(pages, key=lambda one: one["detected_at"]):
        if page["rule"] in APART:
            made.apart[page["rule"]] += 1
        elif (place := _matched(truth["incidents"], page, found)) is None:
            made.false[page["rule"]] += 1
            worst[page["labels"].get("resource", "")] += 1
            made.forbidden.update(_calm(truth["distractors"], page))
        elif place in found:
            made.repeats += 1
        else:
            found.add(place)
            enough_at = truth["incidents"][place]["enough_at"]
            if enough_at is None:
                made.unsure += 1
            else:
                made.found += 1
                made.delays.append(max(0.0, _seconds(page["detected_at"]) - enough_at) / DELAY_BIN)
    for place, incident in enumerate(truth["incidents"]):
        if place not in found and incident["enough_at"] is not None:
            made.missed[incident["kind"]] += 1
    made.worst = max(worst.values(), default=0) * 30 / truth["days"]
    return made


def pooled(name: str, scores: Sequence[Score]) -> Score:
    """All of them as one."""
    made = Score(name)
    for one in scores:
        made.found += one.found
        made.repeats += one.repeats
        made.unsure += one.unsure
        made.months += one.months
        made.worst = max(made.worst, one.worst)
        made.delays += one.delays
        for counter in ("missed", "false", "apart", "forbidden"):
            getattr(made, counter).update(getattr(one, counter))
    return made


def _matched(incidents: Sequence[Mapping[str, Any]], page: Mapping[str, Any], found: set[int]) -> int | None:
    """The incident of its family that a page is about: one not yet found, the latest."""
    family = FAMILIES.get(page["rule"], "")
    opened, detected = _seconds(page["opened_at"]), _seconds(page["detected_at"])
    about = [
        (place not in found, one["start"], place)
        for place, one in enumerate(incidents)
        if one["family"] == family
        and one["resource"] == page["labels"].get("resource")
        and one["start"] <= detected
        and opened <= one["end"] + GRACE
    ]
    return max(about)[2] if about else None


def _calm(distractors: Sequence[Mapping[str, Any]], page: Mapping[str, Any]) -> list[str]:
    opened, detected = _seconds(page["opened_at"]), _seconds(page["detected_at"])
    return [
        one["kind"]
        for one in distractors
        if one["resource"] == page["labels"].get("resource")
        and one["start"] - DELAY_BIN <= detected
        and opened <= one["end"] + GRACE
    ]


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
