"""The truth of a simulation: what was planted where and when, and under which rule it should be found."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from watcher.model.time import Instant, rfc3339
from watcher.simulate.faults import Fault, Refusal
from watcher.simulate.moment import FIRST, LAST, Timed
from watcher.simulate.scenario import Listener, Scenario
from watcher.simulate.troubles import OriginGroupEmpty, Trouble
from watcher.simulate.vendor import Scene, Vendor, known

FAULTS: Final[Mapping[str, str]] = {
    "html": "contract_changed",
    "truncated": "contract_changed",
    "nonsense": "contract_changed",
    "slow": "collector_down",
    "dropped": "collector_down",
    "skewed": "clock_skewed",
}
"""Rule id by kind of fault; other kinds are nobody's business."""
REFUSALS: Final[Mapping[int, str]] = {
    401: "credentials_rejected",
    403: "permission_missing",
    429: "quota_nearly_spent",
}
"""The same by status; from 500 on it is `collector_down`, else a request refused."""
ALSO: Final[Mapping[str, frozenset[str]]] = {
    "single_code_burst": frozenset(
        {"http_5xx_spike", "origin_5xx_spike", "http_4xx_surge", "http_status_burst"}
    ),
    "provider_failing": frozenset({"http_5xx_spike"}),
    "failing_api_calls": frozenset({"api_new_failure"}),
}
"""Rules by kind of trouble that may rightly tell of it as well."""
EXPIRES_SOON: Final = 14
"""Days left from which the shipped rule finds a certificate."""


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

    @property
    def also(self) -> frozenset[str]:
        """Other rules that may rightly tell of it as well."""
        return ALSO.get(self.kind, frozenset()) - {self.rule}

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
    troubles = (one for vendor in known().values() for one in _at(vendor, scenario, anchor))
    sites = (
        _planted("http", "outage", failing, anchor, about=site.name, rule="http_probe_failing")
        for site in scenario.sites
        for failing in site.failing
    )
    return [*troubles, *map(_listener, scenario.tls), *sites]


def truth(scenario: Scenario, scene: Scene) -> dict[str, Any]:
    """The same as JSON, with what makes it repeatable."""
    entries = [one.entry() for one in planted(scenario, scene)]
    return {"seed": scenario.seed, "anchor": rfc3339(scene.anchor), "planted": entries}


def _at(vendor: Vendor[Any], scenario: Scenario, anchor: Instant) -> Iterator[Planted]:
    shown = {resource.id for resource in scenario.shown_by(vendor.name)}
    for trouble in scenario.troubles:
        about, rule = _about(trouble), vendor.finds.get(trouble.kind)
        of_resource = isinstance(trouble, Trouble) and about != ""
        if about in shown if of_resource else rule is not None:
            yield _planted(vendor.name, trouble.kind, trouble, anchor, about=about, rule=rule)
    for fault in scenario.section(vendor.name).faults:
        yield _planted(vendor.name, f"fault {fault.kind}", fault, anchor, about="", rule=_rule_of(fault))


def _planted(
    vendor: str, kind: str, timed: Timed, anchor: Instant, *, about: str, rule: str | None
) -> Planted:
    start, end = timed.span(anchor)
    details = timed.model_dump(mode="json", exclude={"kind", "start", "lasts"}, exclude_defaults=True)
    return Planted(vendor, kind, about, rule, start=start, end=end, details=details)


def _about(trouble: Timed) -> str:
    if isinstance(trouble, Trouble):
        return trouble.resource
    return trouble.group if isinstance(trouble, OriginGroupEmpty) else ""


def _rule_of(fault: Fault) -> str | None:
    if not isinstance(fault, Refusal):
        return FAULTS.get(fault.kind)
    usual = "collector_down" if fault.status >= 500 else "request_refused"
    return REFUSALS.get(fault.status, usual)


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
    )
