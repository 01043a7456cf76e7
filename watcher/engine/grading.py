"""One verdict of several sets of parameters: what is a breach, how grave it is, and what is clear again."""

from dataclasses import replace

import numpy as np

from watcher.engine.detector import BREACH, CLEAR, STILL, URGENT, Detector, Panel, Usual, Verdict
from watcher.model.rule import Rule


class Grades:
    """A rule's detector, and the same one with the parameters of `severity` and `clear_when`.

    All of them judge by what is usual for the rule's own parameters.
    """

    def __init__(self, rule: Rule, detector: Detector) -> None:
        """As the rule says; without either, the detector's own verdict."""
        make = type(detector)
        self._plain = detector
        self._by_severity = [(severity, make(params)) for severity, params in sorted(rule.severities.items())]
        self._clear = make(rule.clear_when) if rule.clear_when is not None else None

    def judge(self, panel: Panel, usual: Usual) -> Verdict:
        """The verdict with the highest severity whose parameters breach; element by element.

        What is no breach and yet not clear by `clear_when` is STILL; unknown is what the rule's own
        parameters do not know.
        """
        verdict = self._plain.judge(panel, usual)
        if self._by_severity:
            verdict = self._graded(verdict, panel, usual)
        if self._clear is None:
            return verdict
        well = self._clear.judge(panel, usual).reading == CLEAR
        reading = np.where((verdict.reading == CLEAR) & ~well, STILL, verdict.reading).astype(np.int8)
        return replace(verdict, reading=reading)

    def _graded(self, verdict: Verdict, panel: Panel, usual: Usual) -> Verdict:
        severity = np.zeros_like(verdict.reading)
        for rank, detector in self._by_severity:
            severity[np.isin(detector.judge(panel, usual).reading, (BREACH, URGENT))] = rank
        is_breach = (severity > 0) & (verdict.reading != URGENT)
        reading = np.where(is_breach, BREACH, verdict.reading).astype(np.int8)
        return replace(verdict, reading=reading, severity=severity)
