"""A source that lists domains with their states, at instants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from watcher.engine.detectors.state import State, StateParams
from watcher.engine.engine import BoundRule, Engine
from watcher.model.incident import IncidentKey, Transition
from watcher.model.labels import Selector, label_set
from watcher.model.rule import Rule, Severity
from watcher.model.sample import Exemplar, SampleBatch
from watcher.model.time import HOUR, MINUTE, SECOND, Duration, Instant

NAN = float("nan")
START: Instant = 1_700_000_400_000
STATES = ("online", "configuring", "offline", "frozen")


def state_rule(rule_id: str = "status", *, hold: Duration = 0, **params: object) -> BoundRule:
    """Domains by resource; `frozen` is in no list."""
    lists = {"good": ("online",), "passing": ("configuring",), "bad": ("offline",)}
    settings = StateParams.model_validate({**lists, **params})
    match = {"value": Selector("domain_status"), "since": Selector("domain_changed_seconds")}
    rule = Rule(rule_id, "state", match, ("resource",), settings, hold, severity=Severity.CRITICAL)
    return BoundRule(rule, State(settings))


@dataclass
class Listings:
    """Makes listings of one stream, feeds them to an engine, and keeps the transitions."""

    rules: Sequence[BoundRule] = field(default_factory=lambda: [state_rule()])
    horizon: Duration = 2 * HOUR
    engine: Engine = field(init=False)
    transitions: list[Transition] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = Engine(self.rules, self.horizon)

    def listing(
        self,
        minute: int,
        states: Mapping[str, str],
        *,
        changed: Mapping[str, float] | None = None,
        stream: str = "domains",
        complete: bool = True,
        exemplars: Sequence[Exemplar] = (),
    ) -> SampleBatch:
        """Domains with their states ("" is not said); `changed` in seconds since START."""
        at = START + minute * MINUTE
        names = tuple(states)
        values = np.full((1, len(STATES) + 1, len(names)), NAN)
        for e, name in enumerate(names):
            if states[name]:
                values[0, : len(STATES), e] = [float(state == states[name]) for state in STATES]
            values[0, -1, e] = START / SECOND + (changed or {}).get(name, NAN)
        return SampleBatch(
            source="cdn",
            vendor="test",
            stream=stream,
            width=0,
            fetched_at=at,
            settled_until=at,
            entities=tuple(label_set({"resource": name}) for name in names),
            metrics=(
                *(("domain_status", label_set({"status": state})) for state in STATES),
                ("domain_changed_seconds", ()),
            ),
            starts=np.array([at], np.int64),
            values=values,
            exemplars=tuple(exemplars),
            complete=complete,
        )

    def silence(self, minute: int, stream: str = "domains", *, up: bool = False) -> SampleBatch:
        """The agent's own sight of one minute."""
        at = START + minute * MINUTE
        return SampleBatch(
            source="cdn",
            vendor="test",
            stream=f"{stream}.sight",
            width=MINUTE,
            fetched_at=at + MINUTE,
            settled_until=at + MINUTE,
            entities=(label_set({"stream": stream}),),
            metrics=(("watcher_up", ()),),
            starts=np.array([at], np.int64),
            values=np.full((1, 1, 1), float(up)),
        )

    def feed(self, *batches: SampleBatch) -> list[Transition]:
        """Ingest and evaluate, once for all of them."""
        for batch in batches:
            self.engine.ingest(batch)
        found = self.engine.evaluate(max(batch.fetched_at for batch in batches))
        self.transitions += found
        return found

    def state(self, resource: str, rule: str = "status") -> str:
        """Alert state of one domain."""
        return self.engine.state(
            IncidentKey(rule, label_set({"source": "cdn", "vendor": "test", "resource": resource}))
        )


def minute(at: int) -> Instant:
    """The instant of a minute."""
    return START + at * MINUTE
