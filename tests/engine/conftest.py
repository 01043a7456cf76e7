"""A small world for the engine: one source, bins of one minute, values given as lists."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from watcher.engine.detectors.expiry import Expiry, ExpiryParams
from watcher.engine.detectors.ratio_spike import RatioSpike, RatioSpikeParams
from watcher.engine.detectors.threshold import Threshold, ThresholdParams
from watcher.engine.engine import BoundRule, Engine
from watcher.model.incident import IncidentKey, Transition
from watcher.model.labels import Matcher, Selector, label_set
from watcher.model.rule import Rule
from watcher.model.sample import SampleBatch
from watcher.model.time import HOUR, MINUTE, Duration, Instant

START: Instant = 1_700_000_400_000  # a full ten minutes


@dataclass
class World:
    """Makes batches of minutes since START, feeds them to an engine, and keeps the transitions."""

    rules: Sequence[BoundRule]
    horizon: Duration = 2 * HOUR
    stream: str = "resources"
    width: Duration = MINUTE
    engine: Engine = field(init=False)
    transitions: list[Transition] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = Engine(self.rules, self.horizon)

    def batch(
        self,
        minute: int,
        *values: tuple[float, float],
        settled: int | None = None,
        names: Sequence[str] = ("shop", "video", "api"),
    ) -> SampleBatch:
        """One bin: (requests, 5xx) of each resource in turn."""
        start = START + minute * MINUTE
        grid = np.array(values, np.float64).T.reshape(1, 2, len(values))
        until = start + self.width if settled is None else START + settled * MINUTE
        return SampleBatch(
            source="cdn",
            vendor="test",
            stream=self.stream,
            width=self.width,
            fetched_at=until,
            settled_until=until,
            entities=tuple(label_set({"account": "a", "resource": name}) for name in names[: len(values)]),
            metrics=(
                ("cdn_requests", label_set({"tier": "edge"})),
                ("cdn_responses", label_set({"tier": "edge", "status_class": "5xx"})),
            ),
            starts=np.array([start], np.int64),
            values=grid,
        )

    def feed(self, *batches: SampleBatch) -> list[Transition]:
        """Ingest and evaluate, once for all of them."""
        for batch in batches:
            self.engine.ingest(batch)
        found = self.engine.evaluate(max(batch.fetched_at for batch in batches))
        self.transitions += found
        return found

    def run(self, minutes: range, *values: tuple[float, float]) -> list[Transition]:
        """The same values minute by minute."""
        return [found for minute in minutes for found in self.feed(self.batch(minute, *values))]

    def state(self, resource: str = "shop", rule: str = "high") -> str:
        """Alert state of one resource."""
        labels = label_set({"source": "cdn", "vendor": "test", "resource": resource})
        return self.engine.state(IncidentKey(rule, labels))


def at(minute: int) -> Instant:
    """The start of a minute."""
    return START + minute * MINUTE


@pytest.fixture
def minute() -> Callable[[int], Instant]:
    return at


def errors_above(limit: float, *, hold: Duration = 0, keep: Duration = 0) -> BoundRule:
    """Fires while a bin has more 5xx than the limit."""
    selector = Selector("cdn_responses", (Matcher("status_class", ("5xx",)), Matcher("tier", ("edge",))))
    params = ThresholdParams(above=limit)
    rule = Rule("high", "threshold", {"value": selector}, ("resource",), params, hold, keep)
    return BoundRule(rule, Threshold(params))


def spike(**params: object) -> BoundRule:
    """The 5xx rule over requests and 5xx."""
    edge = Matcher("tier", ("edge",))
    match = {
        "part": Selector("cdn_responses", (Matcher("status_class", ("5xx",)), edge)),
        "whole": Selector("cdn_requests", (edge,)),
    }
    settings = RatioSpikeParams.model_validate(params)
    rule = Rule("high", "ratio_spike", match, ("resource",), settings, 2 * MINUTE, 5 * MINUTE)
    return BoundRule(rule, RatioSpike(settings))


def expiry(days: float = 14) -> BoundRule:
    """Certificates by domain."""
    settings = ExpiryParams(days=days)
    match = {"value": Selector("tls_certificate_not_after_seconds")}
    return BoundRule(Rule("expiry", "expiry", match, ("domain",), settings), Expiry(settings))


@pytest.fixture(scope="session")
def world() -> Callable[..., World]:
    """A world under one rule: `world("errors", limit=5, hold=..., keep=...)`, `world("spike")`."""

    def make(kind: str = "errors", *, horizon: Duration = 2 * HOUR, **options: object) -> World:
        if kind == "spike":
            return World([spike(**options)], horizon)
        if kind == "expiry":
            return World([expiry()], horizon)
        limit = float(str(options.pop("limit", 5)))
        hold, keep = int(str(options.pop("hold", 0))), int(str(options.pop("keep", 0)))
        return World([errors_above(limit, hold=hold, keep=keep)], horizon)

    return make
