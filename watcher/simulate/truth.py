"""The truth of a simulation: what was planted where and when, and under which rule it should be found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from watcher.model.time import Instant, rfc3339
from watcher.simulate.episodes import befallen
from watcher.simulate.faults import Fault
from watcher.simulate.findable import COMMON, EXPIRES_SOON, PATIENCE, WAITS, Case, rule_of
from watcher.simulate.moment import FIRST, LAST, Timed
from watcher.simulate.scenario import Listener, Scenario
from watcher.simulate.sites import Failing
from watcher.simulate.troubles import (
    FailedJob,
    FailingApiCalls,
    OriginGroupEmpty,
    ProviderFailing,
    StuckJob,
    TrafficTrouble,
    Trouble,
)
from watcher.simulate.vendor import Scene, Vendor, known
from watcher.simulate.world import Resource

ALSO: Final[Mapping[str, frozenset[str]]] = {
    "5xx_burst": frozenset({"provider_failing", "http_status_burst"}),
    "partial_outage": frozenset({"provider_failing", "http_status_burst"}),
    "single_code_burst": frozenset(
        {"http_5xx_spike", "origin_5xx_spike", "http_4xx_surge", "http_status_burst", "provider_failing"}
    ),
    "provider_failing": frozenset({"http_5xx_spike"}),
    "failing_api_calls": frozenset({"api_new_failure"}),
    "late_bins": frozenset({"data_stopped"}),
}
"""Rules by kind of trouble that may rightly tell of it as well."""
RECORDED: Final = (TrafficTrouble, StuckJob, FailedJob, FailingApiCalls)
"""What vendors still tell of afterwards; all else must be seen while it lasts."""
EXPECTED: Final = 200
"""Status that the announced source expects of sites."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One thing that is there to be found, or to be left alone."""

    vendor: str
    """`tls` for a listener, `http` for a site."""
    kind: str
    """Of trouble, or `fault` and its kind."""
    about: str
    """Resource, origin group, URL, server name; empty for the whole vendor."""
    rule: str | None
    """Id under which it should be found; None where nobody should be told."""
    start: Instant
    end: Instant
    details: Mapping[str, Any]
    """As the scenario has it."""
    also: frozenset[str] = frozenset()
    """Other rules that may rightly tell of it as well."""

    @property
    def words(self) -> str:
        """What it is, for people."""
        where = self.about or str(self.details.get("provider", ""))
        return f"{self.kind.replace('_', ' ')}{' of ' * bool(where)}{where}"

    def entry(self) -> dict[str, Any]:
        """As JSON; None for a time that never comes or always was."""
        return {
            "vendor": self.vendor,
            "kind": self.kind,
            "about": self.about,
            "rule": self.rule,
            "also": sorted(self.also),
            "start": None if self.start <= FIRST else rfc3339(self.start),
            "end": None if self.end >= LAST else rfc3339(self.end),
            "details": self.details,
        }


def planted(scenario: Scenario, scene: Scene) -> list[Planted]:
    """Everything that a scenario plants, vendor by vendor."""
    anchor = scene.anchor
    vendors = [one for vendor in known().values() for one in _at(vendor, scenario, anchor)]
    sites = (
        _planted("http", "outage", failing, anchor, about=site.name, rule=_outage(failing))
        for site in scenario.sites
        for failing in site.failing
    )
    return [*vendors, *map(_listener, scenario.tls), *sites]


def truth(scenario: Scenario, scene: Scene) -> dict[str, Any]:
    """The same as JSON, with what makes it repeatable."""
    entries = [one.entry() for one in planted(scenario, scene)]
    return {"seed": scenario.seed, "anchor": rfc3339(scene.anchor), "planted": entries}


def _at(vendor: Vendor[Any], scenario: Scenario, anchor: Instant) -> Iterator[Planted]:
    for trouble in scenario.troubles:
        for case in _cases(vendor, scenario, trouble, anchor):
            about = trouble.group if isinstance(trouble, OriginGroupEmpty) else ""
            about = about if case.resource is None else case.resource.id
            rule = rule_of(vendor.finds.get(trouble.kind), case)
            found = _planted(vendor.name, trouble.kind, trouble, anchor, about=about, rule=rule)
            yield replace(found, also=found.also | _beside(vendor, trouble.kind) - {found.rule})
    section = scenario.section(vendor.name)
    for fault in section.faults:
        start, end = fault.span(anchor)
        case = Case(fault, end - start, scenario, vendor.name, tolerance=section.clock_tolerance())
        rule = rule_of({**COMMON, **vendor.finds}.get(fault.kind), case)
        yield _planted(vendor.name, f"fault {fault.kind}", fault, anchor, about="", rule=rule)


def _cases(vendor: Vendor[Any], scenario: Scenario, trouble: Timed, anchor: Instant) -> Iterator[Case]:
    """One for each of the vendor's resources that it befalls, or one where it befalls the vendor itself."""
    start, end = trouble.span(anchor)
    kind = getattr(trouble, "kind", "")
    shown = {resource.id: resource for resource in scenario.shown_by(vendor.name)}
    if not isinstance(trouble, Trouble):
        named: Sequence[Resource | None] = [None] if kind in vendor.finds else []
    elif isinstance(trouble, TrafficTrouble):
        ids = befallen(trouble, scenario)
        hit = [resource for name, resource in shown.items() if name in ids]
        of_providers = isinstance(trouble, ProviderFailing)
        named = ([None] if hit and kind in vendor.finds else []) if of_providers else hit
    else:
        named = [shown[trouble.resource]] if trouble.resource in shown else []
    return (Case(trouble, end - start, scenario, vendor.name, resource=resource) for resource in named)


def _beside(vendor: Vendor[Any], kind: str) -> frozenset[str]:
    """Other rules that may tell of it at a vendor that shows such a thing."""
    beside = ALSO.get(kind, frozenset()) if kind in vendor.finds else frozenset()
    return beside if "provider_failing" in vendor.finds else beside - {"provider_failing"}


def _planted(
    vendor: str, kind: str, timed: Timed, anchor: Instant, *, about: str, rule: str | None
) -> Planted:
    start, end = timed.span(anchor)
    details = timed.model_dump(mode="json", exclude={"kind", "start", "lasts"}, exclude_defaults=True)
    also: frozenset[str] = frozenset()
    too_short = rule is not None and end - start < WAITS.get(rule, 0)
    passing = isinstance(timed, Fault) and timed.every > 1  # another attempt succeeds
    unseen = end <= anchor and not isinstance(timed, RECORDED)
    if rule is not None and (too_short or passing or unseen):
        also, rule = frozenset() if unseen else frozenset({rule}), None
    return Planted(vendor, kind, about, rule, start=start, end=end, details=details, also=also)


def _outage(failing: Failing) -> str | None:
    """An answer that is as expected, if late, is none."""
    return None if failing.status == EXPECTED and failing.delay < PATIENCE else "http_probe_failing"


def _listener(listener: Listener) -> Planted:
    wrong = not listener.trusted or listener.presents not in {"", listener.name}
    soon = listener.days_left < EXPIRES_SOON
    return Planted(
        vendor="tls",
        kind="certificate",
        about=listener.name,
        rule="certificate_invalid" if wrong else "certificate_expiry" if soon else None,
        start=FIRST,
        end=LAST,
        details=listener.model_dump(mode="json", exclude_defaults=True),
        also=frozenset({"certificate_expiry"}) if wrong and soon else frozenset(),
    )
