"""A rule with the mechanism it names."""

import hashlib
from dataclasses import dataclass

from watcher.engine.detector import Detector
from watcher.model.rule import Rule


@dataclass(frozen=True, slots=True)
class BoundRule:
    """A rule with the mechanism it names."""

    rule: Rule
    detector: Detector

    @property
    def digest(self) -> str:
        """Of all that the rule's judging follows from: where it is the same, so are the verdicts."""
        rule, kind = self.rule, type(self.detector)
        judging = (
            rule.id,
            rule.detector,
            sorted(rule.match.items()),
            rule.by,
            repr(rule.params),
            (rule.hold, rule.keep_firing_for, rule.needs, rule.severity),
            (rule.reopen_within, rule.flapping),
            (repr(rule.clear_when), sorted((int(rank), repr(one)) for rank, one in rule.severities.items())),
            (kind.__module__, kind.__qualname__, kind.version),
            repr(sorted(self.detector.roles.items())),
            repr(self.detector.reach()),
        )
        return hashlib.blake2b(repr(judging).encode(), digest_size=16).hexdigest()
