"""Resources by origin, provider and account, one source, bins of one minute: who fails when."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from watcher.engine.detectors.threshold import Threshold, ThresholdParams
from watcher.engine.engine import BoundRule, Engine
from watcher.model.incident import Change, Incident, Transition
from watcher.model.labels import Matcher, Selector, label_set
from watcher.model.rule import Mode, NofM, Rule, Severity
from watcher.model.sample import SampleBatch
from watcher.model.time import HOUR, MINUTE, Duration, Instant
from watcher.store.ledger import Ledger

NAN = float("nan")
START: Instant = 1_700_000_400_000


def minute(at: int) -> Instant:
    """The start of a minute."""
    return START + at * MINUTE


def above(
    limit: float = 5,
    *,
    hold: Duration = 0,
    keep: Duration = 0,
    needs: NofM | None = None,
    clear_below: float | None = None,
    critical: float | None = None,
    mode: Mode = Mode.LIVE,
    by: Sequence[str] = ("resource",),
    reopen: Duration = 0,
) -> BoundRule:
    """Fires while a bin has more failed requests than a limit."""
    params = ThresholdParams(above=limit)
    grave = {Severity.WARNING: params}
    if critical is not None:
        grave[Severity.CRITICAL] = ThresholdParams(above=critical)
    rule = Rule(
        "high",
        "threshold",
        {"value": Selector("cdn_responses", (Matcher("status_class", ("5xx",)),))},
        tuple(by),
        params,
        hold,
        keep,
        needs=needs,
        clear_when=None if clear_below is None else ThresholdParams(above=clear_below),
        severities=grave if critical is not None else {},
        mode=mode,
        reopen_within=reopen,
    )
    return BoundRule(rule, Threshold(params))


@dataclass
class Estate:
    """Feeds failed requests by resource to an engine, and keeps the transitions."""

    places: Mapping[str, Mapping[str, str]]
    """By resource: the labels that stand beside it."""
    rule: BoundRule = field(default_factory=above)
    horizon: Duration = 2 * HOUR
    engine: Engine = field(init=False)
    now: Instant = 0
    transitions: list[Transition] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = Engine([self.rule], self.horizon)

    def batch(self, at: int, values: Mapping[str, float]) -> SampleBatch:
        """One minute; who is not named is well."""
        column = [values.get(name, 0.0) for name in self.places]
        return SampleBatch(
            source="cdn",
            vendor="test",
            stream="s",
            width=MINUTE,
            fetched_at=minute(at + 1),
            settled_until=minute(at + 1),
            entities=tuple(label_set({"resource": name, **own}) for name, own in self.places.items()),
            metrics=(("cdn_responses", label_set({"status_class": "5xx"})),),
            starts=np.array([minute(at)], np.int64),
            values=np.array([[column]], np.float64),
        )

    def feed(self, *batches: SampleBatch) -> list[Transition]:
        """Ingest and evaluate, once for all of them."""
        for batch in batches:
            self.engine.ingest(batch)
        # A book knows a transition that it is given again by when it was decided.
        self.now = max(self.now + 1, *(batch.fetched_at for batch in batches))
        found = self.engine.evaluate(self.now)
        self.transitions += found
        return found

    def run(self, minutes: range, bad: Callable[[int], Mapping[str, float]]) -> list[Transition]:
        """Minute by minute."""
        return [found for at in minutes for found in self.feed(self.batch(at, bad(at)))]


@dataclass(frozen=True)
class Row:
    """What a book holds of one incident in the end."""

    key: str
    opened_at: Instant
    resolved_at: Instant | None
    severity: Severity
    parent: str


def named(incident: Incident) -> str:
    """Its labels, without those all have."""
    own = dict(incident.key.labels)
    return ",".join(value for name, value in own.items() if name not in {"source", "vendor"})


def book(transitions: Sequence[Transition]) -> list[Row]:
    """Without the withdrawn ones, in order."""
    held = incidents(transitions)
    by_id = {one.id: one for one in held}
    rows = [
        Row(
            named(one),
            one.opened_at,
            one.resolved_at,
            one.severity,
            named(by_id[one.parent_id]) if one.parent_id in by_id else "",
        )
        for one in held
        if one.status != "withdrawn"
    ]
    return sorted(rows, key=lambda row: (row.opened_at, row.key))


def incidents(transitions: Sequence[Transition]) -> list[Incident]:
    """As the real ledger makes them of the transitions."""
    ids = iter(range(10**6))
    ledger = Ledger((), set(), lambda _: f"i{next(ids)}")
    for one in transitions:
        ledger.apply(one)
    return list(ledger.added)


def told(transitions: Sequence[Transition]) -> list[tuple[str, Change]]:
    """What goes out: labels and change of everything that is not quiet."""
    silent = {Change.MOVED, Change.FELL, Change.JOINED}
    loud = [one for one in transitions if not one.quiet and one.change not in silent]
    return [
        (",".join(v for n, v in one.key.labels if n not in {"source", "vendor"}), one.change) for one in loud
    ]
