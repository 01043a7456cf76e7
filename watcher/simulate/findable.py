"""Under which rule a watcher should find what a scenario plants, by the shipped thresholds."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from watcher.model.time import HOUR, MINUTE, SECOND, Duration
from watcher.simulate.faults import Html, Refusal, Skewed, Slow
from watcher.simulate.troubles import (
    CertificateInvalid,
    DomainOffline,
    Errors,
    FailedJob,
    FailingApiCalls,
    HitRatioCollapse,
    OriginGroupEmpty,
    Slowness,
    StuckChange,
    TrafficLoss,
)
from watcher.simulate.world import Resource, World

WAITS: Final[Mapping[str, Duration]] = {
    "api_failed_calls": 2 * MINUTE,
    "clock_skewed": 5 * MINUTE,
    "collector_down": 6 * MINUTE,
    "contract_changed": 10 * MINUTE,
    "credentials_rejected": 2 * MINUTE,
    "hit_ratio_drop": 20 * MINUTE,
    "http_4xx_surge": 5 * MINUTE,
    "http_5xx_spike": 2 * MINUTE,
    "http_probe_failing": 2 * MINUTE,
    "http_status_burst": 3 * MINUTE,
    "latency_rise": 10 * MINUTE,
    "origin_5xx_spike": 3 * MINUTE,
    "origin_orphaned": HOUR,
    "permission_missing": 10 * MINUTE,
    "provider_failing": 3 * MINUTE,
    "quota_nearly_spent": 10 * MINUTE,
    "request_refused": 10 * MINUTE,
    "traffic_loss": 10 * MINUTE,
}
"""`for` of the shipped rules: what is over sooner need not be found. Rules left out do not wait."""
FLOORS: Final[Mapping[str, float]] = {
    "api_failed_calls": 0.05,
    "http_4xx_surge": 0.1,
    "http_5xx_spike": 0.02,
    "http_status_burst": 0.05,
    "origin_5xx_spike": 0.05,
    "provider_failing": 0.03,
}
"""Shares below which the shipped rules find nothing."""
HIT_RATIO_DROP: Final = 0.15
TRAFFIC_LEFT: Final = 0.15
SLOWNESS: Final = 2
EXPIRES_SOON: Final = 14
"""Days left from which the shipped rule finds a certificate."""
DOMAIN_STUCK: Final[Duration] = 2 * HOUR
JOB_STUCK: Final[Duration] = HOUR
SERVING: Final = frozenset({"online", "enabled", "found"})
CHANGING: Final = frozenset({"applying", "configuring", "checking", "stopping", "disabling", "deleting"})
JOB_FINE: Final = frozenset({"finished", "success", "succeeded", "done", "completed"})
JOB_UNDER_WAY: Final = frozenset({"pending", "queued", "running", "processing", "in_progress"})
"""Words of the shipped rules; any other of a vendor is told."""
PATIENCE: Final[Duration] = 30 * SECOND
"""How long a source waits for an answer, unless it says otherwise."""
SKEW: Final[Duration] = 5 * MINUTE
"""How far a vendor's clock may lag behind before its answers are not believed."""


@dataclass(frozen=True, slots=True)
class Case:
    """One trouble or fault at one vendor."""

    one: Any
    """Of the class that its kind says."""
    lasts: Duration
    world: World
    vendor: str
    tolerance: Duration | None = None
    """How far our time may be off for the vendor; None where it does not look."""
    resource: Resource | None = None
    """Which it befalls; None where it befalls none, or the vendor as a whole."""

    @property
    def part(self) -> float:
        """The share of the resource's requests that it can befall."""
        if self.resource is None:
            return 1.0
        of_provider = _weight(self.resource.providers, self.one.provider)
        return of_provider * _weight(self.resource.regions, self.one.region)


Rule: TypeAlias = str | Callable[[Case], str | None] | None
"""An id, or how it depends on what the scenario says; None where nobody should be told."""


def rule_of(rule: Rule, case: Case) -> str | None:
    """The id under which a case should be found."""
    return rule(case) if callable(rule) else rule


def edge_errors(case: Case) -> str | None:
    """Where a vendor shows what its edge answers, by class."""
    return _enough({5: "http_5xx_spike", 4: "http_4xx_surge"}.get(_family(case.one)), case)


def origin_errors(case: Case) -> str | None:
    """Where it shows what origins answer: what the edge made itself is not among it."""
    trouble: Errors = case.one
    if trouble.tier == "edge":
        return None
    only_one = len(trouble.answers) == 1
    usual = {5: "origin_5xx_spike", 4: None}.get(_family(trouble))
    return _enough("http_status_burst" if only_one and _family(trouble) in {4, 5} else usual, case)


def provider_errors(case: Case) -> str | None:
    """Where it shows providers."""
    return _enough("provider_failing" if _family(case.one) == 5 else None, case)


def hit_ratio(case: Case) -> str | None:
    """A fall of enough points."""
    trouble: HitRatioCollapse = case.one
    usual = case.resource.hit_ratio if case.resource is not None else 1.0
    return "hit_ratio_drop" if (usual - trouble.to) * case.part >= HIT_RATIO_DROP else None


def loss(case: Case) -> str | None:
    """Nearly all of it: a smaller loss is somebody's day off."""
    trouble: TrafficLoss = case.one
    return "traffic_loss" if 1 - trouble.share * case.part < TRAFFIC_LEFT else None


