"""A source that probes the addresses of a name, at instants."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from watcher.engine.detectors.expiry import Expiry, ExpiryParams
from watcher.engine.detectors.threshold import Threshold, ThresholdParams
from watcher.engine.engine import BoundRule, Engine
from watcher.model.incident import IncidentKey, Transition
from watcher.model.labels import Selector, label_set
from watcher.model.rule import Rule
from watcher.model.sample import SampleBatch
from watcher.model.time import HOUR, MINUTE, SECOND, Duration, Instant

NAN = float("nan")
START: Instant = 1_700_000_400_000
DAYS = 86_400.0


def minute(at: int) -> Instant:
    """The instant of a minute."""
    return START + at * MINUTE


def probe_rules(of: Literal["least", "greatest"] | None = None, *, hold: Duration = 0) -> list[BoundRule]:
    """`up`: an address that says 0 is a breach; `ends`: one whose certificate ends within 14 days."""
    up, ends = ThresholdParams(below=1, of=of), ExpiryParams(days=14)
    is_up, ends_at = Selector("http_probe_up"), Selector("tls_certificate_not_after_seconds")
    return [
        BoundRule(Rule("up", "threshold", {"value": is_up}, ("target",), up, hold), Threshold(up)),
        BoundRule(Rule("ends", "expiry", {"value": ends_at}, ("target",), ends), Expiry(ends)),
    ]


@dataclass
class Probes:
    """Makes probes of the name `www`, feeds them to an engine, and keeps the transitions."""

    rules: list[BoundRule] = field(default_factory=probe_rules)
    engine: Engine = field(init=False)
    transitions: list[Transition] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = Engine(self.rules, 2 * HOUR)

    def probe(
        self,
        at: int,
        up: Mapping[str, float],
        *,
        days: Mapping[str, float] | None = None,
        complete: bool = True,
    ) -> SampleBatch:
        """By address, whether it is up and the days its certificate lasts from START on; NaN is silence."""
        instant = minute(at)
        ends = [START / SECOND + (days or {}).get(address, NAN) * DAYS for address in up]
        return SampleBatch(
            source="web",
            vendor="http",
            stream="probe",
            width=0,
            fetched_at=instant,
            settled_until=instant,
            entities=tuple(label_set({"target": "www", "address": address}) for address in up),
            metrics=(("http_probe_up", ()), ("tls_certificate_not_after_seconds", ())),
            starts=np.array([instant], np.int64),
            values=np.array([[list(up.values()), ends]], np.float64).reshape(1, 2, len(up)),
            complete=complete,
        )

    def silence(self, at: int) -> SampleBatch:
        """The agent's own sight of one minute in which nothing was answered at all."""
        return SampleBatch(
            source="web",
            vendor="http",
            stream="probe.sight",
            width=MINUTE,
            fetched_at=minute(at) + MINUTE,
            settled_until=minute(at) + MINUTE,
            entities=(label_set({"stream": "probe"}),),
            metrics=(("watcher_up", ()),),
            starts=np.array([minute(at)], np.int64),
            values=np.zeros((1, 1, 1)),
        )

    def feed(self, *batches: SampleBatch) -> list[Transition]:
        """Ingest and evaluate, once for all of them."""
        for batch in batches:
            self.engine.ingest(batch)
        found = self.engine.evaluate(max(batch.fetched_at for batch in batches))
        self.transitions += found
        return found

    def of(self, rule: str) -> list[str]:
        """What was told of one rule."""
        return [told.change.value for told in self.transitions if told.key.rule == rule]

    def state(self, rule: str) -> str:
        """Alert state of the name."""
        labels = label_set({"source": "web", "vendor": "http", "target": "www"})
        return self.engine.state(IncidentKey(rule, labels))
