"""A detector that others bring: one file, one page, one test. Nothing of ours is touched.

It is an installed package with a module and an entry point. It learns, so that all of the seam is used.
"""

from pathlib import Path

import pytest

from watcher.rulebook.detectors import detector, known
from watcher.rulebook.harness import run_file
from watcher.rulebook.lint import lint_file
from watcher.rulebook.packs import load_rules, pack_files

MODULE = '''
"""`record`: more than ever before."""

from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from watcher.engine.detector import BREACH, CLEAR, UNKNOWN, Gate, Plain, Reach, Role, Verdict
from watcher.model.incident import Evidence


class RecordParams(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    factor: float = Field(default=1.0, gt=0, description="how many times the record is news")


class Record(Plain):
    Params: ClassVar = RecordParams
    roles = {"value": Role()}

    def __init__(self, params):
        self.params = params

    def reach(self):
        return Reach(recent=7_200_000, memory={"most": 1})

    def learn(self, memory, slot):
        rate = np.where(slot.known > 0, slot.sums["value"] / np.maximum(slot.known, 1), np.nan)
        memory["most"][0] = np.fmax(memory["most"][0], rate)

    def recall(self, memory, at):
        return {"most": memory["most"][0].astype(float)}

    def usual(self, recalled, levels):
        rates = np.where(levels.known > 0, levels.sums["value"] / np.maximum(levels.known, 1), -np.inf)
        newest = rates.max(axis=0, initial=-np.inf)
        most = np.fmax(recalled["most"], np.where(np.isfinite(newest), newest, np.nan))
        return {"most": most}

    def judge(self, panel, usual):
        value = panel.value("value")
        limit = self.params.factor * usual["most"] * panel.width
        known = ~(np.isnan(value) | np.isnan(limit))
        reading = np.where(known, np.where(value > limit, BREACH, CLEAR), UNKNOWN)
        return Verdict(reading.astype(np.int8), value, limit)

    def gates(self, panel, usual, row):
        found = self.judge(panel, usual)
        is_one = found.reading[row] == BREACH
        return (Gate("record", is_one, found.seen[row], found.expected[row], "it is a record"),)

    def explain(self, panel, verdict, row, since):
        text = f"{verdict.seen[row]:g}, and never more than {verdict.expected[row]:g}"
        return Evidence(start=since, end=panel.end, text=text)


DETECTOR = Record
'''
RULE = """\
rule: busiest_ever
detector: record
match: {metric: cdn_requests, tier: edge}
by: [resource]
with: {factor: 1.5}
for: 2m
keep_firing_for: 0s
severity: info
summary: "{subject}: {text}"
why: somebody may want to know
false_alarms: a release
runbook: enjoy it
"""
PROOF = """\
rule: busiest_ever
width: 60s
cases:
  - case: what was never so much is told, also when the record is days old
    given: {"cdn_requests{tier=edge,resource=shop}": "100x59 50x4000 160x4 50x30"}
    expect:
      - incidents:
          - {opened_at: 4061m, resolved_at: 4066m, text: "160, and never more than 150"}
  - case: as much as once before is no record
    given: {"cdn_requests{tier=edge,resource=shop}": "100x59 50x4000 140x4 50x30"}
    expect: [{incidents: []}]
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installed, with a rule and its proof in a folder of one's own."""
    info, rules = tmp_path / "watcher_record-1.dist-info", tmp_path / "rules"
    info.mkdir()
    rules.mkdir()
    (tmp_path / "watcher_record.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: watcher-record\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[watcher.detectors]\nrecord = watcher_record:DETECTOR\n")
    (rules / "busiest_ever.yaml").write_text(RULE)
    (rules / "busiest_ever.test.yaml").write_text(PROOF)
    monkeypatch.syspath_prepend(str(tmp_path))
    return rules


def test_it_is_known_linted_and_loaded_like_any_other(package: Path) -> None:
    found = detector("record")

    assert found is not None
    assert found.__name__ == "Record"
    assert "record" in known()
    assert lint_file(package / "busiest_ever.yaml") == []
    assert "busiest_ever" in {rule.id for rule in load_rules(pack_files(paths=[package]))}


def test_its_rule_is_proven_on_the_engine_that_runs_live(package: Path) -> None:
    for result in run_file(package / "busiest_ever.test.yaml"):
        assert result.passed, result.problems