def latency(case: Case) -> str | None:
    """Twice the usual, for most of the requests."""
    trouble: Slowness = case.one
    return "latency_rise" if trouble.times >= SLOWNESS and case.part > 0.5 else None


def domain_state(case: Case) -> str | None:
    """By the word that the vendor gives."""
    trouble: DomainOffline | StuckChange = case.one
    word = trouble.status.lower()
    if word in CHANGING:
        return "domain_stuck" if case.lasts > DOMAIN_STUCK else None
    return None if word in SERVING else "domain_not_serving"


def domain_enabled(case: Case) -> str | None:
    """Where a vendor only says whether it is: in no other state than online."""
    trouble: DomainOffline | StuckChange = case.one
    return None if trouble.status == "online" else "domain_not_serving"


def orphaned(case: Case) -> str | None:
    """An origin whose last domain went."""
    resource = case.resource
    peers = [
        one
        for one in case.world.shown_by(case.vendor)
        if resource is not None and one.id != resource.id and one.origin_host == resource.origin_host
    ]
    return None if peers else "origin_orphaned"


def expiry(case: Case) -> str | None:
    """Soon enough, where there is a certificate."""
    there = case.resource is not None and case.resource.tls
    return "certificate_expiry" if there and case.one.days_left < EXPIRES_SOON else None


def invalid(case: Case) -> str | None:
    """Either word of the vendor's."""
    trouble: CertificateInvalid = case.one
    fine = (trouble.valid and trouble.trusted) or case.resource is None or not case.resource.tls
    return None if fine else "certificate_invalid"


def stuck_job(case: Case) -> str | None:
    """Longer than any job takes."""
    return "job_stuck" if case.lasts > JOB_STUCK else None


def failed_job(case: Case) -> str | None:
    """By the word that it ends with."""
    trouble: FailedJob = case.one
    word = trouble.status.lower()
    if word in JOB_UNDER_WAY:
        return "job_stuck"
    return None if word in JOB_FINE else "job_failed"


def empty_group(case: Case) -> str | None:
    """By the word that its members get."""
    trouble: OriginGroupEmpty = case.one
    return None if trouble.status == "active" else "origin_group_empty"


def api_failures(case: Case) -> str | None:
    """A share of all calls that is large enough, or one that is new."""
    trouble: FailingApiCalls = case.one
    if trouble.status[:1] in {"1", "2", "3"}:
        return None
    api = case.world.api
    total = sum(one.calls_per_minute for one in api.endpoints)
    meant = sum(one.calls_per_minute for one in api.endpoints if trouble.url in {"", one.url})
    of_callers = sum(trouble.user in {"", one.name} for one in api.callers) / len(api.callers)
    share = trouble.share * of_callers * (meant / total if total else 0)
    if share < FLOORS["api_failed_calls"]:
        return "api_new_failure" if share > 0 else None
    return "api_failed_calls"


def by_status(status: int) -> str:
    """A refusal by HTTP's status alone."""
    rules = {401: "credentials_rejected", 403: "permission_missing", 429: "quota_nearly_spent"}
    return rules.get(status, "collector_down" if status >= 500 else "request_refused")


def refusal(case: Case) -> str | None:
    """One whose code says no more than its status."""
    fault: Refusal = case.one
    return by_status(fault.status)


def by_code(codes: Mapping[str, str], usual: Callable[[Refusal], str], *, below: int = 600) -> Rule:
    """A refusal by how its code begins, `usual` where it names none; by status alone where not `below`."""

    def rule(case: Case) -> str | None:
        fault: Refusal = case.one
        said = fault.code or usual(fault)
        found = (one for start, one in codes.items() if said.startswith(start))
        return next(found, by_status(fault.status)) if fault.status < below else by_status(fault.status)

    return rule


def page(case: Case) -> str | None:
    """A proxy's page: its status counts, and a good one makes it no answer."""
    fault: Html = case.one
    return by_status(fault.status) if fault.status >= 400 else "contract_changed"


def slow(case: Case) -> str | None:
    """Longer than a source waits."""
    fault: Slow = case.one
    return "collector_down" if fault.delay >= PATIENCE else None


def skewed(case: Case) -> str | None:
    """A clock that lags makes answers unbelievable; one that is ahead only matters to who checks our time."""
    fault: Skewed = case.one
    by = fault.by.offset
    ahead = case.tolerance is not None and abs(by) > case.tolerance
    return "clock_skewed" if fault.by.at is not None or by < -SKEW or ahead else None


COMMON: Final[Mapping[str, Rule]] = {
    "refusal": refusal,
    "html": page,
    "truncated": "contract_changed",
    "nonsense": "contract_changed",
    "slow": slow,
    "dropped": "collector_down",
    "skewed": skewed,
}
"""By kind of fault, unless the vendor says otherwise; other kinds are nobody's business."""


def _enough(rule: str | None, case: Case) -> str | None:
    trouble: Errors = case.one
    return rule if rule is not None and trouble.share * case.part >= FLOORS[rule] else None


def _family(trouble: Errors) -> int:
    """The class of most of the errors."""
    families = Counter[int]()
    for code, share in trouble.answers.items():
        families[code // 100] += share  # type: ignore[assignment] # shares add up as counts do
    return families.most_common(1)[0][0]


def _weight(weights: Mapping[str, float], name: str) -> float:
    if not name:
        return 1.0
    total = sum(weights.values())
    return weights.get(name, 0.0) / total if total else 0.0
