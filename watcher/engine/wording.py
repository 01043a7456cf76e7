"""Words of incidents: summaries by the rule's template, and how far a wider incident reaches."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from watcher.engine.extent import Extent
from watcher.model.incident import Evidence
from watcher.model.labels import LabelSet
from watcher.model.rule import Rule
from watcher.model.time import Instant, rfc3339

NAMED: Final = 10
"""Leaves of a wider incident that evidence names; the summary says how many there are."""
UNSAID: Final = "unknown"
"""Stands for a figure that the verdict does not have, so that no template shows its braces."""

Names: TypeAlias = Mapping[str, str]
"""What people call a resource, by its id."""


class _Words(dict[str, str]):
    """A template's fields; one that is not there is said to be unknown instead of breaking a page."""

    def __missing__(self, field: str) -> str:
        return UNSAID


def summary(rule: Rule, labels: LabelSet, evidence: Evidence, names: Names) -> str:
    """The rule's template over labels, evidence words, `subject`, `text` and `since`: one line."""
    return _filled(rule, labels, evidence, subject(rule, labels, names))


def _filled(rule: Rule, labels: LabelSet, evidence: Evidence, about: str) -> str:
    words = _Words({**dict(labels), **evidence.words})
    words.update(subject=about, text=evidence.text or UNSAID, since=rfc3339(evidence.start))
    return rule.summary.format_map(words)


def healthy(found: Evidence, opened_at: Instant) -> Evidence:
    """The reading that ended an incident: one that never came back is not told as if it had."""
    if (now_usual := found.words.get("now_usual")) is None:
        return found
    return replace(found, text=f"usual is {now_usual} since {rfc3339(opened_at)}: it did not come back")


def of_one(found: Evidence, about: str) -> Evidence:
    """Of one of those that a wider incident explains: ``60.0 %, usually 0.1 % (resource shop)``."""
    words = {name: f"{word} ({about})" if name == "seen" else word for name, word in found.words.items()}
    return replace(found, text=f"{found.text} ({about})", words=words)


def subject(rule: Rule, labels: LabelSet, names: Names) -> str:
    """What the incident is about, as people call it: ``resource shop``, ``domain www.example.com``."""
    own = dict(labels)
    told = [f"{label} {names.get(own[label], own[label])}" for label in rule.by if own.get(label)]
    if not told or "stream" in own:  # a stream's name says nothing without its source
        told = [f"source {own['source']}", *told]
    return ", ".join(told)


def reach(rule: Rule, extent: Extent) -> str:
    """How far a wider incident reaches: ``14 of 15 resources``."""
    own = [label for label in rule.by if label != extent.group[0]]
    noun = f"{own[0]}s" if len(own) == 1 else "groups"
    failed = len(extent.keys)
    return f"{failed} of {max(failed, extent.members)} {noun}"


def wider_summary(rule: Rule, extent: Extent, evidence: Evidence, names: Names) -> str:
    """The rule's template about a wider incident: ``account acme, 14 of 15 resources: 5xx 40 % ...``."""
    label, value = extent.group
    about = f"{label} {names.get(value, value)}, {reach(rule, extent)}"
    like = next(iter(sorted(extent.keys)), ())
    return _filled(rule, like, evidence, about)


def extent_evidence(
    rule: Rule, extent: Extent, keys: Sequence[LabelSet], example: Evidence | None, names: Names
) -> Evidence:
    """What fails together, the first keys by name, with one of them as an example of how."""
    failed = len(extent.keys)
    shown = [subject(rule, key, names) for key in keys[:NAMED]]
    text = f"{example.text} ({shown[0]})" if example is not None and example.text else reach(rule, extent)
    first = min((leaf.episode.opened_at for leaf in extent.leaves.values()), default=extent.opened_at)
    return Evidence(
        start=first,
        end=max(example.end if example else extent.opened_at, first),
        seen=float(failed),
        expected=0.0,
        range=None,
        requests=example.requests if example else None,
        text=text,
        words={**(example.words if example else {}), "seen": reach(rule, extent), "expected": "0"},
        parts=tuple({"what": what} for what in shown),
        exemplars=example.exemplars if example else (),
    )
